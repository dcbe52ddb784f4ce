"""A big capture file read by several processes: they take turns in its ranges.

Each of them finds where a record begins in its range, and takes the packets from there through decode
and SIP. Here it is seen that the ranges join: one that doesn't begin where the one before has ended was
guessed wrongly, and is read anew in this process. So is a range in which packets need what came before
them (segments, fragments, tunnels), a damaged one, and all of a process that has ended.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from sipstream.decode import link
from sipstream.decode.decoder import Decoder
from sipstream.decode.endpoints import Endpoints, Outers, Plain
from sipstream.limits import CHUNK, PARALLEL_FROM, PARALLEL_RANGE, WORKERS
from sipstream.packets import Batch, Tally
from sipstream.sip import startline
from sipstream.sip.found import Found, Packed
from sipstream.sip.scan import Scanner
from sipstream.sources.container import MAGIC_LENGTH, Kind, sniff
from sipstream.sources.file import FileSource
from sipstream.sources.pcap import HEADER, RECORD, PcapReader
from sipstream.spool import FileStore

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

_PIPE = 1 << 20
"""Bytes that a worker may be ahead: what comes of a range."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH)


@dataclass(slots=True)
class Scanned(Batch):
    """A batch that went through decode and SIP already, and its packets' accounting."""

    tally: Tally = field(default_factory=lambda: Tally(""))
    flows: list[Plain] = field(default_factory=list)
    found: Packed = ()

    @property
    def packets(self) -> int:
        """How many packets it is about."""
        return self.tally.packets


class ParallelFile(FileSource):
    """A file whose ranges other processes read, where it is large and a pcap.

    `reading` is what was begun before (`begin`), of the same file.
    """

    def __init__(
        self, path: Path, opened: FileStore | None = None, reading: Reading | None = None
    ) -> None:
        super().__init__(path, opened)
        self._reading = reading

    async def _parts(self, file: FileStore) -> AsyncGenerator[list[Batch], None]:
        reading = self._reading or begin(file)
        if reading is None:
            async for part in super()._parts(file):
                yield part
            return
        self._store, reader = file, reading.reader
        try:
            for number, (_, stop) in enumerate(reading.ranges):
                came = await reading.workers.result(number)
                if came is not None and came.start == reader.position:
                    yield [came.scanned(file, reader.linktype)]
                    reader = reader.at(file, came.end)
                else:
                    for part in reader.read_until(stop):
                        yield part
                self._done = reader.reached
        finally:
            reading.workers.end()
        # Nothing is left but where reading failed: it says why.
        for data in self._chunks(file, CHUNK):
            yield reader.feed(data)
        reader.finish()
        self.notes += reader.notes


class Reading:
    """The ranges of a file, and the processes that read them."""

    def __init__(self, file: FileStore, reader: PcapReader) -> None:
        self.reader = reader
        """Reads here; it stands behind the file's header."""
        places = [*range(reader.position, file.size(), PARALLEL_RANGE), file.size()]
        self.ranges = list(pairwise(places))
        self.workers = _Workers(reader, file, self.ranges)


def begin(file: FileStore) -> Reading | None:
    """Have processes read a file from now on; None where it isn't worth it, or isn't possible."""
    if file.size() < PARALLEL_FROM or len(os.sched_getaffinity(0)) < 2:
        return None
    if sniff(file.read(0, MAGIC_LENGTH)) is not Kind.PCAP:
        return None
    reader = PcapReader(file)
    reader.feed(file.read(0, HEADER))
    return Reading(file, reader) if reader.linktype in link.FAST_OFFSETS else None


class _Range(NamedTuple):
    """What came of a range, as it is sent."""

    start: int
    end: int
    """Places in the file: of the first record, and behind the last one."""
    tally: Tally
    flows: list[Plain]
    found: Packed

    def scanned(self, file: FileStore, linktype: int) -> Scanned:
        """Return it as the batch that the pipeline takes."""
        return Scanned(
            file, 0, b"", linktype, [], tally=self.tally, flows=self.flows, found=self.found
        )


