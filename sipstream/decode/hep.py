"""HEP (Homer encapsulation protocol) versions 1 to 3: a packet as a capture agent saw it elsewhere.

Sans-IO. Addresses, ports and time are what the agent claims. A length from the wire is never believed
beyond the bytes that are there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sipstream.limits import MAX_NODE

PORT = 9060
"""The port that agents send to unless told otherwise."""
MAGIC = b"HEP3"
_CHUNK = struct.Struct("!HHH")
_SIZES = {4: 16, 16: 40}
"""Bytes of an address in versions 1 and 2, and the header's length then."""
FAMILY, PROTOCOL, SOURCE4, DESTINATION4, SOURCE6, DESTINATION6 = 1, 2, 3, 4, 5, 6
SOURCE_PORT, DESTINATION_PORT, SECONDS, MICROSECONDS, KIND, AGENT = 7, 8, 9, 10, 11, 12
KEY, PAYLOAD, PACKED_PAYLOAD, CORRELATION, NODE = 14, 15, 16, 17, 19
SIP = 1
"""The protocol type of SIP."""
VENDOR, PRECISE = 0x5370, 1
"""Our chunk, for what the others have no room for: nanoseconds below the microsecond (2 bytes), flags,
the transport's name."""
PRECISE_HEAD = struct.Struct("!HB")
CUT_OFF = 1
"""The flag of a message that the capture cut off."""
KEY_HEAD = b"\0\0\0\x0e"
"""How the chunk with the key begins."""
TRANSPORTS = frozenset((b"UDP", b"TCP", b"WS", b"SCTP", b"TLS", b"WSS"))
_BY_PROTOCOL = {6: "TCP", 17: "UDP", 132: "SCTP"}


@dataclass(slots=True)
class Captured:
    """What a HEP packet carries."""

    time: int
    """When the agent saw it, ns since the epoch; 0 where it doesn't say."""
    transport: str
    """UDP where the IP protocol is another one than TCP or SCTP."""
    source: bytes
    """Empty like `destination` where the agent names no addresses."""
    destination: bytes
    source_port: int
    destination_port: int
    start: int
    end: int
    """Where in the data the payload stands."""
    agent: int
    packed: bool
    """The payload is compressed."""
    kind: int = SIP
    """What the payload is, SIP where the agent doesn't say."""
    cut: bool = False
    """The agent's own capture lacks the message's end."""
    node: bytes = b""
    """The name of the agent's node."""
    key: bytes = b""
    correlation: bytes = b""
    """What the agent says belongs together."""

    @property
    def tap(self) -> str:
        """The capture point's name: that of the node, else the agent's number; "" for neither."""
        name = self.node[:MAX_NODE].decode("utf-8", "surrogateescape")
        return name or (str(self.agent) if self.agent else "")


def is_hep(data: bytes, start: int, end: int) -> bool:
    """Tell whether a UDP payload is a HEP packet."""
    if data[start : start + 4] == MAGIC:
        return end - start >= 6
    if end - start < 16 or data[start] not in (1, 2):
        return False
    return data[start + 1] in (16, 40) and data[start + 2] == (2 if data[start + 1] == 16 else 10)


def split(data: bytes) -> list[bytes]:
    """Return the packets of version 3 that stand one behind the other, up to the first damaged one."""
    found = []
    place = 0
    while data[place : place + 4] == MAGIC:
        length = int.from_bytes(data[place + 4 : place + 6], "big")
        if length < 6 or place + length > len(data):
            break
        found.append(data[place : place + length])
        place += length
    return found


def key_of(packet: bytes) -> bytes:
    """Return the key that a packet of version 3 brings, b"" for none."""
    places = _keys(packet)
    return packet[places[0][0] : places[0][1]] if places else b""


def without_key(packet: bytes) -> bytes:
    """Return a packet of version 3 with asterisks for its key: it is for nobody else."""
    changed = bytearray(packet)
    for start, stop in _keys(packet):
        changed[start:stop] = b"*" * (stop - start)
    return bytes(changed)


def _keys(packet: bytes) -> list[tuple[int, int]]:
    """Return where the values of key chunks stand, of those that lie within the packet."""
    if packet[:4] != MAGIC:
        return []
    size = len(packet)
    return [
        (place + _CHUNK.size, min(place + length, size))
        for place, vendor, kind, length in _heads(packet, 6, size)
        if (vendor, kind) == (0, KEY)
    ]


