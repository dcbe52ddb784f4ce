"""What was captured, as words with how often each occurs: what completion offers for values.

Counted over columns in small steps, each of about a millisecond. What was counted is kept until
something new has come; nothing here keeps an index that is cleared alive.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import compress
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

from sipstream import states
from sipstream.escape import escape
from sipstream.index import UNUSED
from sipstream.shell.fuzzy import BEGINS, Best, Typed
from sipstream.shell.steps import Steps
from sipstream.sip.uri import is_number
from sipstream.ways import CUT, TRANSPORTS

if TYPE_CHECKING:
    from sipstream.index import Index

_PIECE = 2048
"""Values of a column counted, and words kept and searched, together: half a millisecond."""
_TABLES = 32
"""Tables among which users are spread; the largest gets three times as many as the smallest."""
_STEP = 256
"""Words packed between two looks at the time."""

_USED = bytes(state != UNUSED for state in range(256))


class Words:
    """Words with how often each occurs; kept as lines, a tenth of what as many texts would take."""

    def __init__(self, noun: str = "conversation") -> None:
        self.noun = noun
        """What a word's frequency counts: of one."""
        self._lines: dict[int, list[str]] = {}
        """By frequency, the highest first: lines of words."""

    @classmethod
    def of(cls, counts: Iterable[tuple[str, int]], noun: str = "conversation") -> Steps[Words]:
        """Keep those words that can be typed as they are shown.

        Escapes mean something where a Call-ID or a name of a file is asked for, not in other values.
        """
        made = cls(noun)
        lines: defaultdict[int, list[str]] = defaultdict(list)
        waiting: defaultdict[int, list[str]] = defaultdict(list)
        for place, (word, count) in enumerate(counts):
            if word and count > 0 and escape(word) == word:
                waiting[count].append(word)
                if len(waiting[count]) == _PIECE:
                    lines[count].append("\n".join(waiting.pop(count)))
            if place % _STEP == 0:
                yield
        for count, words in waiting.items():
            lines[count].append("\n".join(words))
        made._lines = dict(sorted(lines.items(), reverse=True))
        return made

    def find(self, typed: Typed, most: int) -> Steps[Best]:
        """Return at most so many words, the best first: others than those that begin as typed only
        where these are fewer.
        """
        best = Best(most)
        for count, line in self._pieces():
            best.add(BEGINS, typed.beginning(line), count)
            yield
        if len(best) < most and typed.text:
            for count, line in self._pieces():
                for rank, found in typed.others(line).items():
                    best.add(rank, found, count)
                yield
        return best

    def about(self, count: int) -> str:
        """Return how often a word occurs, in words."""
        plural = "s" if count != 1 and " " not in self.noun else ""
        return f"{count} {self.noun}{plural}"

    def _pieces(self) -> Iterator[tuple[int, str]]:
        return ((count, line) for count, lines in self._lines.items() for line in lines)


Count: TypeAlias = "Callable[[Index], Steps[Words]]"
_kept: WeakKeyDictionary[Index, dict[Count, tuple[object, Words]]] = WeakKeyDictionary()


def words(index: Index, count: Count) -> Steps[Words]:
    """Return what `count` counts, counted anew when messages came or went."""
    state = index.batch, len(index.free_messages), len(index.free_conversations)
    kept = _kept.setdefault(index, {})
    before, found = kept.get(count, (None, Words()))
    if before != state:
        found = yield from count(index)
        kept[count] = state, found
    return found


