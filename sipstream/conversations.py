"""The Call-ID aggregator: all messages of one Call-ID are a conversation.

Sans-IO. Fills the columns of index.py, and gives up what there is no room for: the longest idle
conversations, those first that are over (idle.py), and the middle of a conversation without end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

from sipstream import states
from sipstream.decode.endpoints import Endpoints
from sipstream.duplicates import Duplicates
from sipstream.idle import Idle
from sipstream.index import UNUSED, Index, Users, put
from sipstream.limits import FURTHEST, KEPT_FIRST, MAX_MESSAGES, TAPS
from sipstream.packets import Store
from sipstream.shapes import Shape
from sipstream.sip.found import Found, parties
from sipstream.spool import Spool
from sipstream.views import Conversation, Message
from sipstream.ways import CUT

_CONVERSATION, _USER, _ENDPOINT, _TIME = 420, 220, 260, 420
"""Bytes of memory, measured, that a conversation, a user part, an endpoint and a message in a table of
times take beside the columns and beside their own texts."""
_TOGETHER = 64
"""Conversations given up between two looks at how much memory is taken."""
_MANY_ENDPOINTS = 16_384
"""Endpoints kept without a look at whether any message has them."""


class Conversations:
    """All conversations, in the order their first message arrived.

    `memory` is how many bytes they may take, None for no limit at all; `given_up` is called with the
    numbers of conversations that were given up, or that lost messages, before any place is used again.
    """

    def __init__(
        self,
        endpoints: Endpoints | None = None,
        *,
        memory: int | None = None,
        given_up: Callable[[list[int]], None] = lambda numbers: None,
    ) -> None:
        self.index = Index(endpoints if endpoints is not None else Endpoints())
        self.memory = memory
        self.duplicates = 0
        """Messages left out because the same bytes of the same time were there already."""
        self.opened = 0
        """Conversations that began, those given up meanwhile too."""
        self.given_up = 0
        """Conversations given up because there was no room for all."""
        self.message_count = 0
        """How many messages are in the index."""
        self._tell_given_up = given_up
        self._ids: dict[bytes, int] = {}
        self._call_id_bytes = 0
        self._users = Users(self.index.users)
        self._store_numbers: dict[int, int] = {}
        self._tap_numbers: dict[str, int] = {}
        self._duplicates = Duplicates(self.index)
        self._ordered: list[int] = []
        self._in_order = True
        self._newest = -FURTHEST
        """As long as they are in order: the time of the last one."""
        self._joined: Spool | None = None
        self._idle = Idle(self.index)
        self._gone: list[int] = []
        """Conversations given up that may stand in `_ordered`: their places wait until they don't."""
        self._endless: set[int] = set()
        self._endpoints_used = _MANY_ENDPOINTS

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, number: int) -> Conversation:
        if not self.has(number):
            raise IndexError(number)
        return Conversation(self.index, number)

    def has(self, number: int) -> bool:
        """Tell whether a conversation has this number now."""
        return 0 <= number < self.places and self.index.c_state[number] != UNUSED

    def __iter__(self) -> Iterator[Conversation]:
        """Yield the conversations in order of their first messages' times."""
        return (Conversation(self.index, number) for number in self.in_time_order())

    @property
    def places(self) -> int:
        """Numbers of conversations are below this; not every number is one's."""
        return len(self.index.c_state)

    def message(self, number: int) -> Message:
        """Return one message by its number, as `feed` gave it."""
        return Message(self.index, number)

    def by_call_id(self, call_id: str) -> Conversation | None:
        """Return the conversation of a Call-ID, None when there is none."""
        number = self._ids.get(call_id.encode("utf-8", "surrogateescape"))
        return None if number is None else Conversation(self.index, number)

    def in_time_order(self) -> list[int]:
        """Return the numbers of all conversations by the time of their first message."""
        self._release()
        if not self._in_order:
            first, time = self.index.c_first, self.index.m_time
            self._ordered.sort(key=lambda number: time[first[number]])
            self._in_order = True
            if self._ordered:
                self._newest = time[first[self._ordered[-1]]]
        return self._ordered

    def counts_by_state(self) -> dict[str, int]:
        """Return how many conversations are in each state that occurs."""
        state = self.index.c_state
        counts = {name: state.count(number) for number, name in enumerate(states.NAMES)}
        return {name: count for name, count in counts.items() if count}

    def feed(self, found: Found, store: Store, tap: str = "") -> list[int]:
        """Add located messages, return their numbers; duplicates get none.

        `store` is where offsets of 0 and above count; what isn't there is kept in a spool of ours.
        """
        if not found:
            return []
        index = self.index
        self._make_room(len(found))
        index.batch += 1
        # First what may fail: nothing is entered then.
        numbers = list(map(self._ids.get, found.ids))
        shapes = self._shapes_after(numbers, found)
        places = index.enter(found, self._store_number(store), self._tap_number(tap))
        singly = found.out_of_order() | self._not_later(numbers, found)
        reached: list[int] = []
        try:
            self._group(numbers, shapes, found, places, singly, reached)
        finally:
            self._enter_conversations(reached, found, places)
        for message, raw in found.joined.items():
            if found.conversations[message] not in singly:
                self._keep(places[message], raw)
        duplicates: set[int] = set()
        for place in sorted(singly):
            duplicates.update(self._add_singly(reached[place], found, place, places))
        if not duplicates:
            return list(places)
        self.duplicates += len(duplicates)
        self.message_count -= len(duplicates)
        index.free_messages.extend(duplicates)
        return [place for place in places if place not in duplicates]

    def _shapes_after(self, numbers: list[int | None], found: Found) -> list[Shape]:
        """Return what conversations come to with further messages; number None for new ones."""
        by_number, new, shape = (
            self.index.shapes.by_number,
            self.index.shapes.new,
            self.index.c_shape,
        )
        return [
            (new if number is None else by_number[shape[number]])[trail]
            for number, trail in zip(numbers, found.trails, strict=True)
        ]

    def _not_later(self, numbers: list[int | None], found: Found) -> set[int]:
        """Return which conversations get a message that isn't later than all before it."""
        latest, times = self.index.c_latest, found.times
        return {
            place
            for place, (number, first) in enumerate(zip(numbers, found.firsts, strict=True))
            if number is not None and times[first] <= latest[number]
        }

    def _group(
        self, numbers: list[int | None], shapes: list[Shape], found: Found,
        places: Sequence[int], singly: set[int], reached: list[int],
    ) -> None:  # fmt: skip
        """Put messages into their conversations, whose numbers are appended to `reached`.

        Of those in `singly` only new ones are opened, with their first message.
        """
        index, times = self.index, found.times
        # Looked up once: what is done for each conversation is counted in nanoseconds.
        m_next, c_last, c_latest, c_count = (
            index.m_next, index.c_last, index.c_latest, index.c_count
        )  # fmt: skip
        c_shape, c_state, c_heard, batch = index.c_shape, index.c_state, index.c_heard, index.batch
        put(m_next, places, found.linked(places))
        most = MAX_MESSAGES if self.memory is not None else sys.maxsize
        for place, (number, call_id, shape, first, last, trail) in enumerate(
            zip(numbers, found.ids, shapes, found.firsts, found.lasts, found.trails, strict=True)
        ):
            if number is None:
                number = self._open(call_id, places[first], times[first], found, place)
            elif place not in singly:
                m_next[c_last[number]] = places[first]
            reached.append(number)
            if place in singly:
                continue
            c_last[number] = places[last]
            c_latest[number] = times[last]
            size = c_count[number] = c_count[number] + len(trail)
            c_shape[number], c_state[number] = shape.number, shape.state
            c_heard[number] = batch
            if size > most:
                self._endless.add(number)

    def _enter_conversations(self, reached: list[int], found: Found, places: Sequence[int]) -> None:
        """Note the messages' conversations; after a fault give those up that weren't reached."""
        missing = len(found.ids) - len(reached)
        numbers = [*reached, *[0] * missing]
        put(self.index.m_conversation, places, [numbers[one] for one in found.conversations])
        self.message_count += len(found)
        if missing:
            lost = [
                place
                for place, one in zip(places, found.conversations, strict=True)
                if one >= len(reached)
            ]
            self.index.free_messages.extend(lost)
            self.message_count -= len(lost)

    def _open(self, call_id: bytes, message: int, time: int, found: Found, place: int) -> int:
        """Begin a conversation with its first message, as if it had none yet."""
        index = self.index
        number = self._ids[call_id] = index.free_conversations.pop()
        self._call_id_bytes += len(call_id)
        self.opened += 1
        index.c_call_id[number] = call_id
        index.c_first[number] = index.c_begin[number] = index.c_last[number] = message
        index.c_latest[number] = time
        index.c_begun[number] = index.c_heard[number] = index.batch
        index.c_src_user[number] = self._users.take(found.sources[place])
        index.c_dst_user[number] = self._users.take(found.destinations[place])
        index.c_count[number] = index.c_shape[number] = 0
        index.c_state[number] = states.NEW
        self._in_order = self._in_order and time >= self._newest
        self._newest = time
        self._ordered.append(number)
        return number

    def _add_singly(
        self, number: int, found: Found, conversation: int, places: Sequence[int]
    ) -> list[int]:
        """Add messages that may be there already, or come late; return the places of duplicates."""
        index = self.index
        c_count, c_latest, shapes = index.c_count, index.c_latest, index.shapes.by_number
        duplicates = []
        for one in found.messages(conversation):
            message, time, raw = places[one], found.times[one], found.joined.get(one)
            late = c_count[number] > 0 and time <= c_latest[number]
            if late and self._duplicates.has(number, message, raw):
                duplicates.append(message)
                continue
            if raw is not None:
                self._keep(message, raw)
            if late:
                self._came_late(number, message)
            else:
                c_latest[number] = time
            if c_count[number]:
                index.m_next[index.c_last[number]] = message
            index.m_next[message] = -1
            index.c_last[number] = message
            c_count[number] += 1
            shape = shapes[index.c_shape[number]][found.codes[one]]
            index.c_shape[number], index.c_state[number] = shape.number, shape.state
            index.c_heard[number] = index.batch
        if self.memory is not None and c_count[number] > MAX_MESSAGES:
            self._endless.add(number)
        return duplicates

    def _came_late(self, number: int, message: int) -> None:
        """Note a message that isn't later than all before it; it may be the conversation's first."""
        index = self.index
        if index.m_time[message] >= index.m_time[index.c_first[number]]:
            return
        raw = index.raw(message)
        cut = bool(index.ways.transport[index.m_way[message]] & CUT)
        users = parties(raw, 0, len(raw), cut=cut)
        index.c_first[number] = message
        for column, user in zip((index.c_src_user, index.c_dst_user), users, strict=True):
            self._users.give_back([column[number]])
            column[number] = self._users.take(user)
        self._in_order = False

    # What there is no room for

    def _make_room(self, coming: int) -> None:
        """Have places for so many messages more, by giving up others once the memory is used up."""
        changed = [number for number in self._endless if self._thin_out(number)]
        self._endless.clear()
        while self._too_much(coming):
            going = self._idle.next(_TOGETHER)
            if not going:
                break
            self._give_up(going)
            changed += going
        if changed:
            self._tell_given_up(changed)
        if len(self._gone) * 8 > len(self._ids):
            self._release()
        self.index.make_room(coming)

    def _too_much(self, coming: int) -> bool:
        """Tell whether something has to go before so many messages come.

        The columns never shrink: they may take three quarters of the memory.
        """
        if self.memory is None:
            return False
        index = self.index
        columns = index.size
        more = (coming - len(index.free_messages)) * index.message_size
        if more > 0 and columns + more > self.memory * 3 // 4:
            return True
        if len(index.endpoints) > self._endpoints_used * 2:
            self._endpoints_used = max(index.forget_endpoints(), _MANY_ENDPOINTS)
        return columns + self._objects() > self.memory

    def _objects(self) -> int:
        """Return the bytes of memory taken beside the columns."""
        users = self._users
        return (
            len(self._ids) * _CONVERSATION + self._call_id_bytes
            + users.size * _USER + users.letters
            + len(self.index.endpoints) * _ENDPOINT + self._duplicates.size * _TIME
        )  # fmt: skip

    def _give_up(self, numbers: list[int]) -> None:
        index, ids = self.index, self._ids
        for number in numbers:
            call_id = index.c_call_id[number]
            del ids[call_id]
            self._call_id_bytes -= len(call_id)
            self.message_count -= index.c_count[number]
            self._duplicates.forget(number)
            index.forget(number)
        self._users.give_back([index.c_src_user[number] for number in numbers])
        self._users.give_back([index.c_dst_user[number] for number in numbers])
        self._gone += numbers
        self.given_up += len(numbers)

    def _release(self) -> None:
        """Let the places of conversations that were given up be used again."""
        if self._gone:
            state = self.index.c_state
            self._ordered = [number for number in self._ordered if state[number] != UNUSED]
            self.index.free_conversations.extend(self._gone)
            self._gone.clear()

    def _thin_out(self, number: int) -> bool:
        """Give up messages out of the middle of a conversation without end; return whether any."""
        count = self.index.thin_out(number, KEPT_FIRST, MAX_MESSAGES * 7 // 8)
        self.message_count -= count
        self._duplicates.forget(number)
        return count > 0

    # Stores and capture points

    def _keep(self, message: int, raw: bytes) -> None:
        """Write the bytes of a message that stand whole in no file to our spool."""
        if self._joined is None:
            self._joined = Spool()
        self.index.m_store[message] = self._store_number(self._joined)
        self.index.m_offset[message] = self._joined.append(raw)

    def _store_number(self, store: Store) -> int:
        number = self._store_numbers.get(id(store))
        if number is None:
            number = self._store_numbers[id(store)] = len(self.index.stores)
            self.index.stores.append(store)
        return number

    def _tap_number(self, tap: str) -> int:
        number = self._tap_numbers.get(tap)
        if number is None and len(self.index.taps) >= TAPS:
            return 0
        if number is None:
            number = self._tap_numbers[tap] = len(self.index.taps)
            self.index.taps.append(tap)
        return number
