"""Where an export goes: a file that is there whole or not at all, or standard output."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
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
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+|^[.-]+", re.ASCII)
_LETTERS, _DIGEST = 64, 12


def file_name(call_id: str, ending: str) -> str:
    """Return a name for a conversation's file: safe letters of its Call-ID, and a digest of it."""
    letters = _UNSAFE.sub("", call_id)[:_LETTERS]
    digest = hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{letters.lstrip('.-')}-{digest}{ending}".lstrip("-")


class Target:
    """Takes the bytes of a file. Use it as an async context manager; `finish` ends it well.

    `inputs` are what is read, as `os.stat` has it: none of them may be written over. Where `overwrite` is
    False nothing is, whoever put it there, and whenever.

    Raises:
        SourceError: it can't be written to.
    """

    def __init__(
        self, path: Path, inputs: Iterable[os.stat_result] = (), *, overwrite: bool = True
    ) -> None:
        self.name = "standard output" if str(path) == STDOUT else escape(str(path))
        self.written = 0
        """Bytes so far."""
        self._path = path
        self._temporary: str | None = None
        self._fd = 1
        self._folder = -1
        self._reserved: tuple[int, int] | None = None
        """The empty file that keeps the name for us, by device and number."""
        self._writing: asyncio.Future[None] | None = None
        if str(path) == STDOUT:
            if os.isatty(1):
                raise SourceError(
                    "standard output is a terminal, which shows no capture: send it to a program"
                    " (| tshark -r -) or name a file"
                )
            return
        try:
            self._open(inputs, overwrite)
        except BaseException:
            self._close()
            raise

    def _open(self, inputs: Iterable[os.stat_result], overwrite: bool) -> None:
        """Make the file that is written to; its folder stays the one that it is now."""
        name = self._path.name
        if not name:
            raise SourceError(f"{self.name}: is a directory")
        try:
            self._folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._refuse(inputs, overwrite)
            if not overwrite:
                fd = os.open(name, _NEW, 0o600, dir_fd=self._folder)
                made = os.fstat(fd)
                os.close(fd)
                self._reserved = made.st_dev, made.st_ino
            temporary = f".{name[:_LONGEST_NAME]}.{secrets.token_hex(4)}"
            self._fd = os.open(temporary, _NEW, 0o600, dir_fd=self._folder)
        except FileExistsError as error:
            raise self._there() from error
        except ValueError as error:
            raise SourceError(f"{self.name}: is no possible file name") from error
        except OSError as error:
            raise SourceError(f"{self.name}: {words(error)}") from error
        self._temporary = temporary

    async def __aenter__(self) -> Target:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writing is not None:
            # Interrupted, the thread still has the file.
            with suppress(OSError):
                await asyncio.shield(self._writing)
        self._close()

    @property
    def left(self) -> str:
        """What is left of it where it isn't finished."""
        if str(self._path) == STDOUT:
            return f"standard output ends after {self.written} bytes of the capture"
        return f"{self.name} was not written"

    async def write(self, data: bytes) -> None:
        """Write bytes; a pipe that isn't read, or a slow disk, holds up nothing but this.

        Raises:
            SourceError: they can't be written.
            BrokenPipeError: whoever read standard output has gone.
        """
        try:
            if self._temporary is None:
                await self._write_out(memoryview(data))
                return
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(None, _write_all, self._fd, data)
            await asyncio.shield(self._writing)
            self.written += len(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise SourceError(f"{self.name}: {words(error)}; {self.left}") from error

    async def _write_out(self, rest: memoryview) -> None:
        """Write to standard output: a pipe as it takes bytes, or a file."""
        while rest:
            size = _PIPE if await self._is_pipe() else len(rest)
            count = os.write(self._fd, rest[:size])
            self.written += count
            rest = rest[count:]

    def finish(self) -> None:
        """All was written: give the file its name, in place of one that had it.

        Raises:
            SourceError: it can't be.
        """
        if self._temporary is None:
            return
        try:
            fd, self._fd = self._fd, -1
            os.close(fd)
            if self._reserved is not None and self._identity() != self._reserved:
                raise self._there()
            os.replace(
                self._temporary,
                self._path.name,
                src_dir_fd=self._folder,
                dst_dir_fd=self._folder,
            )
            self._temporary = self._reserved = None
        except OSError as error:
            raise SourceError(f"{self.name}: {words(error)}; {self.left}") from error
        finally:
            self._close()

    def _close(self) -> None:
        """Give back what is open, and take away what isn't finished."""
        if self._temporary is not None:
            if self._fd >= 0:
                os.close(self._fd)
            self._unlink(self._temporary)
            self._temporary = None
        if self._reserved is not None:
            if self._identity() == self._reserved:
                self._unlink(self._path.name)
            self._reserved = None
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def _identity(self) -> tuple[int, int] | None:
        """Return what has the file's name now, by device and number; None for nothing."""
        try:
            there = os.stat(self._path.name, dir_fd=self._folder, follow_symlinks=False)
        except OSError:
            return None
        return there.st_dev, there.st_ino

    def _unlink(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self._folder)

    def _there(self) -> SourceError:
        return SourceError(
            f"{self.name} is there already and is left as it is: choose another name, or add overwrite"
        )

    def _refuse(self, inputs: Iterable[os.stat_result], overwrite: bool) -> None:
        """Refuse what is there already, where it is no file of its own."""
        try:
            there = os.stat(self._path.name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISLNK(there.st_mode):
            raise SourceError(f"{self.name}: is a symbolic link, which isn't written through")
        what = refusal(there.st_mode)
        if what is not None:
            raise SourceError(f"{self.name}: {what.partition(':')[0]}")
        if any((one.st_dev, one.st_ino) == (there.st_dev, there.st_ino) for one in inputs):
            raise SourceError(
                f"{self.name}: is read, so it can't be written too: choose another name"
            )
        if not overwrite:
            raise self._there()

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


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
