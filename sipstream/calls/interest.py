"""Which conversations are calls, and which of their messages say something of the call.

INVITE and what answers it says it all; REFER sends a call on. Of what the capture has no INVITE of, the
first message has to do.
"""

from __future__ import annotations

from sipstream.index import Index
from sipstream.sip.startline import BYE, INVITE, answered, intern_method, is_request, kind_in

_METHODS = frozenset(("INVITE", "ACK", "BYE", "CANCEL", "PRACK", "REFER"))
"""Who has one of them is a call, or a transfer of one."""
_REFER = intern_method(b"REFER")
_MOST_MESSAGES = 8
"""Messages of a conversation looked at to tell why it belongs to a call, and as many REFERs."""


def is_call(index: Index, number: int) -> bool:
    """Tell whether a conversation is a call, or part of one, and no registration or keepalive."""
    if not _METHODS.isdisjoint(index.kinds(number)):
        return True
    return answered(index.m_code[index.c_begin[number]]) in (INVITE, BYE)


def of_interest(code: int) -> bool:
    """Tell whether a message of this code may say something that those before it didn't."""
    kind = kind_in(code)
    if is_request(kind):
        return kind in (INVITE, _REFER)
    return 180 <= kind < 300 and answered(code) == INVITE


def messages_of(index: Index, number: int) -> list[int]:
    """Return a conversation's first messages that say something of its call, by arrival."""
    begin, codes = index.c_begin[number], index.m_code
    found: list[int] = []
    refers: list[int] = []
    for message in index.arrived(number):
        if kind_in(codes[message]) == _REFER:
            refers.append(message)
        elif message == begin or of_interest(codes[message]):
            found.append(message)
    return sorted(found[:_MOST_MESSAGES] + refers[:_MOST_MESSAGES])
