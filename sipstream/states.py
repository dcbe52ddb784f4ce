"""How far a conversation has come, as a small number that each message's code moves on.

Sans-IO. A code (sip.startline) says of a response which method it answers: that of its CSeq (RFC 3261
8.1.1.5).
"""

from __future__ import annotations

from sipstream.sip.startline import BYE, CANCEL, INVITE, REGISTER, answered, is_request, kind_in

NEW, CALLING, RINGING, ANSWERED, ENDED, CANCELLED, FAILED, REGISTERING, REGISTERED, OPEN, DONE = (
    range(11)
)
NAMES = (
    "new",
    "calling",
    "ringing",
    "answered",
    "ended",
    "cancelled",
    "failed",
    "registering",
    "registered",
    "open",
    "done",
)
_CHALLENGES = (401, 407)
"""Not the end: the same request follows with credentials (RFC 3261 section 22)."""
_BEGUN = {INVITE: CALLING, REGISTER: REGISTERING, BYE: ENDED}
"""The state that a response shows to be reached when its request wasn't seen."""


def after(state: int, code: int) -> int:
    """Return the state after a message."""
    kind = kind_in(code)
    if is_request(kind):
        return _after_request(state, kind)
    return _after_response(state, kind, answered(code))


def _after_request(state: int, kind: int) -> int:
    if kind == INVITE:
        return CALLING if state in (NEW, FAILED, OPEN) else state
    if kind == CANCEL:
        return CANCELLED if state in (NEW, CALLING, RINGING) else state
    if kind == BYE:
        return ENDED
    if kind == REGISTER:
        return state if state == REGISTERED else REGISTERING
    return OPEN if state in (NEW, DONE) else state


def _after_response(state: int, kind: int, method: int) -> int:
    if kind in _CHALLENGES or state in (ANSWERED, ENDED, CANCELLED):
        return state
    if kind < 180 and state != NEW:
        return state
    if state == NEW:
        state = _BEGUN.get(method, OPEN)
    if method == INVITE:
        if kind >= 300:
            return FAILED
        return ANSWERED if kind >= 200 else RINGING if kind >= 180 else state
    if method == REGISTER and kind >= 200:
        return REGISTERED if kind < 300 else FAILED
    if state in (OPEN, DONE) and kind >= 200:
        return DONE if kind < 300 else FAILED
    return state
