"""Packets and messages built by hand, and where real captures lie: what many tests need."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest

from sipstream.conversations import Conversations
from sipstream.decode.decoder import Decoder
from sipstream.decode.keylog import Secrets
from sipstream.packets import Batch, Linktype, Record, Tally
from sipstream.sip.scan import Scanner

ROOT = Path(__file__).parent.parent
CAPTURES = ROOT / "captures"
SHARED = ROOT.parent / "shared"
A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))


def needs(*programs: str, root: bool = False, shared: bool = False) -> list[pytest.MarkDecorator]:
    """Marks that skip, and say why, where a test lacks a program, root or the shared captures."""
    missing = [program for program in programs if shutil.which(program) is None]
    return [
        pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}"),
        pytest.mark.skipif(root and os.geteuid() != 0, reason="needs root"),
        pytest.mark.skipif(
            shared and not SHARED.is_dir(), reason="needs the captures in ../shared"
        ),
    ]


def sip(
    start: str = "INVITE sip:2@b SIP/2.0",
    call_id: str = "call-1",
    *,
    source: str = "<sip:4151500@a>;tag=1",
    destination: str = "<sip:5660066@b>",
    cseq: str = "1 INVITE",
    extra: str = "",
    body: str = "",
) -> bytes:
    """A SIP message with CRLF line ends; `extra` holds whole header lines that end in CRLF."""
    return (
        f"{start}\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: {source}\r\nTo: {destination}\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq}\r\n{extra}Content-Length: {len(body.encode())}\r\n\r\n{body}"
    ).encode()


def udp(payload: bytes, source_port: int = 5060, destination_port: int = 5060) -> bytes:
    """A UDP header and its payload, without a checksum."""
    return struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload


def tcp(
    payload: bytes,
    sequence: int,
    acknowledged: int = 0,
    flags: int = 0x18,
    source_port: int = 5060,
    destination_port: int = 5060,
) -> bytes:
    """A TCP header and its payload, without a checksum."""
    ports = struct.pack("!HH", source_port, destination_port)
    return (
        ports
        + struct.pack("!IIBBHHH", sequence & 0xFFFFFFFF, acknowledged, 0x50, flags, 8192, 0, 0)
        + payload
    )


def ipv4(
    payload: bytes,
    protocol: int = 17,
    source: bytes = A,
    destination: bytes = B,
    *,
    identification: int = 1,
    fragment: int = 0,
) -> bytes:
    """An IPv4 header (checksum 0) and its payload; `fragment` is the field of flags and offset."""
    return (
        struct.pack(
            "!BBHHHBBH4s4s",
            0x45,
            0,
            20 + len(payload),
            identification,
            fragment,
            64,
            protocol,
            0,
            source,
            destination,
        )
        + payload
    )


def ipv6(payload: bytes, protocol: int = 17, source: int = 1, destination: int = 2) -> bytes:
    """An IPv6 header between 2001:db8::source and 2001:db8::destination, and its payload."""
    prefix = bytes.fromhex("20010db8") + bytes(11)
    return (
        struct.pack("!IHBB", 0x60000000, len(payload), protocol, 64)
        + prefix
        + bytes([source])
        + prefix
        + bytes([destination])
        + payload
    )


def ethernet(payload: bytes, ethertype: int = 0x0800, tags: tuple[int, ...] = ()) -> bytes:
    """An Ethernet frame; `tags` are the ethertypes of VLAN tags before the payload's."""
    head = bytes(12) + b"".join(struct.pack("!HH", tag, 7) for tag in tags)
    return head + struct.pack("!H", ethertype) + payload


class MemoryStore:
    """A store for tests: the bytes it was given."""

    begin = 0

    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]

    def headline(self, offset: int) -> bytes | None:
        return None


def times_of(capture: bytes) -> list[tuple[int, int]]:
    """The times of the packets of a pcap: seconds, and what is left of them."""
    place, found = 24, []
    while place < len(capture):
        seconds, rest, size, _ = struct.unpack_from("<IIII", capture, place)
        found.append((seconds, rest))
        place += 16 + size
    return found


def batch(
    packets: list[bytes],
    linktype: int = Linktype.ETHERNET,
    *,
    times: list[int] | None = None,
    tap: str = "",
) -> Batch:
    """A batch of packets one microsecond apart from 1 s on, or at the given times (ns)."""
    data = b"".join(packets)
    records: list[Record] = []
    place = 0
    for number, packet in enumerate(packets):
        time = times[number] if times else 10**9 + number * 1000
        records.append((time, place, place + len(packet), len(packet)))
        place += len(packet)
    return Batch(MemoryStore(data), 0, data, linktype, records, tap)


class Chain:
    """Decoder, scanner and conversations in a row, as the pipeline has them."""

    def __init__(self, secrets: Secrets | None = None) -> None:
        self.tally = Tally("test")
        self.conversations = Conversations()
        self.decoder = Decoder(self.tally, self.conversations.index.endpoints, secrets)
        self.scanner = Scanner(self.tally)

    def feed(self, given: Batch) -> list[int]:
        found = self.scanner.feed(self.decoder.feed(given))
        return self.conversations.feed(found, given.store, given.tap)

    def finish(self) -> list[int]:
        return self.conversations.feed(self.scanner.feed(self.decoder.finish()), MemoryStore())

    def counts(self) -> dict[str, int]:
        return {one.call_id: one.count for one in self.conversations}

    def adds_up(self) -> bool:
        tally = self.tally
        return tally.packets == tally.with_messages + sum(tally.reasons.values())
