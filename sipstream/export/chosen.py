"""Which packets are to be written, as columns: a packet takes 26 bytes. Sans-IO."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from sipstream.packets import Batch, Store

Piece: TypeAlias = tuple[int, int, int, int, int]
"""A packet where it lies: origin, time (ns), place in the store, bytes there, bytes on the wire."""


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

    def in_order(self) -> Iterator[Piece]:
        """Yield each packet once, by time; those of equal time as they lie in their files."""
        columns = (self._origins, self.times, self._places, self._sizes, self._wires)
        origins, times, places, sizes, wires = columns
        before = (-1, -1)
        for one in sorted(
            range(len(times)), key=lambda one: (times[one], origins[one], places[one])
        ):
            here = (origins[one], places[one])
            if here != before:
                yield origins[one], times[one], places[one], sizes[one], wires[one]
            before = here
