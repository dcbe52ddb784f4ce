"""A big file read by several processes: they take turns in its ranges (ranges.py).

Here it is seen that the ranges join: one that doesn't begin where the one before has ended was guessed
wrongly, and is read anew in this process. So is one that gave nothing, and all of a process that has
ended.
"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream import ranges
from sipstream.decode import link
from sipstream.decode.endpoints import Flow, Plain
from sipstream.limits import CHUNK, PARALLEL_FROM, PARALLEL_RANGE, TEXT_CHUNK, WORKERS
from sipstream.packets import Batch, Linktype, Store, Tally
from sipstream.ranges import Range, Scan
from sipstream.sip.found import Packed
from sipstream.sources.container import MAGIC_LENGTH, Kind, sniff
from sipstream.sources.file import FileSource
from sipstream.sources.pcap import HEADER, PcapReader
from sipstream.spool import FileStore

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from sipstream.sources.text import TextReader

_PIPE = 1 << 20
"""Bytes that a worker may be ahead: what comes of a range."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH)


class FlowTable:
    """The flows that one process told of, by its numbers."""

    def __init__(self) -> None:
        self._told: list[Plain] = []
        self._flows: list[Flow] = []

    def tell(self, plain: list[Plain]) -> None:
        """Add flows that have the next numbers."""
        self._told += plain

    def flows(self, made: Callable[[Plain], Flow]) -> list[Flow]:
        """Return the flows; `made` makes one of what was told."""
        self._flows += map(made, self._told)
        self._told.clear()
        return self._flows


@dataclass(slots=True)
class Scanned(Batch):
    """A batch that went through decode and SIP already, and its packets' accounting."""

    tally: Tally = field(default_factory=lambda: Tally(""))
    flows: FlowTable = field(default_factory=lambda: FlowTable())
    found: Packed = ()

    @property
    def packets(self) -> int:
        """How many packets it is about."""
        return self.tally.packets


class ParallelFile(FileSource):
    """A file whose ranges other processes read, where it is large, and a pcap or text.

    `reading` is what was begun before (`begin`), of the same file; without `divided` it is read here.
    """

    def __init__(
        self,
        path: Path,
        opened: FileStore | None = None,
        reading: Reading | None = None,
        divided: bool = True,
    ) -> None:
        super().__init__(path, opened)
        self._reading = reading
        self._divided = divided

    async def _parts(self, file: FileStore) -> AsyncGenerator[list[Batch], None]:
        reading = self._reading or (begin(file) if self._divided else None)
        if reading is None:
            parts = super()._parts(file)
        elif isinstance(reading.reader, PcapReader):
            parts = self._capture(file, reading.reader, reading)
        else:
            parts = self._text(file, reading)
        self._store = file
        try:
            async for part in parts:
                yield part
        finally:
            if reading is not None:
                reading.workers.end()

    async def _capture(
        self, file: FileStore, reader: PcapReader, reading: Reading
    ) -> AsyncGenerator[list[Batch], None]:
        """Take each range from who read it; one that doesn't join is read here."""
        for number, (_, stop) in enumerate(reading.ranges):
            came = await reading.workers.result(number)
            if came is not None and came.start == reader.position:
                yield [_scanned(came, reading.workers.table(number), file, reader.linktype)]
                reader = reader.at(file, came.end)
            else:
                for part in reader.read_until(stop):
                    yield part
            self._done = reader.reached
        # Nothing is left but where reading failed: it says why.
        for data in self._chunks(file, CHUNK):
            yield reader.feed(data)
        reader.finish()
        self.notes += reader.notes

    async def _text(self, file: FileStore, reading: Reading) -> AsyncGenerator[list[Batch], None]:
        """Take the ranges from who read them, up to one that doesn't join; the rest is read here."""
        reader = self._reader(file, file)
        chunks = self._chunks(file, TEXT_CHUNK)
        yield reader.feed(next(chunks, b""))
        text = reader.text
        for number in range(len(reading.ranges)):
            came = await reading.workers.result(number)
            if came is None or text is None or not text.is_divisible:
                break
            if came.start != text.position or not text.follows(came.first):
                break
            table = reading.workers.table(number)
            yield [_scanned(came, table, text.store, Linktype.TCPDUMP_TEXT)]
            reader.packets += came.tally.packets
            text.passes(came.end, came.last)
            self._done = came.end
        reading.workers.end()
        for data in chunks:
            yield reader.feed(data)
            reader.require_known(self.name)
        yield self._finish(reader, told=False)


