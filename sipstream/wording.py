"""Words for people: names in a sentence, durations, what was probably meant, rows of a table of texts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

from sipstream.escape import cells

_SECOND = 10**9
"""Nanoseconds."""
_GAP = 2
"""Blanks between columns."""


def listed(names: Iterable[str], joint: str = "or") -> str:
    """Return names as a sentence has them, each once: `a, b or c`."""
    *most, last = dict.fromkeys(names)
    return f"{', '.join(most)} {joint} {last}" if most else last


def seconds(ns: int) -> str:
    """Return a duration as a sentence has it: `31.5 s`, `0.2 ms` below a hundredth of a second."""
    if ns < _SECOND // 100:
        return f"{ns / 10**6:.1f} ms"
    return f"{ns / _SECOND:.1f} s" if ns >= _SECOND else f"{ns / _SECOND:.2f} s"


def meant(word: str, known: Collection[str]) -> str:
    """Return which known word was probably meant, as an error ends with it; else all of them."""
    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]}?" if near else f"it may be {listed(known)}"


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a line for each row: columns as wide as their widest text, the last one ragged."""
    there = list(rows)
    widths = [max(map(cells, column)) + _GAP for column in zip(*there, strict=True)]
    return [
        "".join(
            text + " " * (width - cells(text)) for text, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in there
    ]
