"""How far a conversation has come, as a small number that each message's kind moves on.

Sans-IO. The method of a response's CSeq (RFC 3261 8.1.1.5) is asked for only where the kind alone
leaves it open, so that most messages cost one look-up.
"""

from __future__ import annotations

from sipstream.sip.startline import BYE, CANCEL, INVITE, REGISTER, is_request

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
ASK = -1

_moves: dict[int, int] = {}


def after(state: int, kind: int) -> int:
    """Return the state after a message of a kind, ASK where its CSeq decides (`after_response`)."""
    key = state << 16 | kind
    move = _moves.get(key)
    if move is None:
        move = _moves[key] = _after_request(state, kind) if is_request(kind) else _ask(state, kind)
    return move


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


def _ask(state: int, kind: int) -> int:
    """Return the state where no response can move it on, ASK where the method decides."""
    if kind in _CHALLENGES or state in (ANSWERED, ENDED, CANCELLED):
        return state
    if kind < 180 and state != NEW:
        return state
    return ASK


def after_response(state: int, kind: int, method: bytes) -> int:
    """Return the state after a response; `method` is that of its CSeq."""
    if state == NEW:
        state = {b"INVITE": CALLING, b"REGISTER": REGISTERING, b"BYE": ENDED}.get(method, OPEN)
    if method == b"INVITE":
        if kind >= 300:
            return FAILED
        return ANSWERED if kind >= 200 else RINGING if kind >= 180 else state
    if method == b"REGISTER" and kind >= 200:
        return REGISTERED if kind < 300 else FAILED
    if state in (OPEN, DONE) and kind >= 200:
        return DONE if kind < 300 else FAILED
    return state
