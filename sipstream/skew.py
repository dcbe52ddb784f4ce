"""How far the clocks of taps are apart, measured from messages that several of them saw.

Sans-IO, as NTP does it (RFC 5905 section 8): what goes one way between two taps seems late by the
difference of their clocks and the way, what goes back by the difference less the way. The least of
each is nearest to the truth, the middle between them is the difference, half of what is left between
them what it isn't known better than. Which of the taps a message passed first is told by nobody: the
direction in which it seems later is the one that goes from the one to the other.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

SIGHTING_SLACK = 250 * 10**6
"""Time between two taps (ns) within which the same bytes are one sending seen twice, clocks being even:
half of timer T1, at which a message is sent again at the earliest (RFC 3261 17.1.1.1)."""
SAMPLES = 128
"""Sightings remembered of two taps, the newest ones: a clock drifts, and what was is no measure."""
PAIRS = 1024
"""Pairs of taps remembered, each of 2 KiB at most; the one that was heard of longest ago goes first."""
FEWEST = 5
"""Sightings of about the same difference from which on that is believed, three of four at least being so:
some may be of two sendings of a message."""
MISSES = 8
"""Messages in a row that don't fit: then a clock was set, and all begins anew."""
_NEW = 64
"""Samples after which a pair is reckoned anew; while there are few, each time."""
_MOST_FRESH = 4
"""One in so many pairs is reckoned anew before all differences are: those of a thousand pairs take a
millisecond or two."""
_FINEST = 1000
"""What no difference is known better than (ns): envelopes of others have microseconds."""
_ONE_WAY = 10**9
"""What a difference counts for among others that was measured in one direction only (ns)."""

Ends: TypeAlias = tuple[int, int]
"""The numbers of a message's endpoints, source and destination."""


class Apart(NamedTuple):
    """How far one clock is ahead of another."""

    offset: int
    """ns; below 0 it is behind."""
    within: int | None
    """ns that it isn't known better than; None where all messages went the same way: then the time
    that they took is in it."""
    sightings: int
    """How many messages it was measured from."""


class Skew(NamedTuple):
    """How far a tap's clock is ahead of that of the tap `reference`, by their numbers."""

    reference: int
    apart: Apart


