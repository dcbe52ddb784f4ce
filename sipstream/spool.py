"""Where bytes live that messages are located in: files on disk, and spools that we write.

A message's bytes are read again when someone looks (`read`), by pread: a file that shrinks under us
then gives fewer bytes, where a mapping would end the process with SIGBUS. What comes as a stream
(live, standard input, a growing file, a .gz) is written to a spool first and located there.
"""

from __future__ import annotations

import errno
import os
import struct
import tempfile
from pathlib import Path

from sipstream.errors import SourceError, words
from sipstream.escape import escape
from sipstream.limits import MAX_PACKET
from sipstream.packets import Batch, Record

_PCAP_NANO = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_NS = 1_000_000_000


class _Descriptor:
    """A descriptor that messages are located in; it is closed with the last of them."""

    _fd = -1

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


class FileStore(_Descriptor):
    """A file that is read where it lies.

    Raises:
        SourceError: the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(f"{escape(str(path))}: {words(error)}") from error
        self.path = path

    def size(self) -> int:
        """Return the file's present size in bytes."""
        return os.fstat(self._fd).st_size


class Spool(_Descriptor):
    """An append-only file of ours, 0600; without a path it has no name and goes with the process.

    Appends are gathered and written when `GATHER` bytes are there or someone reads. A full disk
    loses the bytes, never the capture: `lost` counts them and their place reads as b"".
    """

    GATHER = 1 << 18

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            fd, name = tempfile.mkstemp(prefix="sipstream-")
            Path(name).unlink()
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                fd = os.open(path, flags, 0o600)
            except OSError as error:
                link = error.errno == errno.ELOOP
                what = "is a symbolic link, which isn't written through" if link else words(error)
                raise SourceError(f"{escape(str(path))}: {what}") from error
        self.path = path
        self.lost = 0
        self._fd = fd
        self._written = 0
        self._gathered: list[bytes] = []
        self._size = 0

    def append(self, data: bytes) -> int:
        """Append and return the offset at which `data` lies."""
        offset = self._size
        self._gathered.append(data)
        self._size += len(data)
        if self._size - self._written >= self.GATHER:
            self.flush()
        return offset

    def flush(self) -> None:
        """Hand what was gathered to the operating system."""
        pending = memoryview(b"".join(self._gathered))
        self._gathered.clear()
        while pending:
            try:
                count = os.pwrite(self._fd, pending, self._written)
            except OSError:
                self.lost += len(pending)
                count = len(pending)
            self._written += count
            pending = pending[count:]

    def size(self) -> int:
        """Return the bytes appended so far."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        if self._written < self._size:
            self.flush()
        return super().read(offset, length)

    def close(self) -> None:
        """Write the rest and close."""
        if self._fd >= 0:
            self.flush()
        super().close()


class PcapSpool(Spool):
    """A spool that is a pcap file with nanosecond times; with a path it stays for others to read.

    Raises:
        SourceError: the path can't be created.
    """

    def __init__(self, linktype: int, path: Path | None = None) -> None:
        super().__init__(path)
        self.linktype = linktype
        self.append(_PCAP_NANO.pack(0xA1B23C4D, 2, 4, 0, 0, MAX_PACKET, linktype))
        self.flush()

    def append_packets(self, packets: list[tuple[int, bytes, int]], tap: str = "") -> Batch:
        """Append packets of (time in ns, bytes, size on the wire), return them as a batch.

        A spool with a name is flushed with every call, so that who reads it sees whole packets.
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
        if self.path is not None:
            self.flush()
        return Batch(self, base, block, self.linktype, records, tap)
