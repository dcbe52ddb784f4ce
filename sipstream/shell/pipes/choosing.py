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
difference unless it begins with (?-i). It may be in double quotes, and has to be where a bar in it
has a blank before it. Colours don't count. Under --json, and before display, it looks at the line
of JSON.

Examples:

$ sipstream captures/timeout.txt
sipstream: show conversation 1 | match busy
[4] 16:41:04.929029  486 Busy Here  (5660066->6644298)
[5] 16:41:04.929034  486 Busy Here  (5660066->6644298)
sipstream: show conversation 1 | match "^.0|ACK"
[0] 16:41:04.118402  INVITE         (5660066->6644298)
[6] 16:41:04.929750  ACK            (5660066->6644298)
[7] 16:41:04.929753  ACK            (5660066->6644298)
sipstream: show conversations sorted | match REGISTER | count
16"""

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

$ sipstream captures/timeout.txt
sipstream: show conversations sorted | except "OPTIONS|REGISTER" | last 2
[34] 16:43:18.608186: INVITE 4156757->7743608
[39] 16:43:38.621715: MESSAGE 5523815->00493055502677
sipstream: show states | except registered
calling    1
ended      4
cancelled  1
failed     1
done       22
sipstream: show conversations sorted dstnum 5660066 | except busy
[10] 16:41:37.979995: INVITE 4151502->5660066"""

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

$ sipstream captures/timeout.txt
sipstream: show conversation 1 | find ack
[6] 16:41:04.929750  ACK            (5660066->6644298)
[7] 16:41:04.929753  ACK            (5660066->6644298)
sipstream: show conversations sorted | find 16:43:57
[42] 16:43:57.213696: OPTIONS <sip:asterisk@10.10.10.2>;tag=as7474d933->4156757
[43] 16:43:57.809908: OPTIONS <sip:asterisk@10.10.10.2>;tag=as7cd3395b->5523815
[44] 16:44:00.510009: OPTIONS <sip:asterisk@10.10.10.2>;tag=as0d9756eb->4610312
sipstream: show conversation 1 message 0 | find ^m=
m=audio 46646 RTP/AVP 8 0 9 101
a=rtpmap:101 telephone-event/8000
a=sendrecv"""

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

$ sipstream captures/timeout.txt
sipstream: show conversations sorted | last 2
[43] 16:43:57.809908: OPTIONS <sip:asterisk@10.10.10.2>;tag=as7cd3395b->5523815
[44] 16:44:00.510009: OPTIONS <sip:asterisk@10.10.10.2>;tag=as0d9756eb->4610312
sipstream: show conversation 1 | last 1
[7] 16:41:04.929753  ACK            (5660066->6644298)
sipstream: show conversations sorted | match INVITE | last 2
[31] 16:43:00.339805: INVITE 4157670->6928298
[34] 16:43:18.608186: INVITE 4156757->7743608"""

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

$ sipstream captures/timeout.txt
sipstream: show conversations | count
45
sipstream: show conversations dstnum 5660066 | count
1
sipstream: show conversation 1 | match INVITE | count
2"""
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

$ sipstream captures/timeout.txt
sipstream: show conversations sorted | match MESSAGE | no-more
[22] 16:42:29.774636: MESSAGE 4158596->8646616
[39] 16:43:38.621715: MESSAGE 5523815->00493055502677
sipstream: show conversation 1 | match ack | no-more
[6] 16:41:04.929750  ACK            (5660066->6644298)
[7] 16:41:04.929753  ACK            (5660066->6644298)
sipstream: show conversations sorted dstnum 5660066 | no-more
[10] 16:41:37.979995: INVITE 4151502->5660066"""
