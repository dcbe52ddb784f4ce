"""Messages out of a stream (RFC 3261 section 18.3): start line, headers, then Content-Length bytes.

Sans-IO; one framer a TCP direction. A message that lies whole in one piece is only located; what is
cut over pieces is joined. After a gap or nonsense it looks for the next start line.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from sipstream.limits import MAX_HEADERS, MAX_MESSAGE, MAX_START_LINE
from sipstream.sip import headers
from sipstream.sip.startline import KNOWN, METHOD_BASE, NOT_SIP, kind_of

Located: TypeAlias = tuple[bytes, int, int, int]
"""Data, start and end of a message there, place in the store of data[start] or -1."""

_NEXT_START = re.compile(
    rb"(?:(?:(?<![A-Za-z0-9\-.!%*_+`'~])(?:"
    + b"|".join(KNOWN)
    + rb")|(?<=\n)[A-Z]{3,10}) [^\r\n ]{1,65000} SIP/2\.0|SIP/2\.0 \d{3}(?: [^\r\n]*)?)\r?\n"
)
"""A start line: behind a line end, or of a known kind anywhere, as behind a body without one."""
_LENGTH = re.compile(rb"\d{1,10}")
_MAY_START = re.compile(rb"[!-~][^\s]{0,4095}(?:\Z| )")
"""What an unfinished line begins with that may become a start line."""
_KNOWN_STARTS = (b"SIP/2.0 ", *(name + b" " for name in KNOWN))
_KEEP = 4096
"""Bytes kept of an unfinished line that is none: a start line may stand in it."""


class Framer:
    """Cuts one direction's pieces into messages."""

    __slots__ = ("_buffer", "_in_head", "_in_line", "_need", "_searched", "skipped")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._in_head = False
        self._in_line = False
        """What is kept has no line end."""
        self._need = 0
        self.skipped = 0
        """Bytes passed over because they belong to no message."""

    @property
    def waiting(self) -> bool:
        """Part of a message has come."""
        return bool(self._buffer)

    @property
    def held(self) -> int:
        """Bytes kept of the message that isn't whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes, start: int, end: int, offset: int) -> list[Located]:
        """Take data[start:end], return the messages that are whole now."""
        found: list[Located] = []
        if not self._buffer:
            place = self._frame(data, start, end, offset, found)
            self._buffer += data[place:end]
            self._in_line = data.find(b"\n", place, end) < 0
            return found
        self._buffer += data[start:end]
        if self._waits(data, start, end):
            return found
        joined = bytes(self._buffer)
        place = self._frame(joined, 0, len(joined), -1, found)
        del self._buffer[:place]
        self._in_line = self._buffer.find(b"\n") < 0
        return found

    def _waits(self, data: bytes, start: int, end: int) -> bool:
        """Tell, without a copy of what has come, that the message can't be whole yet.

        A sender may cut a megabyte into single bytes: the work must stay linear.
        """
        size = len(self._buffer)
        if self._in_line and size <= MAX_START_LINE and data.find(b"\n", start, end) < 0:
            return True
        if size < self._need:
            return True
        if not self._in_head or size > MAX_HEADERS:
            return False
        if headers.blank_line(self._buffer, max(self._searched - 3, 0), size) is not None:
            return False
        self._searched = size
        return True

    def lost(self) -> list[Located]:
        """Bytes are missing here: give out what there is of a message, begin anew."""
        joined = bytes(self._buffer)
        self._buffer.clear()
        self._begin()
        if kind_of(joined, 0, len(joined)) == NOT_SIP:
            self.skipped += len(joined)
            return []
        return [(joined, 0, len(joined), -1)]

    def _frame(self, data: bytes, start: int, end: int, offset: int, found: list[Located]) -> int:
        """Append whole messages to `found`, return the place up to which data is done with."""
        place = start
        while place < end:
            while place < end and data[place] in b"\r\n":
                # Keep-alives and blank lines between messages (RFC 3261 7.5, RFC 5626 3.5.1).
                place += 1
            if place == end:
                break
            begin = self._start_line(data, place, end)
            if begin != place:
                self._begin()
                self.skipped += begin - place
                place = begin
            if place >= end or kind_of(data, place, end) == NOT_SIP:
                break
            stop = self._message_end(data, place, end)
            if stop < 0:
                break
            found.append((data, place, stop, offset + place - start if offset >= 0 else -1))
            self._begin()
            place = stop
        return place

    def _begin(self) -> None:
        """Forget what was known of the message that has ended."""
        self._searched = self._need = 0
        self._in_head = False

    def _start_line(self, data: bytes, place: int, end: int) -> int:
        """Return where the next start line begins, or may begin once more bytes are there."""
        if data.find(b"\n", place, end) < 0:
            return self._unfinished(data, place, end)
        kind = kind_of(data, place, end)
        if kind != NOT_SIP and kind < METHOD_BASE + len(KNOWN):
            return place
        if kind != NOT_SIP:
            # An odd method may be the end of a body, and a start line of a known kind behind it.
            match = _NEXT_START.search(data, place, data.find(b"\n", place, end) + 1)
            return match.start() if match else place
        match = _NEXT_START.search(data, place, end)
        if match:
            return match.start()
        return self._unfinished(data, data.rfind(b"\n", place, end) + 1, end)

    @staticmethod
    def _unfinished(data: bytes, place: int, end: int) -> int:
        """Return from where on to keep a line that has no end yet."""
        if end - place <= MAX_START_LINE and _MAY_START.match(data, place, end):
            return place
        return max(place, end - _KEEP)

    def _message_end(self, data: bytes, start: int, end: int) -> int:
        """Return where the message at `start` ends, -1 while it isn't whole."""
        # What an earlier piece was searched for isn't searched again: growth stays linear.
        blank = headers.blank_line(data, start + max(self._searched - 3, 0), end)
        if blank is None:
            self._searched = end - start
            self._in_head = True
            return end if end - start > MAX_HEADERS else -1
        head, body = blank
        self._searched = head - start
        length = self._content_length(data, start, body)
        if length is None:
            match = _NEXT_START.search(data, body, end)
            if match:
                return match.start()
            last = max(data.rfind(b"\n", body, end) + 1, body)
            return last if begins_known(data[last : min(last + _KEEP, end)]) else end
        stop = body + min(length, MAX_MESSAGE)
        if stop <= end:
            return stop
        self._in_head = False
        self._need = stop - start
        return -1

    @staticmethod
    def _content_length(data: bytes, start: int, body: int) -> int | None:
        """Return Content-Length, None where there is none that can be believed."""
        value = headers.first(data, start, body, "Content-Length")
        match = _LENGTH.fullmatch(value) if value is not None else None
        return int(match[0]) if match else None


def begins_known(line: bytes) -> bool:
    """Tell whether an unfinished line begins like a start line of a known kind."""
    return bool(line) and any(one.startswith(line) or line.startswith(one) for one in _KNOWN_STARTS)
