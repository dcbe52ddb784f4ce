"""Where bytes live that messages are located in: files on disk, and spools that we write.

A message's bytes are read again when someone looks (`read`), by pread: a file that shrinks under us
then gives fewer bytes, where a mapping would end the process with SIGBUS. What comes as a stream
(live, standard input, a growing file, a .gz) is written to a spool first and located there.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from sipstream.errors import SourceError, words
from sipstream.escape import escape
from sipstream.limits import DISK_FULL_SECONDS, MAX_PACKET, SPOOL_WAITING
from sipstream.packets import Batch, Record, Store
from sipstream.segments import Room, Segment
from sipstream.worker import Worker

_PCAP_NANO = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_NS = 1_000_000_000


class FileStore:
    """A file that is read where it lies; it is closed with the last message located in it.

    Raises:
        SourceError: the file can't be opened.
    """

    _fd = -1
    begin = 0
    """Nothing of it goes as long as the file is there."""

    def __init__(self, path: Path) -> None:
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(f"{escape(str(path))}: {words(error)}") from error
        self.path = path

    def size(self) -> int:
        """Return the file's present size in bytes."""
        return os.fstat(self._fd).st_size

    def fileno(self) -> int:
        """Return the descriptor, for those who read the file through."""
        return self._fd

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; b"" when they are gone."""
        try:
            return os.pread(self._fd, length, offset)
        except OSError:
            return b""

    def headline(self, offset: int) -> bytes | None:
        """Return None: a capture has no lines."""
        return None

    def close(self) -> None:
        """Close the descriptor; later reads give b""."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


class _Run(NamedTuple):
    """Bytes of a spool, `start` to `end`, that lie one behind the other in a segment from `place` on."""

    start: int
    end: int
    segment: Segment
    place: int


class _Pieces:
    """What was appended, piece by piece, each with its place in the spool."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.data: list[bytes] = []

    def append(self, start: int, data: bytes) -> None:
        self.starts.append(start)
        self.data.append(data)

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from a place of the spool, b"" where it isn't here."""
        number = bisect_right(self.starts, offset) - 1
        if number < 0 or length <= 0:
            return b""
        first = offset - self.starts[number]
        data = self.data[number][first : first + length]
        while data and len(data) < length and (number := number + 1) < len(self.data):
            data += self.data[number][: length - len(data)]
        return data


