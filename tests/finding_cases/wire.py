"""What a capture of a case holds: packets of messages and media between endpoints, seen at taps.

    wire = Wire()
    wire.datagram(("198.51.100.10", 5060), ("203.0.113.20", 5060), b"OPTIONS …")
    wire.wait(30)
    wire.file()

The clock stands still until a case moves it, so the same bytes come out everywhere and at any time.
"""

from __future__ import annotations

import base64
import ipaddress
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

UDP, TCP = 17, 6
_START = 1_780_000_000_000_000
"""Microseconds since the epoch at which each case begins."""
_PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
_MTU = 1500
_SYN, _ACK, _PUSH = 2, 16, 24
_MASK = b"\x11\x22\x33\x44"

End = tuple[str, int]
"""An address, IPv4 or IPv6, and a port."""


class _Seen(NamedTuple):
    """A frame as a tap has it."""

    at: int
    tap: str
    frame: bytes


@dataclass(slots=True)
class _Connection:
    """A TCP connection: where each side's next byte has its number."""

    client: End
    numbers: dict[End, int]


@dataclass(slots=True)
class Wire:
    """Takes packets in. `now` is the time in microseconds."""

    now: int = _START
    unseen: str = ""
    """An address whose datagrams the capture lacks, as where a mirror gives one direction only."""
    _seen: list[_Seen] = field(default_factory=list)
    _idents: int = 0
    _connections: dict[frozenset[End], _Connection] = field(default_factory=dict)

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self.now += round(seconds * 1_000_000)

    def begin(self) -> None:
        """Let the capture begin only now."""
        self._seen.clear()

    def datagram(self, source: End, target: End, payload: bytes, tap: str = "") -> None:
        """Send by UDP, in fragments where it is long."""
        if source[0] == self.unseen:
            return
        ports = struct.pack("!HHH", source[1], target[1], 8 + len(payload))
        total = _sum_of(source[0], target[0], UDP, ports + b"\0\0" + payload) or 0xFFFF
        self.network(source[0], target[0], UDP, ports + struct.pack("!H", total) + payload, tap)

    def stream(
        self, source: End, target: End, payload: bytes, tap: str = "", *, websocket: bool = False
    ) -> None:
        """Send on a TCP connection, which is made where there is none yet, as a WebSocket if wanted."""
        key = frozenset((source, target))
        connection = self._connections.get(key)
        if connection is None:
            connection = self._connections[key] = self._connected(source, target, tap, websocket)
        if websocket:
            payload = _websocket(payload, masked=source == connection.client)
        for place in range(0, len(payload), _MTU - 100):
            self._segment(connection, source, target, payload[place : place + _MTU - 100], tap)

    def rtp(
        self, source: End, target: End, seconds: float, *, ssrc: int = 0x5EED, kind: int = 18
    ) -> None:
        """Send media from now on without moving the clock: G.729, 20 bytes each 20 ms."""
        begun = self.now
        for number in range(int(seconds * 50)):
            header = struct.pack("!BBHII", 0x80, kind, 100 + number, 160 * number, ssrc)
            self.now = begun + number * 20_000
            self.datagram(source, target, header + bytes(20))
        self.now = begun

    def refused(self, source: End, target: End, tap: str = "") -> None:
        """Send `port unreachable` (ICMP 3/3) for an empty datagram that went the other way."""
        inner = _ipv4(target[0], source[0], UDP, bytes(0), 1, 0)[:20]
        body = inner + struct.pack("!HHHH", target[1], source[1], 8, 0)
        start = struct.pack("!BBHI", 3, 3, 0, 0) + body
        message = start[:2] + struct.pack("!H", _checksum(start)) + start[4:]
        self.network(source[0], target[0], 1, message, tap)

    def network(self, source: str, target: str, protocol: int, payload: bytes, tap: str) -> None:
        """Send an IP packet at the time it is now."""
        self._idents += 1
        if ":" in source:
            header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
            packet = header + _packed(source) + _packed(target) + payload
            self._keep(0x86DD, packet, tap)
            return
        room = _MTU - 20 & ~7
        for place in range(0, max(len(payload), 1), room):
            part = payload[place : place + room]
            more = 0x2000 if place + room < len(payload) else 0
            packet = _ipv4(source, target, protocol, part, self._idents, place // 8 | more)
            self._keep(0x0800, packet, tap)

    def frame(self, at: int, tap: str, frame: bytes) -> None:
        """Take an Ethernet frame as it is, with its time in microseconds."""
        self._seen.append(_Seen(at, tap, frame))

    @property
    def ending(self) -> str:
        """What the name of its file ends in."""
        return ".pcapng" if any(one.tap for one in self._seen) else ".pcap"

    def file(self) -> bytes:
        """Return the packets by time: pcap, or pcapng where taps have names."""
        packets = sorted(self._seen, key=lambda one: one.at)
        if self.ending == ".pcapng":
            return _pcapng(packets)
        parts = [_PCAP]
        for one in packets:
            size = len(one.frame)
            parts += (struct.pack("<IIII", *divmod(one.at, 1_000_000), size, size), one.frame)
        return b"".join(parts)

    def _keep(self, kind: int, packet: bytes, tap: str) -> None:
        cards = b"\x02\0\0\0\0\2\x02\0\0\0\0\1"
        self.frame(self.now, tap, cards + struct.pack("!H", kind) + packet)

    def _connected(self, client: End, server: End, tap: str, websocket: bool) -> _Connection:
        made = _Connection(client, {client: 1000, server: 5000})
        for source, target, flags in (
            (client, server, _SYN),
            (server, client, _SYN | _ACK),
            (client, server, _ACK),
        ):
            self._segment(made, source, target, b"", tap, flags)
        if websocket:
            key = base64.b64encode(bytes(16)).decode()
            asked = (
                f"GET / HTTP/1.1\r\nHost: {server[0]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: sip\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n"
            )
            granted = (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n"
                "Sec-WebSocket-Protocol: sip\r\n\r\n"
            )
            self._segment(made, client, server, asked.encode(), tap)
            self._segment(made, server, client, granted.encode(), tap)
        return made

    def _segment(
        self,
        connection: _Connection,
        source: End,
        target: End,
        payload: bytes,
        tap: str,
        flags: int = _PUSH,
    ) -> None:
        numbers = connection.numbers
        seen = numbers[target] if flags & _ACK else 0
        header = struct.pack(
            "!HHIIBBHHH", source[1], target[1], numbers[source], seen, 0x50, flags, 65535, 0, 0
        )
        total = _sum_of(source[0], target[0], TCP, header + payload)
        header = header[:16] + struct.pack("!H", total) + header[18:]
        self.network(source[0], target[0], TCP, header + payload, tap)
        numbers[source] += len(payload) + (flags & _SYN > 0)
        self.now += 50


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _sum_of(source: str, target: str, protocol: int, data: bytes) -> int:
    """Return the checksum of a datagram or segment with its pseudo header."""
    ends = _packed(source) + _packed(target)
    if ":" in source:
        return _checksum(ends + struct.pack("!II", len(data), protocol) + data)
    return _checksum(ends + struct.pack("!BBH", 0, protocol, len(data)) + data)


def _ipv4(
    source: str, target: str, protocol: int, payload: bytes, ident: int, fragment: int
) -> bytes:
    start = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), ident, fragment, 64, protocol)
    ends = _packed(source) + _packed(target)
    return start + struct.pack("!H", _checksum(start + b"\0\0" + ends)) + ends + payload


def _websocket(payload: bytes, *, masked: bool) -> bytes:
    """Return a text frame (RFC 6455 5.2)."""
    start = bytes([0x81]) + struct.pack("!BH", 126 | (0x80 if masked else 0), len(payload))
    if not masked:
        return start + payload
    return start + _MASK + bytes(byte ^ _MASK[place % 4] for place, byte in enumerate(payload))


def _pcapng(packets: list[_Seen]) -> bytes:
    taps = list(dict.fromkeys(one.tap for one in packets))
    parts = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for tap in taps:
        name = tap.encode()
        option = struct.pack("<HH", 2, len(name)) + name + bytes(-len(name) % 4) + bytes(4)
        parts.append(_block(1, struct.pack("<HHI", 1, 0, 262_144) + option))
    for one in packets:
        size = len(one.frame)
        head = struct.pack(
            "<IIIII", taps.index(one.tap), one.at >> 32, one.at & 0xFFFFFFFF, size, size
        )
        parts.append(_block(6, head + one.frame + bytes(-size % 4)))
    return b"".join(parts)


def _block(kind: int, content: bytes) -> bytes:
    length = struct.pack("<I", 12 + len(content))
    return struct.pack("<I", kind) + length + content + length
