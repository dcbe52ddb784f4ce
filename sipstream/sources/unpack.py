"""Unpacks a .gz stream in small pieces; what isn't .gz passes through as it is.

Sans-IO. One layer only, and no more than the limits allow: 65 KB of .gz can hold 64 MiB. Damaged
data gives what could be unpacked before the damage, and a note.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sipstream import limits
from sipstream.sources import Missing
from sipstream.sources.container import Kind, sniff

if TYPE_CHECKING:
    from zlib import _Decompress

STEP = 1 << 16
"""Bytes unpacked at once; feed no more either, because what is left is copied with every piece."""
_GZIP_FORMAT = 31
"""zlib's number for a .gz header, a window of any size and the check of the CRC (RFC 1952)."""


class Unpacker:
    """Takes a stream's bytes in any cut and gives them unpacked."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.unpacks: bool | None = None
        """Whether it is a .gz; None until the first bytes told."""
        self.ended = False
        """Whether nothing more can come, whatever is fed."""
        self.lacks = False
        """Whether a part of the .gz is missing, as its notes say."""
        self._head = b""
        self._member: _Decompress | None = None
        self._taken = 0
        self._given = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes, yield what they unpack to in pieces of up to STEP bytes."""
        if self.unpacks is None:
            data = self._head + data
            kind = sniff(data)
            if kind is None:
                self._head = data
                return
            self._head = b""
            self.unpacks = kind is Kind.GZIP
        if not self.unpacks:
            yield data
            return
        while data and not self.ended:
            before = len(data)
            piece, data = self._step(data)
            self._taken += before - len(data)
            self._given += len(piece)
            if piece:
                yield piece
                self._hold_to_limits()

    def finish(self) -> Iterator[bytes]:
        """The stream ended: yield what was held back, note where a .gz was cut short."""
        rest = self._head
        self._head = b""
        if self._member is not None and not self.ended:
            where = f"the .gz is cut short after {self._taken} bytes"
            self._note(f"{where}: what it held up to there is kept")
            rest = self._member.flush()
            self._member = None
        if rest:
            yield rest

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the next piece and what is left of `data`."""
        if self._member is None:
            data = self._next_member(data)
            if self._member is None:
                return b"", b""
        # A failing call gives nothing of what it unpacked, so a copy stays to try it again.
        unharmed = self._member.copy()
        try:
            piece = self._member.decompress(data, STEP)
        except zlib.error as error:
            self.ended = True
            words = str(error).rpartition(": ")[2]
            self._note(f"the .gz is damaged ({words}): what came before is kept")
            return _salvage(unharmed, data), b""
        rest = self._member.unconsumed_tail
        if self._member.eof:
            rest = self._member.unused_data
            self._member = None
        return piece, rest

    def _next_member(self, data: bytes) -> bytes:
        """Begin the member at the head of `data`; padding before it is skipped."""
        data = data.lstrip(b"\0")
        if data[:1] == b"\x1f":
            self._member = zlib.decompressobj(_GZIP_FORMAT)
        elif data:
            self.ended = True
            self._note("what follows the .gz in the same file is not .gz and is left out")
        return data

    def _hold_to_limits(self) -> None:
        why = ""
        if self._given >= limits.GZIP_TOTAL:
            why = "the limit for a .gz"
        elif self._given > limits.GZIP_RATIO_FROM and self._given > limits.GZIP_RATIO * self._taken:
            why = f"over {limits.GZIP_RATIO} times the packed size, which no capture is"
        if why:
            self.ended = True
            self._note(f"stopped after {self._given >> 20} MiB were unpacked: {why}")

    def _note(self, text: str) -> None:
        self.lacks = True
        self.notes.append(Missing(text))


def _salvage(member: _Decompress, data: bytes) -> bytes:
    """Return what comes of `data` before its damage, found byte by byte; less than STEP bytes."""
    pieces: list[bytes] = []
    try:
        for place in range(len(data)):
            pieces.append(member.decompress(data[place : place + 1]))
    except zlib.error:
        pass
    return b"".join(pieces)
