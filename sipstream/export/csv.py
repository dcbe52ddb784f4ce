"""The format CSV: a row for each conversation, for spreadsheets (RFC 4180, every field in quotes)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from sipstream.render import objects
from sipstream.render.cells import cell

if TYPE_CHECKING:
    from sipstream.export.selected import Selected

_BLOCK = 1 << 16
"""Characters given out together."""
COLUMNS = (
    *("index", "call_id", "time", "method", "src_num", "dst_num", "source", "destination"),
    *("messages", "state", "last_status", "duration", "findings", "left_out"),
)
"""In their order; the first line names them."""


def pieces(selected: Selected, due: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the table."""
    block = [_line(COLUMNS)]
    size = 0
    for place, one in selected.placed():
        row = objects.listed(place, one, with_findings=True)
        row["findings"] = " ".join(str(name) for name in row["findings"])
        block.append(_line(cell(row.get(name)) for name in COLUMNS))
        size += len(block[-1])
        if size >= _BLOCK or due():
            yield "".join(block).encode("utf-8")
            block.clear()
            size = 0
    yield "".join(block).encode("utf-8")


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue()