def has_chunks(data: bytes, start: int, seconds: int, payload: int) -> bool:
    """Tell whether in a packet from `start` on chunks begin where times are, and before the payload."""
    wanted = {seconds, seconds + 10, payload - _CHUNK.size}
    for place, *_ in _heads(data, start + 6, payload):
        wanted.discard(place)
    return not wanted


def _heads(data: bytes, place: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield where chunks begin, their vendor, type and length."""
    while place + _CHUNK.size <= end:
        vendor, kind, length = _CHUNK.unpack_from(data, place)
        if length < _CHUNK.size:
            return
        yield place, vendor, kind, length
        place += length


def parse(data: bytes, start: int, end: int, cut: bool = False) -> Captured | None:
    """Return what the HEP packet data[start:end] carries, None where it is damaged.

    `cut` says that the capture lacks the packet's end: then its payload may lack it too.
    """
    if data[start : start + 4] == MAGIC:
        return _parse_chunks(data, start, end, cut)
    return _parse_fixed(data, start, end)


def _parse_chunks(data: bytes, start: int, end: int, cut: bool) -> Captured | None:
    """Version 3: chunks of vendor, type, length (header included) and value."""
    end = min(end, start + int.from_bytes(data[start + 4 : start + 6], "big"))
    values: dict[int, bytes] = {}
    precise = b""
    payload: tuple[int, int] | None = None
    packed = False
    place = start + 6
    while place + _CHUNK.size <= end:
        vendor, kind, length = _CHUNK.unpack_from(data, place)
        stop = place + length
        if cut and (vendor, kind) == (0, PAYLOAD):
            stop = min(stop, end)
        if length < _CHUNK.size or stop > end:
            break
        if vendor == 0 and kind in (PAYLOAD, PACKED_PAYLOAD):
            if payload is None:
                payload, packed = (place + _CHUNK.size, stop), kind == PACKED_PAYLOAD
        elif vendor == 0:
            values.setdefault(kind, data[place + _CHUNK.size : stop])
        elif (vendor, kind) == (
            VENDOR,
            PRECISE,
        ) and stop - place >= _CHUNK.size + PRECISE_HEAD.size:
            precise = data[place + _CHUNK.size : stop]
        place = stop
    source = values.get(SOURCE4) or values.get(SOURCE6, b"")
    destination = values.get(DESTINATION4) or values.get(DESTINATION6, b"")
    if payload is None or {len(source), len(destination)} not in ({0}, {4}, {16}):
        return None
    seconds, micro = _number(values, SECONDS, 4), _number(values, MICROSECONDS, 4)
    below, flags, transport = 0, 0, _BY_PROTOCOL.get(_number(values, PROTOCOL, 1), "UDP")
    if precise:
        below, flags = PRECISE_HEAD.unpack_from(precise)
        name = precise[PRECISE_HEAD.size :]
        transport = name.decode() if name in TRANSPORTS else transport
    return Captured(
        time=seconds * 10**9 + micro * 1000 + below % 1000,
        transport=transport,
        source=source,
        destination=destination,
        source_port=_number(values, SOURCE_PORT, 2),
        destination_port=_number(values, DESTINATION_PORT, 2),
        start=payload[0],
        end=payload[1],
        agent=_number(values, AGENT, 4),
        packed=packed,
        kind=_number(values, KIND, 1) or SIP,
        cut=bool(flags & CUT_OFF),
        node=values.get(NODE, b"").rstrip(b"\0"),
        key=values.get(KEY, b""),
        correlation=values.get(CORRELATION, b""),
    )


def _number(values: dict[int, bytes], kind: int, size: int) -> int:
    """Return a chunk's number, 0 where it is missing or has another size than it must."""
    value = values.get(kind, b"")
    return int.from_bytes(value, "big") if len(value) == size else 0


def _parse_fixed(data: bytes, start: int, end: int) -> Captured | None:
    """Versions 1 and 2: a fixed header, in version 2 with the time in the agent's byte order."""
    version, length, _, protocol, source_port, destination_port = struct.unpack_from(
        "!BBBBHH", data, start
    )
    address = 4 if length == _SIZES[4] else 16
    place = start + 8
    source = data[place : place + address]
    destination = data[place + address : place + 2 * address]
    place += 2 * address
    time = agent = 0
    if version == 2:
        if place + 12 > end:
            return None
        seconds, micro, agent = struct.unpack_from("<IIH", data, place)
        time = seconds * 10**9 + micro * 1000
        place += 12
    if place > end:
        return None
    return Captured(
        time, _BY_PROTOCOL.get(protocol, "UDP"), source, destination, source_port, destination_port,
        place, end, agent, packed=False,
    )  # fmt: skip
