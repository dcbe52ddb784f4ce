"""Hex dumps as tcpdump prints them (-x, -X): the packet's bytes again, and where they begin.

Sans-IO. A dump begins with the IP header (-x) or with the link's (-xx); only its bytes tell which.
"""

from __future__ import annotations

import re

from sipstream.packets import Linktype

_HEX = re.compile(rb"\n[\t ]{0,8}0x[0-9a-f]{4,5}:  ([0-9a-f ]{2,39})")
_ETHERTYPES = (b"\x08\x00", b"\x86\xdd", b"\x81\x00", b"\x88\xa8", b"\x91\x00")
_PADDING = 64
"""Bytes that a link layer may add to a short packet, and a margin."""
_HEX_BYTES = 1 << 18


def packet(data: bytes, start: int, end: int) -> bytes:
    """Return the bytes of the hex dump of which the first line begins at `start`."""
    rows = _HEX.findall(data, start, min(end, start + _HEX_BYTES * 5))
    digits = b"".join(rows).replace(b" ", b"").decode("ascii")
    return bytes.fromhex(digits[: len(digits) & ~1])


def linktype(data: bytes) -> int:
    """Tell a dump that begins with the IP header from one that begins with the link's."""
    if _is_network(data, 0) and len(data) - _total(data, 0) <= _PADDING:
        return Linktype.RAW
    for found, ethertype, place in (
        (Linktype.ETHERNET, 12, 14),
        (Linktype.LINUX_SLL, 14, 16),
        (Linktype.LINUX_SLL2, 0, 20),
    ):
        kind = data[ethertype : ethertype + 2]
        if kind in _ETHERTYPES[2:] or (kind in _ETHERTYPES and _is_version(data, place)):
            return found
    return Linktype.RAW if _is_version(data, 0) else Linktype.ETHERNET


def _is_version(data: bytes, place: int) -> bool:
    return data[place : place + 1] != b"" and data[place] >> 4 in (4, 6)


def _is_network(data: bytes, place: int) -> bool:
    """Tell whether a whole IP packet begins at `place`."""
    return _is_version(data, place) and 20 <= _total(data, place) <= len(data) - place


def _total(data: bytes, place: int) -> int:
    """Return the length that an IP header names, itself included."""
    if data[place] >> 4 == 4:
        return int.from_bytes(data[place + 2 : place + 4], "big")
    return 40 + int.from_bytes(data[place + 4 : place + 6], "big")
