"""Link layer: where in a frame the IP header stands, below tags, labels and sessions.

Sans-IO. Each link type and each ethertype that wraps another is a function in one table; tunnels use
the second table too. A frame that leads to no IP gives NOT_IP, one with too many layers TOO_DEEP, one
that ends before the IP header ENDED.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias

from sipstream.limits import MAX_LAYERS
from sipstream.packets import Linktype

Place: TypeAlias = tuple[int, int]
"""An ethertype, and where the header it announces begins."""

IPV4, IPV6 = 0x0800, 0x86DD
NOT_IP, TOO_DEEP, ENDED = 0, -1, -3
RAW_IP = -2
"""IP of the version that its first four bits tell: our own, no ethertype says so."""
ETHERNET, MPLS, PPP = 0x6558, 0x8847, 0x880B
"""A whole Ethernet frame, label stack entries, a PPP frame (RFC 1701, RFC 3032, RFC 2637)."""
ERSPAN_2, ERSPAN_3 = 0x88BE, 0x22EB
_PPPOE = 0x8864
_AF_INET6 = (10, 24, 28, 30)
"""AF_INET6 of Linux, NetBSD, FreeBSD and macOS: the loopback header has the writer's own."""
_SNAP = b"\xaa\xaa\x03"
_NFLOG_PAYLOAD = 9

FAST_OFFSETS = {
    # link type: (network header's place, ethertype's place or -1 where the IP version tells)
    Linktype.ETHERNET: (14, 12),
    Linktype.LINUX_SLL: (16, 14),
    Linktype.LINUX_SLL2: (20, 0),
    Linktype.RAW: (0, -1),
    Linktype.RAW_BSD: (0, -1),
    Linktype.RAW_OPENBSD: (0, -1),
    Linktype.IPV4: (0, -1),
    Linktype.IPV6: (0, -1),
}
"""Where the hot path may look before it asks `network`."""


def network(linktype: int, data: bytes, start: int, end: int) -> Place:
    """Return (IPV4 or IPV6, place of its header), or NOT_IP, TOO_DEEP or ENDED.

    Raises:
        KeyError: the link type isn't known.
    """
    ethertype, place = _LINKS[linktype](data, start, end)
    return follow(ethertype, data, place, end)


def follow(ethertype: int, data: bytes, place: int, end: int) -> Place:
    """Go from the header at `place` to the IP header behind it; what it returns is `network`'s."""
    for _ in range(MAX_LAYERS):
        if place >= end:
            return ENDED, end
        if ethertype in (IPV4, IPV6):
            return ethertype, place
        step = _STEPS.get(ethertype)
        if step is None:
            # IEEE 802.3: below 0x0600 it is a length, and an LLC header follows.
            if ethertype >= 0x0600 or data[place : place + 3] != _SNAP:
                return NOT_IP, place
            step = _snap
        ethertype, place = step(data, place, end)
    return TOO_DEEP, end


def _number(data: bytes, place: int, end: int) -> int:
    """Return the 16-bit number at `place`, ENDED where the frame ends before."""
    return int.from_bytes(data[place : place + 2], "big") if place + 2 <= end else ENDED


# What wraps another protocol: each returns what it wraps, and where that begins.


def _ethernet(data: bytes, start: int, end: int) -> Place:
    return _number(data, start + 12, end), start + 14


def _tag(data: bytes, start: int, end: int) -> Place:
    """A VLAN tag's two bytes (IEEE 802.1Q, QinQ)."""
    return _number(data, start + 2, end), start + 4


def _snap(data: bytes, start: int, end: int) -> Place:
    return _number(data, start + 6, end), start + 8


def _label(data: bytes, start: int, end: int) -> Place:
    """A label stack entry (RFC 3032); behind the last stands IP, or Ethernet (RFC 4448)."""
    if start + 5 > end:
        return ENDED, end
    if not data[start + 2] & 1:
        return MPLS, start + 4
    version = data[start + 4] >> 4
    if version in (4, 6):
        return RAW_IP, start + 4
    # A control word begins with four zero bits; without it the frame begins at once.
    return ETHERNET, start + (8 if version == 0 else 4)


