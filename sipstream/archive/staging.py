"""Files become visible whole or not at all, all of one batch of messages or none, each message once.

What is written lies in a folder of its own, `.staged/<name>`, which its writer holds locked. To commit
is, under the archive's lock: to leave out rows that the archive has already, to write a note that all is
there, and to rename the files. A writer that is killed before the note leaves nothing; one killed behind
it has its renames done by the next one. So a batch that is brought again, by a repeat of the command or
by a bus that had no acknowledgement, changes nothing.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream.archive import layout, parquet
from sipstream.archive.layout import HIDDEN, LOCK, STAGED, Part
from sipstream.errors import SourceError, words
from sipstream.escape import escape

if TYPE_CHECKING:
    import pyarrow

_COMPLETE = "complete"
"""The note that all files of a staged folder are there."""


class Staging:
    """What one writer has written and not yet shown. Use it as a context manager: the end removes it."""

    def __init__(self, folder: Path) -> None:
        self.repeated = 0
        """Messages left out because the archive had them already."""
        self._folder = folder = folder.absolute()
        self.name = secrets.token_hex(8)
        """Is no other's: files that are made of nothing that has a name of its own can have this one."""
        self._path = folder / STAGED / self.name
        self._held = -1

    def __enter__(self) -> Staging:
        try:
            layout.make(self._path)
            self._held = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(f"{escape(str(self._folder))}: {words(error)}") from error
        fcntl.flock(self._held, fcntl.LOCK_EX)
        return self

    def __exit__(self, *error: object) -> None:
        if not (self._path / _COMPLETE).exists():
            shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._held)

    def write(
        self, tables: Iterable[pyarrow.Table], hour: str, partition: int, ends: tuple[int, int],
        origin: str,
    ) -> int:  # fmt: skip
        """Write tables as a file that isn't to be seen yet; return how many rows they have.

        `ends` are the times of the first and the last message, `origin` is a part of the file's name.

        Raises:
            OSError: the disk is full, or the like.
        """
        place = layout.place_of(hour, partition, *ends, origin)
        path = self._path / (place + HIDDEN)
        layout.make(path.parent)
        return parquet.write(tables, path)

    def commit(self) -> int:
        """Make all visible that the archive doesn't have yet; return how many messages that are.

        Raises:
            SourceError: the disk is full, or the like: nothing is visible then.
        """
        name = escape(str(self._folder))
        try:
            with locked(self._folder):
                count = sum(map(self._settle, _hidden(self._path)))
                for path in _hidden(self._path):
                    layout.make(_target(self._folder, self._path, path).parent)
                (self._path / _COMPLETE).touch(mode=0o600)
                layout.sync(self._path)
                _show(self._folder, self._path)
        except OSError as error:
            if (self._path / _COMPLETE).exists():
                raise SourceError(
                    f"{name}: {words(error)}: the next sipstream archive brings the rest in"
                ) from error
            raise self.failed(error) from error
        return count

    def failed(self, error: OSError) -> SourceError:
        """Return what to say of an error before anything is visible."""
        name = escape(str(self._folder))
        return SourceError(f"{name}: {words(error)}: nothing of this is in the archive")

    def _settle(self, path: Path) -> int:
        """Leave out of a file what the archive has; return how many messages are left."""
        place = str(path.relative_to(self._path)).removesuffix(HIDDEN)
        part = layout.part_of(self._folder, place)
        assert part is not None, "it was written under such a name"
        others = _overlapping(self._folder, part)
        if not others:
            return parquet.count(path)
        table = parquet.read(path)
        fresh = parquet.new_rows(table, others)
        self.repeated += len(table) - len(fresh)
        if len(fresh) == len(table) and not Path(part.path).exists():
            return len(fresh)
        path.unlink()
        if len(fresh):
            ends = parquet.ends(fresh)
            self.write([fresh], part.hour, part.partition, ends, secrets.token_hex(8))
        return len(fresh)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold an archive's lock; what a writer left that was killed is finished, or removed, first.

    Raises:
        OSError: it can't be had.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder / LOCK, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for staged in sorted((folder / STAGED).glob("*")):
            _recover(folder, staged)
        yield
    finally:
        os.close(descriptor)


def recover(folder: Path) -> None:
    """Finish, or remove, what a writer left that was killed.

    Raises:
        SourceError: the archive can't be written to.
    """
    try:
        with locked(folder):
            pass
    except OSError as error:
        raise SourceError(f"{escape(str(folder))}: {words(error)}") from error


def _recover(folder: Path, staged: Path) -> None:
    """Finish what was complete, remove what nobody writes to any more."""
    if (staged / _COMPLETE).exists():
        # Whoever wrote it would hold the archive's lock: it is gone.
        _show(folder, staged)
        return
    try:
        held = os.open(staged, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(staged, ignore_errors=True)
    except BlockingIOError:
        # Its writer is at work.
        pass
    finally:
        os.close(held)


def _show(folder: Path, staged: Path) -> None:
    """Rename files to where they are to be seen."""
    folders: set[Path] = set()
    for path in _hidden(staged):
        target = _target(folder, staged, path)
        layout.make(target.parent)
        path.rename(target)
        folders |= {target.parent, target.parent.parent}
    for one in (*folders, folder):
        layout.sync(one)
    (staged / _COMPLETE).unlink()
    shutil.rmtree(staged, ignore_errors=True)


def _hidden(staged: Path) -> list[Path]:
    return sorted(staged.glob(f"*/*/*{HIDDEN}"))


def _target(folder: Path, staged: Path, path: Path) -> Path:
    return folder / str(path.relative_to(staged)).removesuffix(HIDDEN)


def _overlapping(folder: Path, part: Part) -> list[str]:
    """Return the files that may have messages of a file's times."""
    return [
        one.path
        for one in layout.parts_at(folder, part.hour, part.partition)
        if one.first <= part.last and one.last >= part.first
    ]
