"""How a tap is, as plain values: what it says of itself, and what was seen of it here. Sans-IO."""

from __future__ import annotations

import math
from typing import Any

from sipstream.conversations import Conversations
from sipstream.taps.known import Tap

_NUMBERS = ("rate", "conversations", "messages", "drops", "memory", "cpu")
"""What an agent says of itself in numbers: messages a second, bytes, a share of a processor."""
_LARGEST = 1 << 63


def row(tap: Tap, now: float, conversations: Conversations) -> dict[str, Any]:
    """Return how a tap is at a time of the clock by which it was heard; None for what nobody knows."""
    said = {} if tap.gone else tap.stats
    return {
        "tap": tap.name,
        "state": "gone" if tap.gone else "silent" if tap.silent else "there",
        "host": tap.host,
        "version": tap.version,
        "heard": round(max(now - tap.heard, 0.0), 1),
        **{name: _number(said.get(name)) for name in _NUMBERS},
        "answer": None if tap.took is None else round(tap.took, 4),
        "published": _number(_fields(said.get("published")).get("messages")),
        **_clock(tap.name, conversations),
        "left_out": dict(tap.left_out),
    }


def _clock(name: str, conversations: Conversations) -> dict[str, Any]:
    """Return how far a tap's clock is ahead of another tap's (ns), from messages that both saw."""
    taps = conversations.index.taps
    skew = conversations.skews.of(taps.index(name)) if name in taps else None
    return {
        "clock_ahead": None if skew is None else skew.apart.offset,
        "clock_within": None if skew is None else skew.apart.within,
        "clock_of": None if skew is None else taps[skew.reference],
    }


def _fields(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    """Return a number as it is, None for anything else: an agent may say what it likes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and 0 <= value < _LARGEST else None
