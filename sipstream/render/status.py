"""The bottom line of the shell and the progress of a load, in as many cells as there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sipstream.escape import cells, cut, escape

_NAME_CELLS = 24
_NAMES = 2
_BETWEEN = " | "
_LEAST_FIRST = ("follows", "rate", "sources", "messages", "conversations", "matching")
"""What goes first when the line is short of room; drops stay to the last."""


class Figures(Protocol):
    """What the bottom line tells; rate in messages per second."""

    @property
    def sources(self) -> Sequence[str]:
        """Names of the sources that run."""

    @property
    def rate(self) -> float:
        """Messages per second."""

    @property
    def messages(self) -> int:
        """Messages so far."""

    @property
    def conversations(self) -> int:
        """Conversations so far."""

    @property
    def given_up(self) -> int:
        """Conversations given up because there was no room for all."""

    @property
    def matching(self) -> int | None:
        """Those that match the active filter, None while it has no term."""

    @property
    def drops(self) -> int:
        """Packets that the kernel or a source lost."""

    @property
    def follows(self) -> int:
        """Follows that run."""


class Progress(Protocol):
    """How far a load has come."""

    @property
    def done(self) -> int:
        """Bytes read."""

    @property
    def total(self) -> int:
        """Bytes in all, 0 when nobody knows."""

    @property
    def messages(self) -> int:
        """Messages found."""

    @property
    def seconds(self) -> float:
        """Time since it began."""


def line(figures: Figures, width: int) -> str:
    """Return the bottom line in at most `width` cells, the least important parts left out."""
    parts = {
        "sources": _sources(figures.sources),
        "rate": f"{_rate(figures.rate)} messages/s",
        "messages": f"messages {figures.messages}",
        "conversations": f"conversations {figures.conversations}",
        "matching": "" if figures.matching is None else f"matching {figures.matching}",
        "given_up": f"given up {figures.given_up}" if figures.given_up else "",
        "drops": f"drops {figures.drops}",
        "follows": f"follows {figures.follows}" if figures.follows else "",
    }
    for least in _LEAST_FIRST:
        if cells(_join(parts)) <= width:
            break
        parts[least] = ""
    return cut(_join(parts), width)


def progress(state: Progress, width: int) -> str:
    """Return how far a load is: part done, messages, their rate, time left."""
    rate = state.messages / state.seconds if state.seconds > 0 else 0.0
    parts = [f"{state.messages} messages", f"{_rate(rate)} messages/s"]
    if state.total > 0:
        done = min(max(state.done, 0), state.total)
        parts.insert(0, f"{100 * done // state.total}%")
        if done:
            parts.append(f"{_duration(state.seconds * (state.total - done) / done)} left")
    return cut(_BETWEEN.join(parts), width)


def _join(parts: dict[str, str]) -> str:
    return _BETWEEN.join(part for part in parts.values() if part)


def _sources(names: Sequence[str]) -> str:
    if not names:
        return "no source"
    shown = ", ".join(cut(escape(name), _NAME_CELLS) for name in names[:_NAMES])
    return shown if len(names) <= _NAMES else f"{shown} and {len(names) - _NAMES} more"


def _rate(rate: float) -> str:
    return f"{rate:.1f}" if 0 < rate < 10 else f"{rate:.0f}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
