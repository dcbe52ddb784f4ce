"""What is to be published, on disk until the server has it: batches, each with the id it is sent under.

A batch is fixed, with its id, before it is sent the first time: after a crash the same ones go out
under the same ids, so that the server knows which it has. Its messages are numbered through; all
before `committed` are known to be there. Blocking: a thread calls this.
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sipstream.errors import SourceError
from sipstream.escape import escape
from sipstream.segments import Folder, Segment

LEAST = 8 << 20
"""Bytes that it may take at least."""
_SEGMENT = 16 << 20
"""Bytes of a file of it at most: a second of 20,000 messages/s."""
_SEGMENTS = 16
"""Files that it consists of at least when it is full: with one of them a part goes."""
_SURE = 5 * 10**9
"""How long ago something was captured that is surely kept by now (ns): it waits for a tenth of a second,
behind a disk that stands still for some. Files of that time stay although the server has all of them."""
_ID_BYTES = 16

_MAGIC = b"sipbatch"
_VERSION = 1
_FILE = struct.Struct(">8sHQQQQH")
"""At the start of a file: magic, version, number of its first message, `committed` and `sure` when it was
begun, that time (ns since the epoch), bytes of the tap's token (which follows)."""
_RECORD = struct.Struct(f">IQQQHH{_ID_BYTES}s")
"""Before a batch: its bytes, number of its first message, `committed` and `sure` when it was written,
partition, messages, id. One of no bytes says only what it says of these."""
_LONGEST_TOKEN = 255


class Batch(NamedTuple):
    """Envelopes of one partition, one behind the other."""

    partition: int
    messages: int
    data: bytes


class Kept(NamedTuple):
    """A batch that was kept: its first message's number, and the id it is sent under."""

    first: int
    id: str
    token: str
    batch: Batch
    committed: int
    sure: int
    """Both as they were when this was kept."""

    @property
    def end(self) -> int:
        """The number of the message behind it."""
        return self.first + self.batch.messages


@dataclass(slots=True, eq=False)
class _File:
    segment: Segment
    first: int
    """The number of its first message."""
    token: str
    start: int
    """Where its first record stands."""
    committed: int
    sure: int
    begun: int
    """When, ns since the epoch."""
    former: bool = False
    """An earlier run wrote it: what stands there is checked."""