class Reading:
    """The ranges of a file, and the processes that read them."""

    def __init__(self, reader: PcapReader | TextReader, scan: Scan, stop: int) -> None:
        self.reader = reader
        """What the ranges are behind."""
        places = [*range(reader.position, stop, PARALLEL_RANGE), stop]
        # The end of a text is looked at more closely, by who reads on here.
        last = len(places) - 1 if isinstance(reader, PcapReader) else len(places) - 2
        self.ranges = list(pairwise(places))[:last]
        self.workers = _Workers(scan, self.ranges)


def begin(file: FileStore) -> Reading | None:
    """Have processes read a file from now on; None where it isn't worth it, or isn't possible."""
    if file.size() < PARALLEL_FROM or len(os.sched_getaffinity(0)) < 2:
        return None
    kind = sniff(file.read(0, MAGIC_LENGTH))
    if kind is Kind.PCAP:
        reader = PcapReader(file)
        reader.feed(file.read(0, HEADER))
        if reader.linktype in link.FAST_OFFSETS:
            return Reading(reader, ranges.of_capture(reader, file), file.size())
    if kind is Kind.TEXT:
        # Its patterns take some time to be imported: captures needn't wait for that.
        from sipstream.sources.text import TextReader
        from sipstream.sources.textstore import TextStore

        text = TextReader(TextStore(file), modified_ns=lambda: os.fstat(file.fileno()).st_mtime_ns)
        text.feed(file.read(0, TEXT_CHUNK))
        if text.is_divisible:
            return Reading(text, ranges.of_text(text, file), file.size())
    return None


def _scanned(came: Range, flows: FlowTable, store: Store, linktype: int) -> Scanned:
    """Return what came of a range as the batch that the pipeline takes."""
    return Scanned(store, 0, b"", linktype, [], tally=came.tally, flows=flows, found=came.found)


class _Workers:
    """The processes, and the pipes that they write to; where none can be started there are none."""

    def __init__(self, scan: Scan, spans: list[tuple[int, int]]) -> None:
        # It takes some time to be imported: small files needn't wait for that.
        import multiprocessing

        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection | None] = []
        self._tables: list[FlowTable] = []
        context = multiprocessing.get_context("fork")
        count = min(len(os.sched_getaffinity(0)), WORKERS)
        # A look for garbage would write to all that is shared with the others: what is there stays.
        gc.freeze()
        # What a signal does here must not happen in a process that has just begun.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for number in range(count):
                ours, theirs = context.Pipe(duplex=False)
                self._pipes.append(ours)
                arguments = (scan, spans[number::count], theirs, [*self._pipes])
                process = context.Process(target=_work, args=arguments, daemon=True)
                self._tables.append(FlowTable())
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

    async def result(self, number: int) -> Range | None:
        """Return what came of a range, asked for in their order; None where it has to be read here."""
        place = number % len(self._pipes)
        pipe = self._pipes[place]
        if pipe is None:
            return None
        if not pipe.poll():
            # Its import takes some time: the processes run by now.
            import asyncio

            loop, ready = asyncio.get_running_loop(), asyncio.Event()
            loop.add_reader(pipe.fileno(), ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_reader(pipe.fileno())
        try:
            received: Range | None = pipe.recv()
        except (EOFError, OSError):
            self._pipes[place] = None
            return None
        if received is not None:
            self._tables[place].tell(received.flows)
        return received

    def table(self, number: int) -> FlowTable:
        """Return the flows that the process of a range has told of."""
        return self._tables[number % len(self._tables)]

    def end(self) -> None:
        """End the processes that still run."""
        while self._processes:
            process = self._processes.pop()
            process.kill()
            process.join()
            process.close()
        for pipe in self._pipes:
            if pipe is not None:
                pipe.close()
        self._pipes.clear()
        gc.unfreeze()


def _work(
    scan: Scan, spans: list[tuple[int, int]], pipe: Connection, not_ours: list[Connection | None]
) -> None:
    """Send what comes of each range in turn: what the other processes do.

    The pipes in `not_ours` are the reader's: they are closed, so that writing fails once it is gone.
    """
    for one in not_ours:
        if one is not None:
            one.close()
    gc.disable()
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    for start, stop in spans:
        try:
            pipe.send(scan(start, stop))
        except BrokenPipeError:
            return
