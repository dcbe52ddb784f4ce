"""Packets for messages that have none any more, or never had one: what tcpdump printed as text.

Sans-IO. Such a packet has the message's endpoints, transport and time; what else headers hold is made
up: Ethernet addresses that nobody has, and numbers of TCP and SCTP that count from 1.
"""

from __future__ import annotations

import socket
import struct
from typing import TypeAlias

from sipstream.decode.endpoints import Endpoints
from sipstream.packets import Linktype

_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP, _SCTP = 6, 17, 132
_PROTOCOLS = {"UDP": _UDP, "SCTP": _SCTP}
"""Of transports; all others are carried by TCP."""
_MOST = 65_000
"""Bytes that a packet carries at most: IP has 16 bits for its length (RFC 791 section 3.1)."""
_PSH_ACK = 0x18
_NAMED = 0xC6120000
"""198.18.0.0/15 (RFC 2544): what stands for hosts of which a name is known only, one each."""
_NAMES = 1 << 17

_MACS = bytes.fromhex("020000000002 020000000001".replace(" ", ""))
"""Destination and source, locally administered."""
_HEADS = {
    # link type: what stands before the ethertype
    Linktype.ETHERNET: _MACS,
    Linktype.LINUX_SLL: struct.pack("!HHH8s", 0, 1, 6, _MACS[6:]),
}

_Way: TypeAlias = tuple[int, int, str]
"""Source, destination and transport."""


class Maker:
    """Makes packets of one link type; those of one stream follow each other.

    `linktype` is Ethernet, Linux cooked or raw IP: what the other packets have, where it is one of these.
    """

    def __init__(self, endpoints: Endpoints, linktype: int) -> None:
        self.linktype = linktype if linktype in (*_HEADS, Linktype.RAW) else Linktype.ETHERNET
        self.names: dict[str, bytes] = {}
        """Hosts of which a name is known only, and the addresses that stand for them."""
        self._endpoints = endpoints
        self._next: dict[_Way, int] = {}

    def packets(self, source: int, destination: int, transport: str, message: bytes) -> list[bytes]:
        """Return the packet of a message between two endpoints; over TCP a very long one has several."""
        addresses = self._address(source), self._address(destination)
        if len(addresses[0]) != len(addresses[1]):
            addresses = _as_ipv6(addresses[0]), _as_ipv6(addresses[1])
        ports = struct.pack("!HH", self._endpoints.port(source), self._endpoints.port(destination))
        way = (source, destination, transport)
        back = self._next.get((destination, source, transport), 1)
        made = []
        for begin in range(0, len(message), _MOST):
            part = message[begin : begin + _MOST]
            number = self._next.get(way, 1)
            protocol = _PROTOCOLS.get(transport, _TCP)
            if protocol == _UDP:
                inner = ports + struct.pack("!HH", 8 + len(part), 0) + part
            elif protocol == _TCP:
                inner = ports + struct.pack(
                    "!IIBBHHH", number, back, 5 << 4, _PSH_ACK, 65_535, 0, 0
                )  # fmt: skip
                inner += part
                self._next[way] = (number + len(part)) & 0xFFFFFFFF
            else:
                inner = ports + _sctp(number, part)
                self._next[way] = number + 1
            made.append(self._around(addresses, protocol, inner))
        return made

    def _around(self, addresses: tuple[bytes, bytes], protocol: int, inner: bytes) -> bytes:
        """Put IP and the link layer around what they carry, with its checksum."""
        pseudo = b"".join(addresses) + struct.pack("!II", protocol, len(inner))
        place = {_TCP: 16, _UDP: 6}.get(protocol)
        if place is not None:
            total = _checksum(pseudo + inner)
            # Of UDP, 0 means that there is none (RFC 768).
            inner = inner[:place] + struct.pack("!H", total or 0xFFFF) + inner[place + 2 :]
        if len(addresses[0]) == 4:
            ethertype = _IPV4
            fields = (0x45, 0, 20 + len(inner), 0, 0x4000, 64, protocol)
            head = struct.pack("!BBHHHBBH4s4s", *fields, 0, *addresses)
            head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
        else:
            ethertype = _IPV6
            head = struct.pack("!IHBB16s16s", 6 << 28, len(inner), protocol, 64, *addresses)
        if self.linktype == Linktype.RAW:
            return head + inner
        return _HEADS[self.linktype] + struct.pack("!H", ethertype) + head + inner

    def _address(self, endpoint: int) -> bytes:
        text = self._endpoints.address(endpoint)
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                return socket.inet_pton(family, text)
            except (OSError, ValueError):
                continue
        address = struct.pack("!I", _NAMED + (len(self.names) + 1) % _NAMES)
        return self.names.setdefault(text, address)


def _as_ipv6(address: bytes) -> bytes:
    """Return an IPv4 address as an IPv6 one (RFC 4291 section 2.5.5.2)."""
    return address if len(address) == 16 else bytes(10) + b"\xff\xff" + address


def _sctp(number: int, message: bytes) -> bytes:
    """Return a packet's rest behind the ports: one whole DATA chunk (RFC 9260 section 3.3.1)."""
    padding = bytes(-len(message) % 4)
    chunk = struct.pack("!BBHIHHI", 0, 3, 16 + len(message), number, 0, number & 0xFFFF, 0)
    return bytes(8) + chunk + message + padding


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total
