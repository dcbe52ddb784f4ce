"""What arrows of a ladder are made of: lines, labels, durations, names cut in the middle."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sipstream.escape import ELLIPSIS, MARKS, cells, cut, escape
from sipstream.render.lists import KIND_CELLS
from sipstream.render.table import span
from sipstream.wording import seconds

if TYPE_CHECKING:
    from sipstream.ladder import Arrow

DELTA_CELLS = 8
SECOND = 10**9
_LOOKED_AT = KIND_CELLS * (MARKS + 1)
"""Characters of which at least KIND_CELLS have a cell of their own."""
_PIECE = re.compile(r"\\(?:\\|x[0-9a-f]{2}|u\{[0-9a-f]{1,6}\})|.", re.DOTALL)
"""A character of escaped text, as many letters as it may be spelt with."""


class Lines(NamedTuple):
    """What lifelines and arrows are drawn with."""

    vertical: str
    shaft: str


ASCII, BOX = Lines("|", "-"), Lines("│", "─")


def style_of(width: int | None, encoding: str) -> Lines:
    """Return what fits an output: box characters only for a terminal that has them.

    A program that reads lines, or a ticket that they are put into, is served best by ASCII.
    """
    return BOX if width is not None and encoding == "utf-8" else ASCII


def shortened(text: str, width: int) -> str:
    """Return an escaped name in at most `width` cells, its middle left out: ends tell names apart."""
    if cells(text) <= width or width < 1:
        return cut(text, width)
    pieces = _PIECE.findall(text)
    head: list[str] = []
    tail: list[str] = []
    begin, end, used = 0, len(pieces), 1
    while begin < end:
        # In turns, so that as much is left of both ends.
        piece = pieces[end - 1] if len(tail) <= len(head) else pieces[begin]
        used += cells(piece)
        if used > width:
            break
        if len(tail) <= len(head):
            end -= 1
            tail.append(piece)
        else:
            begin += 1
            head.append(piece)
    return "".join(head) + ELLIPSIS + "".join(reversed(tail))


def name(arrow: Arrow) -> str:
    """Return the method, or code and reason, fit for a line."""
    return _fit(arrow.label)


def _fit(text: str) -> str:
    """Return a text in KIND_CELLS cells; of a very long one only the beginning is looked at."""
    begin = escape(text[:_LOOKED_AT])
    return cut(begin if len(text) <= _LOOKED_AT else begin + ELLIPSIS, KIND_CELLS)


def labels(arrow: Arrow) -> list[str]:
    """Return what may stand on an arrow, the most telling first."""
    whole = name(arrow)
    short = whole.partition(" ")[0] if arrow.answers else whole
    if arrow.sendings == 1:
        return [answer(whole, arrow), whole, short]
    count = f"x{arrow.sendings}"
    every = f"{count} over {seconds(arrow.span)}"
    return [
        f"{answer(whole, arrow)} {every}",
        f"{whole} {every}",
        f"{whole} {count}",
        f"{short} {count}",
        short,
    ]


def answer(text: str, arrow: Arrow) -> str:
    """Return a response's label with the method it answers, which is told unless it is INVITE."""
    if arrow.answers in ("", "INVITE"):
        return text
    return f"{text} ({_fit(arrow.answers)})"


def delta(ns: int) -> str:
    """Return the time since the arrow before in DELTA_CELLS cells at most: `+0.3ms`, `+17m09s`."""
    if ns < SECOND // 100:
        return f"+{ns / 10**6:.1f}ms"
    if ns < 1000 * SECOND:
        return f"+{ns / SECOND:.3f}"[:DELTA_CELLS]
    return f"+{span(ns)}"
