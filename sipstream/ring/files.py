"""The files of a ring as who asks finds them: captures and their indexes, read without being held.

Whoever writes the ring may remove any of them at any time; the folder may be somebody else's. Nothing
is kept open, so that what was removed takes no room on the disk.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sipstream.errors import SourceError, words
from sipstream.escape import escape
from sipstream.ring import names
from sipstream.ring.contents import (
    HEAD,
    PREFACE,
    Contents,
    ContentsError,
    Preface,
    most_bytes,
    preface_of,
    unpack,
)

_KEY = 8
_MOST_INDEX = 1 << 28
"""Bytes of an index that are read: a file of the largest size has a tenth of that."""
_LOCK = "lock"


class RingFiles:
    """A folder with a ring's files.

    Raises:
        SourceError: there is none, or it may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
            self._fd = os.open(path, flags)
        except OSError as error:
            raise SourceError(f"{escape(str(path))}: {words(error)}") from error
        self.owner = os.fstat(self._fd).st_uid

    def names(self) -> list[str]:
        """Return the captures that are there, the oldest first.

        Raises:
            SourceError: they can't be listed.
        """
        try:
            with os.scandir(self._fd) as entries:
                return sorted(one.name for one in entries if names.is_capture(one.name))
        except OSError as error:
            raise SourceError(f"{escape(str(self.path))}: {words(error)}") from error

    def open(self, name: str) -> int:
        """Return a descriptor of one of its files.

        Raises:
            FileNotFoundError: it is gone.
            SourceError: it can't be opened, or isn't to be trusted.
        """
        shown = escape(str(self.path / name))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, dir_fd=self._fd)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise SourceError(f"{shown}: {words(error)}") from error
        what = names.refusal(os.fstat(fd), self.owner)
        if what is not None:
            os.close(fd)
            raise SourceError(f"{shown}: {what}")
        return fd

    def read_index(self, name: str, *, whole: bool) -> bytes:
        """Return the bytes of a capture's index, up to the end of its keys where not `whole`.

        Raises:
            ContentsError: there is none that could be read.
        """
        try:
            fd = self.open(names.index_of(name))
        except FileNotFoundError as error:
            raise ContentsError("there is none") from error
        except SourceError as error:
            raise ContentsError(str(error)) from error
        try:
            size = os.fstat(fd).st_size
            # What is small holds little: memory is for no more than a capture may ask for.
            capture = os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_size
            if size > min(2 * most_bytes(capture), _MOST_INDEX):
                raise ContentsError("it is too large")
            if whole:
                return os.pread(fd, size, 0)
            data = os.pread(fd, 1 << 16, 0)
            wanted = min(PREFACE + preface_of(data).keys * _KEY, size)
            return data if len(data) >= wanted else os.pread(fd, wanted, 0)
        except OSError as error:
            raise ContentsError(words(error)) from error
        finally:
            os.close(fd)

    def save(self, name: str, contents: Contents) -> bool:
        """Keep a capture's index beside it, return whether that could be done."""
        return save(self._fd, name, contents)

    def writer(self) -> bool:
        """Tell whether some process writes the ring now."""
        with suppress(OSError, ValueError):
            # A FIFO would be waited for until somebody writes to it.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(_LOCK, flags, dir_fd=self._fd)
            try:
                pid = int(os.pread(fd, 20, 0))
            finally:
                os.close(fd)
            return pid > 0 and Path(f"/proc/{pid}").exists()
        return False

    def close(self) -> None:
        """Close the folder."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


class RingStore:
    """One capture of a ring, opened anew each time it is read."""

    begin = 0

    def __init__(self, files: RingFiles, name: str) -> None:
        self.name = name
        self.gone = False
        """It was removed meanwhile."""
        self._files = files
        self._identity: tuple[int, int] | None = None

    def use(self, files: RingFiles) -> None:
        """Find it in its folder, which was opened anew."""
        self._files = files

    def size(self) -> int:
        """Return its present size in bytes, 0 when it is gone.

        Raises:
            SourceError: it may not be read.
        """
        fd = self._open()
        if fd < 0:
            return 0
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; b"" when they are gone."""
        try:
            fd = self._open()
        except SourceError:
            return b""
        if fd < 0:
            return b""
        try:
            return os.pread(fd, length, offset)
        except OSError:
            return b""
        finally:
            os.close(fd)

    def headline(self, offset: int) -> bytes | None:
        """Return None: a capture has no lines."""
        return None

    def _open(self) -> int:
        """Return a descriptor, -1 when the file is gone; another one by its name isn't it."""
        try:
            fd = self._files.open(self.name)
        except FileNotFoundError:
            self.gone = True
            return -1
        status = os.fstat(fd)
        identity = status.st_dev, status.st_ino
        if self._identity is None:
            self._identity = identity
        if identity != self._identity:
            os.close(fd)
            self.gone = True
            return -1
        return fd


def fits(preface: Preface, store: RingStore, size: int) -> bool:
    """Tell whether an index is about a capture as it is now, or as it was when it had fewer packets."""
    return preface.covered <= size and store.read(0, HEAD) == preface.head


def contents_in(files: RingFiles, name: str) -> Contents:
    """Return what the index of a capture says.

    Raises:
        ContentsError: there is none, or it is damaged.
    """
    return unpack(files.read_index(name, whole=True))


def save(folder: int, name: str, contents: Contents) -> bool:
    """Keep an index in a folder (a descriptor), whole or not at all; return whether it is there."""
    new = names.new_index_of(name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(new, flags, 0o600, dir_fd=folder)
        try:
            data = memoryview(contents.pack())
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
        os.rename(new, names.index_of(name), src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(new, dir_fd=folder)
        return False
    return True