class _Pair:
    """What was seen of two taps."""

    __slots__ = ("apart", "directions", "fresh", "misses", "next", "times")

    def __init__(self) -> None:
        self.times = array("q")
        """How much later the second tap's clock showed, ns; a ring."""
        self.directions = array("Q")
        """The endpoints of each, from which to which."""
        self.next = 0
        self.fresh = self.misses = 0
        self.apart: Apart | None = None

    def add(self, direction: int, time: int) -> bool:
        """Take a sample; return whether the pair is to be reckoned anew."""
        if len(self.times) < SAMPLES:
            self.times.append(time)
            self.directions.append(direction)
        else:
            self.times[self.next], self.directions[self.next] = time, direction
            self.next = (self.next + 1) % SAMPLES
        self.misses = 0
        self.fresh += 1
        return self.fresh >= min(_NEW, len(self.times) // 4)

    def reckon(self) -> None:
        """Find how far the second clock is ahead of the first one."""
        self.fresh = 0
        middle = _median(self.times)
        near = sum(abs(time - middle) <= SIGHTING_SLACK for time in self.times)
        if near < FEWEST or near * 4 < len(self.times) * 3:
            self.apart = None
            return
        ways: dict[int, tuple[list[int], list[int]]] = {}
        for direction, time in zip(self.directions, self.times, strict=True):
            if abs(time - middle) <= SIGHTING_SLACK:
                source, destination = direction >> 32, direction & 0xFFFFFFFF
                key = min(source, destination) << 32 | max(source, destination)
                ways.setdefault(key, ([], []))[source > destination].append(time)
        best = None
        for there, back in ways.values():
            if not there or not back:
                continue
            if _median(there) < _median(back):
                there, back = back, there
            high, low = min(there), max(back)
            within = max(abs(high - low) // 2, _FINEST)
            if best is None or within < best[1]:
                best = (high + low) // 2, within
        offset, doubt = best if best is not None else (middle, None)
        self.apart = Apart(offset, doubt, near)


class Skews:
    """The differences between the clocks of all taps, by the taps' numbers.

    `name_of` gives a tap's name: the first one by name is the measure of others.
    """

    def __init__(self, name_of: Callable[[int], str] = str) -> None:
        self._name_of = name_of
        self._pairs: OrderedDict[tuple[int, int], _Pair] = OrderedDict()
        self._known: dict[int, Skew] = {}
        self._fresh = 0
        """Pairs reckoned since all differences were: of very many, some may wait."""

    def __len__(self) -> int:
        return len(self._pairs)

    def saw(self, one: int, other: int, ends: Ends, apart: int) -> None:
        """Two taps saw a message between two endpoints; the other's clock showed so much more (ns)."""
        if one > other:
            one, other, apart = other, one, -apart
        pair = self._pairs.get((one, other))
        if pair is None:
            pair = self._pairs[one, other] = _Pair()
            if len(self._pairs) > PAIRS:
                self._pairs.popitem(last=False)
        else:
            self._pairs.move_to_end((one, other))
        if pair.add(ends[0] << 32 | ends[1], apart):
            pair.reckon()
            self._fresh += 1

    def missed(self, one: int, other: int) -> None:
        """Two taps saw what may be one message, but not at times that fit their clocks' difference."""
        key = (min(one, other), max(one, other))
        pair = self._pairs.get(key)
        if pair is None:
            return
        pair.misses += 1
        if pair.misses >= MISSES:
            del self._pairs[key]
            self._reckon()

    def settle(self) -> Iterator[None]:
        """Reckon anew all that got samples since it was reckoned last, in steps of a fraction of a ms."""
        for pair in list(self._pairs.values()):
            if pair.fresh:
                pair.reckon()
                yield
        self._reckon()

    def of(self, tap: int) -> Skew | None:
        """Return how far a tap's clock is ahead, None as long as that isn't known.

        Taps that saw no message together, nor by way of others, have no common measure: each group of
        them has its own reference.
        """
        return self.known().get(tap)

    def known(self) -> dict[int, Skew]:
        """Return how far clocks are ahead, by tap, of all of which it is known; not the caller's own."""
        if self._fresh * _MOST_FRESH > len(self._pairs):
            self._reckon()
        return self._known

    def _reckon(self) -> None:
        """Find all differences, by way of those taps whose differences are known best."""
        self._fresh = 0
        beside: dict[int, list[tuple[int, Apart]]] = {}
        for (one, other), pair in self._pairs.items():
            apart = pair.apart
            if apart is not None:
                beside.setdefault(one, []).append((other, apart))
                back = apart._replace(offset=-apart.offset)
                beside.setdefault(other, []).append((one, back))
        self._known = {}
        for reference in sorted(beside, key=self._name_of):
            if reference not in self._known:
                self._spread(reference, beside)

    def _spread(self, reference: int, beside: dict[int, list[tuple[int, Apart]]]) -> None:
        """Find the differences of all taps that are joined with one by some way."""
        known = self._known
        waiting = [(0, reference, Apart(0, 0, 0))]
        while waiting:
            doubt, tap, apart = heappop(waiting)
            if tap in known:
                continue
            known[tap] = Skew(reference, apart)
            for other, step in beside[tap]:
                if other in known:
                    continue
                none = apart.within is None or step.within is None
                within = None if none else (apart.within or 0) + (step.within or 0)
                count = min(apart.sightings, step.sightings) if tap != reference else step.sightings
                further = Apart(apart.offset + step.offset, within, count)
                cost = _ONE_WAY if step.within is None else step.within
                heappush(waiting, (doubt + cost, other, further))


def _median(times: Sequence[int]) -> int:
    """Return what half of the times are below; the module for that takes long to be imported."""
    return sorted(times)[len(times) // 2]
