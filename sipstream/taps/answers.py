"""What comes of one question to one tap: envelopes within limits, and how it ended. Sans-IO.

A tap answers for itself: whatever node an envelope names, its message was captured at the tap that
was asked. What is damaged or too much is left out, and counted by reason.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sipstream.bus import coding
from sipstream.decode import hep
from sipstream.sources.enveloped import LONGEST

MOST_BYTES = 256 << 20
"""Bytes of envelopes taken of one answer, and of ten seconds of a follow: an agent gives a tenth."""
MOST_MESSAGES = 500_000
"""Messages of these."""
_SENTENCE = 500
"""Characters of an error's sentence."""
_HEAD = 6
"""Bytes of an envelope before its chunks."""
_CHUNK = struct.Struct("!HHH")


class Came(NamedTuple):
    """An envelope that came, and its message's time."""

    envelope: bytes
    time: int


class Answer:
    """What a tap said so far to one question; `reasons` counts what is left out of it.

    `is_followed`: it goes on for as long as it is asked for.
    """

    def __init__(self, tap: str, reasons: Counter[str], *, is_followed: bool = False) -> None:
        self.tap = tap
        self.reasons = reasons
        self.is_followed = is_followed
        self.messages = 0
        """Messages that came, those that were there already among them."""
        self.missed = 0
        """Messages of a follow that the tap says it couldn't send."""
        self.ended = False
        """Nothing more is to come."""
        self.is_nobody = False
        """The server said that the tap isn't there."""
        self.begun = False
        """It is a follow, and has begun."""
        self.error = ""
        """The sentence that the tap answered with instead."""
        self.fields: dict[str, Any] = {}
        """What it said of the answer in the end."""
        node = tap.encode()
        self._node = _CHUNK.pack(0, hep.NODE, _CHUNK.size + len(node)) + node
        self._bytes = self._counted = 0

    def renew(self) -> None:
        """A follow is asked for again: it may begin now, and as much is taken again."""
        self.begun = self.ended = self.is_nobody = False
        self.error = ""
        self._bytes = self._counted = 0

    def take(self, headers: Mapping[str, str], data: bytes) -> bytes:
        """Take a message of the answer; return packed envelopes where it is such."""
        kind = headers.get(coding.KIND, "")
        if kind == coding.PART:
            missed = headers.get(coding.MISSED, "")
            if missed.isascii() and missed.isdigit():
                self.missed += int(missed[:9])
            return data
        if kind in (coding.END, coding.BEGUN):
            self.fields = fields_of(data)
            self.begun, self.ended = kind == coding.BEGUN, kind == coding.END
        elif kind == coding.ERROR:
            said = fields_of(data).get("error")
            self.error = said[:_SENTENCE] if isinstance(said, str) and said else "it says no reason"
            self.ended = True
        else:
            self.reasons["no answer of an agent"] += 1
        return b""

    def nobody(self) -> None:
        """The server says that nobody is there to answer."""
        self.is_nobody = self.ended = True

    def unpacked(self, data: bytes) -> list[bytes]:
        """Return what was packed, nothing where that is damaged."""
        try:
            return coding.unpack(data)
        except coding.CodingError:
            self.reasons["damaged, or too long unpacked"] += 1
            return []

    def checked(self, envelopes: Iterable[bytes]) -> list[Came]:
        """Return those of some envelopes that hold a message, each as one of this tap."""
        came = []
        for one in envelopes:
            captured = hep.parse(one, 0, len(one))
            if captured is None:
                self.reasons["a damaged envelope"] += 1
            elif len(one) + len(self._node) > LONGEST:
                self.reasons["a message that is too long"] += 1
            elif captured.kind != hep.SIP:
                self.reasons["no SIP"] += 1
            elif self._counted >= MOST_MESSAGES or self._bytes + len(one) > MOST_BYTES:
                self.reasons["more than an answer may have"] += 1
            else:
                if captured.tap != self.tap:
                    one = self._claimed(one)
                self._counted += 1
                self._bytes += len(one)
                came.append(Came(one, captured.time))
        self.messages += len(came)
        return came

    def _claimed(self, envelope: bytes) -> bytes:
        """Return an envelope of another tap, or of none, as one of this tap."""
        self.reasons["under another tap's name (shown as its own)"] += 1
        chunks = [self._node]
        place = _HEAD
        while place + _CHUNK.size <= len(envelope):
            vendor, kind, length = _CHUNK.unpack_from(envelope, place)
            if length < _CHUNK.size:
                break
            if (vendor, kind) != (0, hep.NODE):
                chunks.append(envelope[place : place + length])
            place += length
        whole = b"".join(chunks)
        return hep.MAGIC + (_HEAD + len(whole)).to_bytes(2, "big") + whole

    def number(self, name: str) -> int:
        """Return a number that the tap said in the end, 0 where it is none."""
        value = self.fields.get(name)
        # True is a number of Python's, none of JSON's.
        return value if type(value) is int and 0 <= value < 1 << 63 else 0


def fields_of(data: bytes) -> dict[str, Any]:
    """Return the fields of a JSON object, none where it makes no sense."""
    try:
        return coding.read(data)
    except coding.CodingError:
        return {}
