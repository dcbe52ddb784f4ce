"""TCP directions put back in order: segments in, one piece of the stream out, or a gap.

Sans-IO. A segment that is next in turn passes through without a copy; only what came early is kept.
Of bytes that came twice the first copy wins. A hole is given up when the other side acknowledged
what is missing (the capture lost it), or when too much or too long has been waited for.
"""

from __future__ import annotations

from typing import NamedTuple

from sipstream.limits import STREAM_PENDING

FIN, SYN, RST = 1, 2, 4
_PENDING_SEGMENTS = 64
"""Segments held behind a hole: more came in order meanwhile than any reordering makes."""
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

    __slots__ = ("_next", "_pending", "_pending_since", "pending_bytes", "retransmitted", "time")

    def __init__(self) -> None:
        self._next: int | None = None
        self._pending: dict[int, bytes] = {}
        self._pending_since = 0
        self.pending_bytes = 0
        """Bytes held behind a hole."""
        self.time = 0
        """When the last segment came, ns since the epoch."""
        self.retransmitted = False
        """The last segment fed brought nothing new."""

    @property
    def waiting(self) -> bool:
        """Segments are held behind a hole."""
        return bool(self._pending)

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
            return self._hold(time, sequence, data[start:end])
        if start - ahead >= end:
            self.retransmitted = True
            return None
        return self._deliver(data, start - ahead, end, offset - ahead if offset >= 0 else -1, False)

    def acknowledged(self, number: int) -> Piece | None:
        """The other side has everything before `number`: bytes still missing won't come."""
        if self._pending and self._next is not None and _ahead(number, self._next) > 0:
            first = min(self._pending, key=lambda key: _ahead(key, self._next or 0))
            if _ahead(number, first) >= 0:
                return self.give_up()
        return None

    def give_up(self) -> Piece | None:
        """Stop waiting for a hole: return what is held behind it, or None if nothing is."""
        if not self._pending:
            return None
        assert self._next is not None
        here = self._next
        self._next = min(self._pending, key=lambda key: _ahead(key, here))
        return self._deliver(b"", 0, 0, -1, True)

    def _begin(self, sequence: int) -> None:
        self._next = sequence
        self._pending.clear()
        self.pending_bytes = 0

    def _hold(self, time: int, sequence: int, segment: bytes) -> Piece | None:
        if not self._pending:
            self._pending_since = time
        held = self._pending.get(sequence, b"")
        if len(held) < len(segment):
            self.pending_bytes += len(segment) - len(held)
            self._pending[sequence] = held + segment[len(held) :]
        else:
            self.retransmitted = True
        if (
            len(self._pending) > _PENDING_SEGMENTS
            or self.pending_bytes > STREAM_PENDING
            or time - self._pending_since > _PENDING_AGE
        ):
            return self.give_up()
        return None

    def _deliver(self, data: bytes, start: int, end: int, offset: int, gap: bool) -> Piece:
        """Return the piece, with what was held and now follows it joined on."""
        assert self._next is not None
        self._next = (self._next + end - start) & 0xFFFFFFFF
        if not self._pending:
            return Piece(data, start, end, offset, gap)
        joined = bytearray(data[start:end])
        here = self._next
        for sequence in sorted(self._pending, key=lambda key: _ahead(key, here)):
            ahead = _ahead(sequence, self._next)
            if ahead > 0:
                break
            segment = self._pending.pop(sequence)
            self.pending_bytes -= len(segment)
            fresh = segment[-ahead:] if ahead else segment
            joined += fresh
            self._next = (self._next + len(fresh)) & 0xFFFFFFFF
        if len(joined) == end - start:
            return Piece(data, start, end, offset, gap)
        return Piece(bytes(joined), 0, len(joined), -1, gap)
