"""Standard input: a capture or tcpdump's text from a pipe, a terminal or a redirected file.

Bytes come when the event loop says the descriptor is readable and are located in a spool. What the
loop can't watch (a redirected file, /dev/null) is always readable and never blocks.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncGenerator, Callable, Iterator

from sipstream.errors import SourceError, words
from sipstream.packets import Batch, Tally
from sipstream.segments import Room
from sipstream.sources.container import AnyReader
from sipstream.sources.unpack import STEP, Unpacker
from sipstream.spool import Spool

_QUIET_SECONDS = 0.2
"""Pause after which the last printed packet is taken as whole: tcpdump prints one in far less."""


class StdinSource:
    """The packets of a capture, of printed text, or of a .gz of these, that a descriptor gives.

    `clock` gives ns since the epoch; `quiet` is in seconds; `room` is where what comes without end
    is spooled.
    """

    def __init__(
        self,
        fd: int = 0,
        *,
        quiet: float = _QUIET_SECONDS,
        clock: Callable[[], int] = time.time_ns,
        room: Room | None = None,
    ) -> None:
        self.name = "standard input"
        self.tally = Tally(self.name)
        self.notes: list[str] = []
        self.store: Spool | None = None
        """Where the packets lie, once they are read."""
        self._fd = fd
        self._quiet = quiet
        self._clock = clock
        self._room = room
        self._done = 0
        self._size: int | None = None
        self._watchable = True
        try:
            status = os.fstat(fd)
        except OSError:
            self._closed = self.live = True
            return
        self._closed = False
        self.live = not stat.S_ISREG(status.st_mode)
        if not self.live:
            self._size = status.st_size
            modified_ns = status.st_mtime_ns
            self._clock = lambda: modified_ns

    def progress(self) -> tuple[int, int] | None:
        """Return bytes read and bytes in all where a file was redirected, else None."""
        return None if self._size is None else (self._done, self._size)

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield packets as they come, until the input ends. The descriptor stays open.

        Raises:
            SourceError: it can't be read, or gives nothing of a known kind.
        """
        if self._closed:
            # Before the spool is opened, which would get its number.
            raise SourceError(f"{self.name}: is closed")
        spool = self.store = Spool(room=self._room if self.live else None)
        reader = AnyReader(spool, notes=self.notes, modified_ns=self._clock, live=self.live)
        unpacker = Unpacker()
        quiet = True
        try:
            while True:
                if not await self._readable(None if quiet else self._quiet):
                    quiet = True
                    for batch in reader.flush():
                        yield batch
                    continue
                data = self._read()
                if data == b"":
                    break
                quiet = False
                for part in self._take(data or b"", unpacker, reader):
                    for batch in part:
                        yield batch
                    await asyncio.sleep(0)
            for batch in self._finish(unpacker, reader):
                yield batch
        finally:
            if not reader.packets:
                spool.close()

    def _take(self, data: bytes, unpacker: Unpacker, reader: AnyReader) -> Iterator[list[Batch]]:
        """Yield what bytes from the descriptor bring, piece by piece."""
        for piece in unpacker.feed(data):
            yield reader.keep(piece)
            reader.require_known(self.name)
        self._drain(unpacker)

    def _finish(self, unpacker: Unpacker, reader: AnyReader) -> list[Batch]:
        """Return what the input's end still gives."""
        batches = [batch for piece in unpacker.finish() for batch in reader.keep(piece)]
        self._drain(unpacker)
        batches += reader.finish(told=unpacker.lacks)
        if reader.kind is None:
            self.notes.append("ended without giving anything")
        reader.require_known(self.name, ended=True)
        return batches

    def _drain(self, unpacker: Unpacker) -> None:
        self.notes += unpacker.notes
        unpacker.notes.clear()

    async def _readable(self, seconds: float | None) -> bool:
        """Wait until there is something to read, or return False after `seconds`."""
        if not self._watchable:
            await asyncio.sleep(0)
            return True
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(self._fd, ready.set)
        except PermissionError:
            # epoll refuses what is always readable.
            self._watchable = False
            return True
        except OSError as error:
            raise SourceError(f"{self.name}: {words(error)}") from error
        try:
            async with asyncio.timeout(seconds):
                await ready.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._fd)
        return True

    def _read(self) -> bytes | None:
        """Return the next bytes, b"" at the end, None when there are none after all."""
        try:
            data = os.read(self._fd, STEP)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            raise SourceError(f"{self.name}: {words(error)}") from error
        self._done += len(data)
        return data
