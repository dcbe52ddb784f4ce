"""What may stand behind `|`: it takes the lines that a command shows and makes another answer of them.

A new pipe is a class here with its name and a few words on it; completion and help come from these.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import ClassVar, NamedTuple

from sipstream.errors import CommandError
from sipstream.escape import brief
from sipstream.pace import Pace
from sipstream.shell.output import Output

_MARK = re.compile(r'"(?:[^"\\]|\\.)*"?|\s(\|)(?!\|)', re.DOTALL)
"""What is in quotes, or a `|` that begins a word; `||` is a slip for `or`."""
_COMMANDS = ("show", "list")
_LOOK = 256
"""Lines made between two looks at the time."""


class Pipe(Output, ABC):
    """An output that keeps what a command shows, and gives out its own answer in `finish`."""

    name: ClassVar[str]
    about: ClassVar[str]

    def __init__(self, out: Output) -> None:
        # Another face of the same output: what isn't the command's answer goes the same way.
        self.writer, self.errors, self.words = out.writer, out.errors, out.words
        self.json, self.paint, self._clock = out.json, out.paint, out._clock
        self._out = out

    @abstractmethod
    async def finish(self) -> None:
        """Write the answer."""


class Count(Pipe):
    """Counts lines, under --json objects."""

    name = "count"
    about = "how many lines there are"
    shows = False

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self._count = 0

    def line(self, text: str = "") -> None:
        """Count lines of words."""
        self._count += text.count("\n") + 1

    async def rows(
        self,
        texts: Iterable[str],
        objects: Iterable[Mapping[str, object]] = (),
        count: int | None = None,
    ) -> None:
        """Count rows; they are made only where it isn't known how many there are."""
        if count is not None:
            self._count += count
            return
        pace = Pace()
        rows: Iterable[object] = objects if self.json else texts
        for place, row in enumerate(rows):
            self._count += row.count("\n") + 1 if isinstance(row, str) else 1
            if place % _LOOK == 0 and pace.due():
                await pace.rest()

    async def finish(self) -> None:
        """Write the number."""
        await self._out.rows([str(self._count)], [{"count": self._count}])


PIPES: dict[str, type[Pipe]] = {one.name: one for one in (Count,)}
"""All pipes by name."""


class Piped(NamedTuple):
    """A line cut at its first `|`."""

    command: str
    pipe: str | None
    """What stands behind it, None where there is none."""


def shows(line: str) -> bool:
    """Tell whether a line is of `show` or `list`, which may be short."""
    first = line.split(maxsplit=1)[:1]
    return bool(first) and len(first[0]) > 1 and any(one.startswith(first[0]) for one in _COMMANDS)


def split(line: str) -> Piped:
    """Cut a line of `show` or `list` at its first `|` that begins a word, outside of quotes.

    Elsewhere a `|` belongs to the command: kernel filters have it.
    """
    if shows(line):
        for mark in _MARK.finditer(line):
            if mark[1]:
                return Piped(line[: mark.start()], line[mark.end() :].lstrip())
    return Piped(line, None)


def named(text: str) -> type[Pipe]:
    """Return the pipe of a name, which may be short.

    Raises:
        CommandError: there is none.
    """
    found = [one for name, one in PIPES.items() if text and name.startswith(text)]
    if len(found) == 1:
        return found[0]
    names = " or ".join(PIPES)
    if not text:
        raise CommandError(f"missing argument: | needs {names}")
    near = get_close_matches(text, PIPES, 1)
    hint = f"did you mean {near[0]}?" if near else f"it may be {names}"
    raise CommandError(f"unknown word behind |: {brief(text)}: {hint}")
