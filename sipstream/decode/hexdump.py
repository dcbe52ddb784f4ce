"""Hex dumps as tcpdump prints them (-x, -X): the packet's bytes again, and where they begin.

Sans-IO. A dump begins with the IP header (-x) or with the link's (-xx); only its bytes tell which.
"""

from __future__ import annotations

import re
import struct
from binascii import a2b_hex
from functools import lru_cache

from sipstream.packets import Linktype

FIRST = b"\n\t0x0000:  "
"""What a dump's first row begins with, and the line end before it."""
_HEX = re.compile(rb"\n[\t ]{0,8}0x[0-9a-f]{4,5}:  ([0-9a-f ]{2,39})")
_ETHERTYPES = (b"\x08\x00", b"\x86\xdd", b"\x81\x00", b"\x88\xa8", b"\x91\x00")
_PADDING = 64
"""Bytes that a link layer may add to a short packet, and a margin."""
_HEX_BYTES = 1 << 18
_ROWS = 128
"""Rows of a dump that are read at once: of what Ethernet carries, and more."""
_PREFIXES = b"".join(b"\n\t0x%04x:  " % place for place in range(0, _ROWS << 4, 16))
_PREFIX, _FULL, _TEXT = 11, 50, 18
"""Bytes of a row's line end, tab and offset; with its eight groups; with -X two blanks and the text."""
_LINE_END = 10
_NO_DIGITS = bytes(set(range(256)) - set(b"0123456789abcdef"))
_ONLY_DIGITS = bytes.maketrans(_NO_DIGITS, b"!" * len(_NO_DIGITS))


def below(data: bytes, start: int, end: int) -> bytes | None:
    """Return the bytes of a dump that begins below the line at `start` and is all there is till `end`.

    None for what takes a closer look.
    """
    first = data.find(b"\n", start, end)
    if not data.startswith(FIRST, first):
        return None
    width = data.find(b"\n", first + 1, end) - first
    if width not in (_FULL, _FULL + _TEXT) or data[end - 1] != _LINE_END:
        return None
    count, size = divmod(end - 1 - first, width)
    if count >= _ROWS:
        return None
    parts = _layout(count, width).unpack_from(data, first)
    prefixes, digits = b"".join(parts[::2]), b"".join(parts[1::2])
    if size:
        last = end - 1 - size
        if data.find(b"\n", last + 1) != end - 1:
            return None
        prefixes += data[last : last + _PREFIX]
        digits += data[last + _PREFIX : min(last + _FULL, end - 1)]
    if not _PREFIXES.startswith(prefixes):
        return None
    try:
        return a2b_hex(digits.translate(_ONLY_DIGITS, b" "))
    except ValueError:
        return None


def packet(data: bytes, start: int, end: int) -> bytes:
    """Return the bytes of the hex dump of which the first line begins at `start`."""
    rows = _HEX.findall(data, start, min(end, start + _HEX_BYTES * 5))
    digits = b"".join(rows).replace(b" ", b"").decode("ascii")
    return bytes.fromhex(digits[: len(digits) & ~1])


@lru_cache(maxsize=2 * _ROWS)
def _layout(count: int, width: int) -> struct.Struct:
    """Return how prefix and digits lie in rows."""
    return struct.Struct(f"{_PREFIX}s{_FULL - _PREFIX}s{width - _FULL}x" * count)


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
