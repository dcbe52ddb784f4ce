"""What people and scripts see of the index: light views, made when looked at, that read on demand.

Texts are the traffic's own (bytes that are no UTF-8 as surrogate escapes); only escape.py makes them
fit for a terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipstream import states
from sipstream.message import Message, Sighting, party, text_of
from sipstream.sip.uri import is_number

if TYPE_CHECKING:
    from sipstream.index import Index

__all__ = ["Conversation", "Message", "Sighting", "party"]


class Conversation:
    """All messages of one Call-ID. What it says of numbers and endpoints is its first message's."""

    def __init__(self, index: Index, number: int) -> None:
        self._index = index
        self.id = number
        """Its number, as long as it isn't `gone`."""
        self._batch = index.batch

    def __repr__(self) -> str:
        return f"<Conversation {self.id}: {self.call_id!r}, {self.count} messages>"

    @property
    def gone(self) -> bool:
        """It was given up, because there was no room for all."""
        return not self._index.is_there(self.id, self._batch)

    @property
    def left_out(self) -> int:
        """How many messages behind the first ones were given up because it has so many."""
        return self._index.c_left_out.get(self.id, 0)

    @property
    def origin(self) -> Index:
        """What numbers count within: equal for conversations of one `Conversations`."""
        return self._index

    @property
    def call_id(self) -> str:
        """The Call-ID; a very long one is cut and ends in a digest of the whole."""
        return text_of(self._index.c_call_id[self.id])

    @property
    def count(self) -> int:
        """How many messages it has."""
        return self._index.c_count[self.id]

    @property
    def time(self) -> int:
        """The time of the first message, ns since the epoch."""
        return self._index.time(self._index.first(self.id))

    @property
    def first(self) -> Message:
        """The message with the earliest time."""
        return Message(self._index, self._index.first(self.id))

    @property
    def messages(self) -> list[Message]:
        """The messages in time order; those of equal time in order of arrival."""
        return self._views(0)

    def newest(self, count: int) -> list[Message]:
        """Return the last ones of them."""
        return self._views(max(self.count - count, 0))

    def _views(self, begin: int) -> list[Message]:
        index = self._index
        # A copy: messages that come while these are shown don't change their places.
        order = list(index.in_time_order(self.id))
        views = []
        for place in range(begin, len(order)):
            view = Message(index, order[place])
            # The order is worked out once for all of them.
            view._siblings, view.index = order, place
            views.append(view)
        return views

    def arrived(self, after: int = -1) -> list[Message]:
        """Return the messages in order of arrival, those behind the message numbered `after`."""
        return [Message(self._index, number) for number in self._index.arrived(self.id, after)]

    @property
    def last_arrived(self) -> int:
        """The number of the message that came in last."""
        return self._index.c_last[self.id]

    @property
    def kinds(self) -> frozenset[int | str]:
        """The methods (text) and status codes (int) of its messages."""
        return self._index.kinds(self.id)

    @property
    def state(self) -> str:
        """How far it has come: calling, ringing, answered, ended, cancelled, failed, registered …"""
        return states.NAMES[self._index.c_state[self.id]]

    @property
    def last_status(self) -> int | None:
        """The status code of the last response, None while none came."""
        return self._index.last_status(self.id)

    @property
    def duration(self) -> int:
        """The time from the first message to the last, ns."""
        return self._index.duration(self.id)

    @property
    def src_user(self) -> str:
        """The user part of From, "" where it has none."""
        return self._index.user(self._index.c_src_user[self.id])

    @property
    def dst_user(self) -> str:
        """The user part of To, "" where it has none."""
        return self._index.user(self._index.c_dst_user[self.id])

    @property
    def src_num(self) -> str:
        """The From number, or the whole From value where there is none."""
        return self.src_user if is_number(self.src_user) else self.first.src_num

    @property
    def dst_num(self) -> str:
        """The To number, or the whole To value where there is none."""
        return self.dst_user if is_number(self.dst_user) else self.first.dst_num

    @property
    def source(self) -> str:
        """The address it came from."""
        return self.first.source_address

    @property
    def destination(self) -> str:
        """The address it went to."""
        return self.first.destination_address
