"""Numbered packets as captures and as text, and what tests of sources do with them."""

from __future__ import annotations

import gc
import re
import struct
from collections.abc import Iterable
from pathlib import Path

from support import ethernet, ipv4, sip, udp

from sipstream.packets import Batch
from sipstream.sources import Source

PCAP_HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
SECONDS = 1_700_000_000
_NUMBER = re.compile(rb"Call-ID: call-(\d+)\r?\n")


def pcap_record(number: int) -> bytes:
    """A packet with a message whose Call-ID holds the number, as a little-endian pcap has it."""
    packet = ethernet(ipv4(udp(sip(call_id=f"call-{number}"))))
    return struct.pack("<IIII", SECONDS + number, 0, len(packet), len(packet)) + packet


def pcap(numbers: Iterable[int]) -> bytes:
    """A whole pcap file of numbered packets."""
    return PCAP_HEAD + b"".join(map(pcap_record, numbers))


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + size + body + size


def pcapng(numbers: Iterable[int]) -> bytes:
    """A whole pcapng file of numbered packets."""
    blocks = [
        _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        _block(1, struct.pack("<HHI", 1, 0, 0)),
    ]
    for number in numbers:
        packet = pcap_record(number)[16:]
        units = (SECONDS + number) * 1_000_000
        head = struct.pack("<IIIII", 0, units >> 32, units & 0xFFFFFFFF, len(packet), len(packet))
        blocks.append(_block(6, head + packet + bytes(-len(packet) % 4)))
    return b"".join(blocks)


def text_packet(number: int, time: str = "") -> bytes:
    """A numbered packet as `tcpdump -nn -v` prints it."""
    time = time or f"12:{number // 60 % 60:02}:{number % 60:02}.000000"
    message = sip(call_id=f"call-{number}")
    lines = "".join(f"\t{line}\n" for line in message.decode().split("\r\n"))
    return (
        f"{time} IP (tos 0x0, ttl 64, id {number}, offset 0, flags [none], proto UDP (17), "
        f"length {28 + len(message)})\n"
        f"    10.0.0.1.5060 > 10.0.0.2.5060: SIP, length: {len(message)}\n{lines}"
    ).encode()


def text(numbers: Iterable[int]) -> bytes:
    """What tcpdump prints for numbered packets."""
    return b"".join(map(text_packet, numbers))


FORMATS = {"pcap": pcap, "pcapng": pcapng, "text": text}


def numbers_of(batch: Batch) -> list[int]:
    """The packets' numbers, read from where the batch says that they lie."""
    found = []
    for _, start, end, _ in batch.records:
        stored = batch.store.read(batch.base + start, end - start)
        assert stored == batch.data[start:end]
        match = _NUMBER.search(stored)
        assert match is not None, stored
        found.append(int(match[1]))
    return found


def open_descriptors() -> int:
    """How many files this process has open, what nobody uses any more left out."""
    gc.collect()
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def numbers_in(source: Source) -> list[int]:
    """The numbers of all packets of a source that ends."""
    return [number async for batch in source.batches() for number in numbers_of(batch)]
