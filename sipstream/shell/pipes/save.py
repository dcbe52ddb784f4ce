"""`| save FILE`: an answer goes into a new file instead of being shown.

What can't be written to its end leaves no file behind.
"""

from __future__ import annotations

import asyncio
import io
import os
from contextlib import suppress
from pathlib import Path

from sipstream.errors import CommandError, words
from sipstream.escape import escape, shield
from sipstream.render.colours import SGR
from sipstream.shell.pipes.stage import Stage
from sipstream.shell.words import unquoted

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""Whatever has the name already, a symbolic link to nothing included, is left alone."""


class Save(Stage):
    """Writes lines to a file, without colours."""

    name = "save"
    about = "into a new file, not to the terminal"
    syntax = "<file>"
    details = """\
What would be shown, without colours and without stopping. The file is yours alone (mode 0600). One that
is there already is left as it is: choose another name. save comes last.

Examples:

$ sipstream captures/timeout.txt
sipstream: show conversations sorted | save calls.txt
45 lines saved in calls.txt
sipstream: show conversation 1 messages | match ^Via: | save "ways of a call.txt"
8 lines saved in ways of a call.txt
sipstream: show conversations | display csv | save calls.csv
46 lines saved in calls.csv"""

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        if " " in argument and not argument.startswith('"'):
            raise CommandError("| save takes one file: a name with blanks has to be in quotes")
        name = unquoted(argument)
        if "\0" in name:
            raise CommandError("the name of a file can't hold a null character")
        try:
            self.path = Path(name).expanduser()
        except RuntimeError as error:
            raise CommandError(f"{escape(name)}: no such home folder") from error
        self.lines = 0
        """Lines written."""
        self._file: io.FileIO | None = None
        self._identity: tuple[int, int] | None = None
        self._writing: asyncio.Future[None] | None = None

    @property
    def shown(self) -> str:
        """The file's name, fit for a terminal."""
        return escape(str(self.path))

    def open(self) -> None:
        """Make the file.

        Raises:
            CommandError: it is there already, or can't be made.
        """
        try:
            self._file = io.FileIO(os.open(self.path, _NEW, 0o600), "w")
            made = os.fstat(self._file.fileno())
        except FileExistsError:
            raise CommandError(
                f"{self.shown} is there already and is left as it is: choose another name"
            ) from None
        except OSError as error:
            raise CommandError(f"{self.shown} can't be written: {words(error)}") from error
        self._identity = (made.st_dev, made.st_ino)

    async def write(self, texts: list[str], line_end: str) -> None:
        """Write lines; in a thread, since a disk may take its time.

        Raises:
            CommandError: they can't be written, the disk is full.
        """
        assert self._file is not None, "it was opened"
        text = shield(SGR.sub("", "\n".join(texts)))
        if line_end != "\n":
            text = text.replace("\n", line_end)
        data = (text + line_end).encode("utf-8", "backslashreplace")
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(None, _write_all, self._file, data)
        try:
            # Interrupted, the thread still has the file: `close` waits for it.
            await asyncio.shield(self._writing)
        except OSError as error:
            raise CommandError(
                f"{self.shown} can't be written to its end and was removed: {words(error)}"
            ) from error
        self.lines += len(texts)

    async def close(self, *, keep: bool) -> None:
        """End the file; one that isn't kept goes, if it is still the one that was made.

        Raises:
            CommandError: what was written didn't reach the disk.
        """
        file, self._file = self._file, None
        if file is None:
            return
        if self._writing is not None:
            with suppress(OSError):
                await asyncio.shield(self._writing)
        try:
            file.close()
        except OSError as error:
            # A file server may say only now that there is no room.
            self._remove()
            raise CommandError(
                f"{self.shown} can't be written to its end and was removed: {words(error)}"
            ) from error
        if not keep:
            self._remove()

    def _remove(self) -> None:
        with suppress(OSError):
            there = self.path.lstat()
            if (there.st_dev, there.st_ino) == self._identity:
                self.path.unlink()


def _write_all(file: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
