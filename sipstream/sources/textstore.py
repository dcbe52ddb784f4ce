"""Where messages lie that tcpdump printed: in its text, as it is."""

from __future__ import annotations

from sipstream.decode import printed_usual
from sipstream.sources import textlines as lines
from sipstream.spool import FileStore, Spool

_HEADLINE_REACH = 4096
"""Bytes before a message in which its packet's line is looked for."""
_INDENTED = b"\n\t"
"""What stands before a message that -v printed, and before each of its lines."""


class TextStore:
    """Text that tcpdump printed, in a file or spool: it also knows the line above a message."""

    def __init__(self, inner: FileStore | Spool) -> None:
        self.inner = inner

    @property
    def begin(self) -> int:
        """Nothing before this place is there any more."""
        return self.inner.begin

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes of a message from `offset`, without the tabs of -v."""
        before = min(offset, len(_INDENTED))
        text = self.inner.read(offset - before, length + before)
        is_indented = text.startswith(_INDENTED)
        return printed_usual.as_sent(text[before:]) if is_indented else text[before:]

    def headline(self, offset: int) -> bytes | None:
        """Return the packet's line as it was printed, or None when it isn't near."""
        start = max(0, offset - _HEADLINE_REACH)
        text = self.inner.read(start, offset - start)
        # What -v prints is no line of its own, but two.
        return None if text.endswith(_INDENTED) else lines.headline_before(text)
