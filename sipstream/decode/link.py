"""Link layer: where in a frame the network header stands, and of which protocol it is.

Sans-IO. Each link type is a function in one table; a frame that holds no IP gives a reason.
"""

from __future__ import annotations

from collections.abc import Callable

from sipstream.limits import MAX_LAYERS
from sipstream.packets import Linktype

IPV4 = 0x0800
IPV6 = 0x86DD
_VLANS = (0x8100, 0x88A8, 0x9100)
_AF_INET6 = (10, 24, 28, 30)
"""AF_INET6 of Linux, NetBSD, FreeBSD and macOS: the loopback header has the writer's own."""

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


def network(linktype: int, data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return (ethertype, place of the network header); ethertype 0 where the frame is too short.

    Raises:
        KeyError: the link type isn't known.
    """
    return _LINKS[linktype](data, start, end)


def _ethernet(data: bytes, start: int, end: int) -> tuple[int, int]:
    return _ethertype(data, start + 12, end)


def _ethertype(data: bytes, place: int, end: int) -> tuple[int, int]:
    """Follow VLAN tags (IEEE 802.1Q, QinQ) from the ethertype at `place`."""
    for _ in range(MAX_LAYERS):
        if place + 2 > end:
            return 0, end
        ethertype = int.from_bytes(data[place : place + 2], "big")
        if ethertype not in _VLANS:
            return ethertype, place + 2
        place += 4
    return 0, end


def _sll(data: bytes, start: int, end: int) -> tuple[int, int]:
    return _ethertype(data, start + 14, end)


def _sll2(data: bytes, start: int, end: int) -> tuple[int, int]:
    ethertype = int.from_bytes(data[start : start + 2], "big")
    if ethertype in _VLANS:
        return _ethertype(data, start + 22, end)
    return ethertype, start + 20


def _raw(data: bytes, start: int, end: int) -> tuple[int, int]:
    version = data[start] >> 4 if start < end else 0
    return {4: IPV4, 6: IPV6}.get(version, 0), start


def _null(data: bytes, start: int, end: int) -> tuple[int, int]:
    """BSD loopback: four bytes of address family in the byte order of the machine that wrote it."""
    head = data[start : start + 4]
    if len(head) < 4 or start + 4 > end:
        return 0, end
    family = min(int.from_bytes(head, "little"), int.from_bytes(head, "big"))
    if family == 2:
        return IPV4, start + 4
    return (IPV6 if family in _AF_INET6 else 0), start + 4


_LINKS: dict[int, Callable[[bytes, int, int], tuple[int, int]]] = {
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
}
