"""The Call-ID aggregator: all messages of one Call-ID are a conversation.

Sans-IO. Fills the columns of index.py, and gives up what there is no room for: the longest idle
conversations, those first that are over (idle.py), and the middle of a conversation without end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from sipstream import states
from sipstream.decode.endpoints import Endpoints
from sipstream.idle import Idle
from sipstream.index import UNUSED, Index, Sighted, put
from sipstream.limits import KEPT_FIRST, MAX_MESSAGES
from sipstream.order import Order
from sipstream.packets import Store
from sipstream.segments import Room
from sipstream.shapes import Shape
from sipstream.singly import Singly
from sipstream.sip.found import Found, User
from sipstream.skew import Skews
from sipstream.spool import Spool, spool_of
from sipstream.stores import Stores
from sipstream.users import Users
from sipstream.views import Conversation, Message

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Flow
    from sipstream.rtp.streams import Streams

_CONVERSATION, _USER, _ENDPOINT, _WAY = 180, 220, 260, 340
"""Bytes of memory, measured, that a conversation, a user part that is no number, an endpoint and a way
take beside the columns and beside their own texts."""
_LONGEST_CORRELATION = 256
"""Bytes of what says what belongs together: of a longer one nothing is kept, a part would say less."""
_NO_CONVERSATION = -1
"""The number of no conversation."""
_CORRELATION = 220
"""Bytes that one takes, about."""
_USED = bytes(state != UNUSED for state in range(256))
_TOGETHER = 64
"""Conversations given up between two looks at how much memory is taken."""
_MANY_ENDPOINTS = 16_384
"""Endpoints kept without a look at whether any message has them."""


class Conversations:
    """All conversations, in the order their first message arrived.

    `memory` is how many bytes they may take, None for no limit at all; `given_up` is called with the
    numbers of conversations that were given up, or that lost messages, before any place is used again.
    `room` is where spools of ours lie; `folds`: one message that several taps saw is one message.
    """

    def __init__(
        self,
        endpoints: Endpoints | None = None,
        *,
        memory: int | None = None,
        given_up: Callable[[list[int]], None] = lambda numbers: None,
        room: Room | None = None,
        folds: bool = True,
    ) -> None:
        self.index = Index(endpoints if endpoints is not None else Endpoints())
        self.stores = Stores(self.index)
        self.memory = memory
        self.folds = folds
        self.duplicates = 0
        """Messages left out because the same bytes of the same time were there already."""
        self.opened = 0
        """Conversations that began, those given up meanwhile too."""
        self.given_up = 0
        """Conversations given up because there was no room for all, or they were too old."""
        self.aged = 0
        """Those of them that `give_up` was asked to."""
        self.message_count = 0
        """How many messages are in the index."""
        self.streams: Streams | None = None
        """RTP beside them, where `load` was asked for it; a session has its own."""
        self._tell_given_up = given_up
        self._room = room
        self._ids: dict[bytes, int] = {}
        self._call_id_bytes = 0
        self._users = Users(self.index.users)
        self._order = Order()
        self._singly = Singly(self.index, self._users, self._order, self._keep, folds=folds)
        self._joined: dict[Room | None, Spool] = {}
        self._idle = Idle(self.index)
        self._gone: list[int] = []
        """Conversations given up that may stand in `_order`: their places wait until they don't."""
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

    @property
    def order(self) -> Order:
        """The numbers of all conversations by the time of their first message."""
        self._release()
        return self._order

    def in_time_order(self) -> list[int]:
        """Return the numbers of all conversations by the time of their first message."""
        return self.order.numbers().tolist()

    @property
    def skews(self) -> Skews:
        """What is known of the clocks of taps."""
        return self._singly.skews

    @property
    def seen_again(self) -> int:
        """How many messages were sightings of others, at further taps."""
        return self._singly.seen_again

    def resighted(self) -> list[int]:
        """Return the conversations of which messages got sightings since this was asked last."""
        touched, self._singly.touched = self._singly.touched, {}
        return [number for number in touched if self.has(number)]

    def correlate(self, added: list[int], said: Iterable[tuple[int, Flow, bytes]]) -> None:
        """Note what agents said belongs together of messages that just came: by time and flow of each.

        `added` are the new ones; sightings of others are known.
        """
        index = self.index
        whose: dict[Sighted, int] = {}
        came = [(one, index.m_conversation[each]) for each in added for one in index.seen(each)]
        for one, number in (*came, *self._singly.sighted):
            if whose.setdefault(one, number) != number:
                # Messages of several conversations at one time: which of them is meant isn't known.
                whose[one] = _NO_CONVERSATION
        for time, flow, value in said:
            number = whose.get(Sighted(time, flow.way), _NO_CONVERSATION)
            if number == _NO_CONVERSATION or len(value) > _LONGEST_CORRELATION:
                continue
            if value != index.c_call_id[number]:
                index.correlations.setdefault(number, value)

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
        index.count_batch()
        self._singly.sighted.clear()
        # First what may fail: nothing is entered then.
        known = list(map(self._ids.get, found.ids))
        shapes = self._shapes_after(known, found)
        fresh = [place for place, number in enumerate(known) if number is None]
        users = found.parties(fresh)
        singly = found.out_of_order() | self._not_later(known, found)
        places = index.enter(found, self.stores.number(store), index.tap_number(tap))
        numbers = self._open(fresh, users, shapes, found, places)
        if self.folds:
            singly |= self._singly.of_network(found, places)
        self._extend(known, shapes, found, places, singly)
        opened = iter(numbers)
        numbers = [next(opened) if number is None else number for number in known]
        put(index.m_conversation, places, map(numbers.__getitem__, found.conversations))
        self.message_count += len(found)
        for message, raw in found.joined.items():
            if found.conversations[message] not in singly:
                self._keep(places[message], raw)
        if not singly:
            return list(places)
        left_out: set[int] = set()
        for place in sorted(singly):
            number = numbers[place]
            if known[place] is None:
                index.begin_anew(number)
            out, repeats = self._singly.add(number, found, place, places)
            left_out.update(out)
            self.duplicates += repeats
            if index.c_count[number] > MAX_MESSAGES:
                self._endless.add(number)
        self.message_count -= len(left_out)
        index.leave_out(left_out)
        return [place for place in places if place not in left_out]

    def _shapes_after(self, known: list[int | None], found: Found) -> list[Shape]:
        """Return what conversations come to with further messages; number None for new ones."""
        shapes, shape = self.index.shapes, self.index.c_shape
        by_number, new = shapes.by_number, shapes.new
        return [
            (new if number is None else by_number[shape[number]])[trail]
            for number, trail in zip(known, found.trails, strict=True)
        ]

    def _not_later(self, known: list[int | None], found: Found) -> set[int]:
        """Return which conversations get a message that isn't later than all before it."""
        latest, times = self.index.c_latest, found.times
        return {
            place
            for place, (number, first) in enumerate(zip(known, found.firsts, strict=True))
            if number is not None and times[first] <= latest[number]
        }

    def _open(
        self, fresh: list[int], users: list[tuple[User, User]], shapes: list[Shape], found: Found,
        places: Sequence[int],
    ) -> Sequence[int]:  # fmt: skip
        """Begin conversations with the messages they have, return their numbers."""
        if not fresh:
            return []
        index, times, take = self.index, found.times, self._users.take_all
        numbers = index.take_conversations(len(fresh))
        call_ids = list(found.ids)
        call_ids = [call_ids[one] for one in fresh]
        heads = [found.firsts[one] for one in fresh]
        lasts = [found.lasts[one] for one in fresh]
        begun = [times[head] for head in heads]
        first_places = [places[head] for head in heads]
        put(index.c_call_id, numbers, call_ids)
        put(index.c_first, numbers, first_places)
        put(index.c_begin, numbers, first_places)
        put(index.c_last, numbers, [places[last] for last in lasts])
        put(index.c_latest, numbers, [times[last] for last in lasts])
        put(index.c_begun, numbers, repeat(index.batch, len(fresh)))
        put(index.c_heard, numbers, repeat(index.batch, len(fresh)))
        put(index.c_count, numbers, [len(found.trails[one]) for one in fresh])
        put(index.c_src_user, numbers, take([source for source, _ in users]))
        put(index.c_dst_user, numbers, take([destination for _, destination in users]))
        put(index.c_shape, numbers, [shapes[one].number for one in fresh])
        put(index.c_state, numbers, [shapes[one].state for one in fresh])
        self._ids.update(zip(call_ids, numbers, strict=True))
        self._call_id_bytes += sum(map(len, call_ids))
        self.opened += len(fresh)
        self._order.extend(numbers, begun)
        return numbers

    def _extend(
        self, known: list[int | None], shapes: list[Shape], found: Found, places: Sequence[int],
        singly: set[int],
    ) -> None:  # fmt: skip
        """Add messages to conversations that were there, but for those in `singly`."""
        index, times, firsts, lasts = self.index, found.times, found.firsts, found.lasts
        m_step, c_last, c_latest, c_count, c_shape, c_state, c_heard = (
            index.m_step, index.c_last, index.c_latest, index.c_count, index.c_shape, index.c_state,
            index.c_heard,
        )  # fmt: skip
        for place, number in enumerate(known):
            if number is None or place in singly:
                continue
            m_step[c_last[number]] = places[firsts[place]] - c_last[number]
            c_last[number] = places[lasts[place]]
            c_latest[number] = times[lasts[place]]
            c_count[number] += len(found.trails[place])
            c_shape[number], c_state[number] = shapes[place].number, shapes[place].state
            c_heard[number] = index.batch
            if c_count[number] > MAX_MESSAGES:
                self._endless.add(number)

    # What there is no room for

    def carry(self, message: int) -> None:
        """Keep the bytes of a message in a spool of ours, for those in its own go; once only."""
        if self.index.stores[self.index.m_store[message]] not in self._joined.values():
            raw = self.index.raw(message)
            if raw:
                self._keep(message, raw)

    def give_up(self, numbers: list[int]) -> None:
        """Give conversations up that are there; who asks says why to the user."""
        self._give_up(numbers)
        self.aged += len(numbers)
        self._tell_given_up(numbers)

    def _make_room(self, coming: int) -> None:
        """Before so many messages come: give up others once the memory is used up."""
        endless = self._endless if self.memory is not None else ()
        changed = [number for number in endless if self._thin_out(number)]
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
        if len(index.endpoints) * 4 > self._endpoints_used * 5:
            self._endpoints_used = max(index.forget_endpoints(), _MANY_ENDPOINTS)
        return columns + self._objects() > self.memory

    def _objects(self) -> int:
        """Return the bytes of memory taken beside the columns."""
        users = self._users
        return (
            len(self._ids) * _CONVERSATION + self._call_id_bytes
            + users.size * _USER + users.letters
            + len(self.index.endpoints) * _ENDPOINT + len(self.index.ways) * _WAY
            + self._singly.size + len(self.index.correlations) * _CORRELATION
        )  # fmt: skip

    def _give_up(self, numbers: list[int]) -> None:
        index, ids = self.index, self._ids
        for number in numbers:
            call_id = index.c_call_id[number]
            del ids[call_id]
            self._call_id_bytes -= len(call_id)
            self.message_count -= index.c_count[number]
            self._singly.forget(number)
            index.forget(number)
        self._users.give_back([index.c_src_user[number] for number in numbers])
        self._users.give_back([index.c_dst_user[number] for number in numbers])
        self._gone += numbers
        self.given_up += len(numbers)

    def _release(self) -> None:
        """Let the places of conversations that were given up be used again."""
        if self._gone:
            state = self.index.c_state
            self._order.keep(
                lambda numbers: bytes(map(state.__getitem__, numbers)).translate(_USED)
            )
            self.index.free_conversations.extend(self._gone)
            self._gone.clear()

    def _thin_out(self, number: int) -> bool:
        """Give up messages out of the middle of a conversation without end; return whether any."""
        count = self.index.thin_out(number, KEPT_FIRST, MAX_MESSAGES * 7 // 8)
        self.message_count -= count
        self._singly.thin(number)
        return count > 0

    def _keep(self, message: int, raw: bytes) -> None:
        """Write the bytes of a message that stand whole in no file to our spool.

        That is one without a limit for what a file holds, which is loaded whole.
        """
        spool = spool_of(self.index.stores[self.index.m_store[message]])
        is_file = spool is None or (spool.path is None and spool.room is not self._room)
        room = None if is_file else self._room
        joined = self._joined.get(room)
        if joined is None:
            joined = self._joined[room] = Spool(room=room)
        self.index.m_store[message] = self.stores.number(joined)
        self.index.m_offset[message] = joined.append(raw)
