"""Taps as a table that fits a width, a line each. What they say of themselves is escaped here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sipstream.escape import cells, cut, escape
from sipstream.render.colours import PLAIN, Paint
from sipstream.wording import aligned

_CELLS = 24
"""Of a name, a host and a version."""
_NONE = "-"
_MINUTE, _HOUR = 60, 3600


def _name(value: Any) -> str:
    return cut(escape(str(value or _NONE)), _CELLS)


def _whole(value: float | None) -> str:
    return _NONE if value is None else f"{value:.0f}"


def _rate(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"


def _memory(value: float | None) -> str:
    return _NONE if value is None else f"{value / (1 << 20):.0f} MiB"


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{100 * value:.0f}%"


def _milliseconds(value: float | None) -> str:
    return _NONE if value is None else f"{1000 * value:.0f} ms"


def _clock(ahead: int | None) -> str:
    """Return how far a clock is ahead, `+1.2 ms`, 0 of the one that the others are measured by."""
    if ahead is None:
        return _NONE
    return f"{ahead / 10**9:+.1f} s" if abs(ahead) >= 10**9 else f"{ahead / 10**6:+.1f} ms"


def _ago(row: Mapping[str, Any]) -> str:
    """Return when a tap was last heard, with a word where it isn't there."""
    seconds = row["heard"]
    text = f"{seconds:.0f} s ago"
    if seconds >= _HOUR:
        text = f"{seconds / _HOUR:.0f} h ago"
    elif seconds >= 2 * _MINUTE:
        text = f"{seconds / _MINUTE:.0f} min ago"
    return text if row["state"] == "there" else f"{row['state']}, {text}"


_COLUMNS: Sequence[tuple[str, int, Callable[[Mapping[str, Any]], str]]] = (
    ("tap", 0, lambda row: _name(row["tap"])),
    ("host", 5, lambda row: _name(row["host"])),
    ("version", 7, lambda row: _name(row["version"])),
    ("heard", 1, _ago),
    ("messages/s", 2, lambda row: _rate(row["rate"])),
    ("conversations", 3, lambda row: _whole(row["conversations"])),
    ("messages", 8, lambda row: _whole(row["messages"])),
    ("drops", 2, lambda row: _whole(row["drops"])),
    ("memory", 6, lambda row: _memory(row["memory"])),
    ("CPU", 4, lambda row: _share(row["cpu"])),
    ("answer", 4, lambda row: _milliseconds(row["answer"])),
    ("published", 7, lambda row: _whole(row["published"])),
    ("clock", 3, lambda row: _clock(row["clock_ahead"])),
)
"""A heading, how soon the column is left out where there is no room (the highest first), and its text."""


def _publish(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether any tap publishes to a stream: a column for none would be in the way."""
    return any(row["published"] is not None for row in rows)


def lines(
    rows: Sequence[Mapping[str, Any]], width: int | None = None, paint: Paint = PLAIN
) -> list[str]:
    """Return a heading and a line a tap; columns are left out until they fit the width."""
    columns = [one for one in _COLUMNS if one[0] != "published" or _publish(rows)]
    while True:
        table = [[heading for heading, _, _ in columns]]
        table += [[text(row) for _, _, text in columns] for row in rows]
        found = aligned(table)
        if width is None or max(map(cells, found)) <= width or len(columns) == 1:
            return [paint.dim(found[0]), *found[1:]]
        columns.remove(max(columns, key=lambda column: column[1]))
