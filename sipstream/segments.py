"""The files that spools consist of: segments, of which the oldest go when there are too many bytes.

A room is what all spools of a session may take together. Its segments have no name and go with the
process, or lie in a folder that was asked for (`--spool-dir`), one process at a time, and stay there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import tempfile
from collections import deque
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import RLock

from sipstream.errors import SourceError, words
from sipstream.escape import escape
from sipstream.limits import (
    MOST_SEGMENTS,
    SEGMENT_LEAST,
    SEGMENTS,
    SPOOL,
    SPOOL_IN_MEMORY,
    SPOOL_LEAST,
    SPOOL_OF_FREE,
)
from sipstream.worker import Worker

_LOCK = "lock"
_NAME = re.compile(r"(\d{8,18})-(.{1,40})\.[a-z]+", re.DOTALL)
_CREATE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS = 0o077


class Segment:
    """One file of a spool. `name` is the one in `folder`, where it has one."""

    def __init__(self, fd: int, folder: Folder | None = None, name: str = "") -> None:
        self.size = 0
        """Bytes written to it."""
        self.gone = False
        """Its bytes can't be read any more: it is closed, or will be soon."""
        self._fd = fd
        self._folder = folder
        self._name = name

    def read(self, place: int, length: int) -> bytes:
        """Return up to `length` bytes from `place`; b"" when they are gone."""
        try:
            return b"" if self.gone else os.pread(self._fd, length, place)
        except OSError:
            return b""

    def write(self, pieces: list[bytes]) -> int:
        """Write pieces behind `size`, return the bytes of those that could be written whole."""
        rest = memoryview(b"".join(pieces))
        place = self.size
        with suppress(OSError):
            while rest and (count := os.pwrite(self._fd, rest, place)):
                place += count
                rest = rest[count:]
        if not rest:
            written = place - self.size
        else:
            written = _whole(pieces, place - self.size)
            with suppress(OSError):
                os.ftruncate(self._fd, self.size + written)
        return written

    def cut(self, size: int) -> None:
        """Have it end after so many bytes."""
        self.size = size
        with suppress(OSError):
            os.ftruncate(self._fd, size)

    def close(self, *, remove: bool = False) -> None:
        """Close it, and remove its name where it has one and `remove` says so."""
        self.gone = True
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        if remove and self._folder is not None:
            self._folder.remove(self._name)


