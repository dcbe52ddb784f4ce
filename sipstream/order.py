"""Conversations in order of the time of their first message, kept so as they come.

A list of short columns: one that comes late, or moves, costs a search and a small insertion, so that
no look at the order has to sort a hundred thousand of them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from operator import le

_LONGEST = 2048
"""Conversations in one part; a full one is cut in half."""


class Order:
    """Numbers of conversations in order of time (ns); those of one time in order of arrival."""

    def __init__(self) -> None:
        self._numbers: list[array[int]] = []
        self._times: list[array[int]] = []
        self._latest: list[int] = []
        """A time that no number of the part is behind, and none of the next one before."""

    def __len__(self) -> int:
        return sum(map(len, self._numbers))

    def __getitem__(self, place: int) -> int:
        for part in self._numbers:
            if 0 <= place < len(part):
                return part[place]
            place -= len(part)
        raise IndexError(place)

    def numbers(self) -> array[int]:
        """Return all numbers in order; the caller's own."""
        joined = array("I")
        for part in self._numbers:
            joined.extend(part)
        return joined

    def parts(self) -> Iterator[array[int]]:
        """Yield the numbers part by part; the order mustn't change meanwhile."""
        return iter(self._numbers)

    def extend(self, numbers: Sequence[int], times: list[int]) -> None:
        """Add numbers with their times, as `add` does; most often they come in order."""
        latest = self._latest
        for begin in range(0, len(times), _LONGEST):
            block = times[begin : begin + _LONGEST]
            before = latest[-1] if latest else block[0]
            if not all(map(le, [before, *block], block)):
                for number, time in zip(numbers[begin:], block, strict=False):
                    self.add(number, time)
                continue
            if not latest or len(self._times[-1]) + len(block) > _LONGEST:
                self._insert_part(len(latest), array("I"), array("q"), block[-1])
            self._numbers[-1].extend(array("I", numbers[begin : begin + _LONGEST]))
            self._times[-1].extend(array("q", block))
            latest[-1] = block[-1]

    def add(self, number: int, time: int) -> None:
        """Add a number behind those of the same time."""
        latest = self._latest
        if not latest or time >= latest[-1]:
            if not latest or len(self._numbers[-1]) >= _LONGEST:
                self._insert_part(len(latest), array("I"), array("q"), time)
            self._numbers[-1].append(number)
            self._times[-1].append(time)
            latest[-1] = time
            return
        part = bisect_right(latest, time)
        times = self._times[part]
        place = bisect_right(times, time)
        times.insert(place, time)
        self._numbers[part].insert(place, number)
        if len(times) > _LONGEST:
            self._cut(part)

    def move(self, number: int, before: int, time: int) -> None:
        """Give a number that was added with the time `before` another time."""
        part = bisect_left(self._latest, before)
        while True:
            numbers, times = self._numbers[part], self._times[part]
            first, end = bisect_left(times, before), bisect_right(times, before)
            if number in numbers[first:end]:
                break
            # Those of one time may fill more than a part.
            part += 1
        place = numbers.index(number, first)
        del numbers[place], times[place]
        if not times:
            del self._numbers[part], self._times[part], self._latest[part]
        self.add(number, time)

    def keep(self, wanted: Callable[[array[int]], bytes]) -> None:
        """Leave out numbers; `wanted` tells of some which are to stay: 1, or 0."""
        parts = list(zip(self._numbers, self._times, strict=True))
        self._numbers, self._times, self._latest = [], [], []
        for numbers, times in parts:
            flags = wanted(numbers)
            if 0 in flags:
                numbers = array("I", compress(numbers, flags))
                times = array("q", compress(times, flags))
            if times:
                self._insert_part(len(self._latest), numbers, times, times[-1])

    def _cut(self, part: int) -> None:
        numbers, times = self._numbers[part], self._times[part]
        half = len(times) // 2
        self._insert_part(part + 1, numbers[half:], times[half:], times[-1])
        del numbers[half:], times[half:]
        self._latest[part] = times[-1]

    def _insert_part(self, part: int, numbers: array[int], times: array[int], latest: int) -> None:
        self._numbers.insert(part, numbers)
        self._times.insert(part, times)
        self._latest.insert(part, latest)
