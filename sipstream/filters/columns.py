"""Terms that the index answers: the values of a column, each judged once.

A million messages have few ways, shapes and numbers: judging a conversation is a look-up or two.
Nothing here keeps an index that is cleared alive.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from operator import or_
from typing import TYPE_CHECKING

from sipstream.filters.addresses import AddressSet
from sipstream.filters.term import Due, Numbers
from sipstream.sip.uri import coded_number

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Endpoints
    from sipstream.index import Index

_KEPT = 16_384
"""Values whose judgement a term remembers; the table is emptied when full."""
_ONE_BY_ONE = 2
"""The judgement on a value that doesn't decide: the conversation itself is asked."""


class Judged(dict[int, int]):
    """Judgements by value, each made when it is first asked for; not kept when they are too many."""

    def __init__(self, judge: Callable[[int], int]) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, value: int) -> int:
        if len(self) >= _KEPT:
            self.clear()
        judgement = self[value] = self._judge(value)
        return judgement


def of(column: array[int], numbers: Numbers) -> Iterable[int]:
    """Return what a column has for some conversations."""
    if isinstance(numbers, range):
        return column[numbers.start : numbers.stop]
    return map(column.__getitem__, numbers)


class Users:
    """Whether From, To or either of a conversation's first message has a user part that is wanted.

    `codes` are those (sip.uri) of all numbers that are, None where `holds` has to be asked.
    """

    def __init__(
        self,
        holds: Callable[[str], bool],
        codes: frozenset[int] | None,
        *,
        source: bool = False,
        destination: bool = False,
    ) -> None:
        self._user_holds = holds
        self._sides = source, destination
        if codes is None:
            known = Judged(lambda code: code > 0 and holds(coded_number(code)))
            self._holds: Callable[[int], int] = known.__getitem__
        else:
            self._holds = codes.__contains__

    def __call__(self, index: Index, numbers: Numbers, due: Due) -> bytes | bytearray:
        """Judge numbers by their codes, other users by their text."""
        source, destination = self._sides
        if not destination:
            return self._judged(index, of(index.c_src_user, numbers))
        flags = self._judged(index, of(index.c_dst_user, numbers))
        if not source:
            return flags
        return bytes(map(or_, flags, self._judged(index, of(index.c_src_user, numbers))))

    def _judged(self, index: Index, column: Iterable[int]) -> bytearray:
        codes = column if isinstance(column, array) else list(column)
        flags = bytearray(map(self._holds, codes))
        if codes and min(codes) < 0:
            holds, users = self._user_holds, index.users
            for place, code in enumerate(codes):
                if code < 0:
                    flags[place] = holds(users[-code])
        return flags


class Addresses:
    """Whether a conversation's first message came from, or went to, one of some addresses."""

    def __init__(
        self, addresses: AddressSet, *, source: bool = False, destination: bool = False
    ) -> None:
        self._holds = addresses.holds
        self._sides = source, destination
        self._generation: object = None
        self._known: Judged | None = None

    def __call__(self, index: Index, numbers: Numbers, due: Due) -> bytes:
        """Judge each way once, until its number may be another's."""
        if self._known is None or self._generation is not index.ways.generation:
            self._generation = index.ways.generation
            ways, endpoints = index.ways, index.endpoints
            self._known = Judged(lambda way: self._is_wanted(ways.ends(way), endpoints))
        ways_of = map(index.m_way.__getitem__, of(index.c_first, numbers))
        return bytes(map(self._known.__getitem__, ways_of))

    def _is_wanted(self, ends: tuple[int, int], endpoints: Endpoints) -> bool:
        return any(
            asked and self._holds(endpoints.address(end))
            for asked, end in zip(self._sides, ends, strict=True)
        )


class States:
    """Whether a conversation's state and the kinds of its messages pass a test."""

    def __init__(self, states: frozenset[int], *, unanswered: bool) -> None:
        self._states = bytes(state in states for state in range(256))
        self._unanswered = Kinds(lambda kinds: not any(isinstance(kind, int) for kind in kinds))
        self._asks_unanswered = unanswered

    def __call__(self, index: Index, numbers: Numbers, due: Due) -> bytes | bytearray:
        """Look the states up, and the shapes where it is asked whether anything answered."""
        if isinstance(numbers, range):
            flags = index.c_state[numbers.start : numbers.stop].translate(self._states)
        else:
            flags = bytearray(map(index.c_state.__getitem__, numbers)).translate(self._states)
        if not self._asks_unanswered:
            return flags
        return bytes(map(or_, flags, self._unanswered(index, numbers, due)))


class Kinds:
    """Whether the methods (text) and status codes (int) of a conversation pass a test."""

    def __init__(self, test: Callable[[frozenset[int | str]], bool]) -> None:
        self._test = test
        self._shapes: object = None
        self._known: Judged | None = None

    def __call__(self, index: Index, numbers: Numbers, due: Due) -> bytearray:
        """Judge each shape once; a conversation of very many kinds is looked at itself."""
        shapes = index.shapes
        if self._known is None or self._shapes is not shapes:
            self._shapes = shapes
            self._known = Judged(lambda shape: self._judge(shapes.by_number[shape].kinds))
        flags = bytearray(map(self._known.__getitem__, of(index.c_shape, numbers)))
        place = flags.find(_ONE_BY_ONE)
        while place >= 0:
            flags[place] = self._test(index.kinds(numbers[place]))
            place = flags.find(_ONE_BY_ONE, place)
        return flags

    def _judge(self, kinds: frozenset[int | str] | None) -> int:
        return _ONE_BY_ONE if kinds is None else self._test(kinds)


class CallIds:
    """Whether the Call-ID passes a test."""

    def __init__(self, test: Callable[[str], bool]) -> None:
        self._test = test

    def __call__(self, index: Index, numbers: Numbers, due: Due) -> bytes:
        """Test each: no two conversations have the same."""
        call_ids, test = index.c_call_id, self._test
        return bytes(
            [test(call_ids[number].decode("utf-8", "surrogateescape")) for number in numbers]
        )