class Journal:
    """Batches of a tap, in files of a folder, or in ones without a name, which end with the process.

    `token` is the tap's, `limit` how many bytes they may take: beyond, the oldest go, and `lost` counts
    their messages.

    Raises:
        SourceError: what lies in the folder can't be read.
    """

    def __init__(self, token: str, limit: int, folder: Folder | None = None) -> None:
        self.next = 0
        """The number of the next message that is kept."""
        self.committed = 0
        self.sure = 0
        """All that was captured before this time (ns since the epoch) is kept, or was."""
        self.lost = 0
        """Messages that went unsent: there was no room for them, or they were damaged."""
        self.is_former = False
        """An earlier run left batches here."""
        self._token = token
        self._limit = max(limit, LEAST)
        self._size = min(_SEGMENT, self._limit // _SEGMENTS)
        self._folder = folder
        self._files: deque[_File] = deque()
        self._taken = 0
        self._noted = (0, 0)
        """What the last record says of `committed` and `sure`."""
        self._begun = time.time_ns()
        self._is_settled = False
        self._writing: _File | None = None
        self._reading: _File | None = None
        self._offset = 0
        """Where in it the next record stands."""
        self.read_to = 0
        """The number behind the last message that was read."""
        if folder is not None:
            self._take_former(folder)

    @property
    def unread(self) -> int:
        """Messages that weren't read yet."""
        return self.next - self.read_to

    # Writing

    def append(self, batches: Sequence[Batch]) -> int:
        """Keep batches, return how many could be: the disk may be full."""
        kept = 0
        for batch in batches:
            file = self._to_write_to(_RECORD.size + len(batch.data))
            name = _id(self._token, batch)
            if file is None or not self._write(file, batch, name):
                break
            self.next += batch.messages
            kept += 1
        return kept

    def commit(self, number: int) -> None:
        """Note that the server has all messages before a number."""
        self.committed = max(self.committed, number)
        while len(self._files) > 1 and self._files[0] is not self._reading:
            following = self._files[1]
            if following.first > self.committed or following.begun > self.sure:
                break
            self._remove_oldest()

    def settle(self) -> None:
        """Take note that all is kept that was captured before this run."""
        self._is_settled = True
        self.sure = max(self.sure, self._begun - _SURE)

    def note(self) -> None:
        """Write down what is committed and sure, where no batch did so."""
        if self._writing is not None and self._noted != (self.committed, self.sure):
            self._write(self._writing, Batch(0, 0, b""), bytes(_ID_BYTES))

    def close(self) -> None:
        """Close all files; those of a folder stay, with what the server doesn't have yet."""
        self.note()
        for file in self._files:
            file.segment.close()
        if self._folder is not None:
            self._folder.close()

    def _write(self, file: _File, batch: Batch, name: bytes) -> bool:
        head = _RECORD.pack(
            len(batch.data), self.next, self.committed, self.sure,
            batch.partition, batch.messages, name,
        )  # fmt: skip
        if not self._put(file.segment, head + batch.data):
            return False
        self._noted = self.committed, self.sure
        return True

    def _put(self, segment: Segment, piece: bytes) -> bool:
        written = segment.write([piece])
        segment.size += written
        self._taken += written
        return written == len(piece)

    def _to_write_to(self, coming: int) -> _File | None:
        """Return the file for so many bytes more; older ones go where there is no room."""
        file = self._writing
        if file is not None and file.segment.size < self._size:
            self._shrink(coming)
            return file
        self._shrink(coming + _FILE.size + _LONGEST_TOKEN)
        token, now = self._token.encode()[:_LONGEST_TOKEN], time.time_ns()
        if self._is_settled:
            begun = (one.begun for one in self._files if one.begun <= now - _SURE)
            self.sure = max(self.sure, *begun, 0)
        marks = self.next, self.committed, self.sure
        head = _FILE.pack(_MAGIC, _VERSION, *marks, now, len(token)) + token
        try:
            segment = self._segment()
        except OSError:
            return None
        if not self._put(segment, head):
            segment.close(remove=True)
            return None
        file = self._writing = _File(
            segment, self.next, self._token, len(head), self.committed, self.sure, now
        )  # fmt: skip
        self._files.append(file)
        return file

    def _segment(self) -> Segment:
        if self._folder is not None:
            return self._folder.new("publish")
        fd, name = tempfile.mkstemp(prefix="sipstream-")
        Path(name).unlink()
        return Segment(fd)

    def _shrink(self, coming: int) -> None:
        """Remove the oldest files until so many bytes more have room."""
        while self._taken + coming > self._limit and len(self._files) > 1:
            until = self._files[1].first
            # What went can't be known again.
            self.sure = max(self.sure, self._files[1].begun)
            if self._files[0] is self._reading:
                self._read_from(self._files[1])
            self.lost += max(until - self.read_to, 0)
            self.read_to = max(self.read_to, until)
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        file = self._files.popleft()
        self._taken -= file.segment.size
        file.segment.close(remove=True)

    # Reading

    def load(self, room: int) -> list[Kept]:
        """Return the next batches of up to so many bytes together, at least one if there is one."""
        loaded: list[Kept] = []
        while room > 0 and self._find():
            assert self._reading is not None
            kept, after = _read(self._reading, self._offset)
            if kept is None:
                self._skip_damaged()
                continue
            self._offset = after
            if kept.batch.messages and kept.end > self.committed:
                # What stood between was damaged.
                self.lost += max(kept.first - self.read_to, 0)
                self.read_to = kept.end
                loaded.append(kept)
                room -= len(kept.batch.data)
        return loaded

    def tail(self) -> Iterator[bytes]:
        """Yield the batches that earlier runs kept since the time that is `sure`."""
        files = list(self._files)
        for file, following in zip(files, [*files[1:], None], strict=True):
            if following is None or following.begun > self.sure:
                yield from (kept.batch.data for kept in _records(file))

    def _find(self) -> bool:
        """Have the next record's place; tell whether there is one."""
        if self._reading is None:
            if not self._files:
                return False
            self._read_from(self._files[0])
        while True:
            file = self._reading
            assert file is not None
            if self._offset < file.segment.size:
                return True
            number = self._files.index(file) + 1
            if number == len(self._files):
                return False
            self._read_from(self._files[number])

    def _read_from(self, file: _File) -> None:
        self._reading, self._offset = file, file.start

    def _skip_damaged(self) -> None:
        """Go on behind a file whose rest can't be read."""
        assert self._reading is not None
        self._offset = self._reading.segment.size

    # What an earlier run left

    def _take_former(self, folder: Folder) -> None:
        for name in folder.names:
            segment = folder.former(name)
            file = _opened(segment, escape(str(folder.path / name)))
            if file is None:
                # It was killed before anything stood there.
                segment.close(remove=True)
                continue
            self._files.append(file)
            self._taken += segment.size
        if not self._files:
            return
        self.is_former = True
        last = self._files[-1]
        self.next, self.committed, self.sure = last.first, last.committed, last.sure
        end = last.start
        for kept in _records(last):
            self.next, self.committed, self.sure = kept.end, kept.committed, kept.sure
            end += _RECORD.size + len(kept.batch.data)
        # It may have been killed while it wrote.
        self._taken -= last.segment.size - end
        last.segment.cut(end)
        self.read_to = max(self.committed, self._files[0].first)
        self._noted = self.committed, self.sure
        for file in self._files:
            if file.first <= self.committed or self._reading is None:
                self._read_from(file)


def _opened(segment: Segment, shown: str) -> _File | None:
    """Return a file that an earlier run wrote, None where nothing was written.

    Raises:
        SourceError: it is of another kind.
    """
    head = segment.read(0, _FILE.size)
    if len(head) < _FILE.size:
        return None
    magic, version, first, committed, sure, begun, length = _FILE.unpack(head)
    token = segment.read(_FILE.size, length)
    if magic != _MAGIC or version != _VERSION or not token.isascii():
        raise SourceError(
            f"{shown}: isn't what this version of sipstream keeps to publish it: move it away"
        )
    start = _FILE.size + length
    return _File(
        segment, first, token.decode("ascii"), start, committed, sure, begun, former=True
    )  # fmt: skip


def _records(file: _File) -> Iterator[Kept]:
    """Yield what stands in a file, up to where it is damaged."""
    place = file.start
    while place < file.segment.size:
        kept, place = _read(file, place)
        if kept is None:
            return
        yield kept


def _read(file: _File, place: int) -> tuple[Kept | None, int]:
    """Return what stands at a place and where the next one does; None where it is damaged."""
    segment = file.segment
    head = segment.read(place, _RECORD.size)
    if len(head) < _RECORD.size:
        return None, segment.size
    size, first, committed, sure, partition, messages, name = _RECORD.unpack(head)
    data = segment.read(place + _RECORD.size, size) if size <= segment.size else b""
    batch = Batch(partition, messages, data)
    if len(data) < size or (file.former and size and _id(file.token, batch) != name):
        return None, segment.size
    return Kept(first, name.hex(), file.token, batch, committed, sure), place + _RECORD.size + size


def _id(token: str, batch: Batch) -> bytes:
    """Return the id of a batch: the same for the same envelopes of the same tap, whenever it is asked."""
    digest = hashlib.blake2b(batch.data, digest_size=_ID_BYTES)
    digest.update(f"{token}.{batch.partition}".encode())
    return digest.digest()
