"""One open file that grows: read on from where it ended, whatever its name has become.

Every byte read is kept in a spool, because a file truncated by its writer takes the messages with
it. What was read is trusted only when the file's first bytes are still the ones that were there.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import aiofiles
from aiofiles.threadpool.binary import AsyncFileIO

from sipstream import limits
from sipstream.errors import SourceError
from sipstream.packets import Batch
from sipstream.sources import container
from sipstream.sources.container import AnyReader, Kind, sniff
from sipstream.sources.file import refusal
from sipstream.sources.rotation import Identity
from sipstream.sources.textstore import TextStore
from sipstream.spool import Spool

_HEAD = 1024
"""First bytes by which a file is known again: a capture's hold a packet's time."""
_FORMER_HEADS = 8
"""Truncations of which the first bytes before are remembered."""
_TEXT_PATIENCE = 1 << 16
"""Bytes of text without a packet after which the user is told."""


class GrowingFile:
    """A file and how far it was read. `notes` is the caller's list, `text` the spool as text."""

    def __init__(self, file: AsyncFileIO, spool: Spool, text: TextStore, notes: list[str]) -> None:
        self._file = file
        self._fd: int = file.fileno()
        self._spool = spool
        self._text = text
        self._notes = notes
        self._position = 0
        self._head = b""
        self._former_heads: deque[bytes] = deque(maxlen=_FORMER_HEADS)
        self._resume: int | None = None
        """Where the file was when it was found truncated, until its new first bytes are seen."""
        self._in_hole = False
        self._to_line_end = False
        self._told = ""
        """What was said of its kind."""
        self.identity = Identity.of(os.fstat(self._fd))
        self._reader = self._new_reader()

    @classmethod
    async def open(cls, path: Path, spool: Spool, text: TextStore, notes: list[str]) -> GrowingFile:
        """Open a file at its beginning.

        Raises:
            OSError: it can't be opened.
            SourceError: it isn't a regular file (without the path in its text).
        """
        file = await aiofiles.open(path, "rb", buffering=0, opener=_opener)
        what = refusal(os.fstat(file.fileno()).st_mode)
        if what is not None:
            await file.close()
            raise SourceError(what)
        return cls(file, spool, text, notes)

    async def close(self) -> None:
        """Close the file; its packets stay readable in the spool."""
        await self._file.close()

    def size(self) -> int:
        """Return its present size in bytes."""
        return os.fstat(self._fd).st_size

    def modified_ns(self) -> int:
        """Return when it was last written to, in ns since the epoch."""
        return os.fstat(self._fd).st_mtime_ns

    def head(self) -> bytes:
        """Return the first bytes by which it is known again."""
        return os.pread(self._fd, _HEAD, 0)

    def heads(self) -> list[bytes]:
        """Return its first bytes now, as last read and before each truncation: copies have them."""
        return [*self._former_heads, self._head, self.head()]

    async def more(self) -> list[Batch] | None:
        """Read on: return the packets that came, None at the present end of the file.

        Raises:
            OSError: it can't be read.
        """
        # What nothing comes of is left alone until it begins anew.
        is_left = self._reader.hopeless and self._resume is None
        size = limits.TEXT_CHUNK if self._reader.kind is Kind.TEXT else limits.CHUNK
        data: bytes = b"" if is_left else await self._file.read(size)
        if self._rewritten(data):
            await self._begin_again()
            return []
        if not data:
            return None
        batches: list[Batch] = []
        if self._resume is not None:
            resume, self._resume = self._resume, None
            if data[0] == 0 and self.size() > resume:
                await self._skip_hole(resume, data)
                return []
            batches = self._reader.finish()
            self._reader = self._new_reader()
        if self._position == len(self._head):
            self._head += data[: _HEAD - len(self._head)]
        self._position += len(data)
        batches += self._reader.keep(self._from_boundary(data))
        self._tell_kind()
        return batches

    def flush(self) -> list[Batch]:
        """Return the last packet of text: the file has been quiet for a while."""
        return self._reader.flush()

    def finish(self) -> list[Batch]:
        """The file was read to its end for good: return what its rest still gives."""
        return self._reader.finish()

    async def skip_to_end(self) -> None:
        """Pass over what is there already, up to a whole packet or line.

        A capture is walked through, since its header and interfaces are needed and nothing else
        tells where a record begins; the bytes before the last of it aren't kept.
        """
        size = self.size()
        kind = sniff(os.pread(self._fd, container.MAGIC_LENGTH, 0))
        if kind is Kind.TEXT:
            self._head = self.head()
            # From the last byte on: it tells whether the line was whole.
            self._position = await self._file.seek(size - 1)
            self._to_line_end = True
        elif kind in (Kind.PCAP, Kind.PCAPNG):
            keep_from = max(0, size - limits.CHUNK)
            self._reader = self._new_reader(self._spool.size() - keep_from)
            while self._position < size:
                data = await self._file.read(min(limits.CHUNK, size - self._position))
                if not data:
                    break
                self._spool.append(data[max(0, keep_from - self._position) :])
                self._reader.feed(data)
                self._position += len(data)
            self._head = self.head()[: self._position]

    def _new_reader(self, offset: int = 0) -> AnyReader:
        return AnyReader(
            self._spool,
            offset,
            notes=self._notes,
            modified_ns=self.modified_ns,
            text=self._text,
            live=True,
        )

    def _rewritten(self, data: bytes) -> bool:
        """Return whether the file was truncated before `data` was read from it."""
        size = self.size()
        if size < self._position + len(data):
            # Shorter than what was read just now: then it was truncated after that.
            return not data
        return os.pread(self._fd, len(self._head), 0) != self._head

    async def _begin_again(self) -> None:
        self._notes.append("was truncated, begins again: what was written just before may be lost")
        self._former_heads.append(self._head)
        self._resume = self._position
        self._position = await self._file.seek(0)
        self._head = b""
        self._told = ""

    async def _skip_hole(self, resume: int, data: bytes) -> None:
        """Go on where reading ended: the writer does too, and left a hole of zeros before it.

        That is what truncating does to a file not opened for appending (`tcpdump -w`, `> FILE`).
        """
        self._position = await self._file.seek(resume)
        self._head = data[:_HEAD]
        self._in_hole = True

    def _from_boundary(self, data: bytes) -> bytes:
        """Return `data` without zeros of a hole, or the end of a line begun before we came."""
        if self._in_hole:
            if data.startswith(bytes(16)) or self._reader.kind is Kind.TEXT:
                data = data.lstrip(b"\0")
            self._in_hole = not data
        if self._to_line_end:
            _, newline, data = data.partition(b"\n")
            self._to_line_end = not newline
        return data

    def _tell_kind(self) -> None:
        """Tell the user, once, when the file is nothing that can be followed."""
        if self._reader.kind is Kind.GZIP:
            self._tell("is a .gz, which can't be followed: load it when it is whole")
        elif self._reader.unrecognised(container.TEXT_SEARCH):
            size = container.TEXT_SEARCH >> 20
            self._tell(f"has no packet in {size} MiB: not read on until it begins anew")
        elif self._reader.unrecognised(_TEXT_PATIENCE):
            self._tell(f"has been {container.UNKNOWN} so far")

    def _tell(self, what: str) -> None:
        if what != self._told:
            self._told = what
            self._notes.append(what)


def _opener(path: str, flags: int) -> int:
    """Open without waiting for the writer of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)
