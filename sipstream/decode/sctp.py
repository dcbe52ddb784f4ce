"""SCTP user messages (RFC 9260 section 3.3.1), for SIP over SCTP (RFC 4168). Sans-IO."""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass

from sipstream.limits import FRAGMENT_TRACKERS, MAX_MESSAGE, SCTP_BYTES

_DATA = 0
_BEGINNING, _ENDING = 2, 1
_CHUNK = struct.Struct("!BBH")
_DATA_HEADER = 16


def chunks(data: bytes, start: int, end: int) -> list[tuple[int, int, int, int]]:
    """Return the DATA chunks of a packet whose common header is at `start`.

    Each is (flags, transmission sequence number, start and end of the user data).
    """
    found = []
    place = start + 12
    while place + 4 <= end:
        kind, flags, length = _CHUNK.unpack_from(data, place)
        stop = min(place + length, end)
        if length < 4:
            break
        if kind == _DATA and stop - place > _DATA_HEADER:
            sequence = int.from_bytes(data[place + 4 : place + 8], "big")
            found.append((flags, sequence, place + _DATA_HEADER, stop))
        place += (length + 3) & ~3
    return found


@dataclass(slots=True)
class _Begun:
    """A user message of which the end hasn't come."""

    pieces: list[bytes]
    size: int


class UserMessages:
    """Joins user messages that were cut into several DATA chunks of consecutive numbers."""

    def __init__(self) -> None:
        self._begun: OrderedDict[tuple[object, int], _Begun] = OrderedDict()
        self._bytes = 0

    def feed(self, flow: object, flags: int, sequence: int, piece: bytes) -> bytes | None:
        """Take a chunk's data of a flow, return the user message that it ends."""
        if flags & _BEGINNING:
            begun = _Begun([], 0)
        else:
            earlier = self._begun.pop((flow, sequence), None)
            if earlier is None:
                return None
            begun = earlier
            self._bytes -= begun.size
            if begun.size + len(piece) > MAX_MESSAGE:
                return None
        begun.pieces.append(piece)
        begun.size += len(piece)
        if flags & _ENDING:
            return b"".join(begun.pieces)
        # Kept under the number that must come next.
        before = self._begun.pop((flow, (sequence + 1) & 0xFFFFFFFF), None)
        self._bytes += begun.size - (before.size if before else 0)
        self._begun[flow, (sequence + 1) & 0xFFFFFFFF] = begun
        while self._bytes > SCTP_BYTES or len(self._begun) > FRAGMENT_TRACKERS:
            _, oldest = self._begun.popitem(last=False)
            self._bytes -= oldest.size
        return None
