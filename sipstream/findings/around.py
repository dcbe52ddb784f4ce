"""What is known beside a conversation itself: the same for all of them, and set by the session."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Around:
    """What rules may ask for."""


_around = Around()


def use(around: Around) -> None:
    """Let findings be made with this from now on."""
    global _around
    _around = around


def here() -> Around:
    """Return what is used: the same object until it is another."""
    return _around
