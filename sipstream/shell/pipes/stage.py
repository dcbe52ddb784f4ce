"""What a pipe is: it takes the lines of an answer, and gives out those of another one."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

from sipstream.errors import CommandError
from sipstream.escape import brief


class Row(NamedTuple):
    """A line as it is shown, colours included, or an object and its line of JSON."""

    text: str
    content: Mapping[str, object] | None = None


class Stage(ABC):
    """One pipe of a line. Rows are fed in as they are made; `end` gives out what it held back."""

    name: ClassVar[str]
    about: ClassVar[str]
    """What it does, in a few words."""
    details: ClassVar[str]
    """What help says beyond these, with examples."""
    syntax: ClassVar[str] = ""
    """What stands behind its name, "" where nothing may."""
    words: ClassVar[Mapping[str, str]] = {}
    """The words that may stand there, where there are only some, and what they mean."""
    objects: ClassVar[bool] = False
    """It wants objects, also where the answer would be shown as text."""
    line_end: str | None = None
    """How the lines that it makes end outside of a terminal; None where they are those it was fed."""

    def __init__(self, argument: str) -> None:
        """Take what stands behind the name.

        Raises:
            CommandError: it is missing, or there is too much.
        """
        if self.syntax and not argument:
            raise CommandError(
                f"missing argument: | {self.name} needs {self.syntax}; see 'help | {self.name}'"
            )
        if argument and not self.syntax:
            raise CommandError(f"nothing more is expected behind | {self.name}: {brief(argument)}")

    def feed(self, rows: Iterable[Row]) -> Iterable[Row]:
        """Return what becomes of some rows now."""
        return rows

    def end(self) -> Iterable[Row]:
        """Return what comes when all rows were fed."""
        return ()
