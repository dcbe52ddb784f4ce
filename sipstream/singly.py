"""Messages that are added one by one: they may be there already, come late, or be seen elsewhere.

Sans-IO. All others are added conversation by conversation (conversations.py).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort_right
from collections.abc import Callable, Sequence
from itertools import chain

from sipstream.duplicates import Duplicates
from sipstream.index import Index, Sighted
from sipstream.order import Order
from sipstream.sightings import Sightings
from sipstream.sip.found import Found, parties
from sipstream.skew import Skews
from sipstream.users import Users
from sipstream.ways import CUT

_TIME, _SENDING, _SIGHTED, _SIGHTING, _TABLE = 420, 130, 220, 70, 260
"""Bytes of memory, measured, that a message takes in a table of times, in one of what taps see, and as
one that several saw; that each of its sightings takes, and a conversation's table of what taps see."""


class Singly:
    """Adds messages to conversations of an index, whose `users` and `order` by time it keeps.

    `keep` writes the bytes of a message to a spool of ours; `folds` is as with `Conversations`.
    """

    def __init__(
        self,
        index: Index,
        users: Users,
        order: Order,
        keep: Callable[[int, bytes], None],
        *,
        folds: bool,
    ) -> None:
        self.skews = Skews(index.taps.__getitem__)
        self.sightings = Sightings(index, self.skews)
        self.seen_again = 0
        """Messages that were sightings of others."""
        self.touched: dict[int, None] = {}
        """Conversations whose messages got sightings since that was forgotten last."""
        self.sighted: list[tuple[Sighted, int]] = []
        """This batch's sightings of messages that were there, with their conversations."""
        self._index = index
        self._users = users
        self._order = order
        self._keep = keep
        self._folds = folds
        self._duplicates = Duplicates(index)
        self._times: dict[int, _Times] = {}
        """Of conversations of which messages got other times."""

    @property
    def size(self) -> int:
        """Bytes of memory taken, about."""
        return (
            self._duplicates.size * _TIME
            + self.sightings.size * _SENDING
            + self.sightings.table_count * _TABLE
            + len(self._index.sightings) * _SIGHTED
            + self._index.sighting_count * _SIGHTING
        )

    def of_network(self, found: Found, places: Sequence[int]) -> set[int]:
        """Return the conversations of what was found that have messages of network taps."""
        network, m_way = self._index.ways.network, self._index.m_way
        if 1 not in network:
            return set()
        pairs = zip(found.conversations, places, strict=True)
        return {number for number, place in pairs if network[m_way[place]]}

    def add(
        self, number: int, found: Found, conversation: int, places: Sequence[int]
    ) -> tuple[list[int], int]:
        """Add messages to a conversation; return the places of those left out, and how many of them
        were there before.
        """
        index = self._index
        left_out, repeats = [], 0
        for one in found.messages(conversation):
            message, raw = places[one], found.joined.get(one)
            if self._folds and index.ways.network[index.m_way[message]]:
                is_new, is_repeat = self._of_tap(number, message, raw)
            else:
                late = index.c_count[number] > 0 and index.m_time[message] <= index.c_latest[number]
                is_repeat = late and self._duplicates.has(number, message, raw)
                is_new = not is_repeat
            if is_new:
                if raw is not None:
                    self._keep(message, raw)
                self._append(number, message, found.codes[one])
            else:
                left_out.append(message)
                repeats += is_repeat
        return left_out, repeats

    def forget(self, number: int) -> None:
        """A conversation was given up."""
        self._duplicates.forget(number)
        self.sightings.forget(number)
        self._times.pop(number, None)
        self.touched.pop(number, None)

    def thin(self, number: int) -> None:
        """Some messages of a conversation were given up."""
        self._duplicates.forget(number)
        self.sightings.thin(number)
        self._times.pop(number, None)

    def _of_tap(self, number: int, message: int, raw: bytes | None) -> tuple[bool, bool]:
        """Compare with what other taps saw; return whether it is new, and whether it was told before."""
        index = self._index
        if raw is None:
            raw = index.raw(message)
        begun = index.m_time[index.c_first[number]]
        times = self._times.get(number)
        if times is not None:
            times.follow(index, number)
        taken = self.sightings.take(number, message, raw)
        if not taken.is_new and not taken.is_repeat:
            self.seen_again += 1
            self.sighted.append((Sighted(index.m_time[message], index.m_way[message]), number))
            index.c_heard[number] = index.batch
        if taken.changed:
            self.touched[number] = None
        if taken.retimed:
            self._retime(number, taken.retimed, begun)
        return taken.is_new, taken.is_repeat

    def _retime(self, number: int, retimed: Sequence[tuple[int, int]], begun: int) -> None:
        """Find a conversation's first and latest time where messages have others than before.

        `begun` is when it began so far.
        """
        index = self._index
        times = self._times.get(number)
        if times is None:
            times = self._times[number] = _Times()
            times.follow(index, number)
        else:
            for message, before in retimed:
                times.move(before, index.m_time[message])
        earliest, index.c_latest[number] = times.ends
        first = index.c_first[number]
        if index.m_time[first] != earliest:
            messages = chain((message for message, _ in retimed), index.arrived(number))
            first = next(one for one in messages if index.m_time[one] == earliest)
        self._begin_with(number, first, begun)

    def _append(self, number: int, message: int, code: int) -> None:
        index = self._index
        time, count = index.m_time[message], index.c_count[number]
        if count and time <= index.c_latest[number]:
            before = index.m_time[index.c_first[number]]
            if time < before:
                self._begin_with(number, message, before)
        else:
            index.c_latest[number] = time
        if count:
            index.m_step[index.c_last[number]] = message - index.c_last[number]
        index.m_step[message] = 0
        index.c_last[number] = message
        index.c_count[number] = count + 1
        shape = index.shapes.by_number[index.c_shape[number]][chr(code)]
        index.c_shape[number], index.c_state[number] = shape.number, shape.state
        index.c_heard[number] = index.batch

    def _begin_with(self, number: int, message: int, before: int) -> None:
        """Have another message be a conversation's first by time; `before` is when it began so far."""
        index = self._index
        if message != index.c_first[number]:
            raw = index.raw(message)
            cut = bool(index.ways.transport[index.m_way[message]] & CUT)
            users = parties(raw, 0, len(raw), cut=cut)
            index.c_first[number] = message
            for column, user in zip((index.c_src_user, index.c_dst_user), users, strict=True):
                self._users.give_back([column[number]])
                column[number] = self._users.take(user)
        if index.m_time[message] != before:
            self._order.move(number, before, index.m_time[message])


class _Times:
    """The times of a conversation's messages in order: to look at all for each would take long."""

    def __init__(self) -> None:
        self._values = array("q")
        self._upto = -1
        """The message that was taken last."""

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the latest."""
        return self._values[0], self._values[-1]

    def follow(self, index: Index, number: int) -> None:
        """Take those of messages that came since."""
        for message in index.arrived(number, self._upto):
            insort_right(self._values, index.m_time[message])
            self._upto = message

    def move(self, before: int, time: int) -> None:
        """Replace one of them."""
        del self._values[bisect_left(self._values, before)]
        insort_right(self._values, time)
