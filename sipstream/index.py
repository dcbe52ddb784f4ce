"""The columns behind conversations and messages: one place in each for everything known of one.

A message's bytes stay in the store where they lie and are read when someone looks. Places of what was
given up are used again, so numbers rise in order of arrival only until then. Conversation and Message
(views.py) hide the arrays; conversations.py fills them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right, insort_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from typing import Any, NamedTuple

from sipstream import states
from sipstream.columns import MOST_NARROW, made
from sipstream.decode.endpoints import Endpoints
from sipstream.limits import TAPS
from sipstream.newest import newest_of
from sipstream.packets import Batch, Store
from sipstream.shapes import Shapes, kind_key
from sipstream.sip.found import Found
from sipstream.sip.startline import is_request, kind_in
from sipstream.sip.uri import coded_number
from sipstream.ways import Ways

UNUSED = len(states.NAMES)
"""The state of a place without a conversation."""

_ORDERS = 64
"""Conversations whose messages' order by time is kept."""


_WIDE = 4
"""The bytes of a number in a column that was widened."""
_MOST_BATCHES, _WIDEST = 0xFFFFFFFF, 8
"""The highest number that four bytes hold, and the bytes of a column that holds higher ones."""


class Sighted(NamedTuple):
    """A message as one tap saw it."""

    time: int
    """By the tap's clock, ns since the epoch."""
    way: int


class Nowhere:
    """The store of places that no message has."""

    begin = 0

    def read(self, offset: int, length: int) -> bytes:
        """Return nothing."""
        return b""

    def headline(self, offset: int) -> None:
        """Return None."""


