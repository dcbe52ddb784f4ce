"""What is kept and for how long: conversations that are over go by age, bytes and number (`--keep`).

Sans-IO. Age is counted in packets' time, from when a conversation's last message came in. Also given
up are conversations whose bytes went with the oldest part of a spool. All of it in small steps.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from sipstream.conversations import Conversations
from sipstream.idle import WORTH, Idle
from sipstream.index import UNUSED
from sipstream.limits import CLOCK_SLACK, IN_PROGRESS_STAY
from sipstream.segments import Room, Segment
from sipstream.spool import spool_of

_STEP_SECONDS = 0.002
"""How long a step may take, but for its last piece."""
_PIECE = 256
"""Conversations looked at together, far less than a millisecond."""
_TOGETHER = 64
"""Conversations given up together."""
_FIRST = 64
"""Messages of a conversation whose places are looked at: a call has a dozen."""
_IN_PROGRESS = (1, 2)
"""What calls are worth that aren't over."""
_MARKS = 32
"""Marks that time has while what is kept grows old: nothing stays longer than one mark too many."""
_LOOKED_AT = 256
"""Messages of a batch whose times are looked at, or a few more."""
_JUMP = 8
"""A clock that jumps ahead makes everything older by one such part of what is kept, and no more."""


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept of conversations that are over; None for no limit.

    `age` in ns since the last message, `size` in bytes of messages, `calls` is a number.
    """

    age: int | None = None
    size: int | None = None
    calls: int | None = None


class _Clock:
    """How much time has passed in packets, in ns, whatever the clocks of sources do.

    One that is set back goes on from there. One that is set forward makes a small jump: what passes
    at once is `jump` ns, or as much as really passed meanwhile.
    """

    def __init__(self, jump: int) -> None:
        self.now = 0
        self._jump = jump
        self._sources: dict[int, tuple[int, int, int]] = {}
        """Of each: the time of its newest packet, `now` as it makes it, when that was by our clock."""

    def saw(self, source: int, times: list[int], here: int) -> None:
        """A source gave packets of these times (ns since the epoch), at `here` by a clock of ours."""
        newest, now, before = self._sources.get(source, (times[0], self.now, here))
        most = max(self._jump, here - before)
        # More than one jump in a batch may be several silences, or a lot that came at once.
        for one in times if times[-1] - newest > self._jump else times[-1:]:
            passed = one - newest
            if passed > 0:
                now += min(passed, most)
                most = self._jump
            if passed > 0 or passed < -CLOCK_SLACK:
                newest = one
        # One that was quiet for long while others weren't doesn't begin where it ended.
        now = max(now, self.now - self._jump)
        self._sources[source] = newest, now, here
        self.now = max(self.now, now)


class Ageing:
    """Gives conversations up that are too old or too many; `saw` new messages, then `step` at times.

    `conversations` returns those that there are now, `room` is where spools lie, `clock` tells
    seconds.
    """

    def __init__(
        self,
        conversations: Callable[[], Conversations],
        keep: Keep,
        room: Room,
        clock: Callable[[], float],
    ) -> None:
        self.lost = 0
        """Conversations given up whose bytes went with the oldest part of a spool."""
        self._conversations = conversations
        self._keep = keep
        self._room = room
        self._here = clock
        self._removed = room.removed
        """Segments removed before the last look at what went with them."""
        self._carried: Segment | None = None
        """The oldest segment of the room, when calls in progress need it no more."""
        self._all_in_progress = -1
        """The last batch when there was nothing but calls in progress that could go."""
        self._clock = _Clock((keep.age or 0) // _JUMP)
        self._marks: list[tuple[int, int]] = []
        """Times of the clock, each with the number of the last batch that came by then."""
        self._swept = 0
        """The clock's time when age was looked at last."""
        self._work: Iterator[None] = iter(())
        self.forget_all()

    def saw(self, added: list[int]) -> None:
        """These messages came in."""
        if self._keep.age is None or not added:
            return
        index, before = self._conversations().index, self._clock.now
        some = [*added[:: max(len(added) // _LOOKED_AT, 1)], added[-1]]
        times = [index.m_time[message] for message in some]
        self._clock.saw(index.m_store[added[-1]], times, int(self._here() * 10**9))
        marks = self._marks
        if not marks or self._clock.now - marks[-1][0] >= self._keep.age // _MARKS:
            if marks and marks[-1][0] == before:
                marks.pop()
            marks.append((before, index.batch - 1))

    def step(self) -> bool:
        """Work for a few milliseconds; return whether there is more to do at once."""
        end = time.perf_counter() + _STEP_SECONDS
        while time.perf_counter() < end:
            try:
                next(self._work)
            except StopIteration:
                work = self._due()
                if work is None:
                    return False
                self._work = work
        return True

    def forget_all(self) -> None:
        """All conversations were cleared: numbers of batches begin anew."""
        self._of = self._conversations()
        self._over = Idle(self._of.index, 0)
        self._any = Idle(self._of.index)
        self._marks.clear()
        self._all_in_progress = -1
        self._work = iter(())

    def _due(self) -> Iterator[None] | None:
        """Return the work that is due, None where none is."""
        oldest = self._room.next_to_go()
        if oldest is not None and oldest is not self._carried:
            self._carried = oldest
            return self._carry(oldest)
        if self._room.removed != self._removed:
            self._removed = self._room.removed
            return self._sweep(self._without_bytes)
        if self._of.index.batch != self._all_in_progress and self._too_many(1):
            return self._shrink()
        age = self._keep.age
        if age is not None and self._clock.now - self._swept >= max(age // _MARKS, 1):
            self._swept = self._clock.now
            return self._expire(age)
        if self._of.stores.is_due:
            return self._of.stores.release()
        return None

    # Too many

    def _too_many(self, times: int) -> bool:
        """Tell whether there is more than so many times what is kept."""
        keep, there = self._keep, self._of
        return (keep.calls is not None and len(there) > keep.calls * times) or (
            keep.size is not None and there.index.bytes > keep.size * times
        )

    def _shrink(self) -> Iterator[None]:
        """Give up the longest idle conversations that are over, and others where there are far more."""
        while self._too_many(1):
            far = self._too_many(IN_PROGRESS_STAY)
            going = (self._any if far else self._over).next(_TOGETHER)
            if not going:
                # To look again is worth it once something has come.
                self._all_in_progress = self._of.index.batch
                return
            self._give_up(self._as_many_as_needed(going))
            yield

    def _as_many_as_needed(self, going: list[int]) -> list[int]:
        """Return the first ones, until what is left is no more than what is kept."""
        keep, index = self._keep, self._of.index
        calls = 0 if keep.calls is None else len(self._of) - keep.calls
        size = 0 if keep.size is None else index.bytes - keep.size
        needed = 0
        while needed < len(going) and (needed < calls or size > 0):
            if size > 0:
                size -= sum(index.m_length[one] for one in index.arrived(going[needed]))
            needed += 1
        return going[:needed]

    # Too old

    def _expire(self, age: int) -> Iterator[None]:
        """Give up what is over and was heard of last `age` ago, and what wasn't for far longer."""
        over, far = self._batch_at(age), self._batch_at(age * IN_PROGRESS_STAY)
        if over < 0:
            return iter(())
        # One mark before the oldest that still counts is enough.
        del self._marks[: max(self._place_of(age * IN_PROGRESS_STAY) - 1, 0)]
        state, heard = self._of.index.c_state, self._of.index.c_heard

        def too_old(numbers: range) -> list[int]:
            return [
                number
                for number in numbers
                if heard[number] <= over
                and state[number] != UNUSED
                and (not WORTH[state[number]] or heard[number] <= far)
            ]

        return self._sweep(too_old)

    def _place_of(self, age: int) -> int:
        """Return how many marks are at least so old."""
        return bisect_right(self._marks, self._clock.now - age, key=lambda mark: mark[0])

    def _batch_at(self, age: int) -> int:
        """Return the last batch that is so old, -1 when there is none."""
        place = self._place_of(age)
        return self._marks[place - 1][1] if place > 0 else -1

    # Without bytes

    def _carry(self, segment: Segment) -> Iterator[None]:
        """Keep what calls in progress have in a segment that goes soon."""
        index = self._of.index
        state, c_begin = index.c_state, index.c_begin
        m_store, m_offset = index.m_store, index.m_offset
        ends: dict[int, int] = {}
        for number, store in enumerate(index.stores):
            spool = spool_of(store)
            if spool is not None and (end := spool.end_of(segment)):
                ends[number] = end
        for begin in range(0, self._of.places, _PIECE):
            for number in range(begin, min(begin + _PIECE, self._of.places)):
                first = c_begin[number]
                if WORTH[state[number]] in _IN_PROGRESS and m_offset[first] < ends.get(
                    m_store[first], 0
                ):
                    for message in islice(index.arrived(number), _FIRST):
                        if m_offset[message] < ends.get(m_store[message], 0):
                            self._of.carry(message)
                    yield
            yield

    def _without_bytes(self, numbers: range) -> list[int]:
        """Return those that have one of their first messages in what was removed of a spool."""
        index = self._of.index
        begins = [store.begin for store in index.stores]
        shrunk = {number for number, begin in enumerate(begins) if begin}
        state, m_store, m_offset = index.c_state, index.m_store, index.m_offset
        going = []
        for number in numbers:
            if state[number] == UNUSED:
                continue
            # What arrived first of a store lies first in it. Who goes on for days has many.
            waiting = set(shrunk)
            for message in islice(index.arrived(number), _FIRST):
                store = m_store[message]
                if store not in waiting:
                    continue
                if m_offset[message] < begins[store]:
                    going.append(number)
                    break
                waiting.discard(store)
                if not waiting:
                    break
        self.lost += len(going)
        return going

    def _sweep(self, choose: Callable[[range], list[int]]) -> Iterator[None]:
        """Look at all conversations piece by piece, give up those that are chosen."""
        places = self._of.places
        for begin in range(0, places, _PIECE):
            self._give_up(choose(range(begin, min(begin + _PIECE, places))))
            yield

    def _give_up(self, numbers: list[int]) -> None:
        if numbers:
            self._of.give_up(numbers)