class _Workers:
    """The processes, and the pipes that they write to; where none can be started there are none."""

    def __init__(self, reader: PcapReader, file: FileStore, ranges: list[tuple[int, int]]) -> None:
        # It takes some time to be imported: small files needn't wait for that.
        import multiprocessing

        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection | None] = []
        context = multiprocessing.get_context("fork")
        count = min(len(os.sched_getaffinity(0)), WORKERS)
        around = reader.seconds(file.read(reader.position, RECORD))
        # What a signal does here must not happen in a process that has just begun.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for number in range(count):
                ours, theirs = context.Pipe(duplex=False)
                arguments = (reader, file, ranges[number::count], around, theirs)
                process = context.Process(target=_work, args=arguments, daemon=True)
                self._pipes.append(ours)
                with suppress(OSError):
                    fcntl.fcntl(theirs.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
                try:
                    process.start()
                    self._processes.append(process)
                except OSError:
                    self._pipes[number] = None
                theirs.close()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    async def result(self, number: int) -> _Range | None:
        """Return what came of a range, asked for in their order; None where it has to be read here."""
        place = number % len(self._pipes)
        pipe = self._pipes[place]
        if pipe is None:
            return None
        if not pipe.poll():
            loop, ready = asyncio.get_running_loop(), asyncio.Event()
            loop.add_reader(pipe.fileno(), ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_reader(pipe.fileno())
        try:
            received: _Range | None = pipe.recv()
            return received
        except (EOFError, OSError):
            self._pipes[place] = None
            return None

    def end(self) -> None:
        """End the processes that still run."""
        for process in self._processes:
            process.kill()
            process.join()
            process.close()
        for pipe in self._pipes:
            if pipe is not None:
                pipe.close()


# In the other processes


class _OutOfTurnError(BaseException):
    """A packet needs what came before it. No fault: it passes by those who catch these."""


def _refuse(*arguments: Any) -> NoReturn:
    raise _OutOfTurnError


class _InOrder:
    """Stands where a decoder keeps what came before."""

    feed = segment = _refuse


class _Interfaces(Outers):
    """Knows interfaces; the numbers of tunnels and agents are another process's."""

    tunnel = agent = _refuse  # type: ignore[assignment]


class _RangeDecoder(Decoder):
    """Decodes packets that need no others."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(tally, Endpoints(_Interfaces()))
        self._fragments = self._user_messages = self._streams = _InOrder()  # type: ignore[assignment]


def _work(
    reader: PcapReader,
    file: FileStore,
    ranges: list[tuple[int, int]],
    around: int,
    pipe: Connection,
) -> None:
    """Send what came of each range in turn."""
    # A look for garbage would write to all memory shared with the process that we came from.
    gc.disable()
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    for start, stop in ranges:
        try:
            pipe.send(_scan(reader, file, start, stop, around))
        except BrokenPipeError:
            return


def _scan(reader: PcapReader, file: FileStore, start: int, stop: int, around: int) -> _Range | None:
    """Return what comes of the records that begin in a range, None where that can't be told here."""
    offset = reader.find(file.read(start, CHUNK), around)
    if offset is None:
        return None
    own = reader.at(file, start + offset)
    tally, found = Tally(""), Found()
    decoder, scanner = _RangeDecoder(tally), Scanner(tally)
    methods = startline.methods_seen()
    try:
        for part in own.read_until(stop):
            for batch in part:
                scanner.feed(decoder.feed(batch), found).settle()
    except _OutOfTurnError:
        return None
    if own.notes or own.position < stop or tally.suspects or startline.methods_seen() > methods:
        return None
    flows = [decoder.flows.plain(flow) for flow in found.flows()]
    return _Range(start + offset, own.position, tally, flows, found.packed())
