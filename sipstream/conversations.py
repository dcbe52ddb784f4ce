"""The Call-ID aggregator: all messages of one Call-ID are a conversation.

A compact index, sans-IO: a message is one entry in each of a few arrays, its bytes stay in the store
where they lie and are read when someone looks. Conversation and Message (views.py) hide the arrays.
"""

from __future__ import annotations

from array import array
from bisect import insort_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sipstream import states
from sipstream.decode.endpoints import Endpoints
from sipstream.limits import KIND_SETS, MAX_KINDS, MAX_USER, TAPS
from sipstream.packets import Store
from sipstream.sip import headers
from sipstream.sip.startline import is_request, method_name
from sipstream.sip.uri import user_of
from sipstream.spool import Spool
from sipstream.views import TRANSPORTS, Conversation, Message

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Flow
    from sipstream.sip.scan import Found

_ORDERS = 64
"""Conversations whose messages' order by time is kept."""
_MANY_KINDS = 0
"""The set number of conversations whose kinds are looked up message by message."""


class Index:
    """The columns; one place a message (`m_`) and one a conversation (`c_`)."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self.m_time = array("q")
        self.m_store = array("H")
        self.m_offset = array("q")
        self.m_length = array("I")
        self.m_source = array("I")
        self.m_destination = array("I")
        self.m_conversation = array("I")
        self.m_kind = array("H")
        self.m_transport = array("B")
        self.m_tap = array("H")
        self.m_outer = array("H")
        self.m_next = array("i")
        """The conversation's next message by arrival, -1 behind its last."""
        self.c_call_id: list[bytes] = []
        self.c_first = array("I")
        """The message with the earliest time."""
        self.c_begin = array("I")
        """The message that arrived first: the head of the chain `m_next`."""
        self.c_last = array("I")
        """The message that arrived last."""
        self.c_latest = array("q")
        """The latest time of any message."""
        self.c_count = array("I")
        self.c_src_user = array("I")
        self.c_dst_user = array("I")
        self.c_kinds = array("I")
        self.c_state = bytearray()
        self.users: list[str] = [""]
        self.kind_sets: list[frozenset[int | str]] = [frozenset(), frozenset()]
        self.stores: list[Store] = []
        self.taps: list[str] = []
        self._orders: OrderedDict[int, tuple[int, list[int]]] = OrderedDict()
        """Of a conversation: the last message by arrival that was put in order, and the order."""

    def raw(self, message: int) -> bytes:
        """Return a message's bytes, b"" when the file they lie in has lost them."""
        store = self.stores[self.m_store[message]]
        return store.read(self.m_offset[message], self.m_length[message])

    def arrived(self, conversation: int, after: int = -1) -> Iterator[int]:
        """Yield a conversation's messages in order of arrival, those behind message `after`."""
        message = self.m_next[after] if after >= 0 else self.c_begin[conversation]
        while message >= 0:
            yield message
            message = self.m_next[message]

    def in_time_order(self, conversation: int) -> list[int]:
        """Return a conversation's messages by time, those of equal time by arrival.

        The list is kept up to date for conversations asked about lately: a follow asks again after
        every message. It isn't the caller's to change.
        """
        last, order = self._orders.pop(conversation, (-1, []))
        time = self.m_time
        for message in self.arrived(conversation, last):
            if not order or time[order[-1]] <= time[message]:
                order.append(message)
            else:
                insort_right(order, message, key=time.__getitem__)
            last = message
        self._orders[conversation] = last, order
        if len(self._orders) > _ORDERS:
            self._orders.popitem(last=False)
        return order

    def kinds(self, conversation: int) -> frozenset[int | str]:
        """Return the methods (text) and status codes (int) that a conversation's messages have."""
        number = self.c_kinds[conversation]
        if number != _MANY_KINDS:
            return self.kind_sets[number]
        return frozenset(kind_key(self.m_kind[message]) for message in self.arrived(conversation))


