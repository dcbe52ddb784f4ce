"""HEP that agents send us, over UDP and TCP: envelopes as they come in, kept in a spool, then yielded.

Sockets sit in the event loop and are read in turns of a batch; meanwhile datagrams wait in the kernel's
buffer, which counts what it can't hold, and who sends over TCP waits itself. Each packet is counted:
who may not send, what is no HEP and what comes too fast by its reason, all else by the decoder.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from sipstream import limits, reasons
from sipstream.decode import hep
from sipstream.decode.endpoints import Key, key_of
from sipstream.errors import SourceError, words
from sipstream.packets import Batch, Tally
from sipstream.segments import Room
from sipstream.sources.enveloped import LONGEST, EnvelopeSpool
from sipstream.sources.hep_connections import Connections
from sipstream.sources.hep_gate import Gate, Network
from sipstream.sources.hep_socket import BUFFER, Bound
from sipstream.spool import PcapSpool

TAP = "hep"
"""The capture point of messages whose agent names none."""
_LOOK_SECONDS = 1.0
"""How often drops are counted, connections are looked at, and one note is said."""
_FLUSH_SECONDS = 0.1
"""What a kill takes of a spool in a folder."""
_DATAGRAM = 1 << 16
_TOLD = {
    reasons.DENIED: "sends HEP, but --hep-allow doesn't name it: its packets are left out",
    reasons.WRONG_KEY: "sends HEP without the key of --hep-key: its packets are left out",
    reasons.NOT_HEP: "sends something else than HEP",
    reasons.TOO_FAST: f"sends more than {limits.HEP_RATE:,} packets a second: the rest is left out",
}
"""What is said of a sender by the reason its packets didn't come in for."""


