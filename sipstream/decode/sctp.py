"""SCTP user messages (RFC 9260 section 3.3.1), for SIP over SCTP (RFC 4168). Sans-IO."""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from dataclasses import dataclass

from sipstream.limits import FRAGMENT_COST, MAX_MESSAGE, SCTP_BYTES, SCTP_NUMBERS

_DATA = 0
_BEGINNING, _ENDING = 2, 1
_NUMBERS = 0xFFFFFFFF
"""Transmission sequence numbers go round (RFC 9260 section 1.6)."""
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


@dataclass(slots=True, eq=False)
class _Run:
    """Pieces of a user message that follow each other, from the number `first` to `last`."""

    first: int
    last: int
    pieces: deque[bytes]
    size: int
    begins: bool
    ends: bool


class UserMessages:
    """Joins user messages that were cut into several DATA chunks of consecutive numbers.

    Chunks may come in any order; one that came before is passed over. `feed` does a bounded amount
    of work for each, however they come: a run grows at either end.
    """

    def __init__(self) -> None:
        self.repeated = False
        """The last chunk fed had come before."""
        self._seen: OrderedDict[tuple[object, int], None] = OrderedDict()
        self._firsts: dict[tuple[object, int], _Run] = {}
        self._lasts: dict[tuple[object, int], _Run] = {}
        self._runs: OrderedDict[_Run, object] = OrderedDict()
        """Runs with their flows, the one begun first at the front."""
        self._bytes = 0

    def feed(self, flow: object, flags: int, sequence: int, piece: bytes) -> bytes | None:
        """Take a chunk's data of a flow, return the user message that it makes whole."""
        self.repeated = (flow, sequence) in self._seen
        if self.repeated:
            return None
        self._seen[flow, sequence] = None
        if len(self._seen) > SCTP_NUMBERS:
            self._seen.popitem(last=False)
        begins, ends = bool(flags & _BEGINNING), bool(flags & _ENDING)
        if begins and ends:
            return piece
        run = _Run(sequence, sequence, deque([piece]), len(piece), begins, ends)
        run = self._joined(flow, run)
        if run.begins and run.ends:
            return b"".join(run.pieces)
        if run.size <= MAX_MESSAGE:
            self._keep(flow, run)
        return None

    def _joined(self, flow: object, run: _Run) -> _Run:
        """Return a run with those before and behind it, which are no longer kept on their own."""
        before = None if run.begins else self._lasts.get((flow, run.first - 1 & _NUMBERS))
        if before is not None and not before.ends:
            run = self._merged(self._forget(flow, before), run)
        behind = None if run.ends else self._firsts.get((flow, run.last + 1 & _NUMBERS))
        if behind is not None and not behind.begins:
            run = self._merged(run, self._forget(flow, behind))
        return run

    @staticmethod
    def _merged(left: _Run, right: _Run) -> _Run:
        if len(left.pieces) >= len(right.pieces):
            pieces = left.pieces
            pieces.extend(right.pieces)
        else:
            pieces = right.pieces
            pieces.extendleft(reversed(left.pieces))
        size = left.size + right.size
        return _Run(left.first, right.last, pieces, size, left.begins, right.ends)

    def _keep(self, flow: object, run: _Run) -> None:
        self._firsts[flow, run.first] = self._lasts[flow, run.last] = run
        self._runs[run] = flow
        self._bytes += run.size + FRAGMENT_COST * len(run.pieces)
        while self._bytes > SCTP_BYTES:
            oldest = next(iter(self._runs))
            self._forget(self._runs[oldest], oldest)

    def _forget(self, flow: object, run: _Run) -> _Run:
        del self._firsts[flow, run.first], self._lasts[flow, run.last], self._runs[run]
        self._bytes -= run.size + FRAGMENT_COST * len(run.pieces)
        return run