@dataclass(slots=True)
class _SameTime:
    """A conversation's messages of one time: not read yet, or known by the hash of their bytes."""

    unread: list[int] = field(default_factory=list)
    known: dict[int, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class _Times:
    """A conversation's messages by time, up to the message `upto` of its chain."""

    upto: int = -1
    messages: dict[int, _SameTime] = field(default_factory=dict)


def kind_key(kind: int) -> int | str:
    """Return a start line's kind as filters name it: status code or method."""
    return method_name(kind) if is_request(kind) else kind


class Conversations:
    """All conversations, in the order their first message arrived."""

    def __init__(self, endpoints: Endpoints | None = None) -> None:
        self.index = Index(endpoints if endpoints is not None else Endpoints())
        self.duplicates = 0
        """Messages left out because the same bytes of the same time were there already."""
        self._ids: dict[bytes, int] = {}
        self._users: dict[str, int] = {"": 0}
        self._set_moves: dict[int, int] = {}
        self._set_numbers: dict[frozenset[int | str], int] = {}
        self._store_numbers: dict[int, int] = {}
        self._tap_numbers: dict[str, int] = {}
        self._by_time: dict[int, _Times] = {}
        self._ordered: list[int] = []
        self._in_order = True
        self._joined: Spool | None = None

    def __len__(self) -> int:
        return len(self.index.c_call_id)

    def __getitem__(self, number: int) -> Conversation:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return Conversation(self.index, number)

    def __iter__(self) -> Iterator[Conversation]:
        """Yield the conversations in order of their first messages' times."""
        return (Conversation(self.index, number) for number in self.in_time_order())

    @property
    def message_count(self) -> int:
        """How many messages are in the index."""
        return len(self.index.m_time)

    def message(self, number: int) -> Message:
        """Return one message by its number, as `feed` gave it."""
        return Message(self.index, number)

    def by_call_id(self, call_id: str) -> Conversation | None:
        """Return the conversation of a Call-ID, None when there is none."""
        number = self._ids.get(call_id.encode("utf-8", "surrogateescape"))
        return None if number is None else Conversation(self.index, number)

    def in_time_order(self) -> list[int]:
        """Return the numbers of all conversations by the time of their first message."""
        if not self._in_order:
            first, time = self.index.c_first, self.index.m_time
            self._ordered.sort(key=lambda number: time[first[number]])
            self._in_order = True
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
        store_number, tap_number = self._store_number(store), self._tap_number(tap)
        latest, last, count = index.c_latest, index.c_last, index.c_count
        added: list[int] = []
        for time, flow, kind, call_id, data, start, end, offset in found:
            if flow.source < 0:
                flow.resolve(index.endpoints)
            number = ids.get(call_id)
            if (
                number is not None
                and time <= latest[number]
                and self._is_duplicate(number, time, flow, tap_number, data[start:end])
            ):
                self.duplicates += 1
                continue
            message = len(index.m_time)
            if offset < 0:
                place, offset = self._keep(data[start:end])
                index.m_store.append(place)
            else:
                index.m_store.append(store_number)
            index.m_time.append(time)
            index.m_offset.append(offset)
            index.m_length.append(end - start)
            index.m_source.append(flow.source)
            index.m_destination.append(flow.destination)
            index.m_kind.append(kind)
            index.m_transport.append(TRANSPORTS.index(flow.transport))
            index.m_tap.append(tap_number)
            index.m_outer.append(flow.outer)
            index.m_next.append(-1)
            if number is None:
                number = self._open(call_id, message, time, data, start, end)
                index.m_conversation.append(number)
            else:
                index.m_conversation.append(number)
                index.m_next[last[number]] = message
                last[number] = message
                count[number] += 1
                if time > latest[number]:
                    latest[number] = time
                else:
                    self._came_late(number, message, time, data, start, end)
            self._move(number, kind, data, start, end)
            added.append(message)
        return added

    def _open(
        self, call_id: bytes, message: int, time: int, data: bytes, start: int, end: int
    ) -> int:
        """Begin a conversation with its first message."""
        index = self.index
        number = len(index.c_call_id)
        self._ids[call_id] = number
        index.c_call_id.append(call_id)
        index.c_first.append(message)
        index.c_begin.append(message)
        index.c_last.append(message)
        index.c_latest.append(time)
        index.c_count.append(1)
        index.c_src_user.append(self._user(data, start, end, "From"))
        index.c_dst_user.append(self._user(data, start, end, "To"))
        index.c_kinds.append(1)
        index.c_state.append(states.NEW)
        if self._ordered and self._in_order:
            previous = index.m_time[index.c_first[self._ordered[-1]]]
            self._in_order = time >= previous
        self._ordered.append(number)
        return number

    def _came_late(
        self, number: int, message: int, time: int, data: bytes, start: int, end: int
    ) -> None:
        """Note a message that isn't later than all before it; it may be the conversation's first."""
        index = self.index
        if time < index.m_time[index.c_first[number]]:
            index.c_first[number] = message
            index.c_src_user[number] = self._user(data, start, end, "From")
            index.c_dst_user[number] = self._user(data, start, end, "To")
            self._in_order = False

    def _is_duplicate(self, number: int, time: int, flow: Flow, tap: int, raw: bytes) -> bool:
        """Tell whether one capture point gave the same bytes of the same time before.

        The times of a conversation are put into a table when a message is first not the latest, so
        that loading a file twice stays linear.
        """
        index = self.index
        times = self._by_time.get(number)
        if times is None:
            times = self._by_time[number] = _Times()
        for message in index.arrived(number, times.upto):
            times.messages.setdefault(index.m_time[message], _SameTime()).unread.append(message)
            times.upto = message
        same = times.messages.get(time)
        if same is None:
            return False
        for message in same.unread:
            # Each is read once: many of one time are an attack, or a capture without times.
            same.known.setdefault(hash(index.raw(message)), []).append(message)
        same.unread.clear()
        return any(
            index.m_source[message] == flow.source
            and index.m_tap[message] == tap
            and index.m_outer[message] == flow.outer
            and index.raw(message) == raw
            for message in same.known.get(hash(raw), ())
        )

    def _move(self, number: int, kind: int, data: bytes, start: int, end: int) -> None:
        """Move a conversation's state and set of kinds on."""
        index = self.index
        index.c_state[number] = states.advance(
            index.c_state[number], kind, lambda: _cseq_method(data, start, end)
        )
        known = index.c_kinds[number]
        if known == _MANY_KINDS:
            return
        key = known << 16 | kind
        after = self._set_moves.get(key)
        if after is None:
            kinds = index.kind_sets[known]
            more = kinds | {kind_key(kind)} if len(kinds) < MAX_KINDS else None
            after = _MANY_KINDS if more is None else self._set_number(more)
            if len(self._set_moves) < KIND_SETS:
                self._set_moves[key] = after
        index.c_kinds[number] = after

    def _set_number(self, kinds: frozenset[int | str]) -> int:
        number = self._set_numbers.get(kinds)
        if number is None:
            sets = self.index.kind_sets
            if len(sets) >= KIND_SETS:
                return _MANY_KINDS
            number = self._set_numbers[kinds] = len(sets)
            sets.append(kinds)
        return number

    def _user(self, data: bytes, start: int, end: int, name: str) -> int:
        """Return the number of the user part in a From or To header."""
        value = headers.first(data, start, end, name)
        if value is None:
            return 0
        user = user_of(value.decode("utf-8", "surrogateescape"))[:MAX_USER]
        number = self._users.get(user)
        if number is None:
            number = self._users[user] = len(self.index.users)
            self.index.users.append(user)
        return number

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
