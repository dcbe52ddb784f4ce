"""Pipes that choose among lines: by a regular expression, by their place; and the one that counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from sipstream.errors import CommandError
from sipstream.escape import brief
from sipstream.filters.texts import compiled, encoded
from sipstream.render.colours import SGR
from sipstream.render.objects import dumps
from sipstream.shell.pipes.stage import Row, Stage

_HELD = 32 << 20
"""Characters that `last` keeps at most: a hundred thousand lines and more, in memory that a session
can spare."""


class _Pattern(Stage):
    """A pipe with a regular expression: RE2's, so that none can take long."""

    syntax = "<pattern>"

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        if len(argument) > 1 and argument[0] == argument[-1] == '"':
            # A backslash in there is the pattern's own; RE2 reads `\"` as the quote.
            argument = argument[1:-1]
        self._search = compiled(argument).search

    def _fits(self, row: Row) -> bool:
        """Tell whether the pattern is found in a line, of which the colours are no part."""
        text = SGR.sub("", row.text) if "\x1b" in row.text else row.text
        return self._search(encoded(text)) is not None


class Match(_Pattern):
    """Lets lines through that have a pattern."""

    name = "match"
    about = "only the lines in which a regular expression is found"
    details = """\
The pattern is one of RE2: . * + ? | () [] ^ $ \\d \\w and the like; capital or small letters make no
difference unless it begins with (?-i). It may be in double quotes, and has to be where it holds a
bar with a blank before it. Under --json, and before display, it looks at the line of JSON.

Examples:

sipstream: show conversations | match 5660066
sipstream: show conversation 10 | match "^.0|ringing"
sipstream: show conversations sorted | match REGISTER | count"""

    def feed(self, rows: Iterable[Row]) -> Iterable[Row]:
        """Return those that have it."""
        return [row for row in rows if self._fits(row)]


class Except(_Pattern):
    """Lets lines through that don't have a pattern."""

    name = "except"
    about = "all lines but those in which a regular expression is found"
    details = """\
Patterns are as for match.

Examples:

sipstream: show conversations sorted | except "OPTIONS|REGISTER"
sipstream: show conversation 10 | except trying
sipstream: show conversations | match INVITE | except 5660066"""

    def feed(self, rows: Iterable[Row]) -> Iterable[Row]:
        """Return those that don't have it."""
        return [row for row in rows if not self._fits(row)]


class Find(_Pattern):
    """Lets lines through from the first one that has a pattern."""

    name = "find"
    about = "the lines from the first one in which a regular expression is found"
    details = """\
Patterns are as for match.

Examples:

sipstream: show conversations sorted | find 16:41:37
sipstream: show conversation 10 messages | find "#3 "
sipstream: show conversation 10 message 0 | find ^v="""

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self._found = False

    def feed(self, rows: Iterable[Row]) -> Iterable[Row]:
        """Return them from the first one on that has it."""
        kept = []
        for row in rows:
            self._found = self._found or self._fits(row)
            if self._found:
                kept.append(row)
        return kept


class Last(Stage):
    """Keeps the last lines."""

    name = "last"
    about = "the last lines only, as many as the number says"
    syntax = "<number>"
    details = """\
Under --json objects.

Examples:

sipstream: show conversations sorted | last 2
sipstream: show conversation 10 | last 1
sipstream: show conversations sorted | match INVITE | last 5"""

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        if not (argument.isascii() and argument.isdigit()):
            raise CommandError(f"| last needs a number of lines, not {brief(argument)}")
        self._wanted = int(argument[:18])
        self._kept: deque[Row] = deque()
        self._size = 0
        self._seen = 0

    def feed(self, rows: Iterable[Row]) -> Iterable[Row]:
        """Keep them, and forget those that are no longer among the last."""
        for row in rows:
            self._kept.append(row)
            self._seen += 1
            self._size += len(row.text)
            while len(self._kept) > self._wanted or (self._size > _HELD and len(self._kept) > 1):
                self._size -= len(self._kept.popleft().text)
        return ()

    def end(self) -> Iterable[Row]:
        """Return the last ones.

        Raises:
            CommandError: there was no room for as many.
        """
        if len(self._kept) < min(self._wanted, self._seen):
            raise CommandError(
                f"| last {self._wanted} is more than can be kept: the last {len(self._kept)} lines"
                " can, or | save writes all to a file"
            )
        while self._kept:
            yield self._kept.popleft()


class Count(Stage):
    """Counts lines, under --json objects."""

    name = "count"
    about = "how many lines there are"
    details = """\
Behind show conversations: how many conversations. Under --json and behind display json objects are
counted.

Examples:

sipstream: show conversations | count
sipstream: show conversations dstnum 5660066 | count
sipstream: show conversation 10 | match INVITE | count"""
    line_end = "\n"

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self._count = 0
        self.as_json = False
        """The number is given as an object."""

    def add(self, count: int) -> None:
        """Count lines that nobody has to make for it."""
        self._count += count

    def feed(self, rows: Iterable[Row]) -> Iterable[Row]:
        """Count them."""
        self._count += sum(1 for _ in rows)
        return ()

    def end(self) -> Iterable[Row]:
        """Return the number."""
        count = {"count": self._count}
        return [Row(dumps(count) if self.as_json else str(self._count), count)]


class NoMore(Stage):
    """Lets all lines through; that they aren't paged is seen to by who shows them."""

    name = "no-more"
    about = "without stopping after each screenful"
    details = """\
A longer answer stops when the screen is full: space shows the next screenful, Enter a line, G or n
all the rest, q or Ctrl-C ends it.

Examples:

sipstream: show conversations sorted | no-more
sipstream: show conversation 10 messages | no-more
sipstream: show conversations | match INVITE | no-more"""
