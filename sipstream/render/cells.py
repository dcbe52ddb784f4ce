"""Values as the cells of a table that spreadsheets read."""

from __future__ import annotations

from sipstream.escape import escape
from sipstream.render.objects import dumps

_LIVE = tuple("=+-@＝＋－＠'")
"""What a spreadsheet takes for the beginning of a formula, in both widths, and the mark against it."""
_HIDING = ("\t", "\r", "\n", "\0")
"""What some of them pass over before they look for a formula."""


def cell(value: object) -> str:
    """Return a value as the text of a cell: one line, and nothing that a spreadsheet would run.

    Text that may be taken for a formula stands behind an apostrophe.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        may_run = value.startswith(_HIDING) or value.lstrip().startswith(_LIVE)
        return f"'{escape(value)}" if may_run else escape(value)
    return dumps(value)
