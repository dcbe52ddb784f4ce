"""Start lines (RFC 3261 section 7.1 and 7.2): is this SIP, and which kind of message.

The kind is a small number, so that an index can hold a million of them: a response's status code as
it is, a request's method as METHOD_BASE + its place in the table of methods seen. A message's code
is a letter whose number holds the kind and, of a response, which method it answers: that of its CSeq
(RFC 3261 8.1.1.5). The codes of several messages are a text.
"""

from __future__ import annotations

import re

from sipstream.limits import MAX_START_LINE, METHODS

METHOD_BASE = 1000
NOT_SIP = -1
NO_CODE = 0
"""The kind of a response whose code has more than three digits (RFC 4475 section 3.1.2.19)."""

KNOWN = (
    b"INVITE",
    b"ACK",
    b"BYE",
    b"CANCEL",
    b"OPTIONS",
    b"REGISTER",
    b"PRACK",
    b"SUBSCRIBE",
    b"NOTIFY",
    b"PUBLISH",
    b"INFO",
    b"REFER",
    b"MESSAGE",
    b"UPDATE",
)
INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER = range(METHOD_BASE, METHOD_BASE + 6)
OTHER = METHOD_BASE + METHODS
"""The kind of a request whose method came after the table was full."""

_KIND_BITS = 11
"""Bits of a code that hold the kind: METHOD_BASE and METHODS fit."""
_ANSWERED = (0, INVITE, REGISTER, BYE)
"""What a code says a response answers, 0 for any other method: these move a conversation's state."""

_USUAL = 64
"""Bytes within which a usual method ends."""
_REQUEST_END = re.compile(rb"[ \t]SIP/\d+\.\d+[ \t]*\r?$", re.IGNORECASE)
_RESPONSE = re.compile(rb"SIP/\d+\.\d+[ \t]+(\d{3})(?:[ \t]|\r?$)", re.IGNORECASE)

RESPONSES: dict[bytes, str] = {}
"""Codes of responses seen, by status and method of known kinds, as in `200INVITE`."""
_kinds: dict[bytes, int] = {name: METHOD_BASE + i for i, name in enumerate(KNOWN)}
_methods: list[str] = [name.decode("ascii") for name in KNOWN]


def kind_of(data: bytes, start: int, end: int) -> int:
    """Return the kind of the message that begins at `start`, NOT_SIP where none does."""
    if start >= end:
        return NOT_SIP
    first = data[start]
    if first > 0x7E or first < 0x21:
        return NOT_SIP
    if data[start : start + 8] == b"SIP/2.0 ":
        code = data[start + 8 : min(start + 12, end)]
        if len(code) < 3 or not code[:3].isdigit():
            return NOT_SIP
        return NO_CODE if code[3:].isdigit() else int(code[:3])
    space = data.find(b" ", start, min(start + _USUAL, end))
    if space < 0:
        return _odd_kind(data, start, end)
    line_end = data.find(b"\n", space, min(space + MAX_START_LINE, end))
    if line_end < 0:
        line_end = end
    if data[line_end - 9 : line_end] == b" SIP/2.0\r":
        known = _kinds.get(data[start:space])
        if known is not None:
            return known
    return _odd_kind(data, start, line_end)


def _odd_kind(data: bytes, start: int, end: int) -> int:
    """Judge start lines that aren't as the book has them: LF only, other methods, versions, case.

    A method is any run without blanks where the line ends in a version: what attackers write is shown.
    """
    line_end = data.find(b"\n", start, min(start + MAX_START_LINE, end))
    line = data[start : line_end if line_end >= 0 else min(start + MAX_START_LINE, end)]
    response = _RESPONSE.match(line)
    if response:
        return int(response[1])
    method, space, _ = line.partition(b" ")
    if not space or not _REQUEST_END.search(line):
        return NOT_SIP
    return intern_method(method)


def intern_method(method: bytes) -> int:
    """Return the kind of a method, giving it a number when it is new."""
    kind = _kinds.get(method)
    if kind is None:
        if len(_methods) >= METHODS or len(method) > _USUAL:
            return OTHER
        kind = _kinds[method] = METHOD_BASE + len(_methods)
        _methods.append(method.decode("ascii", "surrogateescape"))
    return kind


def methods_seen() -> int:
    """Return how many methods have a kind of their own."""
    return len(_methods)


def method_name(kind: int) -> str:
    """Return the method of a request's kind; `OTHER` has none of its own."""
    return _methods[kind - METHOD_BASE] if kind - METHOD_BASE < len(_methods) else "OTHER"


def is_request(kind: int) -> bool:
    """Tell requests from responses."""
    return kind >= METHOD_BASE


def code_of(kind: int, method: bytes = b"") -> str:
    """Return the code of a message; `method` is that of a response's CSeq."""
    if is_request(kind):
        return chr(kind)
    answers = _kinds.get(method, 0)
    return chr(kind | (_ANSWERED.index(answers) if answers in _ANSWERED else 0) << _KIND_BITS)


def usual_response(status: bytes, method: bytes) -> str | None:
    """Return the code of a response to a method of known kind, None for any other; it is remembered.

    `status` is three digits.
    """
    if method not in REQUESTS:
        return None
    code = RESPONSES[status + method] = code_of(int(status), method)
    return code


def kind_in(code: int) -> int:
    """Return the kind that a code holds."""
    return code & ((1 << _KIND_BITS) - 1)


def answered(code: int) -> int:
    """Return the kind of request that a response's code says it answers: INVITE, REGISTER, BYE or 0."""
    return _ANSWERED[code >> _KIND_BITS]


REQUESTS: dict[bytes, str] = {name: code_of(_kinds[name]) for name in KNOWN}
"""Codes of requests of known kinds."""
