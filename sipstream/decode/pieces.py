"""Bytes that come out of order: of each byte the first copy wins. For fragments and for streams.

Sans-IO. Pieces that don't overlap lie sorted in parallel lists; `bisect` finds the place, and what
moves to make room is memory only, so that thousands of tiny pieces stay cheap.
"""

from __future__ import annotations

from bisect import bisect_right


class Pieces:
    """Bytes at positions, with holes between them."""

    __slots__ = ("_data", "_ends", "_starts", "size")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._data: list[bytes] = []
        self.size = 0
        """Bytes held."""

    def __len__(self) -> int:
        """Return how many pieces there are."""
        return len(self._starts)

    @property
    def first(self) -> int:
        """The position of the first byte held; only when there is one."""
        return self._starts[0]

    def add(self, position: int, data: bytes) -> int:
        """Keep what of `data` is new, return how many bytes that is."""
        starts, ends = self._starts, self._ends
        end = position + len(data)
        at = bisect_right(starts, position)
        place = max(position, ends[at - 1]) if at else position
        before = self.size
        while place < end:
            stop = min(end, starts[at]) if at < len(starts) else end
            if stop > place:
                starts.insert(at, place)
                ends.insert(at, stop)
                self._data.insert(at, data[place - position : stop - position])
                self.size += stop - place
                at += 1
            if at == len(starts):
                break
            place = ends[at]
            at += 1
        return self.size - before

    def take(self, position: int) -> bytes:
        """Remove and return the bytes that follow each other from `position` on, which is the first."""
        count = 0
        for start, end in zip(self._starts, self._ends, strict=True):
            if start != position:
                break
            position = end
            count += 1
        taken = b"".join(self._data[:count])
        del self._starts[:count], self._ends[:count], self._data[:count]
        self.size -= len(taken)
        return taken

    def cut(self, end: int) -> None:
        """Forget the bytes from the position `end` on."""
        while self._starts and self._ends[-1] > end:
            kept = max(end - self._starts[-1], 0)
            self.size -= len(self._data[-1]) - kept
            self._data[-1] = self._data[-1][:kept]
            self._ends[-1] = end
            if not kept:
                del self._starts[-1], self._ends[-1], self._data[-1]
