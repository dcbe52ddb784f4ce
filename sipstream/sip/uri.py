"""The URI in a header value, its user part before all: the number (RFC 3261 section 19.1, RFC 3966)."""

from __future__ import annotations

import re
from typing import NamedTuple

_URI = re.compile(r"(sips?|tel):([^\s>]*)", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)', re.DOTALL)
"""A display name; one that is never closed runs to the end, so that each character is read once."""
_SEPARATORS = str.maketrans("", "", "-.() ")
_NUMBER = re.compile(r"\+?[0-9*#]+")
_CODED = re.compile(rb"\+?[0-9]{1,18}")
"""Numbers that fit into 64 bits, behind a 1 that keeps their zeros."""
_PLUS = 0x2B
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")


class Uri(NamedTuple):
    """The parts of a URI that say who is meant; "" for what it doesn't have."""

    text: str
    """The whole without parameters and headers, `sip:alice@example.com:5061`."""
    user: str
    host: str


_NO_URI = Uri("", "", "")
_HOST = re.compile(r"\[[^\]]*\]|[^:]*")


def uri_in(value: str) -> Uri:
    """Return the first URI of a From, To or like value, its parts "" where it has none."""
    if '"' in value:
        value = _QUOTED.sub("", value)
    match = _URI.search(value)
    if match is None:
        return _NO_URI
    scheme, rest = match[1].lower(), match[2]
    before, at, behind = rest.partition("@")
    if not at:
        before, behind = (rest, "") if scheme == "tel" else ("", rest)
    behind = behind.partition(";")[0].partition("?")[0].partition(",")[0]
    user = before.partition(";")[0].partition(":")[0]
    if not at:
        user = user.partition("?")[0].partition(",")[0]
    host = _HOST.match(behind)
    text = f"{scheme}:{user}{at}{behind}"
    if "%" in user:
        user = _unescaped(user)
    return Uri(text, user, host[0].strip("[]") if host else "")


def _unescaped(user: str) -> str:
    return _ESCAPED.sub(lambda hit: chr(int(hit[1], 16)), user)


def user_of(value: str) -> str:
    """Return the user part of the first URI of a From, To or like value; "" where it has none.

    A tel URI gives its number without visual separators; so does a user part that is a telephone
    number written with them, and `tel:1819@10.0.0.1`, which some PBXs send.
    """
    if '"' in value:
        # A display name may hold anything, a URI included.
        value = _QUOTED.sub("", value)
    match = _URI.search(value)
    if match is None:
        return ""
    scheme, rest = match[1].lower(), match[2]
    user, at, _ = rest.partition("@")
    if not at:
        if scheme != "tel":
            return ""
        user = rest
    # A password and parameters of the user part don't belong to the number (RFC 3261 19.1.1).
    user = user.partition(";")[0].partition(":")[0].partition("?")[0]
    if "%" in user:
        user = _unescaped(user)
    bare = user.translate(_SEPARATORS)
    return bare if is_number(bare) else user


def is_number(user: str) -> bool:
    """Tell whether a user part is a telephone number, with or without a leading +."""
    return _NUMBER.fullmatch(user) is not None


def number_code(user: bytes) -> int:
    """Return a number of up to 18 digits as an integer above 1, its + and leading zeros kept; else 0."""
    return digits_code(user) if _CODED.fullmatch(user) else 0


def digits_code(number: bytes) -> int:
    """Return the same for what is known to be such a number."""
    return int(b"1" + number[1:]) << 1 | 1 if number[0] == _PLUS else int(b"1" + number) << 1


def coded_number(code: int) -> str:
    """Return the number of a code above 1."""
    return "+" * (code & 1) + str(code >> 1)[1:]
