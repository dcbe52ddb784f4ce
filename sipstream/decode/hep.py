"""HEP (Homer encapsulation protocol) versions 1 to 3: a packet as a capture agent saw it elsewhere.

Sans-IO. Addresses, ports and time are what the agent claims. A length from the wire is never believed
beyond the bytes that are there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

PORT = 9060
"""The port that agents send to unless told otherwise."""
MAGIC = b"HEP3"
_CHUNK = struct.Struct("!HHH")
_SIZES = {4: 16, 16: 40}
"""Bytes of an address in versions 1 and 2, and the header's length then."""
_PROTOCOL, _SOURCE4, _DESTINATION4, _SOURCE6, _DESTINATION6 = 2, 3, 4, 5, 6
_SOURCE_PORT, _DESTINATION_PORT, _SECONDS, _MICROSECONDS, _AGENT = 7, 8, 9, 10, 12
_PAYLOAD, _PACKED_PAYLOAD = 15, 16


@dataclass(slots=True)
class Captured:
    """What a HEP packet carries."""

    time: int
    """When the agent saw it, ns since the epoch; 0 where it doesn't say."""
    protocol: int
    """IP protocol number."""
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


def is_hep(data: bytes, start: int, end: int) -> bool:
    """Tell whether a UDP payload is a HEP packet."""
    if data[start : start + 4] == MAGIC:
        return end - start >= 6
    if end - start < 16 or data[start] not in (1, 2):
        return False
    return data[start + 1] in (16, 40) and data[start + 2] == (2 if data[start + 1] == 16 else 10)


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
    payload: tuple[int, int] | None = None
    packed = False
    place = start + 6
    while place + _CHUNK.size <= end:
        vendor, kind, length = _CHUNK.unpack_from(data, place)
        stop = place + length
        if cut and (vendor, kind) == (0, _PAYLOAD):
            stop = min(stop, end)
        if length < _CHUNK.size or stop > end:
            break
        if vendor == 0 and kind in (_PAYLOAD, _PACKED_PAYLOAD):
            if payload is None:
                payload, packed = (place + _CHUNK.size, stop), kind == _PACKED_PAYLOAD
        elif vendor == 0:
            values.setdefault(kind, data[place + _CHUNK.size : stop])
        place = stop
    source = values.get(_SOURCE4) or values.get(_SOURCE6, b"")
    destination = values.get(_DESTINATION4) or values.get(_DESTINATION6, b"")
    if payload is None or {len(source), len(destination)} not in ({0}, {4}, {16}):
        return None
    seconds, micro = _number(values, _SECONDS, 4), _number(values, _MICROSECONDS, 4)
    return Captured(
        time=seconds * 10**9 + micro * 1000,
        protocol=_number(values, _PROTOCOL, 1),
        source=source,
        destination=destination,
        source_port=_number(values, _SOURCE_PORT, 2),
        destination_port=_number(values, _DESTINATION_PORT, 2),
        start=payload[0],
        end=payload[1],
        agent=_number(values, _AGENT, 4),
        packed=packed,
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
        time, protocol, source, destination, source_port, destination_port, place, end, agent, False
    )
