"""An interface, live: frames with the kernel's time stamps, kept in a pcap spool, then yielded.

The socket sits in the event loop and is read until it is empty or a batch is full; meanwhile packets
wait in the kernel's buffer, which counts what it can't hold. Frames of `any`, and of link types
unknown to us, become Linux cooked ones (LINUX_SLL2). What is inside a frame is nobody's concern here.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from sipstream import limits
from sipstream.errors import SourceError, words
from sipstream.escape import escape
from sipstream.packets import Batch, Linktype, Tally
from sipstream.segments import Room
from sipstream.sources import bpf as kernel_filter
from sipstream.sources import packet_socket
from sipstream.sources.packet_socket import ANY
from sipstream.spool import PcapSpool

BUFFER = 64 << 20
"""Bytes asked for as the kernel's receive buffer, taken only as far as packets wait: some 80,000 of them,
where an agent, which lets others go first, has no turn for seconds on a busy server."""

DEFAULT_FILTER_TEXT = "SIP on any port"
MEDIA_FILTER_TEXT = "SIP on any port, RTP and RTCP"

_GATHER_SECONDS = 0.01
"""How long packets gather in the kernel before they are read: a look for each takes five times as much,
and this machine is the SIP server's. The buffer holds as much of a million packets/s; a smaller one that
the kernel gave instead isn't left for as long."""
_LOOK_SECONDS = 1.0
"""How often drops are counted, and the interface is looked at."""
_FLUSH_SECONDS = 0.1
"""What a kill takes of a spool in a folder, and how soon a full disk is noticed. To write each batch by
itself is a tenth of all work."""
_DOWN_SECONDS = 0.25
"""How often while it is down: what comes when it is there again isn't to be missed for long."""

_ETHERNET_HEADER = 14
_ETHERNET_ADDRESSES = 12
_SLL2 = struct.Struct("!HHIHBB8s")

Packet: TypeAlias = tuple[int, bytes, int]
"""Time in ns since the epoch, bytes, size on the wire."""


