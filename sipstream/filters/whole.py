"""Terms about a conversation as a whole: the index's columns tell, hardly ever the messages' bytes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from sipstream.filters.columns import Judged, of
from sipstream.filters.term import Due, Numbers, Unfinished
from sipstream.limits import COPY_WINDOW
from sipstream.sip.startline import INVITE, answered, is_request, kind_in

if TYPE_CHECKING:
    from sipstream.index import Index

_LONG = 256
"""Messages of a conversation of which what was found is remembered: to look again would take long."""
_REMEMBERED = 16_384
"""Conversations of which it is; more than are ever judged together."""
_CHALLENGES = (401, 407)


class Whole:
    """Whether a quick function of the index and a conversation's number says so."""

    def __init__(self, judge: Callable[[Index, int], bool]) -> None:
        self._judge = judge

    def __call__(self, index: Index, numbers: Numbers, due: Due) -> bytes:
        """Ask of each."""
        judge = self._judge
        return bytes([judge(index, number) for number in numbers])


class Walked:
    """Whether a function says so that walks over a conversation's messages."""

    def __init__(self, judge: Callable[[Index, int], bool]) -> None:
        self._judge = judge
        self._found: dict[int, tuple[tuple[int, ...], bool]] = {}
        self._origin: weakref.ref[Index] | None = None

    def __call__(self, index: Index, numbers: Numbers, due: Due) -> bytearray:
        """Ask of each; of very long ones once, until they have more messages."""
        if self._origin is None or self._origin() is not index:
            self._origin = weakref.ref(index)
            self._found.clear()
        judge, counts = self._judge, index.c_count
        flags = bytearray(len(numbers))
        for place, number in enumerate(numbers):
            if counts[number] < _LONG:
                flags[place] = judge(index, number)
                continue
            heard = index.c_heard[number]
            state = index.c_begun[number], index.c_last[number], counts[number], heard
            known = self._found.get(number)
            if known is None or known[0] != state:
                if len(self._found) >= _REMEMBERED:
                    self._found.clear()
                known = self._found[number] = state, judge(index, number)
                if due():
                    raise Unfinished
            flags[place] = known[1]
        return flags


class Ways:
    """Whether any message of a conversation was seen on a way that passes a test, each judged once."""

    def __init__(self, test: Callable[[Index, int], bool]) -> None:
        self._test = test
        self._generation: object = None
        self._known: Judged | None = None
        self._others = Walked(self._judge)

    def __call__(self, index: Index, numbers: Numbers, due: Due) -> bytearray:
        """Ask the first message's way, then those of the others."""
        test = self._test
        if self._known is None or self._generation is not index.ways.generation:
            self._generation = index.ways.generation
            self._known = Judged(lambda way: test(index, way))
            self._others = Walked(self._judge)
        ways = map(index.m_way.__getitem__, of(index.c_first, numbers))
        flags = bytearray(map(self._known.__getitem__, ways))
        if 0 in flags:
            open_places = [place for place, flag in enumerate(flags) if not flag]
            open_numbers = [numbers[place] for place in open_places]
            for place, flag in zip(
                open_places, self._others(index, open_numbers, due), strict=True
            ):
                flags[place] = flag
        return flags

    def _judge(self, index: Index, number: int) -> bool:
        known, ways = self._known, index.m_way
        assert known is not None, "made before anything is judged"
        seen = index.sightings
        return any(
            known[ways[message]]
            or (message in seen and any(known[one.way] for one in seen[message]))
            for message in index.arrived(number)
        )


class Firsts:
    """Whether a conversation's first message by time passes a test."""

    def __init__(self, test: Callable[[Index, int], bool]) -> None:
        self._test = test

    def __call__(self, index: Index, numbers: Numbers, due: Due) -> bytes:
        """Test each."""
        test = self._test
        return bytes([test(index, first) for first in of(index.c_first, numbers)])


# What is known of a conversation


def duration(index: Index, number: int) -> int:
    """Return the time from its first message to its last, ns."""
    return index.c_latest[number] - index.m_time[index.c_first[number]]


def count(index: Index, number: int) -> int:
    """Return how many messages it has, those given up too."""
    return index.c_count[number] + index.c_left_out.get(number, 0)


def final_status(index: Index, number: int) -> int | None:
    """Return the last final response to an INVITE, where there is none to anything; None without one.

    The last by time: messages of a second capture point may come in behind later ones.
    """
    to_invite = to_any = None
    codes = index.m_code
    for message in index.in_time_order(number):
        code = codes[message]
        kind = kind_in(code)
        if kind >= 200 and not is_request(kind):
            to_any = kind
            if answered(code) == INVITE:
                to_invite = kind
    return to_any if to_invite is None else to_invite


def setup(index: Index, number: int) -> int | None:
    """Return the time from the first INVITE to what tells the caller something, ns; None without.

    That is the first response but 100 and challenges (RFC 6076 section 4.3).
    """
    codes, times = index.m_code, index.m_time
    begin: int | None = None
    for message in index.in_time_order(number):
        code = codes[message]
        kind = kind_in(code)
        if kind == INVITE:
            begin = times[message] if begin is None else begin
        elif (
            begin is not None
            and kind > 100
            and not is_request(kind)
            and kind not in _CHALLENGES
            and answered(code) == INVITE
        ):
            return times[message] - begin
    return None


def retransmissions(index: Index, number: int) -> int:
    """Return how many messages were sent again: the same bytes the same way, later than a copy comes.

    A copy from another capture point within COPY_WINDOW of one that was counted isn't another one.
    """
    alike: dict[tuple[int, int, tuple[int, int]], list[int]] = {}
    codes, lengths, ways = index.m_code, index.m_length, index.m_way
    for message in index.in_time_order(number):
        key = codes[message], lengths[message], index.ways.ends(ways[message])
        alike.setdefault(key, []).append(message)
    found = 0
    for messages in alike.values():
        if len(messages) > 1:
            found += _sent_again(index, messages)
    return found


def _sent_again(index: Index, messages: list[int]) -> int:
    """Return how many of some messages, by time, have bytes that came before."""
    latest: dict[bytes, int] = {}
    found = 0
    for message in messages:
        raw, time = index.raw(message), index.m_time[message]
        before = latest.get(raw)
        if before is not None and time - before <= COPY_WINDOW:
            continue
        found += before is not None
        latest[raw] = time
    return found
