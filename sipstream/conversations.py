"""The Call-ID aggregator: all messages of one Call-ID are a conversation.

Sans-IO. Fills the columns of index.py, and gives up what there is no room for: the longest idle
conversations, those first that are over (idle.py), and the middle of a conversation without end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sipstream import states
from sipstream.decode.endpoints import Endpoints
from sipstream.duplicates import Duplicates
from sipstream.idle import Idle
from sipstream.index import MANY_KINDS, UNUSED, Index, Users, kind_key
from sipstream.limits import (
    FURTHEST,
    KEPT_FIRST,
    KIND_SETS,
    MAX_KINDS,
    MAX_MESSAGES,
    MAX_USER,
    TAPS,
)
from sipstream.packets import Store
from sipstream.sip import headers
from sipstream.sip.uri import user_of
from sipstream.spool import Spool
from sipstream.views import CUT, TRANSPORTS, Conversation, Message

if TYPE_CHECKING:
    from sipstream.sip.scan import Found

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
        self._set_moves: dict[int, int] = {}
        self._set_numbers: dict[frozenset[int | str], int] = {}
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

    def feed(self, found: list[Found], store: Store, tap: str = "") -> list[int]:
        """Add located messages, return their numbers; duplicates get none.

        `store` is where offsets of 0 and above count; what isn't there is kept in a spool of ours.
        """
        index, ids = self.index, self._ids
        self._make_room(len(found))
        index.batch += 1
        batch = index.batch
        store_number, tap_number = self._store_number(store), self._tap_number(tap)
        # Looked up once a batch: what is done for each message is counted in nanoseconds.
        m_time, m_store, m_offset, m_length = (
            index.m_time, index.m_store, index.m_offset, index.m_length
        )  # fmt: skip
        m_source, m_destination, m_kind = index.m_source, index.m_destination, index.m_kind
        m_transport, m_tap, m_outer = index.m_transport, index.m_tap, index.m_outer
        m_next, m_conversation = index.m_next, index.m_conversation
        latest, last, count, heard = index.c_latest, index.c_last, index.c_count, index.c_heard
        most = MAX_MESSAGES if self.memory is not None else sys.maxsize
        generation, place_of = index.endpoints.generation, index.free_messages.pop
        added: list[int] = []
        for time, flow, kind, call_id, data, start, end, offset in found:
            if flow.generation != generation:
                flow.resolve(index.endpoints)
                flow.transport_number = TRANSPORTS.index(flow.transport) | flow.cut * CUT
            number = ids.get(call_id)
            if (
                number is not None
                and time <= latest[number]
                and self._duplicates.has(number, time, flow, tap_number, data[start:end])
            ):
                self.duplicates += 1
                continue
            message = place_of()
            if offset < 0:
                m_store[message], offset = self._keep(data[start:end])
            else:
                m_store[message] = store_number
            m_time[message] = time
            m_offset[message] = offset
            m_length[message] = end - start
            m_source[message] = flow.source
            m_destination[message] = flow.destination
            m_kind[message] = kind
            m_transport[message] = flow.transport_number
            m_tap[message] = tap_number
            m_outer[message] = flow.outer
            m_next[message] = -1
            if number is None:
                number = self._open(call_id, message, time, data, start, end)
            else:
                m_next[last[number]] = message
                last[number] = message
                size = count[number] = count[number] + 1
                if time > latest[number]:
                    latest[number] = time
                else:
                    self._came_late(number, message, time, data, start, end)
                if size > most:
                    self._endless.add(number)
            m_conversation[message] = number
            heard[number] = batch
            added.append(message)
            self.message_count += 1
            self._move(number, kind, data, start, end)
        return added

    def _open(
        self, call_id: bytes, message: int, time: int, data: bytes, start: int, end: int
    ) -> int:
        """Begin a conversation with its first message."""
        index = self.index
        if index.m_transport[message] & CUT:
            end = headers.lines_end(data, start, end)
        # First what may fail: nothing of a conversation is entered then.
        source, destination = (self._user(data, start, end, name) for name in ("From", "To"))
        number = self._ids[call_id] = index.free_conversations.pop()
        self._call_id_bytes += len(call_id)
        self.opened += 1
        index.c_call_id[number] = call_id
        index.c_first[number] = index.c_begin[number] = index.c_last[number] = message
        index.c_latest[number] = time
        index.c_begun[number] = index.batch
        index.c_count[number] = 1
        index.c_src_user[number] = source
        index.c_dst_user[number] = destination
        index.c_kinds[number] = 1
        index.c_state[number] = states.NEW
        self._in_order = self._in_order and time >= self._newest
        self._newest = time
        self._ordered.append(number)
        return number

    def _came_late(
        self, number: int, message: int, time: int, data: bytes, start: int, end: int
    ) -> None:
        """Note a message that isn't later than all before it; it may be the conversation's first."""
        index = self.index
        if time < index.m_time[index.c_first[number]]:
            if index.m_transport[message] & CUT:
                end = headers.lines_end(data, start, end)
            index.c_first[number] = message
            for column, name in ((index.c_src_user, "From"), (index.c_dst_user, "To")):
                self._users.give_back([column[number]])
                column[number] = self._user(data, start, end, name)
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

    # Parts of a message

    def _move(self, number: int, kind: int, data: bytes, start: int, end: int) -> None:
        """Move a conversation's state and set of kinds on."""
        index = self.index
        state = states.after(index.c_state[number], kind)
        if state == states.ASK:
            cseq_method = _cseq_method(data, start, end)
            state = states.after_response(index.c_state[number], kind, cseq_method)
        index.c_state[number] = state
        known = index.c_kinds[number]
        if known == MANY_KINDS:
            return
        key = known << 16 | kind
        after = self._set_moves.get(key)
        if after is None:
            kinds = index.kind_sets[known]
            more = kinds | {kind_key(kind)} if len(kinds) < MAX_KINDS else None
            after = MANY_KINDS if more is None else self._set_number(more)
            if len(self._set_moves) < KIND_SETS:
                self._set_moves[key] = after
        index.c_kinds[number] = after

    def _set_number(self, kinds: frozenset[int | str]) -> int:
        number = self._set_numbers.get(kinds)
        if number is None:
            sets = self.index.kind_sets
            if len(sets) >= KIND_SETS:
                return MANY_KINDS
            number = self._set_numbers[kinds] = len(sets)
            sets.append(kinds)
        return number

    def _user(self, data: bytes, start: int, end: int, name: str) -> int:
        """Return the number of the user part in a From or To header."""
        value = headers.first(data, start, end, name)
        if value is None:
            return 0
        return self._users.take(user_of(value.decode("utf-8", "surrogateescape"))[:MAX_USER])

    def _keep(self, raw: bytes) -> tuple[int, int]:
        """Write bytes that stand whole in no file to our spool; return its number and the place."""
        if self._joined is None:
            self._joined = Spool()
        return self._store_number(self._joined), self._joined.append(raw)

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


def _cseq_method(data: bytes, start: int, end: int) -> bytes:
    value = headers.first(data, start, end, "CSeq")
    return value.split()[-1].upper() if value else b""