def _users(index: Index, *, source: bool, destination: bool) -> Steps[list[dict[int, int]]]:
    """Count in how many conversations a user is in From, in To, or in either.

    In several tables of different sizes: a large one that grows would hold others up for tens of
    milliseconds, as would many that grow at the same time.
    """
    tables: list[dict[int, int]] = [{} for _ in range(_TABLES)]
    wheel = [table for more, table in enumerate(tables) for _ in range(_TABLES // 2 + more)]
    places = len(wheel)
    for begin in range(0, len(index.c_state), _PIECE):
        flags = index.c_state[begin : begin + _PIECE].translate(_USED)
        sources = list(compress(index.c_src_user[begin : begin + _PIECE], flags))
        codes = list(compress(index.c_dst_user[begin : begin + _PIECE], flags))
        if source and destination:
            codes = [one for one, other in zip(codes, sources, strict=True) if one != other]
        for code in (sources if source else []) + (codes if destination else []):
            table = wheel[(code >> 1) % places]
            table[code] = table.get(code, 0) + 1
        yield
    tables[0].pop(0, None)
    return tables


def _named(index: Index, tables: list[dict[int, int]]) -> Iterator[tuple[str, int]]:
    """Yield each user's text and how often it was counted."""
    return ((index.user(code), count) for table in tables for code, count in table.items())


def _numbers(*, source: bool = False, destination: bool = False) -> Count:
    def count(index: Index) -> Steps[Words]:
        users = _named(index, (yield from _users(index, source=source, destination=destination)))
        return (yield from Words.of(one for one in users if is_number(one[0])))

    return count


NUMBERS = {
    "srcnum": _numbers(source=True),
    "dstnum": _numbers(destination=True),
}
"""Numbers of From, of To; what other terms ask for is in either."""
ANY_NUMBER = _numbers(source=True, destination=True)


def users(index: Index) -> Steps[Words]:
    """Count the user parts of From and To, numbers and names."""
    tables = yield from _users(index, source=True, destination=True)
    return (yield from Words.of(_named(index, tables)))


def _addresses(*, source: bool = False, destination: bool = False) -> Count:
    def count(index: Index) -> Steps[Words]:
        ways: Counter[int] = Counter()
        for begin in range(0, len(index.c_state), _PIECE):
            flags = index.c_state[begin : begin + _PIECE].translate(_USED)
            firsts = compress(index.c_first[begin : begin + _PIECE], flags)
            ways.update(map(index.m_way.__getitem__, firsts))
            yield
        counts: Counter[str] = Counter()
        for way, number in ways.items():
            ends = index.ways.ends(way)
            wanted = compress(ends, (source, destination))
            for address in {_end(index, end)[0] for end in wanted}:
                counts[address] += number
            yield
        return (yield from Words.of(counts.items()))

    return count


ADDRESSES = {
    "srcip": _addresses(source=True),
    "dstip": _addresses(destination=True),
}
"""Addresses that first messages came from, or went to; `ip` asks for either."""
ANY_ADDRESS = _addresses(source=True, destination=True)


def _end(index: Index, number: int) -> tuple[str, str, str]:
    """Return an endpoint's address, port, and both; "" each when it was given up meanwhile."""
    endpoints = index.endpoints
    try:
        return endpoints.address(number), str(endpoints.port(number)), endpoints.uri_text(number)
    except (ValueError, OSError):
        return "", "", ""


def _of_ways(texts: Callable[[Index, int], Iterable[str]]) -> Count:
    """Return what counts messages by what is to be said of their ways."""

    def count(index: Index) -> Steps[Words]:
        ways: Counter[int] = Counter()
        for begin in range(0, len(index.m_way), _PIECE):
            ways.update(index.m_way[begin : begin + _PIECE])
            yield
        for begin in range(0, len(index.free_messages), _PIECE):
            free = index.free_messages[begin : begin + _PIECE]
            ways.subtract(map(index.m_way.__getitem__, free))
            yield
        counts: Counter[str] = Counter()
        for way, number in ways.items():
            for text in set(texts(index, way)):
                counts[text] += number
            yield
        return (yield from Words.of(counts.items(), "message"))

    return count


endpoints = _of_ways(lambda index, way: [_end(index, end)[2] for end in index.ways.ends(way)])
ports = _of_ways(lambda index, way: [_end(index, end)[1] for end in index.ways.ends(way)])
transports = _of_ways(
    lambda index, way: [TRANSPORTS[index.ways.transport[way] & ~CUT].lower()],
)
taps = _of_ways(lambda index, way: [index.taps[index.ways.tap[way]]])


def _kinds(index: Index) -> Steps[Counter[int | str]]:
    """Count in how many conversations each method and status code is; in those of very many kinds
    none is.
    """
    shapes: Counter[int] = Counter()
    for begin in range(0, len(index.c_shape), _PIECE):
        flags = index.c_state[begin : begin + _PIECE].translate(_USED)
        shapes.update(compress(index.c_shape[begin : begin + _PIECE], flags))
        yield
    counts: Counter[int | str] = Counter()
    for shape, number in shapes.items():
        for kind in index.shapes.by_number[shape].kinds or ():
            counts[kind] += number
        yield
    return counts


def methods(index: Index) -> Steps[Words]:
    """Count methods."""
    counts = yield from _kinds(index)
    return (yield from Words.of((str(one), n) for one, n in counts.items() if isinstance(one, str)))


def statuses(index: Index) -> Steps[Words]:
    """Count status codes."""
    counts = yield from _kinds(index)
    codes = ((str(one), n) for one, n in counts.items() if isinstance(one, int) and one)
    return (yield from Words.of(codes))


def in_states(index: Index) -> Steps[Words]:
    """Count states."""
    return (
        yield from Words.of(
            (name, index.c_state.count(number)) for number, name in enumerate(states.NAMES)
        )
    )
