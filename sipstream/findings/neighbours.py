"""What the rest of a capture says about a conversation: who else sent, what came, the leg before it.

Each question looks at a bounded stretch of the index's columns, so that no capture is too large.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sipstream.findings.telling import SECOND
from sipstream.plan import Plan, normal_number
from sipstream.sip.startline import INVITE, kind_in
from sipstream.sip.uri import number_code
from sipstream.views import Conversation, Message

if TYPE_CHECKING:
    from array import array

    from sipstream.index import Index

_REACH = 50_000
"""Messages before and after a conversation that are looked at: a millisecond's search."""
_LEGS = 4096
"""Conversations before one that are looked at for the leg it forwards."""
_TRIED = 64
"""Of what may be it, as many are looked at."""
_LIFE = 600 * SECOND
"""How long before or after a request its target is heard of."""
_RINGING = 120 * SECOND
"""How long a call rings at most before it is forwarded."""


def asks_itself(sendings: list[Message]) -> bool:
    """Tell whether the target of requests without response sends requests to their sender itself.

    Not while they were sent: then its NAT had an open way, and it is something else that is wrong.
    """
    first, last = sendings[0], sendings[-1]
    index = first.origin
    ways = list(_ways_back(index, first))
    begin = max(first.id - _REACH, 0)
    during = _sent(index, ways, range(first.id, last.id + 1), (first.time, last.time))
    if any(message.source == first.destination for message in during):
        return False
    before = _sent(index, ways, range(begin, first.id), (first.time - _LIFE, first.time))
    after = _sent(index, ways, range(last.id, last.id + _REACH), (last.time, last.time + _LIFE))
    return any(one.method for heard in (before, after) for one in heard)


def is_heard(message: Message) -> bool:
    """Tell whether anything that came to the sender of a message was captured.

    Where nothing was, a mirror may have given one direction only: then no answer is to be seen.
    """
    ways = message.origin.ways
    own = ways.source[message.way]
    return next(_places(ways.destination, own, range(ways.places)), None) is not None


def leg_before(invite: Message, number: str, called: str, plan: Plan) -> Conversation | None:
    """Return the call that a box forwards by an INVITE: from the same number to itself, for another one.

    `number` is the caller's, `called` whom the INVITE is for.
    """
    index, own = invite.origin, invite.conversation
    form = plan.form(normal_number(number))
    codes = {number_code(one.encode("utf-8", "surrogateescape")) for one in plan.spellings(form)}
    begin = max(own - _LEGS, 0)
    for code in codes - {0}:
        for place in _places(index.c_src_user, code, range(begin, own)):
            leg = Conversation(index, place)
            first = leg.first
            if (
                leg.count
                and kind_in(index.m_code[index.c_first[place]]) == INVITE
                and first.destination_address == invite.source_address
                and 0 <= invite.time - first.time <= _RINGING
                and plan.form(normal_number(leg.dst_user)) != plan.form(normal_number(called))
            ):
                return leg
    return None


def _ways_back(index: Index, request: Message) -> Iterator[int]:
    """Yield the ways from a request's target, any port of it, to its source."""
    ways, endpoints = index.ways, index.endpoints
    target, own = request.destination_address, ways.source[request.way]
    for way in _places(ways.destination, own, range(ways.places), most=_LEGS):
        if endpoints.address(ways.source[way]) == target:
            yield way


def _sent(
    index: Index, ways: Iterable[int], places: range, between: tuple[int, int]
) -> Iterator[Message]:
    """Yield messages that came a way within a time."""
    for way in ways:
        for place in _places(index.m_way, way, places):
            if index.m_store[place] and between[0] <= index.m_time[place] <= between[1]:
                yield Message(index, place)


def _places(column: array[int], value: int, places: range, most: int = _TRIED) -> Iterator[int]:
    """Yield the first places among some where a column has a value."""
    place, stop = places.start, min(places.stop, len(column))
    for _ in range(most):
        try:
            place = column.index(value, place, stop)
        except ValueError:
            return
        yield place
        place += 1