class HepSource:
    """What agents send to one address: draw `batches` as long as you like.

    `networks` are those that may send, `key` is what packets must have (none: all may, b"": none);
    `room` is where the spool lies.
    """

    live = True

    def __init__(
        self,
        bound: Bound,
        networks: Sequence[Network] = (),
        key: bytes = b"",
        room: Room | None = None,
    ) -> None:
        self.name = f"HEP {bound.address}"
        self.tally = Tally(self.name)
        self.notes: list[str] = []
        self._bound = bound
        self._networks = networks
        self._gate = Gate(networks, key)
        self._spool = EnvelopeSpool(room, TAP)
        self._ready = asyncio.Event()
        self._connections = Connections(self._gate.may, self._ready.set)
        self._keys: dict[Any, Key] = {}
        """Endpoints by the addresses that Python gives."""
        self._to_tell: list[str] = []
        self._told: set[tuple[str, str]] = set()
        if bound.buffer < BUFFER:
            self.notes.append(
                f"its receive buffer has {bound.buffer >> 10:,} KiB, not {BUFFER >> 10:,};"
                f" `sysctl -w net.core.rmem_max={BUFFER}` lets it grow"
            )

    @property
    def listens(self) -> str:
        """Say where it listens, to whom."""
        whom = ", ".join(str(network) for network in self._networks)
        return f"Listening for {self.name}, UDP and TCP{f', from {whom} only' if whom else ''}"

    @property
    def store(self) -> PcapSpool:
        """Where the packets lie: exports find them again there."""
        return self._spool.store

    def progress(self) -> None:
        """Return None: agents send for ever."""
        return

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield envelopes as they come, without end. Closing it closes the sockets, not the spool.

        Raises:
            SourceError: the socket can't be read any more.
        """
        loop = asyncio.get_running_loop()
        udp = self._bound.udp
        server = await loop.create_server(self._connections.connection, sock=self._bound.tcp)
        loop.add_reader(udp, self._ready.set)
        looking = asyncio.create_task(self._look(), name=self.name)
        try:
            while True:
                await self._ready.wait()
                self._ready.clear()
                self._gate.look_at_clock(loop.time())
                received = self._receive(udp)
                received += self._take()
                if received:
                    # To receive takes about as long as to decode: the loop has its turn in between.
                    await asyncio.sleep(0)
                    yield self._spool.batch_of(received, TAP)
                await asyncio.sleep(0)
        finally:
            looking.cancel()
            loop.remove_reader(udp)
            server.close()
            self._connections.close_all()
            self.tally.drops += self._bound.take_drops()
            self._spool.store.flush()
            self._bound.close()
            self.notes.append(self.tally.account)

    # What comes

    def _receive(self, udp: socket.socket) -> list[tuple[bytes, Key]]:
        """Return the datagrams that wait and may come in, of at most a batch."""
        received: list[tuple[bytes, Key]] = []
        size = 0
        for _ in range(limits.BATCH_PACKETS):
            try:
                packet, address = udp.recvfrom(_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:
                raise SourceError(f"{self.name}: {words(error)}") from error
            host = address[0]
            if not self._gate.may(host):
                self._leave_out(packet, host, reasons.DENIED)
            elif self._gate.is_full(host):
                self._leave_out(packet, host, reasons.TOO_FAST)
            else:
                self._admit(received, packet, address)
            size += len(packet)
            if size >= limits.CHUNK:
                break
        else:
            self._ready.set()
        return received

    def _take(self) -> list[tuple[bytes, Key]]:
        """Return envelopes that came over TCP, of each connection what it may bring now."""
        received: list[tuple[bytes, Key]] = []
        if not self._connections:
            self._tell_refused()
            return received
        for one in self._connections.in_turn():
            most = limits.BATCH_PACKETS - len(received)
            for packet in one.take(most, self._gate.is_full):
                self._admit(received, packet, (one.address, one.port))
            if one.wrong:
                self._leave_out(b"", one.address, one.wrong)
                self._connections.close(one)
        if len(received) >= limits.BATCH_PACKETS:
            self._ready.set()
        self._tell_refused()
        return received

    def _admit(self, received: list[tuple[bytes, Key]], packet: bytes, address: Any) -> None:
        """Take a packet of a sender that may send, without its key: that is for nobody else."""
        reason = self._gate.refusal(packet)
        if not reason and len(packet) > LONGEST:
            reason = reasons.TOO_LONG_HEP
        if reason:
            self._leave_out(packet, address[0], reason)
            return
        if hep.KEY_HEAD in packet:
            packet = hep.without_key(packet)
        received.append((packet, self._key_of(address)))

    def _key_of(self, address: Any) -> Key:
        known = self._keys.get(address)
        if known is None:
            if len(self._keys) >= limits.HEP_SENDERS:
                self._keys.clear()
            host, port = address[:2]
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            packed = socket.inet_pton(family, host.partition("%")[0])
            known = self._keys[address] = key_of(packed, port)
        return known

    def _leave_out(self, packet: bytes, host: str, reason: str) -> None:
        """Count a packet that doesn't come in; say so once of each sender, of so many senders."""
        self.tally.packets += 1
        self.tally.bytes += len(packet)
        self.tally.reasons[reason] += 1
        what = _TOLD.get(reason)
        if what and (reason, host) not in self._told and len(self._told) < limits.HEP_TOLD:
            self._told.add((reason, host))
            self._to_tell.append(f"{host} {what}")

    def _tell_refused(self) -> None:
        for host in self._connections.take_refused():
            self._leave_out(b"", host, reasons.DENIED)

    # Once a second

    async def _look(self) -> None:
        elapsed = 0.0
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            self._spool.store.flush()
            elapsed += _FLUSH_SECONDS
            if elapsed < _LOOK_SECONDS:
                continue
            elapsed = 0.0
            self.tally.drops += self._bound.take_drops()
            for host in self._connections.close_idle():
                self._leave_out(b"", host, reasons.BAD_HEP)
            if len(self._connections):
                # Those that had sent all they may go on.
                self._ready.set()
            if self._to_tell:
                self.notes.append(self._to_tell.pop(0))
