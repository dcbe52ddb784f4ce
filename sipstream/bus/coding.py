"""Requests and answers as bytes. Sans-IO; what comes from the bus is read within limits.

A request is a JSON object. An answer is any number of parts, which are envelopes packed together, and
one end; the header KIND tells which is which.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import Any

from sipstream.decode import hep
from sipstream.errors import SipstreamError

KIND = "Sipstream"
"""The header of answers: PART, END, BEGUN (a follow) or ERROR."""
PART, END, BEGUN, ERROR = "part", "end", "begun", "error"
MAX_REQUEST = 64 << 10
"""Bytes of a request: a filter has at most a few KB."""
MAX_PART = 8 << 20
"""Bytes of a part once unpacked."""
MOST_ENVELOPES = 4096
"""Envelopes of a part: ours have some hundred. Those of no bytes would be a million in few."""
MISSED = "Sipstream-Missed"
"""The header beside a part of a follow: how many messages weren't sent before it."""
_LEVEL = 1
"""SIP shrinks to a third, at 100 MB/s; higher levels take thrice as long for a tenth less."""


class CodingError(SipstreamError):
    """What came from the bus isn't what it should be."""


def pack(envelopes: Iterable[bytes]) -> bytes:
    """Return envelopes as one part."""
    return zlib.compress(b"".join(envelopes), _LEVEL)


def unpack(data: bytes) -> list[bytes]:
    """Return the envelopes of a part.

    Raises:
        CodingError: it is no part, damaged, or too large.
    """
    unpacker = zlib.decompressobj()
    try:
        whole = unpacker.decompress(data, MAX_PART)
    except zlib.error:
        raise CodingError("an answer is damaged") from None
    if unpacker.unconsumed_tail:
        raise CodingError(f"an answer's part has more than {MAX_PART >> 20} MiB")
    if not unpacker.eof:
        raise CodingError("an answer is cut short")
    if whole.count(hep.MAGIC) > MOST_ENVELOPES:
        raise CodingError(f"an answer's part has more than {MOST_ENVELOPES} envelopes")
    envelopes = hep.split(whole)
    if sum(map(len, envelopes)) != len(whole):
        raise CodingError("an answer holds something else than envelopes")
    return envelopes


def dump(values: dict[str, Any]) -> bytes:
    """Return a JSON object."""
    return json.dumps(values, separators=(",", ":")).encode()


def read(data: bytes) -> dict[str, Any]:
    """Return the values of a JSON object.

    Raises:
        CodingError: it is none, or too long.
    """
    if len(data) > MAX_REQUEST:
        raise CodingError(f"more than {MAX_REQUEST >> 10} KiB")
    try:
        values = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise CodingError("this is no JSON") from None
    if not isinstance(values, dict):
        raise CodingError("this is no JSON object")
    return values