def _pppoe(data: bytes, start: int, end: int) -> Place:
    """A session's header (RFC 2516)."""
    if start + 6 > end:
        return ENDED, end
    return (PPP if data[start + 1] == 0 else NOT_IP), start + 6


def _ppp(data: bytes, start: int, end: int) -> Place:
    """Address and control, which may be left out, and a protocol of one or two bytes (RFC 1661)."""
    if data[start : start + 2] == b"\xff\x03":
        start += 2
    short = start < end and data[start] & 1
    protocol = data[start] if short else _number(data, start, end)
    kind = {0x21: IPV4, 0x57: IPV6, 0x281: MPLS}.get(protocol, NOT_IP)
    return kind, start + (1 if short else 2)


def _erspan_2(data: bytes, start: int, end: int) -> Place:
    return ETHERNET, start + 8


def _erspan_3(data: bytes, start: int, end: int) -> Place:
    """Twelve bytes, and eight of a platform's own where the last bit says so."""
    if start + 12 > end:
        return ENDED, end
    return ETHERNET, start + (20 if data[start + 11] & 1 else 12)


def _raw(data: bytes, start: int, end: int) -> Place:
    version = data[start] >> 4 if start < end else 0
    return {4: IPV4, 6: IPV6}.get(version, NOT_IP), start


_STEPS: dict[int, Callable[[bytes, int, int], Place]] = {
    0x8100: _tag,
    0x88A8: _tag,
    0x9100: _tag,
    MPLS: _label,
    0x8848: _label,
    _PPPOE: _pppoe,
    PPP: _ppp,
    ETHERNET: _ethernet,
    ERSPAN_2: _erspan_2,
    ERSPAN_3: _erspan_3,
    RAW_IP: _raw,
}


# Link types: each returns the first ethertype, and where what it announces begins.


def _sll(data: bytes, start: int, end: int) -> Place:
    return _number(data, start + 14, end), start + 16


def _sll2(data: bytes, start: int, end: int) -> Place:
    return _number(data, start, end), start + 20


def _null(data: bytes, start: int, end: int) -> Place:
    """BSD loopback: four bytes of address family in the byte order of the machine that wrote it."""
    head = data[start : start + 4]
    if start + 4 > end:
        return ENDED, end
    family = min(int.from_bytes(head, "little"), int.from_bytes(head, "big"))
    if family == 2:
        return IPV4, start + 4
    return (IPV6 if family in _AF_INET6 else NOT_IP), start + 4


def _nflog(data: bytes, start: int, end: int) -> Place:
    """Linux's netfilter log: four bytes, then attributes in the writer's byte order."""
    for order in ("<", ">"):
        place = start + 4
        while place + 4 <= end:
            length, kind = struct.unpack_from(f"{order}HH", data, place)
            if length < 4 or place + length > end:
                break
            if kind & 0x7FFF == _NFLOG_PAYLOAD:
                return RAW_IP, place + 4
            place += (length + 3) & ~3
    return NOT_IP, end


_LINKS: dict[int, Callable[[bytes, int, int], Place]] = {
    Linktype.ETHERNET: _ethernet,
    Linktype.LINUX_SLL: _sll,
    Linktype.LINUX_SLL2: _sll2,
    Linktype.RAW: _raw,
    Linktype.RAW_BSD: _raw,
    Linktype.RAW_OPENBSD: _raw,
    Linktype.IPV4: _raw,
    Linktype.IPV6: _raw,
    Linktype.NULL: _null,
    Linktype.LOOP: _null,
    Linktype.PPP: _ppp,
    Linktype.PPP_SERIAL: _ppp,
    Linktype.PPP_ETHERNET: _pppoe,
    Linktype.MPLS: lambda data, start, end: (MPLS, start),
    Linktype.NFLOG: _nflog,
}
