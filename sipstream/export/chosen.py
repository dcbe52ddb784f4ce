"""Which packets are to be written, as columns: a packet takes 26 bytes. Sans-IO."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator
from heapq import merge
from typing import NamedTuple, TypeAlias

from sipstream.packets import Batch, Store

Piece: TypeAlias = tuple[int, int, int, int, int]
"""A packet where it lies: origin, time (ns), place in the store, bytes there, bytes on the wire."""


_TOGETHER = 2048
"""Packets sorted together, in a millisecond or two."""


class Origin(NamedTuple):
    """What packets have in common: where they lie, their link type, their capture point."""

    store: Store
    linktype: int
    tap: str


class Chosen:
    """The packets that were chosen so far, in any order, some of them perhaps twice."""

    def __init__(self) -> None:
        self.origins: list[Origin] = []
        self.times = array("q")
        """ns since the epoch."""
        self._origins = array("I")
        self._places = array("q")
        self._sizes = array("I")
        self._wires = array("I")
        self._numbers: dict[tuple[int, int, str], int] = {}
        self._comments: dict[tuple[int, int], str] = {}

    def __len__(self) -> int:
        return len(self.times)

    def origin(self, store: Store, linktype: int, tap: str) -> int:
        """Return the number of an origin."""
        key = (id(store), linktype, tap)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.origins)
            self.origins.append(Origin(store, linktype, tap))
        return number

    def of_batch(self, batch: Batch) -> int:
        """Return the number of a batch's origin."""
        return self.origin(batch.store, batch.linktype, batch.tap)

    def add(self, packet: Piece) -> None:
        """Choose a packet."""
        origin, time, place, size, wire = packet
        self._origins.append(origin)
        self.times.append(time)
        self._places.append(place)
        self._sizes.append(size)
        self._wires.append(wire)

    def linktypes(self) -> set[int]:
        """Return the link types of the packets chosen."""
        return {self.origins[number].linktype for number in set(self._origins)}

    def keep_comments(self, batch: Batch) -> None:
        """Keep what the capture says of single packets of a batch."""
        origin = self.of_batch(batch)
        for number, text in batch.comments.items():
            self._comments[origin, batch.base + batch.records[number][1]] = text

    def comment_on(self, origin: int, place: int, text: str) -> None:
        """Keep what is to be said of one packet, by where it lies."""
        self._comments[origin, place] = text

    def comment(self, packet: Piece) -> str:
        """Return what the capture says of a packet; "" for nothing."""
        return self._comments.get((packet[0], packet[2]), "")

    def finer_than_microseconds(self, due: Callable[[], bool]) -> Generator[None, None, set[int]]:
        """Return the origins of which a time is no whole µs, in steps."""
        finer: set[int] = set()
        for origin, time in zip(self._origins, self.times, strict=True):
            if time % 1000:
                finer.add(origin)
            if due():
                yield
        return finer

    def in_order(self, due: Callable[[], bool]) -> Iterator[Piece | None]:
        """Yield each packet once, by time; those of equal time as they lie in their files.

        None where a turn is over.
        """
        columns = (self._origins, self.times, self._places, self._sizes, self._wires)
        origins, times, places, sizes, wires = columns

        def key(one: int) -> tuple[int, int, int]:
            return times[one], origins[one], places[one]

        runs: list[array[int]] = []
        for begin in range(0, len(times), _TOGETHER):
            end = min(begin + _TOGETHER, len(times))
            runs.append(array("I", sorted(range(begin, end), key=key)))
            if due():
                yield None
        before = (-1, -1)
        for one in merge(*runs, key=key):
            here = (origins[one], places[one])
            if here != before:
                yield origins[one], times[one], places[one], sizes[one], wires[one]
            before = here
