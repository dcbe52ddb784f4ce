"""Tunnels: what inside IP or UDP is another frame or packet, and where that begins.

Sans-IO. Each tunnel is a function in a table, by IP protocol number or UDP port; what doesn't look
like the tunnel's header is no tunnel. `link.follow` then goes on to the IP header inside.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from sipstream.decode import hep, link

_UDP_HEADER = 8
_UDP = 17
_GRE_CHECKSUM, _GRE_ROUTING, _GRE_KEY, _GRE_SEQUENCE, _GRE_ACKNOWLEDGED = (
    0x8000,
    0x4000,
    0x2000,
    0x1000,
    0x0080,
)

_VXLAN_FLAGS = (0x08, 0x88)
_VXLAN_NEXT = 0x0C
_NEXT_PROTOCOLS = {1: link.IPV4, 2: link.IPV6, 3: link.ETHERNET, 5: link.MPLS}
"""What the generic protocol extension of VXLAN names."""


class Inside(NamedTuple):
    """What a tunnel's header announces."""

    name: str
    ethertype: int
    start: int


def inside(protocol: int, data: bytes, start: int, end: int) -> Inside | None:
    """Return what is inside the transport payload data[start:end] of an IP packet, None for no tunnel."""
    if protocol == _UDP:
        return _inside_udp(data, start, end)
    tunnel = _BY_PROTOCOL.get(protocol)
    return None if tunnel is None else tunnel(data, start, end)


def may_be(data: bytes, start: int, end: int) -> bool:
    """Tell from a UDP header at `start` whether `inside`, or HEP, is worth asking for."""
    source, destination = struct.unpack_from("!HH", data, start)
    return source in PORTS or destination in PORTS or hep.is_hep(data, start + _UDP_HEADER, end)


def _inside_udp(data: bytes, start: int, end: int) -> Inside | None:
    if end - start < _UDP_HEADER + 8:
        return None
    source, destination = struct.unpack_from("!HH", data, start)
    tunnel = _BY_PORT.get(destination) or _BY_PORT.get(source)
    return None if tunnel is None else tunnel(data, start + _UDP_HEADER, end)


def _ipip(data: bytes, start: int, end: int) -> Inside:
    return Inside("IPIP", link.RAW_IP, start)


def _six_in_four(data: bytes, start: int, end: int) -> Inside:
    return Inside("6in4", link.IPV6, start)


def _mpls(data: bytes, start: int, end: int) -> Inside:
    return Inside("MPLS", link.MPLS, start)


def _gre(data: bytes, start: int, end: int) -> Inside | None:
    """GRE (RFC 2784, RFC 2890), PPTP's form of it (RFC 2637), and ERSPAN in it."""
    if end - start < 4:
        return None
    flags, ethertype = struct.unpack_from("!HH", data, start)
    version = flags & 7
    if version > 1 or flags & _GRE_ROUTING:
        return None
    optional = (_GRE_CHECKSUM, _GRE_KEY, _GRE_SEQUENCE)
    if version == 1:
        optional = (_GRE_KEY, _GRE_SEQUENCE, _GRE_ACKNOWLEDGED)
    place = start + 4 + 4 * sum(bool(flags & one) for one in optional)
    if ethertype == link.ERSPAN_2 and not flags & _GRE_SEQUENCE:
        # Type I has no header of its own.
        ethertype = link.ETHERNET
    name = "ERSPAN" if ethertype in (link.ERSPAN_2, link.ERSPAN_3) else "GRE"
    return Inside(name, ethertype, place)


def _vxlan(data: bytes, start: int, end: int) -> Inside | None:
    """RFC 7348: the flag of a valid network identifier; with a group policy's, or a next protocol."""
    flags = data[start]
    if flags == _VXLAN_NEXT:
        ethertype = _NEXT_PROTOCOLS.get(data[start + 3])
        return None if ethertype is None else Inside("VXLAN", ethertype, start + 8)
    return Inside("VXLAN", link.ETHERNET, start + 8) if flags in _VXLAN_FLAGS else None


def _geneve(data: bytes, start: int, end: int) -> Inside | None:
    """RFC 8926: version 0, options counted in words of four bytes."""
    if data[start] >> 6 or data[start + 1] & 0x3F:
        return None
    ethertype = int.from_bytes(data[start + 2 : start + 4], "big")
    return Inside("Geneve", ethertype, start + 8 + 4 * (data[start] & 0x3F))


def _gtp_user(data: bytes, start: int, end: int) -> Inside | None:
    """GTPv1-U (3GPP TS 29.281 section 5): a T-PDU, behind optional fields and extension headers."""
    if data[start] >> 4 != 3 or data[start + 1] != 0xFF:
        return None
    place = start + 8
    if data[start] & 7:
        place += 4
        extension = data[place - 1] if place <= end and data[start] & 4 else 0
        while extension and place < end:
            size = 4 * data[place]
            if not size or place + size > end:
                return None
            place += size
            extension = data[place - 1]
    return Inside("GTP", link.RAW_IP, place)


_BY_PROTOCOL: dict[int, Callable[[bytes, int, int], Inside | None]] = {
    4: _ipip,
    41: _six_in_four,
    47: _gre,
    137: _mpls,
}
_BY_PORT: dict[int, Callable[[bytes, int, int], Inside | None]] = {
    2152: _gtp_user,
    4789: _vxlan,
    6081: _geneve,
    8472: _vxlan,
}
"""8472 is what Linux used for VXLAN before the port was assigned, and still does by default."""
PORTS = frozenset((*_BY_PORT, hep.PORT))