class Index:
    """The columns; one place a message (`m_`) and one a conversation (`c_`)."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self.ways = Ways()
        self.shapes = Shapes()
        self.m_time = array("q")
        self.m_store = array("H")
        self.m_offset = array("q")
        self.m_length = array("H")
        """Of four bytes once one is longer than any UDP datagram; so are ways, once there are many."""
        self.m_way = array("H")
        self.m_conversation = array("I")
        self.m_code = array("H")
        """Its kind, and which method a response answers (sip.startline)."""
        self.m_step = array("i")
        """How far on the conversation's next message by arrival is, 0 for its last."""
        self.c_call_id: list[bytes] = []
        self.c_first = array("I")
        """The message with the earliest time."""
        self.c_begin = array("I")
        """The message that arrived first: the head of the chain `m_step`."""
        self.c_last = array("I")
        """The message that arrived last."""
        self.c_latest = array("q")
        """The latest time of any message."""
        self.c_heard = array("I")
        """The number of the batch that brought the last message: how long it has been idle."""
        self.c_begun = array("I")
        """The number of the batch that began it: the same place may be another's later."""
        self.c_count = array("I")
        self.c_src_user = array("q")
        """A number's code (sip.uri), 0 for no user, below 0 a place in `users`."""
        self.c_dst_user = array("q")
        self.c_shape = array("I")
        self.c_state = bytearray()
        """That of its shape, or UNUSED."""
        self.c_left_out: dict[int, int] = {}
        """Messages given up of conversations with very many."""
        self.comments: dict[int, str] = {}
        """What a capture file says of the packet that a message came in."""
        self.sightings: dict[int, list[Sighted]] = {}
        """Of messages that several taps saw, all of these by time; time and way are the first one's."""
        self.sighting_count = 0
        """How many sightings that are."""
        self.correlations: dict[int, bytes] = {}
        """Of a conversation: what an agent says belongs together, where that isn't its Call-ID."""
        self.corrections: dict[int, int] = {}
        """How far taps' clocks are ahead (ns), where times are to be corrected by that."""
        self.users: list[str] = [""]
        """User parts that are no numbers."""
        self.stores: list[Store] = [Nowhere()]
        self.taps: list[str] = []
        self._tap_numbers: dict[str, int] = {}
        self.free_messages = array("I")
        """Places for messages, the next one last."""
        self.free_conversations = array("I")
        self.batch = 0
        """How many batches of messages came."""
        self.bytes = 0
        """How many bytes the messages have together."""
        self.newest = 0
        """The time that "the last minutes" are counted from, ns since the epoch."""
        self._orders: OrderedDict[int, tuple[int, list[int]]] = OrderedDict()
        """Of a conversation: the last message by arrival that was put in order, and the order."""
        self._conversation_size = sum(one.itemsize for one in self._conversation_columns()) + 9

    @property
    def message_size(self) -> int:
        """Bytes that a message takes in the columns."""
        return sum(column.itemsize for column in self._message_columns())

    @property
    def size(self) -> int:
        """Bytes that the columns take."""
        places = len(self.m_time), len(self.c_state)
        return places[0] * self.message_size + places[1] * self._conversation_size

    def count_batch(self) -> None:
        """Take note of one batch more: after some weeks their numbers need wider columns."""
        self.batch += 1
        if self.batch > _MOST_BATCHES and self.c_heard.itemsize < _WIDEST:
            self.c_heard, self.c_begun = array("Q", self.c_heard), array("Q", self.c_begun)
            self._conversation_size += 2 * (_WIDEST - _WIDE)

    def enter(self, found: Found, store: int, tap: int) -> Sequence[int]:
        """Give messages their places, with what is known of each by itself; return the places."""
        number = self.tap_number
        ways = found.ways(lambda flows: self.ways.numbers(flows, self.endpoints, tap, number))
        count = len(found)
        places = _take(self.free_messages, count, len(self.m_time))
        put(self.m_time, places, found.times)
        self.newest = newest_of(self.newest, found.times)
        put(self.m_offset, places, found.offsets)
        if found.lengths.itemsize > self.m_length.itemsize:
            self.m_length = array("I", self.m_length)
        put(self.m_length, places, found.lengths)
        put(self.m_code, places, found.codes)
        if self.ways.places > MOST_NARROW and self.m_way.itemsize < _WIDE:
            self.m_way = array("I", self.m_way)
        put(self.m_way, places, ways)
        put(self.m_store, places, array("H", [store]) * count)
        put(self.m_step, places, found.steps(places))
        put(self.m_conversation, places, array("I", [0]) * count)
        self.bytes += sum(found.lengths)
        return places

    def tap_number(self, name: str) -> int:
        """Return a capture point's number, 0 when there are too many."""
        number = self._tap_numbers.get(name)
        if number is None and len(self.taps) >= TAPS:
            return 0
        if number is None:
            number = self._tap_numbers[name] = len(self.taps)
            self.taps.append(name)
        return number

    def known_tap(self, name: str) -> int | None:
        """Return a capture point's number, None for one that no message came from."""
        return self._tap_numbers.get(name)

    def leave_out(self, messages: set[int]) -> None:
        """Give up the places of messages that belong to no conversation."""
        self.bytes -= sum(map(self.m_length.__getitem__, messages))
        for message in messages:
            self.m_store[message] = 0
            self._forget_seen(message)
        self.free_messages.extend(messages)

    def take_conversations(self, count: int) -> Sequence[int]:
        """Return places for new conversations."""
        return _take(self.free_conversations, count, len(self.c_state))

    def begin_anew(self, number: int) -> None:
        """Take a new conversation's messages from it, but for its place by arrival."""
        self.c_last[number] = self.c_begin[number]
        self.c_latest[number] = self.m_time[self.c_begin[number]]
        self.c_count[number] = self.c_shape[number] = 0
        self.c_state[number] = states.NEW

    def is_there(self, conversation: int, batch: int) -> bool:
        """Tell whether a conversation that was there with batch number `batch` still is."""
        return self.c_state[conversation] != UNUSED and self.c_begun[conversation] <= batch

    def keep_comments(self, messages: list[int], batch: Batch) -> None:
        """Keep the comments on a batch's packets with the messages that came of them.

        A message that was joined of several packets gets that of the packet that completed it.
        """
        starts = [record[1] for record in batch.records]
        by_time = {batch.records[place][0]: text for place, text in batch.comments.items()}
        for message in messages:
            if self.stores[self.m_store[message]] is batch.store:
                place = bisect_right(starts, self.m_offset[message] - batch.base) - 1
                text = batch.comments.get(place)
            else:
                text = by_time.get(self.m_time[message])
            if text is not None:
                self.comments[message] = text

    def raw(self, message: int) -> bytes:
        """Return a message's bytes, b"" when the file they lie in has lost them."""
        store = self.stores[self.m_store[message]]
        return store.read(self.m_offset[message], self.m_length[message])

    def seen(self, message: int) -> list[Sighted]:
        """Return the sightings of a message, by the clocks of the taps."""
        seen = self.sightings.get(message)
        return [Sighted(self.m_time[message], self.m_way[message])] if seen is None else seen

    def put_seen(self, message: int, seen: list[Sighted]) -> bool:
        """Give a message its sightings; return whether its time is another one than before."""
        seen.sort()
        self._forget_seen(message)
        if len(seen) > 1:
            self.sightings[message] = seen
            self.sighting_count += len(seen)
        before, (self.m_time[message], self.m_way[message]) = self.m_time[message], seen[0]
        self._orders.pop(self.m_conversation[message], None)
        return before != self.m_time[message]

    def corrected(self, one: Sighted) -> int:
        """Return the time of a sighting (ns), corrected where times are to be."""
        return one.time - self.corrections.get(self.ways.tap[one.way], 0)

    def time(self, message: int) -> int:
        """Return the time of a message (ns since the epoch), corrected where times are to be."""
        if not self.corrections:
            return self.m_time[message]
        return min(map(self.corrected, self.seen(message)))

    def first(self, conversation: int) -> int:
        """Return a conversation's first message by time."""
        if not self.corrections:
            return self.c_first[conversation]
        return self.in_time_order(conversation)[0]

    def correct(self, corrections: dict[int, int]) -> None:
        """Have times corrected by how far taps' clocks are ahead (ns); by nothing where that is empty."""
        if corrections != self.corrections:
            self.corrections = corrections
            self._orders.clear()

    def arrived(self, conversation: int, after: int = -1) -> Iterator[int]:
        """Yield a conversation's messages in order of arrival, those behind message `after`."""
        step = self.m_step
        if after < 0:
            after = self.c_begin[conversation]
            yield after
        while step[after]:
            after += step[after]
            yield after

    def in_time_order(self, conversation: int) -> list[int]:
        """Return a conversation's messages by time, those of equal time by arrival.

        The list is kept up to date for conversations asked about lately: a follow asks again after
        every message. It isn't the caller's to change.
        """
        last, order = self._orders.pop(conversation, (-1, []))
        time = self.time if self.corrections else self.m_time.__getitem__
        for message in self.arrived(conversation, last):
            if not order or time(order[-1]) <= time(message):
                order.append(message)
            else:
                insort_right(order, message, key=time)
            last = message
        self._orders[conversation] = last, order
        if len(self._orders) > _ORDERS:
            self._orders.popitem(last=False)
        return order

    def last_status(self, conversation: int) -> int | None:
        """Return the status code of the latest response by time, None where none came."""
        times, codes = self.m_time, self.m_code
        found, latest = None, 0
        for message in self.arrived(conversation):
            kind = kind_in(codes[message])
            if not is_request(kind) and (found is None or times[message] >= latest):
                found, latest = kind, times[message]
        return found

    def duration(self, conversation: int) -> int:
        """Return the time from a conversation's first message to its last, ns."""
        return self.c_latest[conversation] - self.m_time[self.c_first[conversation]]

    def forget(self, conversation: int) -> None:
        """Give the places of a conversation's messages up; its own one is free once the caller says."""
        size = 0
        for message in self.arrived(conversation):
            self.free_messages.append(message)
            self.comments.pop(message, None)
            self._forget_seen(message)
            self.m_store[message] = 0
            size += self.m_length[message]
        self.bytes -= size
        self.c_call_id[conversation] = b""
        self.c_count[conversation] = 0
        self.c_state[conversation] = UNUSED
        self.c_left_out.pop(conversation, None)
        self.correlations.pop(conversation, None)
        self._orders.pop(conversation, None)

    def thin_out(self, conversation: int, first: int, kept: int) -> int:
        """Give up messages behind the first ones until `kept` are left, return how many."""
        spare = self.c_count[conversation] - kept
        message = self.c_begin[conversation]
        for _ in range(first - 1):
            message += self.m_step[message]
        given_up = 0
        while given_up < spare:
            following = message + self.m_step[message]
            if following == self.c_first[conversation]:
                # It came late and is the first by time: lists show it.
                message = following
                continue
            after = self.m_step[following]
            self.m_step[message] = following + after - message if after else 0
            self.free_messages.append(following)
            self.comments.pop(following, None)
            self._forget_seen(following)
            self.m_store[following] = 0
            self.bytes -= self.m_length[following]
            given_up += 1
        self.c_count[conversation] = kept
        self.c_left_out[conversation] = self.c_left_out.get(conversation, 0) + given_up
        self._orders.pop(conversation, None)
        return given_up

    def forget_endpoints(self) -> int:
        """Give up endpoints that no message has any more, return how many are left."""
        used = set(self.m_way)
        used.update(one.way for seen in self.sightings.values() for one in seen)
        return self.endpoints.forget_others(self.ways.forget_others(used))

    def kinds(self, conversation: int) -> frozenset[int | str]:
        """Return the methods (text) and status codes (int) that a conversation's messages have."""
        kinds = self.shapes.by_number[self.c_shape[conversation]].kinds
        if kinds is not None:
            return kinds
        codes = {self.m_code[message] for message in self.arrived(conversation)}
        return frozenset(kind_key(kind_in(code)) for code in codes)

    def user(self, code: int) -> str:
        """Return the user part that a column's value stands for."""
        return coded_number(code) if code > 0 else self.users[-code]

    def _forget_seen(self, message: int) -> None:
        self.sighting_count -= len(self.sightings.pop(message, ()))

    def _message_columns(self) -> list[array[int]]:
        return [column for name, column in vars(self).items() if name.startswith("m_")]

    def _conversation_columns(self) -> list[array[int]]:
        columns = (column for name, column in vars(self).items() if name.startswith("c_"))
        return [column for column in columns if isinstance(column, array)]


def put(column: MutableSequence[Any], places: Sequence[int], values: Iterable[Any]) -> None:
    """Put values into a column, each at its place; a range of places may begin behind its end."""
    if isinstance(places, range):
        if isinstance(column, array):
            values = made(column.typecode, values, len(places))
        column[places.start : places.stop] = values
        return
    for place, value in zip(places, values, strict=True):
        column[place] = value


def _take(free: array[int], count: int, end: int) -> Sequence[int]:
    """Take so many free places, or where there aren't as many the next ones behind the last, `end`."""
    if len(free) < count:
        return range(end, end + count)
    taken = free[: -count - 1 : -1]
    del free[-count:]
    return taken