class Spool:
    """What was appended, in segments of ours, 0600; `room` says which, and how much of it is kept.

    With a path it is one file, and without either one without a name. Appends are gathered and
    written when `GATHER` bytes are there or someone reads. A full disk loses the bytes, never the
    capture: `lost` counts them, their place reads as b"", and writing is tried again later. With
    `threaded` a thread writes: who appends never waits for a disk, and what isn't written yet is
    read where it waits.

    Raises:
        SourceError: the path can't be created.
    """

    GATHER = 1 << 18
    head = b""
    """What each segment begins with."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        room: Room | None = None,
        label: str = "",
        threaded: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.path = path
        self.lost = 0
        self.full = False
        """The last bytes couldn't be written."""
        self.room = room if room is not None and path is None else Room()
        self.adopted: list[int] = []
        """Where segments that were there before begin."""
        self._label = label
        self._clock = clock
        self._runs: list[_Run] = []
        self._segment: Segment | None = None
        """The one that is written to."""
        self._tried = 0.0
        """When writing failed last."""
        self._written = 0
        """Bytes that were written, or lost, or wait for it."""
        self._gathered = _Pieces()
        self._waiting: deque[_Pieces] = deque()
        self._waiting_size = 0
        self._size = 0
        self._closed = False
        if threaded and self.room.worker is None:
            self.room.worker = Worker()
        self._worker = self.room.worker if threaded else None
        if path is not None:
            self._segment = Segment(_create(path))
            self.room.adopt(self._segment)
        if not label or self.room.folder is None:
            # One with a name in a folder is made once there is something to keep.
            self._to_write_to()

    @property
    def begin(self) -> int:
        """The place of the first byte that is still there, but for those lost to a full disk."""
        with self.room.lock:
            runs = self._runs
            while runs and runs[0].segment.gone:
                del runs[0]
            if runs:
                return runs[0].start
            return self._waiting[0].starts[0] if self._waiting else self._written

    def end_of(self, segment: Segment) -> int:
        """Return the place behind the last byte that lies in a segment, 0 when none does."""
        with self.room.lock:
            return max((run.end for run in self._runs if run.segment is segment), default=0)

    def append(self, data: bytes) -> int:
        """Append and return the offset at which `data` lies."""
        offset = self._size
        self._gathered.append(offset, data)
        self._size += len(data)
        if self._size - self._written >= self.GATHER:
            self.flush()
        return offset

    def flush(self) -> None:
        """Hand what was gathered to the operating system."""
        pieces, self._gathered = self._gathered, _Pieces()
        size, self._written = self._size - self._written, self._size
        if self._closed or not size:
            return
        with self.room.lock:
            if self._worker is None:
                self._write(pieces, size)
                return
            if self._waiting_size + size > SPOOL_WAITING:
                # The disk stands still.
                self.full = True
                self.lost += size
                return
            self._waiting.append(pieces)
            self._waiting_size += size
        self._worker.do(partial(self._write_waiting, size))

    def _write_waiting(self, size: int) -> None:
        """Write what waits for longest: in the thread."""
        try:
            self._write(self._waiting[0], size)
        finally:
            with self.room.lock:
                self._waiting.popleft()
                self._waiting_size -= size

    def _write(self, pieces: _Pieces, size: int) -> None:
        written, start = 0, pieces.starts[0]
        if not self.full or self._clock() - self._tried >= DISK_FULL_SECONDS:
            segment = self._to_write_to()
            if segment is not None:
                place = segment.size
                written = self.room.write(segment, pieces.data)
                self._note(start, start + written, segment, place)
            self.full = written < size
            self._tried = self._clock()
        self.lost += size - written

    def size(self) -> int:
        """Return the bytes appended so far."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; b"" when they are gone."""
        if self._closed:
            return b""
        if self._worker is None and self._written < self._size:
            self.flush()
        with self.room.lock:
            data = self._read(offset, length)
            for pieces in (*self._waiting, self._gathered):
                data += pieces.read(offset + len(data), length - len(data))
        return data

    def _read(self, offset: int, length: int) -> bytes:
        """Return what was written of it."""
        number = bisect_right(self._runs, offset, key=lambda run: run.start) - 1
        data = b""
        for run in self._runs[number:] if number >= 0 else ():
            if not run.start <= offset < run.end:
                break
            part = run.segment.read(run.place + offset - run.start, min(length, run.end - offset))
            data += part
            length -= len(part)
            offset += len(part)
            if not length or offset < run.end:
                break
        return data

    def headline(self, offset: int) -> bytes | None:
        """Return None: a capture has no lines."""
        return None

    def adopt(self, segment: Segment) -> int:
        """Take the bytes of a segment that was there before, return the offset of its first one."""
        self.room.adopt(segment)
        offset = self._size
        self.adopted.append(offset)
        self._note(offset, offset + segment.size, segment, 0)
        self._size = self._written = offset + segment.size
        return offset

    def close(self) -> None:
        """Write the rest and close; later reads give b""."""
        if not self._closed:
            self.flush()
            self._closed = True
            if self._worker is not None and self._worker.runs:
                self._worker.do(self._give_back)
            else:
                self._give_back()
            if self.path is not None:
                self.room.close()

    def _give_back(self) -> None:
        for segment in {run.segment for run in self._runs}:
            self.room.give_back(segment)
        if self._segment is not None:
            self.room.give_back(self._segment)

    def __del__(self) -> None:
        # A thread that began here might wait for what whoever made way for this holds; when the
        # interpreter ends none begins any more, and those that run stand still.
        if hasattr(self, "_closed") and not sys.is_finalizing():
            if self._worker is not None and not self._worker.runs:
                self._worker = None
            self.close()

    def _to_write_to(self) -> Segment | None:
        """Return the segment that is written to, a new one where it is full; None: there is none."""
        segment = self._segment
        if self.path is None and (segment is None or segment.gone or self.room.is_full(segment)):
            segment = None
            with suppress(OSError):
                segment = self.room.new(self._label)
        if (
            segment is not None
            and self.head
            and not segment.size
            and not self.room.write(segment, [self.head])
        ):
            if self.path is None:
                self.room.give_back(segment, remove=True)
            segment = None
        self._segment = segment if self.path is None else self._segment
        return segment

    def _note(self, start: int, end: int, segment: Segment, place: int) -> None:
        """Note where bytes lie."""
        with self.room.lock:
            runs = self._runs
            last = runs[-1] if runs else None
            if last and last.segment is segment and last.end == start:
                runs[-1] = last._replace(end=end)
            elif start < end:
                runs.append(_Run(start, end, segment, place))


def spool_of(store: Store) -> Spool | None:
    """Return the spool that a store's bytes lie in, None where it is a file."""
    inner = getattr(store, "inner", store)
    return inner if isinstance(inner, Spool) else None


class PcapSpool(Spool):
    """A spool whose segments are pcap files with nanosecond times; `room` is as with `Spool`.

    Raises:
        SourceError: the path can't be created.
    """

    def __init__(
        self,
        linktype: int,
        path: Path | None = None,
        *,
        room: Room | None = None,
        label: str = "",
        threaded: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.linktype = linktype
        self.head = _PCAP_NANO.pack(0xA1B23C4D, 2, 4, 0, 0, MAX_PACKET, linktype)
        super().__init__(path, room=room, label=label, threaded=threaded, clock=clock)
        self.is_read = path is not None or (room is not None and room.folder is not None)
        """Others read its files: they hold whole packets at any time."""

    def append_packets(self, packets: list[tuple[int, bytes, int]], tap: str = "") -> Batch:
        """Append packets of (time in ns, bytes, size on the wire), return them as a batch.

        One with a name is flushed with every call: who reads it sees whole packets, and a process
        that is killed leaves them. Where a thread writes to a folder it is for the caller to do so.
        """
        pieces: list[bytes] = []
        records: list[Record] = []
        position = 0
        for time, data, wire_length in packets:
            length = len(data)
            seconds, nanoseconds = divmod(max(time, 0), _NS)
            pieces.append(_RECORD.pack(seconds & 0xFFFFFFFF, nanoseconds, length, wire_length))
            pieces.append(data)
            position += _RECORD.size
            records.append((time, position, position + length, wire_length))
            position += length
        block = b"".join(pieces)
        base = self.append(block)
        if self.is_read and (self._worker is None or self.path is not None):
            self.flush()
        return Batch(self, base, block, self.linktype, records, tap)


def _create(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        link = error.errno == errno.ELOOP
        what = "is a symbolic link, which isn't written through" if link else words(error)
        raise SourceError(f"{escape(str(path))}: {what}") from error
