"""Packets as bytes, for the captures that make_captures builds.

Puts Ethernet, IPv4 and UDP around a payload, writes the pcap container, and prints what
`tcpdump -n -A` prints for a packet. Knows nothing of SIP: a packet brings the words of its printed
header line along.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MICROSECONDS = 1_000_000
UDP = 17
ICMP = 1
IPV4 = 0x0800
ARP = 0x0806
BROADCAST = b"\xff" * 6
OTHER_INTERFACE = b"\x00"
"""The last byte of the card addresses on the router's other side."""

_KNOWN_CARDS = {"10.11.12.13": bytes.fromhex("00215e2c8c90")}
_PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
_SHOWN_AS_IT_IS = frozenset(range(0x21, 0x7F)) | frozenset(b"\t\n ")
_PRINTABLE = bytes(byte if byte in _SHOWN_AS_IT_IS else ord(".") for byte in range(256))
_UNSHOWN_CR = re.compile(rb"\r(?=\n|\Z)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and a port, printed as tcpdump prints them."""

    host: str
    port: int = 5060

    def __str__(self) -> str:
        return f"{self.host}.{self.port}"


@dataclass(frozen=True, slots=True)
class Packet:
    """One captured frame with the words that the text form prints for it."""

    at: int
    """Microseconds since the epoch."""
    frame: bytes
    title: str
    """The printed header line after the time of day."""
    dump: bytes
    """What `-A` dumps under the header line: everything after the Ethernet header."""


def moment(text: str) -> int:
    """Return the microseconds since the epoch of a UTC time like `2018-04-16 16:41:37.979995`."""
    seconds, _, fraction = text.partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    return int(whole.timestamp()) * MICROSECONDS + int(fraction.ljust(6, "0") or "0")


def address(host: str) -> bytes:
    """Return the four bytes of a dotted address."""
    return bytes(int(part) for part in host.split("."))


def card(host: str) -> bytes:
    """Return the Ethernet address of a host, made from its IPv4 address where none is known."""
    return _KNOWN_CARDS.get(host) or b"\x02\x00" + address(host)


def checksum(data: bytes) -> int:
    """Return the Internet checksum of RFC 1071."""
    padded = data + b"\x00" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(source: Endpoint, target: Endpoint, payload: bytes) -> bytes:
    """Return a UDP datagram with its checksum."""
    length = 8 + len(payload)
    ends = address(source.host) + address(target.host)
    pseudo = ends + struct.pack("!BBH", 0, UDP, length)
    ports = struct.pack("!HHH", source.port, target.port, length)
    value = checksum(pseudo + ports + b"\x00\x00" + payload) or 0xFFFF
    return ports + struct.pack("!H", value) + payload


def ipv4(source: str, target: str, protocol: int, payload: bytes, *, ident: int, ttl: int) -> bytes:
    """Return an unfragmented IPv4 packet with its header checksum."""
    length = 20 + len(payload)
    start = struct.pack("!BBHHHBB", 0x45, 0, length, ident, 0, ttl, protocol)
    ends = address(source) + address(target)
    return start + struct.pack("!H", checksum(start + b"\x00\x00" + ends)) + ends + payload


def ethernet(source: bytes, target: bytes, kind: int, payload: bytes) -> bytes:
    """Return an Ethernet frame as the sending host sees it: no padding, no trailer."""
    return target + source + struct.pack("!H", kind) + payload


class Link:
    """Frames IPv4 packets in the order of their times; every host counts its identifications."""

    def __init__(self) -> None:
        self._idents: dict[str, int] = {}

    def packet(
        self,
        at: int,
        ends: tuple[str, str],
        protocol: int,
        payload: bytes,
        title: str,
        shown: bytes = b"",
    ) -> Packet:
        """Frame one packet; `shown` is what the text prints for the payload, where it differs."""
        source, target = ends
        ident = self._next_ident(source)
        data = ipv4(source, target, protocol, payload, ident=ident, ttl=64)
        frame = ethernet(card(source), card(target), IPV4, data)
        dump = data[: len(data) - len(payload)] + shown if shown else data
        return Packet(at, frame, title, dump)

    def datagram(
        self,
        at: int,
        ends: tuple[Endpoint, Endpoint],
        payload: bytes,
        words: str,
        shown: bytes = b"",
    ) -> Packet:
        """Frame one UDP datagram; `words` stand behind the endpoints in the header line."""
        source, target = ends
        data = udp(source, target, payload)
        title = f"IP {source} > {target}: {words}"
        printed = data[:8] + shown if shown else b""
        return self.packet(at, (source.host, target.host), UDP, data, title, printed)

    def _next_ident(self, host: str) -> int:
        start = int.from_bytes(address(host)[1:], "big") * 2_654_435_761 >> 7
        ident = (self._idents.get(host, start) + 1) & 0xFFFF
        self._idents[host] = ident
        return ident


def seen_again(packet: Packet, later: int) -> Packet:
    """Return a packet as a router's other interface shows it: later, one hop on, other cards."""
    head, data = packet.frame[:14], packet.frame[14:]
    start = data[:8] + bytes([data[8] - 1]) + data[9:10]
    ends = data[12:20]
    header = start + struct.pack("!H", checksum(start + b"\x00\x00" + ends)) + ends
    cards = head[:5] + OTHER_INTERFACE + head[6:11] + OTHER_INTERFACE
    dump = header + packet.dump[20:]
    return Packet(packet.at + later, cards + head[12:] + header + data[20:], packet.title, dump)


def pcap_file(packets: Iterable[Packet]) -> bytes:
    """Return the packets as a pcap file: microseconds, little endian, Ethernet."""
    parts = [_PCAP_HEADER]
    for packet in packets:
        seconds, fraction = divmod(packet.at, MICROSECONDS)
        size = len(packet.frame)
        parts += (struct.pack("<IIII", seconds, fraction, size, size), packet.frame)
    return b"".join(parts)


def text_file(packets: Iterable[Packet]) -> bytes:
    """Return the packets as `TZ=UTC tcpdump -n -A` prints them."""
    parts: list[bytes] = []
    for packet in packets:
        seconds, fraction = divmod(packet.at, MICROSECONDS)
        clock = datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")
        line = f"{clock}.{fraction:06d} {packet.title}\n"
        parts += (line.encode(), printable(packet.dump), b"\n")
    return b"".join(parts)


def printable(data: bytes) -> bytes:
    """Return bytes as `-A` shows them: no CR at a line's end, a dot for what can't be shown."""
    return _UNSHOWN_CR.sub(b"", data).translate(_PRINTABLE)
