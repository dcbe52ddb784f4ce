"""What a session tells of itself: plain values, made when asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load or a capture brought."""

    conversations: int
    messages: int
    interrupted: bool = False

    @property
    def words(self) -> str:
        """What is said of it."""
        more = " (stopped, more is in the file)" if self.interrupted else ""
        return f"{self.conversations} conversations ({self.messages} SIP messages) extracted{more}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a load has come: bytes done and in all, messages, seconds since it began."""

    done: int
    total: int
    messages: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CaptureStatus:
    """What `capture status` tells of one interface."""

    interface: str
    filter: str
    packets: int
    messages: int
    drops: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Status:
    """What the bottom line tells; rate in messages per second."""

    sources: list[str]
    rate: float
    messages: int
    conversations: int
    given_up: int
    matching: int | None
    drops: int
    follows: int