class Room:
    """The bytes that the segments of several spools take together.

    `limit` is how many they may be, None for no limit: then a spool is one file. `folder` is where
    named segments lie, None for files without a name. With a `worker` its thread closes segments, which
    takes as long as they are large.
    """

    def __init__(self, limit: int | None = None, folder: Folder | None = None) -> None:
        self.limit = limit
        self.folder = folder
        self.captures: Room | None = None
        """Where live captures are kept instead."""
        self.worker: Worker | None = None
        self.lock = RLock()
        """Held by who reads segments, and who changes what is known of them."""
        self.taken = 0
        """Bytes of all segments."""
        self.removed = 0
        """Segments removed because there was no room for all."""
        self._segments: deque[Segment] = deque()
        """The oldest first."""
        self._size = None if limit is None else max(limit // SEGMENTS, SEGMENT_LEAST)

    def new(self, label: str = "") -> Segment:
        """Make the file of a new segment; with a label it has a name if there is a folder.

        Raises:
            OSError: it can't be made.
        """
        if self.folder is not None and label:
            segment = self.folder.new(label)
        else:
            folder = self.folder.path if self.folder is not None else None
            fd, name = tempfile.mkstemp(prefix="sipstream-", dir=folder)
            Path(name).unlink()
            segment = Segment(fd)
        with self.lock:
            self._segments.append(segment)
        return segment

    def adopt(self, segment: Segment) -> None:
        """Take one that was there before: it is the newest so far."""
        with self.lock:
            self._segments.append(segment)
            self.taken += segment.size
            self._shrink(0, segment)

    def next_to_go(self) -> Segment | None:
        """Return the oldest segment where it has to go before another one is full, else None."""
        with self.lock:
            if self._size is None or not self._is_short(self._size) or len(self._segments) < 2:
                return None
            return self._segments[0]

    def is_full(self, segment: Segment) -> bool:
        """Tell whether the next bytes go into another segment."""
        return self._size is not None and segment.size >= self._size

    def write(self, segment: Segment, pieces: list[bytes]) -> int:
        """Write pieces, return the bytes of those written; the oldest segments go before."""
        with self.lock:
            self._shrink(sum(map(len, pieces)), segment)
        written = segment.write(pieces)
        with self.lock:
            segment.size += written
            # It may have had to go meanwhile, for another spool's bytes.
            self.taken += 0 if segment.gone else written
        return written

    def give_back(self, segment: Segment, *, remove: bool = False) -> None:
        """Close a segment that isn't needed any more."""
        with self.lock:
            if segment.gone:
                return
            self._segments.remove(segment)
            self.taken -= segment.size
            segment.gone = True
        close = partial(segment.close, remove=remove)
        if self.worker is not None and self.worker.runs:
            self.worker.do(close)
        else:
            close()

    def cut(self, segment: Segment, size: int) -> None:
        """Have a segment end after so many bytes."""
        with self.lock:
            if not segment.gone:
                self.taken += size - segment.size
                segment.cut(size)

    def close(self) -> None:
        """Have all written, and let others use the folder."""
        if self.worker is not None:
            self.worker.end()
        if self.folder is not None:
            self.folder.close()
        if self.captures is not None:
            self.captures.close()

    def _shrink(self, coming: int, kept: Segment) -> None:
        """Remove the oldest segments, but not `kept`, until so many bytes more have room.

        Short ones go as well when there are very many: each holds a descriptor.
        """
        while self._is_short(coming):
            oldest = next((one for one in self._segments if one is not kept), None)
            if oldest is None:
                return
            self.give_back(oldest, remove=True)
            self.removed += 1

    def _is_short(self, coming: int) -> bool:
        if self.limit is None:
            return False
        return self.taken + coming > self.limit or len(self._segments) > MOST_SEGMENTS


class Folder:
    """A folder of named segments, which no other process uses meanwhile; `ending` is that of their names.

    Raises:
        SourceError: it can't be used, isn't private, or another process uses it.
    """

    def __init__(self, path: Path, ending: str = "pcap") -> None:
        self.path = path
        self._ending = ending
        self._fd = self._lock = -1
        self._is_ours = False
        try:
            self._open()
            with os.scandir(self._fd) as entries:
                names = (one.name for one in entries if one.name.endswith(f".{ending}"))
                self.names = sorted(name for name in names if _NAME.fullmatch(name))
            """Segments of earlier runs, the oldest first."""
        except OSError as error:
            self.close()
            link = error.errno == errno.ENOTDIR and path.is_symlink()
            what = "is a symbolic link" if link else words(error)
            raise SourceError(f"{escape(str(path))}: {what}") from error
        except SourceError:
            self.close()
            raise
        self._next = int(self.names[-1].split("-")[0]) + 1 if self.names else 1

    def new(self, label: str, kind: type[Segment] = Segment) -> Segment:
        """Make a segment's file, behind all that are there.

        Raises:
            OSError: it can't be made.
        """
        name = f"{self._next:08}-{label}.{self._ending}"
        # Before it is made: a name that somebody took isn't tried again.
        self._next += 1
        fd = os.open(name, _CREATE | os.O_EXCL, 0o600, dir_fd=self._fd)
        return kind(fd, self, name)

    def former(self, name: str, kind: type[Segment] = Segment) -> Segment:
        """Open a segment of an earlier run.

        Raises:
            SourceError: it can't be opened, or may not be trusted.
        """
        shown = escape(str(self.path / name))
        try:
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(name, flags, dir_fd=self._fd)
        except OSError as error:
            raise SourceError(f"{shown}: {words(error)}") from error
        status = os.fstat(fd)
        what = _refusal(status) if stat.S_ISREG(status.st_mode) else "is no file"
        if what is not None:
            os.close(fd)
            raise SourceError(f"{shown}: {what}")
        segment = kind(fd, self, name)
        segment.size = status.st_size
        return segment

    def present(self) -> list[str]:
        """Return the names of all files that are there now.

        Raises:
            OSError: they can't be listed.
        """
        # A descriptor of its own: where one that is shared has come in the list is shared too.
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._fd)
        try:
            with os.scandir(fd) as entries:
                return [one.name for one in entries]
        finally:
            os.close(fd)

    def open(self, name: str) -> int:
        """Return a descriptor for reading what was made or found here.

        Raises:
            OSError: it is gone, or can't be opened.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """Remove a segment's name."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self._fd)

    def close(self) -> None:
        """Let others use it; segments that are open stay so."""
        if self._is_ours:
            # Who looks on sees that nobody writes here.
            with suppress(OSError):
                os.ftruncate(self._lock, 0)
        self._let_go()

    def _let_go(self) -> None:
        """Close it in a process that isn't the one which uses it."""
        self._is_ours = False
        for fd in (self._lock, self._fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock = -1

    def _open(self) -> None:
        with suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self.path, flags)
        what = _refusal(os.fstat(self._fd))
        if what is not None:
            raise SourceError(f"{escape(str(self.path))}: {what}")
        self._lock = os.open(_LOCK, _CREATE, 0o600, dir_fd=self._fd)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno != errno.EWOULDBLOCK:
                raise
            pid = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip()
            raise SourceError(
                f"{escape(str(self.path))}: is in use by another sipstream, process {escape(pid)}"
            ) from error
        # Processes of ours that read files may outlive this one.
        os.register_at_fork(after_in_child=self._let_go)
        self._is_ours = True
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, b"%d\n" % os.getpid(), 0)


def label_of(name: str) -> str:
    """Return what a named segment was made for: the interface."""
    match = _NAME.fullmatch(name)
    return match[2] if match else ""


def usual_size() -> int:
    """Return the bytes that spools take unless told otherwise: a part of what is free there."""
    try:
        folder = tempfile.gettempdir()
        figures = os.statvfs(folder)
    except OSError:
        return SPOOL_LEAST
    free = figures.f_bavail * figures.f_frsize // SPOOL_OF_FREE
    return max(min(free, SPOOL_IN_MEMORY if _in_memory(folder) else SPOOL), SPOOL_LEAST)


def _in_memory(folder: str) -> bool:
    """Tell whether a folder's files lie in memory (proc_pid_mountinfo(5))."""
    device = Path(folder).stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    mounts = (line.partition(" - ") for line in lines if line.split()[2:3] == [number])
    return any(kind.split()[:1] in (["tmpfs"], ["ramfs"]) for _, _, kind in mounts)


def _refusal(status: os.stat_result) -> str | None:
    """Return why what lies there isn't ours alone, None where it is."""
    if status.st_uid != os.geteuid():
        return f"belongs to another user ({status.st_uid}), not to the one that sipstream runs as"
    mode = stat.S_IMODE(status.st_mode)
    if mode & _OTHERS:
        return f"is open to other users (mode {mode:o}); `chmod go= PATH` closes it"
    return None


def _whole(pieces: list[bytes], size: int) -> int:
    """Return how many bytes the first pieces have that fit into `size` bytes."""
    fitting = 0
    for piece in pieces:
        if fitting + len(piece) > size:
            break
        fitting += len(piece)
    return fitting
