"""TCP directions put back in order: segments in, one piece of the stream out, or a gap.

Sans-IO. A segment that is next in turn passes through without a copy; only what came early is kept.
Of bytes that came twice the first copy wins. A hole is given up when the other side acknowledged
what is missing (the capture lost it), or when too much or too long has been waited for.
"""

from __future__ import annotations

from typing import NamedTuple

from sipstream.decode.pieces import Pieces
from sipstream.limits import STREAM_PENDING

FIN, SYN, RST = 1, 2, 4
_PENDING_SEGMENTS = 64
"""Pieces held behind a hole: more came in order meanwhile than any reordering makes."""
_PENDING_AGE = 3 * 10**9
"""How long (ns) a hole is waited for; a sender retransmits after 1 s (RFC 6298 section 2)."""


class Piece(NamedTuple):
    """Bytes of a stream that are next in turn; `gap` when bytes before them are missing."""

    data: bytes
    start: int
    end: int
    offset: int
    """Place of data[start] in the batch's store, -1 when it was joined."""
    gap: bool


def _ahead(sequence: int, of: int) -> int:
    """Return how far `sequence` is ahead of `of`, in the circle of 2**32 (RFC 9293 section 3.4)."""
    return ((sequence - of + 0x80000000) & 0xFFFFFFFF) - 0x80000000


class Stream:
    """One direction of one connection."""

    __slots__ = ("_held", "_next", "_position", "_since", "retransmitted", "time")

    def __init__(self) -> None:
        self._next: int | None = None
        """The sequence number that is next in turn."""
        self._position = 0
        """How many bytes of the stream came before it, those in holes included."""
        self._held = Pieces()
        """What came early, by position."""
        self._since = 0
        self.time = 0
        """When the last segment came, ns since the epoch."""
        self.retransmitted = False
        """The last segment fed brought nothing new."""

    @property
    def waiting(self) -> bool:
        """Segments are held behind a hole."""
        return len(self._held) > 0

    @property
    def pending_bytes(self) -> int:
        """Bytes held behind a hole."""
        return self._held.size

    def begins_anew(self, sequence: int, flags: int) -> bool:
        """Tell whether a segment is of another connection than those before it on the same ports.

        Then what waits behind a hole is to be given up first.
        """
        if self._next is None:
            return False
        return bool(flags & SYN) or abs(_ahead(sequence, self._next)) > STREAM_PENDING

    def feed(
        self, time: int, sequence: int, flags: int, data: bytes, start: int, end: int, offset: int
    ) -> Piece | None:
        """Take one segment's payload data[start:end], return the piece it makes available."""
        self.retransmitted = False
        self.time = time
        if flags & SYN:
            fresh = self._next is not None
            self._begin((sequence + 1) & 0xFFFFFFFF)
            if end == start:
                return Piece(b"", 0, 0, -1, True) if fresh else None
            sequence = (sequence + 1) & 0xFFFFFFFF
        if end == start:
            return None
        if self._next is None:
            self._next = sequence
        ahead = _ahead(sequence, self._next)
        if abs(ahead) > STREAM_PENDING:
            # Another connection on the same ports of which the SYN was not seen.
            self._begin((sequence + end - start) & 0xFFFFFFFF)
            return Piece(data, start, end, offset, True)
        if ahead > 0:
            return self._hold(time, ahead, data[start:end])
        if start - ahead >= end:
            self.retransmitted = True
            return None
        return self._deliver(data, start - ahead, end, offset - ahead if offset >= 0 else -1, False)

    def acknowledged(self, number: int) -> Piece | None:
        """The other side has everything before `number`: bytes still missing won't come."""
        if self._held and self._next is not None:
            ahead = _ahead(number, self._next)
            if ahead > 0 and self._position + ahead >= self._held.first:
                return self.give_up()
        return None

    def give_up(self) -> Piece | None:
        """Stop waiting for the first hole: return what is held behind it, None if nothing is."""
        if not self._held:
            return None
        self._advance(self._held.first - self._position)
        return self._deliver(b"", 0, 0, -1, True)

    def _begin(self, sequence: int) -> None:
        self._next = sequence
        self._held = Pieces()

    def _advance(self, count: int) -> None:
        assert self._next is not None
        self._next = (self._next + count) & 0xFFFFFFFF
        self._position += count

    def _hold(self, time: int, ahead: int, segment: bytes) -> Piece | None:
        if not self._held:
            self._since = time
        self.retransmitted = not self._held.add(self._position + ahead, segment)
        if (
            len(self._held) > _PENDING_SEGMENTS
            or self._held.size > STREAM_PENDING
            or time - self._since > _PENDING_AGE
        ):
            return self.give_up()
        return None

    def _deliver(self, data: bytes, start: int, end: int, offset: int, gap: bool) -> Piece:
        """Return the piece, with what was held and now follows it joined on."""
        position, size = self._position, end - start
        if not self._held or self._held.first > position + size:
            self._advance(size)
            return Piece(data, start, end, offset, gap)
        # Added last: bytes that were held came before.
        self._held.add(position, data[start:end])
        joined = self._held.take(position)
        self._advance(len(joined))
        return Piece(joined, 0, len(joined), -1, gap)
