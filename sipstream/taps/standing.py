"""How a tap is, as plain values: what it says of itself, and what was seen of it here. Sans-IO."""

from __future__ import annotations

import math
from typing import Any

from sipstream.taps.known import Tap

_NUMBERS = ("rate", "conversations", "messages", "drops", "memory", "cpu")
"""What an agent says of itself in numbers: messages a second, bytes, a share of a processor."""
_LARGEST = 1 << 63


def row(tap: Tap, now: float) -> dict[str, Any]:
    """Return how a tap is at a time of the clock by which it was heard; None for what it doesn't say."""
    said = {} if tap.gone else tap.stats
    return {
        "tap": tap.name,
        "state": "gone" if tap.gone else "silent" if tap.silent else "there",
        "host": tap.host,
        "version": tap.version,
        "heard": round(max(now - tap.heard, 0.0), 1),
        **{name: _number(said.get(name)) for name in _NUMBERS},
        "answer": None if tap.took is None else round(tap.took, 4),
        "left_out": dict(tap.left_out),
    }


def _number(value: object) -> float | None:
    """Return a number as it is, None for anything else: an agent may say what it likes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and 0 <= value < _LARGEST else None
