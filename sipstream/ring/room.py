"""Where a ring's files lie: how large they are, which go when there are too many bytes or they are old.

A ring is a folder for spools (segments.py) that nothing is loaded from at the start: its files are
many and small, so that a question opens few, bounded by age too, and have indexes, which count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream.ring import names
from sipstream.ring.contents import PREFACE, ContentsError, most_bytes, preface_of
from sipstream.segments import Folder, Room, Segment, label_of
from sipstream.sources.pcap import HEADER, PcapReader
from sipstream.worker import Worker

if TYPE_CHECKING:
    from sipstream.ring.indexer import Indexer

FILES = 256
"""Files that a ring's bytes are divided into: with one of them a 256th of what is kept goes."""
LEAST_FILE, LARGEST_FILE = 1 << 20, 64 << 20
"""Bytes of a file, but for the last one of a run: smaller ones are too many, in larger ones a question
finds too much beside what it is about."""
SPANS = 288
"""Files that the time of a ring is divided into: five minutes of a day."""
SHORTEST, LONGEST = 60.0, 3600.0
"""Seconds that one file is written to, at least and at most."""


class RingFile(Segment):
    """A file of a ring. Its descriptor is open only while it is written to: a ring has hundreds."""

    written = 0.0
    """When it was written to last, by the ring's clock."""
    begun = 0.0
    index_size: int | None = None
    """Bytes of its index, None while that isn't finished."""

    @property
    def name(self) -> str:
        """What it is called in its folder."""
        return self._name

    @property
    def modified(self) -> float:
        """When it was written to last, in seconds since the epoch; while its descriptor is open."""
        return os.fstat(self._fd).st_mtime

    def read(self, place: int, length: int) -> bytes:
        """Return up to `length` bytes from `place`; b"" when they are gone."""
        if self._fd >= 0 or self.gone or self._folder is None:
            return super().read(place, length)
        try:
            fd = self._folder.open(self._name)
        except OSError:
            return b""
        try:
            return os.pread(fd, length, place)
        except OSError:
            return b""
        finally:
            os.close(fd)

    def rest(self) -> None:
        """Nothing more is written to it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def close(self, *, remove: bool = False) -> None:
        """Close it; remove it and its index where `remove` says so."""
        super().close(remove=remove)
        if remove and self._folder is not None:
            self._folder.remove(names.index_of(self._name))
            self._folder.remove(names.new_index_of(self._name))


class Ring(Room):
    """The bytes of all files and their indexes, `size` of them; `age` is how many seconds they are kept.

    What earlier runs left goes on as the oldest part; a last packet that isn't whole is cut off.
    `indexer` is the process that writes the indexes. `clock` tells seconds and never goes back, `now`
    those since the epoch.

    Raises:
        SourceError: the folder can't be used, isn't private, or another process uses it.
    """

    def __init__(
        self,
        path: Path,
        size: int,
        age: float | None = None,
        indexer: Indexer | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._there = Folder(path)
        super().__init__(size, self._there)
        self.age = age
        self.span = LONGEST if age is None else min(max(age / SPANS, SHORTEST), LONGEST)
        """Seconds that one file is written to."""
        self.file_size = self._size = min(max(size // FILES, LEAST_FILE), LARGEST_FILE)
        self.notes: list[str] = []
        """What there is to say of it; who says it clears the list."""
        self.worker: Worker = Worker()
        self.name = str(path)
        self._indexer = indexer
        self._clock = clock
        self._adopt_former(now())

    @property
    def is_indexed(self) -> bool:
        """Whether indexes are being written."""
        return self._indexer is not None and self._indexer.runs

    # For spools

    def new(self, label: str = "") -> Segment:
        """Make the file of a new segment.

        Raises:
            OSError: it can't be made.
        """
        segment = self._there.new(label, RingFile)
        assert isinstance(segment, RingFile)
        segment.begun = segment.written = self._clock()
        with self.lock:
            self._segments.append(segment)
        return segment

    def is_full(self, segment: Segment) -> bool:
        """Tell whether the next bytes go into another file; then this one is finished."""
        assert isinstance(segment, RingFile)
        full = segment.size >= self.file_size or self._clock() - segment.begun >= self.span
        if full:
            segment.rest()
        return full

    def write(self, segment: Segment, pieces: list[bytes]) -> int:
        """Write pieces, return the bytes of those written; the oldest files go before."""
        assert isinstance(segment, RingFile)
        segment.written = self._clock()
        return super().write(segment, pieces)

    def give_back(self, segment: Segment, *, remove: bool = False) -> None:
        """Remove a file; one that its spool only has no more use for stays."""
        assert isinstance(segment, RingFile)
        if remove:
            super().give_back(segment, remove=True)
        else:
            segment.rest()

    # From time to time

    def look(self) -> None:
        """Remove what is too old, take note of what indexes take. Reads the disk: for a thread."""
        sizes = self._index_sizes()
        with self.lock:
            for segment in self._files():
                size = sizes.get(segment.name, (0, 0))
                segment.index_size = size[0] if size[1] == segment.size else None
            while self._is_short(0):
                self.give_back(self._segments[0], remove=True)
                self.removed += 1
        for capture in sizes.keys() - set(self._there.present()):
            self._there.remove(names.index_of(capture))

    def close(self) -> None:
        """Have all written, indexes too, and let others use the folder."""
        if self.worker.runs:
            self.worker.end()
        if self._indexer is not None:
            self._indexer.end()
            self._indexer = None
        super().close()

    # Within

    def _files(self) -> list[RingFile]:
        return [one for one in self._segments if isinstance(one, RingFile)]

    def _adopt_former(self, now: float) -> None:
        """Take over what is there already."""
        newest = {label_of(name): name for name in self._there.names}
        for name in self._there.names:
            segment = self._there.former(name, RingFile)
            assert isinstance(segment, RingFile)
            segment.begun = segment.written = self._clock() - max(now - segment.modified, 0)
            if newest[label_of(name)] == name:
                self._cut_unfinished(segment)
            segment.rest()
            if segment.size <= HEADER:
                segment.close(remove=True)
            else:
                self.adopt(segment)
        self.look()

    def _cut_unfinished(self, segment: RingFile) -> None:
        """Cut off a last packet that isn't whole."""
        reader = PcapReader(_Bytes(segment))
        for _ in reader.read_until(segment.size):
            pass
        rest = segment.size - reader.position
        if rest and not reader.broken:
            segment.cut(reader.position)
            self.notes.append(
                f"the last {rest} bytes of {names.shown(segment.name)} are no whole packet: cut off"
            )

    def _index_sizes(self) -> dict[str, tuple[int, int]]:
        """Return for each capture that has an index the bytes of this, and those that it covers."""
        found: dict[str, tuple[int, int]] = {}
        with suppress(OSError):
            for name in self._there.present():
                capture = names.capture_of(name)
                if capture is None or name != names.index_of(capture):
                    continue
                with suppress(OSError, ContentsError):
                    fd = self._there.open(name)
                    try:
                        size = os.fstat(fd).st_size
                        found[capture] = size, preface_of(os.pread(fd, PREFACE, 0)).covered
                    finally:
                        os.close(fd)
        return found

    def _is_short(self, coming: int) -> bool:
        """Tell whether the oldest file has to go: there are too many bytes, or it is too old.

        An index that isn't finished counts as large as it may become; one of them is there twice
        while it is written.
        """
        if self.limit is None or not self._segments:
            return False
        files = self._files()
        indexes = most_bytes(self.file_size) + sum(
            most_bytes(one.size) if one.index_size is None else one.index_size for one in files
        )
        if self.taken + indexes + 2 * coming > self.limit:
            return True
        return self.age is not None and self._clock() - files[0].written > self.age


class _Bytes:
    """A segment as a store."""

    begin = 0

    def __init__(self, segment: Segment) -> None:
        self.read = segment.read

    def headline(self, offset: int) -> bytes | None:
        """Return None: a capture has no lines."""
        return None
