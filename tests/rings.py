"""Rings made by hand, of packets and of captures, in files as short as a test wants them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

from support import ethernet, ipv4, sip, udp

from sipstream.remotes import Remote
from sipstream.ring.indexer import Indexes
from sipstream.ring.remote import Ring as Remoted
from sipstream.ring.room import LONGEST, Ring
from sipstream.session import Session
from sipstream.sources.pcap import PcapReader
from sipstream.spool import FileStore, PcapSpool

Packet = tuple[int, bytes, int]
SIZE = 64 << 20


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def packet(number: int, payload: bytes | None = None, *, at: float | None = None) -> Packet:
    """A packet with a message of a call of its own, at a second of its own."""
    message = payload if payload is not None else sip(call_id=f"call-{number}")
    frame = ethernet(ipv4(udp(message)))
    return int((number if at is None else at) * 10**9), frame, len(frame)


def write_ring(
    path: Path, files: Iterable[list[Packet]], *, linktype: int = 1, indexed: bool = True
) -> None:
    """Write a ring, a file for each list of packets."""
    clock = Clock()
    ring = Ring(path, SIZE, clock=clock)
    spool = PcapSpool(linktype, room=ring, label="eth0")
    for packets in files:
        spool.append_packets(packets)
        spool.flush()
        clock.now += LONGEST
    spool.close()
    ring.close()
    if indexed:
        Indexes(path).step(all_of_it=True)


def packets_in(capture: Path, folder: Path) -> tuple[int, list[Packet]]:
    """Return the link type and the packets of a pcap, which may be compressed."""
    plain = folder / "plain.pcap"
    data = capture.read_bytes()
    plain.write_bytes(gzip.decompress(data) if capture.suffix == ".gz" else data)
    store = FileStore(plain)
    reader = PcapReader(store)
    packets = [
        (time, batch.data[start:end], wire)
        for batches in reader.read_until(store.size())
        for batch in batches
        for time, start, end, wire in batch.records
    ]
    return reader.linktype, packets


def remote(session: Session, path: Path) -> Remoted:
    """Have a session ask a ring."""
    made = Remoted(path, session)
    asked: Remote = made
    session.remotes.all.append(asked)
    return made


async def call_ids(session: Session, expression: str) -> list[str]:
    """Return the Call-IDs of the conversations that an expression holds for."""
    listed = await session.listed(expression)
    return sorted(listed.conversations[number].call_id for number in listed.numbers)
