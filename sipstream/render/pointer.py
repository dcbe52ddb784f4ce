"""A text and, below it, a caret at the place that an error is about."""

from __future__ import annotations

from sipstream.escape import ELLIPSIS, cells, cut, escape

_INDENT = "  "
_AROUND = 12
"""Cells shown before a place that is far to the right, at least."""


def lines(text: str, column: int, width: int) -> list[str]:
    """Return a text escaped, and a caret under its character `column` (from 1), in `width` cells.

    Of a long text the part around the place is shown.
    """
    room = max(width - len(_INDENT), _AROUND * 2)
    before, behind = text[: column - 1], text[column - 1 :]
    shown_before = escape(before)
    if cells(shown_before) >= room - _AROUND:
        # The end of what stands before, as much as half the line holds.
        while cells(shown_before) >= room // 2:
            before = before[1 + len(before) // 4 :] if len(before) > room else before[1:]
            shown_before = ELLIPSIS + escape(before)
    shown = shown_before + cut(escape(behind), room - cells(shown_before))
    return [_INDENT + shown, _INDENT + " " * cells(shown_before) + "^"]
