"""The figures of some thousands of conversations, which are added up with those of others.

A block is filled once and then read only; `measuring` fills another one where its conversations got
messages. Times are ns, as in the index. Sans-IO.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import floordiv

from sipstream.filters.term import Due
from sipstream.index import UNUSED, Index
from sipstream.limits import COPY_WINDOW
from sipstream.metrics import trail as trails
from sipstream.metrics.trail import Trail

SPANS = ("srd", "srd_failed", "rrd", "sdd", "sdd_failed", "sdt")
"""What is timed: see `metrics.Metrics`."""
SECOND = 1_000_000_000
_GATHERED = 4096
"""Messages that are gathered before they are counted together."""
_LOOK = 64
"""Conversations between two looks at the clock."""


class Block:
    """Counts and times of some conversations."""

    def __init__(self) -> None:
        self.codes: Counter[int] = Counter()
        """Messages by code (sip.startline)."""
        self.sent_again: Counter[int] = Counter()
        """Of these, those sent again."""
        self.copies: Counter[int] = Counter()
        """Of these, those that another tap gave within COPY_WINDOW."""
        self.ways: Counter[int] = Counter()
        """Messages by way."""
        self.counts: Counter[str] = Counter()
        self.spans: dict[str, array[int]] = {name: array("q") for name in SPANS}
        """Each in order once the block is filled."""
        self.answers = array("q")
        self.ends = array("q")
        self.failures: Counter[int] = Counter()
        """Failed requests by second."""
        self.open_byes: list[tuple[int, int]] = []
        """When BYEs without a response were sent, and when their sessions began, -1 for unknown."""
        self.open_registers = array("q")
        self.open_invites = array("q")
        self.conversations = 0
        self.first = self.last = 0
        """The earliest and the latest time of a message; 0 without any."""

    def fill(self, index: Index, numbers: Sequence[int], due: Due) -> Iterator[None]:
        """Look at conversations, giving control back whenever it is due; what is gone is left out."""
        hops = _Hops(index)
        gathered, begin = _Gathered(index, hops), 0
        while begin < len(numbers):
            begin += gathered.take(numbers[begin : begin + _LOOK])
            if len(gathered.times) >= _GATHERED or due():
                yield from self._add(gathered, due)
                if due():
                    yield
                hops.renew()
                gathered = _Gathered(index, hops)
        yield from self._add(gathered, due)
        for times in self.spans.values():
            times[:] = array("q", sorted(times))
            if due():
                yield
        for times in (self.answers, self.ends):
            times[:] = array("q", sorted(times))

    def _add(self, gathered: _Gathered, due: Due) -> Iterator[None]:
        if not gathered.numbers:
            return
        self.ways.update(gathered.ways)
        earliest, latest = [], []
        for hops in (gathered.first_hops, gathered.other_hops):
            for codes, rows in hops.items():
                trail = yield from trails.of(codes, due)
                # Per place in the sequence, the times that all conversations have there.
                columns = list(zip(*rows, strict=True))
                yield from self._add_codes(codes, len(rows), trail, columns, due)
                if hops is gathered.first_hops:
                    self._add_trail(len(rows), trail, columns)
                earliest.append(min(columns[0]))
                latest.append(max(columns[-1]))
        self.first = min([*earliest, *([self.first] if self.conversations else [])])
        self.last = max([*latest, *([self.last] if self.conversations else [])])
        self.conversations += len(gathered.numbers)

    def _add_codes(
        self,
        codes: tuple[int, ...],
        count: int,
        trail: Trail,
        columns: list[tuple[int, ...]],
        due: Due,
    ) -> Iterator[None]:
        for code in codes:
            self.codes[code] += count
        for number, (place, before) in enumerate(trail.again, 1):
            copies = sum(
                time - earlier <= COPY_WINDOW
                for time, earlier in zip(columns[place], columns[before], strict=True)
            )
            self.copies[codes[place]] += copies
            self.sent_again[codes[place]] += count - copies
            if number % _LOOK == 0 and due():
                yield

    def _add_trail(self, count: int, trail: Trail, columns: list[tuple[int, ...]]) -> None:
        for name, number in trail.counts.items():
            self.counts[name] += number * count
        for name, begin, end in trail.spans:
            pairs = zip(columns[end], columns[begin], strict=True)
            self.spans[name].extend([after - before for after, before in pairs])
        for place in trail.answers:
            self.answers.extend(columns[place])
        for place in trail.ends:
            self.ends.extend(columns[place])
        for place in trail.failures:
            self.failures.update(map(floordiv, columns[place], repeat(SECOND)))
        for place, answer in trail.open_byes:
            answers = columns[answer] if answer >= 0 else (-1,) * count
            self.open_byes += zip(columns[place], answers, strict=True)
        for place in trail.open_registers:
            self.open_registers.extend(columns[place])
        for place in trail.open_invites:
            self.open_invites.extend(columns[place])


class _Gathered:
    """The messages of some conversations: their times, by the sequences of their codes, hop by hop."""

    __slots__ = ("_hops", "_index", "first_hops", "numbers", "other_hops", "times", "ways")

    def __init__(self, index: Index, hops: _Hops) -> None:
        self._index = index
        self._hops = hops
        self.numbers: list[int] = []
        self.times: list[int] = []
        self.ways: list[int] = []
        self.first_hops: defaultdict[tuple[int, ...], list[list[int]]] = defaultdict(list)
        """Between the endpoints of the first message: by codes, the times of each conversation."""
        self.other_hops: defaultdict[tuple[int, ...], list[list[int]]] = defaultdict(list)

    def take(self, numbers: Sequence[int]) -> int:
        """Take the messages of conversations until these are many; return how many conversations.

        What is gone is left out.
        """
        index, hops = self._index, self._hops
        state, step, begin = index.c_state, index.m_step, index.c_begin
        time, way, code = (
            index.m_time.__getitem__,
            index.m_way.__getitem__,
            index.m_code.__getitem__,
        )
        one_hop = hops.alone
        for taken, number in enumerate(numbers, 1):
            if state[number] == UNUSED:
                continue
            message = begin[number]
            places = [message]
            while on := step[message]:
                message += on
                places.append(message)
            times = list(map(time, places))
            in_order = sorted(times)
            if times != in_order:
                places.sort(key=time)
            ways = list(map(way, places))
            self.numbers.append(number)
            self.times += in_order
            self.ways += ways
            if one_hop[frozenset(ways)]:
                self.first_hops[tuple(map(code, places))].append(in_order)
            else:
                self._take_hops(places, ways)
            if len(self.times) >= _GATHERED:
                return taken
        return len(numbers)

    def _take_hops(self, places: list[int], ways: list[int]) -> None:
        """Take the messages of a conversation, each hop's apart."""
        index, hops = self._index, self._hops
        apart: defaultdict[int, list[int]] = defaultdict(list)
        for place, way in zip(places, ways, strict=True):
            apart[hops[way]].append(place)
        into = self.first_hops
        for hop in apart.values():
            codes = tuple(map(index.m_code.__getitem__, hop))
            into[codes].append(list(map(index.m_time.__getitem__, hop)))
            into = self.other_hops


class _Hops(dict[int, int]):
    """By way, a number that the way back has too."""

    def __init__(self, index: Index) -> None:
        super().__init__()
        self.alone = _Alone(self)
        self._ways = index.ways
        self._known: dict[frozenset[int], int] = {}
        self._generation = index.ways.generation

    def renew(self) -> None:
        """Begin anew where numbers of ways may have become others'."""
        if self._generation is not self._ways.generation:
            self._generation = self._ways.generation
            self.clear()
            self.alone.clear()

    def __missing__(self, way: int) -> int:
        ends = frozenset(self._ways.ends(way))
        hop = self[way] = self._known.setdefault(ends, len(self._known))
        return hop


class _Alone(dict[frozenset[int], bool]):
    """By the ways of a conversation, whether they are of one hop."""

    def __init__(self, hops: _Hops) -> None:
        super().__init__()
        self._hops = hops

    def __missing__(self, ways: frozenset[int]) -> bool:
        alone = self[ways] = len({self._hops[way] for way in ways}) == 1
        return alone