class LiveSource:
    """The packets of one interface, or of `any`: `open` it, draw `batches` until `stop`.

    `bpf` is an own kernel filter (pcap-filter(7)), `narrow` one of hosts and ports that has to hold as
    well; `cooked` makes every frame a LINUX_SLL2 one, so
    that interfaces of several link types fit one file; `write` is a spool that others write to as
    well; `buffer` is the receive buffer's size in bytes; `sockets` has sockets opened before;
    `room` is where a spool of our own lies; `media` lets RTP and RTCP through too, where there is no
    own filter.
    """

    live = True

    def __init__(
        self,
        interface: str,
        *,
        bpf: str | None = None,
        narrow: str | None = None,
        cooked: bool = False,
        write: PcapSpool | None = None,
        buffer: int = BUFFER,
        sockets: packet_socket.Sockets | None = None,
        room: Room | None = None,
        media: bool = False,
    ) -> None:
        self.name = interface
        self.tally = Tally(interface)
        self.notes: list[str] = []
        usual = MEDIA_FILTER_TEXT if media else DEFAULT_FILTER_TEXT
        self.filter_text = usual if bpf is None else bpf
        if narrow is not None:
            self.filter_text += f", narrowed to {narrow}"
        self.buffer = buffer
        """The receive buffer's size in bytes; once open, what the kernel gave."""
        self._bpf = bpf
        self._narrow = narrow
        self._media = media
        self._cooked = cooked or (write is not None and write.linktype == Linktype.LINUX_SLL2)
        self._spool = write
        self._room = room
        self._sockets = sockets if sockets is not None else packet_socket.Sockets()
        self._socket: socket.socket | None = None
        self._given = Linktype.LINUX_SLL2
        self._index = 0
        self._indexes: dict[str, int] = {}
        self._space = memoryview(bytearray(limits.MAX_PACKET))
        self._ready = asyncio.Event()
        self._stopping = False
        self._emptied = True
        """Nothing was left in the kernel when packets were read last."""
        self._failure: OSError | None = None
        self._called = interface
        """What the interface is called now: it may be renamed."""
        self._down_since: float | None = None
        self._flushing: asyncio.TimerHandle | None = None
        self._told_full = 0
        """Bytes that the spool had lost when the user was told of it."""

    @property
    def spool(self) -> PcapSpool:
        """Where the packets are kept, once the source is open."""
        assert self._spool is not None, "not open"
        return self._spool

    @property
    def store(self) -> PcapSpool | None:
        """Where the packets lie, once the source is open: exports find them again there."""
        return self._spool

    def progress(self) -> None:
        """Return None: a live source has no end."""
        return

    def stop(self) -> None:
        """Have `batches` end once what the socket holds now is delivered."""
        self._stopping = True
        self._ready.set()

    # Opening

    def open(self, path: Path | None = None) -> None:
        """Open the interface: packets wait in the kernel from now on. Needs no event loop.

        `path` is where to keep the packets if no spool was given; without it they have no name.

        Raises:
            CaptureDeniedError: this process may not capture; the text tells how it may.
            SourceError: no such interface, it is down, a wrong filter, a file can't be written.
        """
        sock, self._given = self._sockets.open(self.name)
        try:
            self._make_ready(sock)
            linktype = Linktype.LINUX_SLL2 if self._cooked else self._given
            if self._spool is None:
                self._spool = PcapSpool(
                    linktype, path, room=self._room, label=self.name, threaded=True
                )
            elif self._spool.linktype != linktype:
                raise SourceError(
                    f"{escape(self.name)}: its link type isn't that of the file being written;"
                    " name all interfaces when sipstream starts"
                )
            self._cooked = linktype == Linktype.LINUX_SLL2
        except OSError as error:
            self._sockets.give_back(sock, self._index)
            raise SourceError(f"{escape(self.name)}: {words(error)}") from error
        except SourceError:
            self._sockets.give_back(sock, self._index)
            raise
        self._socket = sock

    def _make_ready(self, sock: socket.socket) -> None:
        program = self._program()
        wanted = self.buffer
        try:
            self.buffer = packet_socket.make_ready(sock, program, wanted)
        except OSError as error:
            own = self._bpf or self._narrow
            if own is None or error.errno not in (errno.EINVAL, errno.ENOMEM):
                raise
            text = f"capture filter {own!r}: it is too long for the kernel"
            raise SourceError(text) from error
        if self.buffer < wanted:
            self.notes.append(
                f"its receive buffer has {self.buffer >> 10:,} KiB, not {wanted >> 10:,};"
                f" `sysctl -w net.core.rmem_max={wanted}` lets it grow"
            )
        if self.name != ANY:
            self._index = socket.if_nametoindex(self.name)
            packet_socket.be_promiscuous(sock, self._index)

    def _program(self) -> kernel_filter.Program:
        headless = self._given == Linktype.LINUX_SLL2
        linktype = Linktype.RAW if headless else self._given
        program = self._wide_program(linktype)
        if self._narrow is None:
            return program
        return kernel_filter.narrowed(self._narrow, program, linktype)

    def _wide_program(self, linktype: int) -> kernel_filter.Program:
        if self._bpf is None:
            return kernel_filter.WITH_MEDIA if self._media else kernel_filter.DEFAULT
        if "vlan" in self._bpf.split():
            self.notes.append(
                "the kernel takes VLAN tags off before a filter sees them: `vlan` finds only inner"
                " ones; leave it out to get tagged and untagged packets alike"
            )
        return kernel_filter.compile_expression(self._bpf, linktype)

    # Running

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield packets as they come, until `stop`. Closing it closes the socket, not the spool.

        Raises:
            SourceError: the interface can't be opened (see `open`), or not be read any more.
        """
        if self._socket is None:
            self.open()
        sock = self._socket
        assert sock is not None
        loop = asyncio.get_running_loop()
        loop.add_reader(sock, self._ready.set)
        self._look_later(sock)
        try:
            while not self._stopping:
                await self._ready.wait()
                if self._emptied:
                    # A reader that stays would be called all the while.
                    loop.remove_reader(sock)
                    await asyncio.sleep(_GATHER_SECONDS * min(self.buffer / BUFFER, 1))
                    loop.add_reader(sock, self._ready.set)
                self._ready.clear()
                if packets := self._receive(sock):
                    yield await self._keep(packets)
                if self._failure is not None:
                    raise SourceError(f"{escape(self.name)}: {words(self._failure)}")
            kernel_filter.attach(sock, kernel_filter.NOTHING)
            while packets := self._receive(sock):
                yield await self._keep(packets)
        finally:
            self._looking.cancel()
            if self._flushing is not None:
                self._flushing.cancel()
                self._flush()
            loop.remove_reader(sock)
            self._count_drops(sock)
            self._socket = None
            self._sockets.give_back(sock, self._index)

    async def _keep(self, packets: list[Packet]) -> Batch:
        # To receive takes about as long as to decode: the loop has its turn between the two.
        await asyncio.sleep(0)
        spool = self.spool
        batch = spool.append_packets(packets, self.name)
        if self._flushing is None:
            loop = asyncio.get_running_loop()
            self._flushing = loop.call_later(_FLUSH_SECONDS, self._flush)
        return batch

    def _flush(self) -> None:
        self._flushing = None
        self.spool.flush()

    def _receive(self, sock: socket.socket) -> list[Packet]:
        """Return the packets that wait, at most a batch of them."""
        packets: list[Packet] = []
        space = self._space
        receive = sock.recvmsg_into
        size = 0
        self._emptied = False
        while len(packets) < limits.BATCH_PACKETS and size < limits.CHUNK:
            try:
                length, ancillary, _, address = receive((space,), packet_socket.ANCILLARY_SIZE)
            except BlockingIOError:
                self._emptied = True
                break
            except OSError as error:
                if error.errno == errno.ENETDOWN:
                    self._went_down(sock)
                    continue
                self._failure = error
                break
            size += length
            time_ns, tag, wire_length = packet_socket.unpack(ancillary, length)
            data = bytes(space[:length])
            if self._cooked:
                data = self._cook(data, tag, address)
            elif tag:
                data = data[:_ETHERNET_ADDRESSES] + tag + data[_ETHERNET_ADDRESSES:]
            packets.append((time_ns, data, wire_length + len(data) - length))
        return packets

    def _cook(self, data: bytes, tag: bytes, address: Any) -> bytes:
        """Return a LINUX_SLL2 frame; a tag that was taken off stands before the packet again."""
        name, protocol, packet_type, hardware_type, hardware_address = address
        if self._given == Linktype.ETHERNET:
            data = data[_ETHERNET_HEADER:]
        if tag:
            data = tag[2:] + protocol.to_bytes(2, "big") + data
            protocol = int.from_bytes(tag[:2], "big")
        header = _SLL2.pack(
            protocol,
            0,
            self._index_of(name),
            hardware_type,
            packet_type,
            len(hardware_address),
            hardware_address,
        )
        return header + data

    def _index_of(self, name: str) -> int:
        index = self._indexes.get(name)
        if index is None:
            index = 0
            with suppress(OSError):
                index = socket.if_nametoindex(name)
            self._indexes[name] = index
        return index

    # Once a second

    def _look_later(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        seconds = _LOOK_SECONDS if self._down_since is None else _DOWN_SECONDS
        self._looking = loop.call_later(seconds, self._look, sock)

    def _look(self, sock: socket.socket) -> None:
        self._look_later(sock)
        self._count_drops(sock)
        # Interfaces may have been made, renamed and removed.
        self._indexes.clear()
        with suppress(OSError):
            if self.name != ANY:
                self._find_again(sock)
            if self._down_since is not None:
                self._come_back(sock, self._down_since)
        if self.spool.full and not self._told_full:
            self._told_full = self.spool.lost
            self.notes.append("packets can't be kept; is the disk full?")
        elif self._told_full and not self.spool.full:
            lost = self.spool.lost >> 10
            self.notes.append(f"packets are kept again; {lost:,} KiB were lost so far")
            self._told_full = 0

    def _count_drops(self, sock: socket.socket) -> None:
        """Add what the kernel dropped; nothing else may read its count, because reading clears it."""
        self.tally.drops += packet_socket.take_drops(sock)

    def _went_down(self, sock: socket.socket) -> None:
        if self._down_since is not None:
            return
        self._down_since = time.monotonic()
        what = "is down; the capture goes on when it is up again"
        if self.name != ANY and packet_socket.name_of(self._index) is None:
            what = "is gone; the capture goes on when it is there again"
        self.notes.append(what)
        self._looking.cancel()
        self._look_later(sock)

    def _find_again(self, sock: socket.socket) -> None:
        """Tell when the interface has another name; bind to one that was made anew under its name.

        Raises:
            OSError: there is none.
        """
        called = packet_socket.name_of(self._index)
        if called is None:
            index = socket.if_nametoindex(self.name)
            packet_socket.bind(sock, self.name)
            packet_socket.be_promiscuous(sock, index)
            self._index, self._called = index, self.name
        elif called != self._called:
            self._called = called
            self.notes.append(f"is called {called} now; the capture goes on")

    def _come_back(self, sock: socket.socket, since: float) -> None:
        """Tell when the interface is up again.

        Raises:
            OSError: it is gone meanwhile.
        """
        if self.name == ANY or packet_socket.is_up(sock, self._called):
            self._down_since = None
            self.notes.append(f"is up again after {time.monotonic() - since:.0f} s")
