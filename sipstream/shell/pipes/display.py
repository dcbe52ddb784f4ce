"""`| display json`, `| display csv`: an answer's objects instead of its text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from sipstream.errors import CommandError
from sipstream.escape import brief
from sipstream.render import objects
from sipstream.render.cells import cell
from sipstream.shell.pipes.stage import Row, Stage
from sipstream.wording import meant


class Display(Stage):
    """Makes objects lines of JSON or of CSV."""

    name = "display"
    about = "as JSON objects, one a line, or as CSV"
    syntax = "json or csv"
    words: ClassVar[Mapping[str, str]] = {
        "json": "the objects that --json gives, one a line",
        "csv": "the same objects as comma-separated values, under a line of names",
    }
    details = """\
json gives the objects of --json, csv the same as RFC 4180 has it under a line of names. In CSV control
characters are spelt \\x0a, a backslash \\\\; what has parts is JSON; text that a spreadsheet would take
for a formula (= + - @ first) stands behind an apostrophe, and so does text that begins with one.
Pipes before it choose among the objects, by their lines of JSON; those behind it see the lines made.

Examples:

$ sipstream captures/timeout.txt
sipstream: show states | display json
{"state": "calling", "conversations": 1}
{"state": "ended", "conversations": 4}
{"state": "cancelled", "conversations": 1}
{"state": "failed", "conversations": 1}
{"state": "registered", "conversations": 16}
{"state": "done", "conversations": 22}
sipstream: show states | display csv | last 2
registered,16
done,22
sipstream: show conversations | display json | match 5660066 | count
3"""
    objects = True

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        if argument not in self.words:
            hint = meant(argument, self.words)
            raise CommandError(f"unknown word behind | display: {brief(argument)}: {hint}")
        self._columns: list[str] | None = None
        self.line_end = "\r\n" if argument == "csv" else "\n"
        self._lines = self._as_csv if argument == "csv" else _as_json

    def feed(self, rows: Iterable[Row]) -> Iterable[Row]:
        """Return the lines that show them."""
        return [Row(line) for row in rows for line in self._lines(row)]

    def _as_csv(self, row: Row) -> Iterator[str]:
        assert row.content is not None, "behind display nothing may stand that displays again"
        if self._columns is None:
            self._columns = objects.columns(row.content)
            yield _line(self._columns)
        unknown = row.content.keys() - self._columns
        if unknown:
            raise CommandError(
                f"no column for {', '.join(sorted(unknown))}, which the first object lacks:"
                " | display json has it"
            )
        yield _line(cell(row.content.get(name)) for name in self._columns)


def _as_json(row: Row) -> Iterable[str]:
    return (row.text,)


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
