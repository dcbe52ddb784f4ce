"""A file that is whole: read chunk by chunk where it lies; a .gz is unpacked into a spool.

Reads of a local file take well under a millisecond a chunk and go without a thread; after each
batch the event loop has its turn.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path

from sipstream import limits
from sipstream.errors import SourceError, words
from sipstream.escape import escape
from sipstream.packets import Batch, Store, Tally
from sipstream.sources import Missing, container, unpack
from sipstream.sources.container import AnyReader, Kind, sniff
from sipstream.spool import FileStore, Spool


class FileSource:
    """The packets of one file: pcap, pcapng, what tcpdump printed, or a .gz of these.

    `opened` is the file where it was opened before (`open_file`).
    """

    live = False

    def __init__(self, path: Path, opened: FileStore | None = None) -> None:
        self.name = str(path)
        self.tally = Tally(self.name)
        self.notes: list[str] = []
        self._path = path
        self._opened = opened
        self._done = 0
        self._size = 0
        self._store: FileStore | Spool | None = None
        """Where the packets lie: the file, or a spool of what was unpacked."""

    @property
    def store(self) -> Store | None:
        """Where the packets lie, once they are read."""
        return self._store

    def progress(self) -> tuple[int, int]:
        """Return bytes read and bytes in all; of a .gz the packed ones."""
        return self._done, self._size

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield the file's packets up to the size it had at the beginning.

        Raises:
            SourceError: it can't be read, or is of no known kind.
        """
        # Its import takes some time: who opens a file only needn't wait for that.
        import asyncio

        file = self._opened if self._opened is not None else open_file(self._path)
        located = False
        try:
            self._size = file.size()
            async with aclosing(self._parts(file)) as parts:
                async for part in parts:
                    for batch in part:
                        located = True
                        yield batch
                    if not part:
                        await asyncio.sleep(0)
        finally:
            # What messages lie in stays open for who looks at them.
            if self._store is not file:
                file.close()
            if self._store is not None and not located:
                self._store.close()

    async def _parts(self, file: FileStore) -> AsyncGenerator[list[Batch], None]:
        """Yield the batches of each chunk read."""
        kind = sniff(file.read(0, container.MAGIC_LENGTH))
        size = limits.TEXT_CHUNK if kind is Kind.TEXT else limits.CHUNK
        for part in self._unpacked(file) if kind is Kind.GZIP else self._as_it_is(file, size):
            yield part

    def _as_it_is(self, file: FileStore, size: int) -> Iterator[list[Batch]]:
        """Yield the batches of a file chunk by chunk, located in the file."""
        self._store = file
        reader = self._reader(file, file)
        for data in self._chunks(file, size):
            yield reader.feed(data)
            reader.require_known(self.name)
        yield self._finish(reader, told=False)

    def _unpacked(self, file: FileStore) -> Iterator[list[Batch]]:
        """Yield the batches of a .gz piece by piece, located in a spool of what was unpacked."""
        self._store = spool = Spool()
        reader = self._reader(file, spool)
        unpacker = unpack.Unpacker()
        for data in self._chunks(file, unpack.STEP):
            for piece in unpacker.feed(data):
                yield reader.keep(piece)
                reader.require_known(self.name)
            if unpacker.ended:
                break
        for piece in unpacker.finish():
            yield reader.keep(piece)
        self.notes += unpacker.notes
        yield self._finish(reader, told=unpacker.lacks)

    def _finish(self, reader: AnyReader, *, told: bool) -> list[Batch]:
        batches = reader.finish(told=told)
        reader.require_known(self.name, ended=True)
        if reader.kind is None:
            self.notes.append("is empty")
        return batches

    def _chunks(self, file: FileStore, size: int) -> Iterator[bytes]:
        """Yield the file's bytes in order; ends early, with a note, where it can't be read."""
        while self._done < self._size:
            try:
                data = os.pread(file.fileno(), min(size, self._size - self._done), self._done)
            except OSError as error:
                self.notes.append(Missing(f"can't be read at byte {self._done}: {words(error)}"))
                return
            if not data:
                what = f"became shorter while it was read: it ends at byte {self._done}"
                self.notes.append(Missing(what))
                return
            self._done += len(data)
            yield data

    def _reader(self, file: FileStore, store: FileStore | Spool) -> AnyReader:
        return AnyReader(
            store, notes=self.notes, modified_ns=lambda: os.fstat(file.fileno()).st_mtime_ns
        )


def open_file(path: Path) -> FileStore:
    """Open a file for reading.

    Raises:
        SourceError: it isn't there, may not be read, or is no file.
    """
    try:
        # Before it is opened: who writes to a pipe would notice.
        what = refusal(path.stat().st_mode)
    except OSError as error:
        raise SourceError(f"{escape(str(path))}: {words(error)}") from error
    except ValueError as error:
        raise SourceError(f"{escape(str(path))}: is no possible file name") from error
    if what is None:
        store = FileStore(path)
        what = refusal(os.fstat(store.fileno()).st_mode)
        if what is None:
            return store
        store.close()
    raise SourceError(f"{escape(str(path))}: {what}")


def first_time(file: FileStore) -> int | None:
    """Return the time of a file's first packet (ns since the epoch), None for none at its begin.

    Looks at so much of it as is read at once.
    """
    reader = AnyReader(file, notes=[], modified_ns=lambda: os.fstat(file.fileno()).st_mtime_ns)
    data = file.read(0, limits.CHUNK)
    unpacker = unpack.Unpacker()
    for place in range(0, len(data), unpack.STEP):
        for piece in unpacker.feed(data[place : place + unpack.STEP]):
            for batch in reader.feed(piece):
                if batch.records:
                    return batch.records[0][0]
    for batch in reader.finish():
        if batch.records:
            return batch.records[0][0]
    return None


def is_absent(path: Path) -> bool:
    """Tell whether nothing has that name yet; what can't be told is for `open_file` to say."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def refusal(mode: int) -> str | None:
    """Return what is wrong with what isn't a regular file; `mode` is the one of `stat`."""
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return "is a directory"
    if stat.S_ISFIFO(mode):
        return "is a pipe, not a file: give it on standard input (sipstream - < PIPE)"
    if stat.S_ISSOCK(mode):
        return "is a socket, not a file"
    return "is a device, not a file"
