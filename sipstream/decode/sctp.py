"""SCTP user messages (RFC 9260 section 3.3.1), for SIP over SCTP (RFC 4168). Sans-IO."""

from __future__ import annotations

import struct
from collections import OrderedDict

from sipstream.limits import FRAGMENT_TRACKERS, MAX_MESSAGE

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


class UserMessages:
    """Joins user messages that were cut into several DATA chunks of consecutive numbers."""

    def __init__(self) -> None:
        self._begun: OrderedDict[tuple[object, int], bytes] = OrderedDict()

    def feed(self, flow: object, flags: int, sequence: int, piece: bytes) -> bytes | None:
        """Take a chunk's data of a flow, return the user message that it ends."""
        if flags & _BEGINNING:
            whole = piece
        else:
            earlier = self._begun.pop((flow, sequence), None)
            if earlier is None or len(earlier) + len(piece) > MAX_MESSAGE:
                return None
            whole = earlier + piece
        if flags & _ENDING:
            return whole
        # Kept under the number that must come next.
        self._begun[flow, (sequence + 1) & 0xFFFFFFFF] = whole
        if len(self._begun) > FRAGMENT_TRACKERS:
            self._begun.popitem(last=False)
        return None
