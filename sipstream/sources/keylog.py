"""A TLS key log file, read as far as it goes and again when it has grown.

Read at once and on the event loop: it is asked for a secret that a packet needs now, and what a
connection adds is a few hundred bytes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sipstream import limits
from sipstream.decode.keylog import Secrets
from sipstream.errors import SourceError, words
from sipstream.sources.file import open_file
from sipstream.spool import FileStore


class KeyLogFile:
    """A key log that a program writes for its user, as SSLKEYLOGFILE asks for.

    `file` is the file opened before, with rights that are gone.
    """

    def __init__(self, path: Path, file: FileStore | None = None) -> None:
        """Open it.

        Raises:
            SourceError: it isn't there, may not be read, or is no file.
        """
        self._path = path
        self._file = file or open_file(path)
        self._position = 0
        """Where the first line begins that wasn't whole when it was read."""
        self._end = 0
        """Up to where it was read."""

    def read_into(self, secrets: Secrets) -> int:
        """Put what is there into `secrets`, and what is added later when one is missing.

        Returns how many secrets there are; an empty file is one that will be written to.

        Raises:
            SourceError: it can't be read, or holds something else.
        """
        count = 0
        try:
            while data := self._read():
                count += secrets.add(data)
        except OSError as error:
            raise SourceError(f"{self._path}: {words(error)}") from error
        if not count and self._file.size():
            raise SourceError(f"{self._path}: has no line of a TLS key log")
        secrets.more.append(self.more)
        return count

    def more(self) -> bytes:
        """Return what was added since, b"" when nothing was or it can't be read any more."""
        with suppress(OSError, SourceError):
            self._reopen()
        with suppress(OSError):
            return self._read()
        return b""

    def _reopen(self) -> None:
        """Go over to the file that has taken this one's place, where one has."""
        there, ours = self._path.stat(), os.fstat(self._file.fileno())
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            file = open_file(self._path)
            self._file.close()
            self._file, self._position, self._end = file, 0, 0

    def _read(self) -> bytes:
        """Return the next bytes; a line that isn't whole is among them, and read again later."""
        size = os.fstat(self._file.fileno()).st_size
        if size < self._end:
            # Begun anew.
            self._position = self._end = 0
        if size == self._end:
            return b""
        data = os.pread(self._file.fileno(), limits.CHUNK, self._position)
        self._end = self._position + len(data)
        whole = data.rfind(b"\n") + 1
        self._position = (
            self._end if len(data) - whole > limits.TLS_LOG_LINE else (self._position + whole)
        )
        return data
