"""Where an exported capture goes: a file that is there whole or not at all, or standard output."""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from sipstream.errors import SourceError, words
from sipstream.escape import escape
from sipstream.sources.file import refusal

STDOUT = "-"
_PIPE = 4096
"""Bytes that a pipe which takes any at all takes at once (PIPE_BUF of pipe(7) on Linux)."""
_LONGEST_NAME = 200
"""Letters of a name that fit into one with a few more: 255 bytes are what file systems take."""


class Target:
    """Takes the bytes of a file. Use it as a context manager; `finish` ends it well.

    `inputs` are what is read, as `os.stat` has it: none of them may be written over.

    Raises:
        SourceError: it can't be written to.
    """

    def __init__(self, path: Path, inputs: Iterable[os.stat_result] = ()) -> None:
        self.name = "standard output" if str(path) == STDOUT else escape(str(path))
        self.written = 0
        """Bytes so far."""
        self._path = path
        self._temporary: Path | None = None
        self._fd = 1
        if str(path) == STDOUT:
            if os.isatty(1):
                raise SourceError(
                    "standard output is a terminal, which shows no capture: send it to a program"
                    " (| tshark -r -) or name a file"
                )
            return
        self._refuse(inputs)
        name = f".{path.name[:_LONGEST_NAME]}.{secrets.token_hex(4)}"
        self._temporary = path.with_name(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(self._temporary, flags, 0o600)
        except OSError as error:
            raise SourceError(f"{self.name}: {words(error)}") from error

    def __enter__(self) -> Target:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._temporary is not None:
            os.close(self._fd)
            with suppress(OSError):
                self._temporary.unlink()
            self._temporary = None

    @property
    def left(self) -> str:
        """What is left of it where it isn't finished."""
        if str(self._path) == STDOUT:
            return f"standard output ends after {self.written} bytes of the capture"
        return f"{self.name} was not written"

    async def write(self, data: bytes) -> None:
        """Write bytes; a pipe that isn't read holds up nothing but this.

        Raises:
            SourceError: they can't be written.
            BrokenPipeError: whoever read standard output has gone.
        """
        rest = memoryview(data)
        try:
            while rest:
                size = len(rest)
                if self._temporary is None and await self._is_pipe():
                    size = _PIPE
                count = os.write(self._fd, rest[:size])
                self.written += count
                rest = rest[count:]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise SourceError(f"{self.name}: {words(error)}; {self.left}") from error

    def finish(self) -> None:
        """All was written: give the file its name, in place of one that had it.

        Raises:
            SourceError: it can't be.
        """
        if self._temporary is None:
            return
        try:
            os.close(self._fd)
            self._temporary.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                self._temporary.unlink()
            raise SourceError(f"{self.name}: {words(error)}; {self.left}") from error
        finally:
            self._temporary = None

    def _refuse(self, inputs: Iterable[os.stat_result]) -> None:
        """Refuse what is there already, where it is no file of its own."""
        try:
            there = self._path.lstat()
        except FileNotFoundError:
            return
        except ValueError as error:
            raise SourceError(f"{self.name}: is no possible file name") from error
        except OSError as error:
            raise SourceError(f"{self.name}: {words(error)}") from error
        if stat.S_ISLNK(there.st_mode):
            raise SourceError(f"{self.name}: is a symbolic link, which isn't written through")
        what = refusal(there.st_mode)
        if what is not None:
            raise SourceError(f"{self.name}: {what.partition(':')[0]}")
        if any((one.st_dev, one.st_ino) == (there.st_dev, there.st_ino) for one in inputs):
            raise SourceError(
                f"{self.name}: is read, so it can't be written too: choose another name"
            )

    async def _is_pipe(self) -> bool:
        """Wait until it takes bytes; tell whether only so many at once."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_writer(self._fd, ready.set)
        except PermissionError:
            # A file: it takes all.
            return False
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._fd)
        return True
