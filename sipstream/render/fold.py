"""Words of our own in lines no longer than a terminal is wide, broken at blanks."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

_COLUMNS = re.compile(r"\S {2,}(?=\S)")
"""What separates the columns of a row."""
_INDENT = 4
"""Blanks before the rest of a line that has no columns, or no room beside them."""
_EXAMPLES = re.compile("Examples?:$")


def folded(lines: Iterable[str], width: int) -> Iterator[str]:
    """Yield lines that fit `width`: paragraphs are filled anew, rows go on below their last column.

    Examples keep their lines as far as they fit.
    """
    in_examples = False
    for is_empty, block in groupby(lines, lambda line: not line):
        found = list(block)
        in_examples |= bool(_EXAMPLES.match(found[0]))
        if is_empty or all(len(line) <= width for line in found):
            yield from found
        elif in_examples:
            for line in found:
                yield from broken(line, width)
        elif any(map(_last_column, found)):
            yield from _rows(found, width)
        else:
            yield from _wrapped(" ".join(found), width)


def broken(text: str, width: int) -> list[str]:
    """Return a sentence in lines that fit `width`, those behind the first one indented."""
    return _wrapped(text, width, below=" " * _INDENT)


def _rows(lines: list[str], width: int) -> Iterator[str]:
    """Yield rows; where one has too little room in its last column, all have that below the others."""
    lasts = [_last_column(line) for line in lines]
    room = width * 2 // 3
    below = any(last > room for line, last in zip(lines, lasts, strict=True) if len(line) > width)
    for line, last in zip(lines, lasts, strict=True):
        if not below or not last:
            yield from _wrapped(line[last:], width, line[:last], " " * (last or _INDENT))
        else:
            indent = " " * _INDENT
            yield from _wrapped(line[:last].rstrip(), width, below=indent)
            yield from _wrapped(line[last:], width, indent, indent)


def _last_column(line: str) -> int:
    """Return where a row's last column begins, 0 for what is no row."""
    return max((hit.end() for hit in _COLUMNS.finditer(line)), default=0)


def _wrapped(text: str, width: int, before: str = "", below: str = "") -> list[str]:
    if len(before) + len(text) <= width:
        return [before + text]
    return textwrap.wrap(
        text,
        width,
        initial_indent=before,
        subsequent_indent=below,
        break_on_hyphens=False,
        break_long_words=False,
    )
