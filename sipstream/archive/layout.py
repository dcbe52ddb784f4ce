"""Where an archive's files lie, and what their names say: hour, partition, and the times of the messages.

    DIR/hour=2026-11-26T14/partition=07/part-<first ns>-<last ns>-<of what>.parquet

All else begins with a dot, which readers pass over.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sipstream.archive.schema import VERSION
from sipstream.bus.names import PARTITIONS
from sipstream.errors import SourceError, words
from sipstream.escape import escape

HOUR = 3600 * 10**9
"""ns."""
STAGED = ".staged"
"""The folder of what isn't to be seen yet."""
LOCK = ".lock"
"""The file that is locked while files become visible."""
HIDDEN = ".new"
"""Is added to the names of files that aren't to be seen yet: no pattern for Parquet files fits them."""
UNDATED = "1970-01-01T00"
"""The hour of messages whose times are forged, or of a capture without times."""
_MARK = ".sipstream-archive"
_ID = re.compile(r"[0-9a-f]{16}")
_HOUR_FOLDER = re.compile(r"hour=(-?\d{4,}-\d\d-\d\dT\d\d)")
_PARTITION_FOLDER = re.compile(r"partition=(\d\d)")
_NAME = re.compile(r"part-(-?\d{1,19})-(-?\d{1,19})-([0-9a-f]{16}(?:-\d{1,9})?)\.parquet")


class Part(NamedTuple):
    """A file of the archive."""

    path: str
    hour: str
    partition: int
    first: int
    last: int
    """The time of the first message in it and of the last, ns since the epoch."""
    origin: str
    """What it was made of."""


def hour_of(ns: int) -> str:
    """Return the hour of a time as folders name it, in UTC."""
    moment = time.gmtime(ns // HOUR * 3600)
    return f"{moment.tm_year:04d}-{moment.tm_mon:02d}-{moment.tm_mday:02d}T{moment.tm_hour:02d}"


def place_of(hour: str, partition: int, first: int, last: int, origin: str) -> str:
    """Return where a file lies in an archive."""
    return f"hour={hour}/partition={partition:02d}/part-{first}-{last}-{origin}.parquet"


def part_of(folder: Path, place: str) -> Part | None:
    """Return what a place within an archive says, None where it is none of ours."""
    pieces = place.split("/")
    if len(pieces) != 3:
        return None
    hour, partition = _HOUR_FOLDER.fullmatch(pieces[0]), _PARTITION_FOLDER.fullmatch(pieces[1])
    name = _NAME.fullmatch(pieces[2])
    if hour is None or partition is None or name is None:
        return None
    first, last = int(name[1]), int(name[2])
    return Part(str(folder / place), hour[1], int(partition[1]), first, last, name[3])


def parts(folder: Path, foreign: list[str] | None = None) -> Iterator[Part]:
    """Yield the files that are to be seen; other Parquet files' places go to `foreign`.

    Raises:
        SourceError: the folder can't be read.
    """
    try:
        for hour in sorted(one.name for one in folder.iterdir()):
            if not hour.startswith("."):
                yield from _within(folder, hour, foreign)
    except OSError as error:
        raise SourceError(f"{escape(str(folder))}: {words(error)}") from error


def _within(folder: Path, place: str, foreign: list[str] | None) -> Iterator[Part]:
    """Yield the files at a place or in it."""
    if place.endswith(".parquet"):
        part = part_of(folder, place)
        if part is not None:
            yield part
        elif foreign is not None:
            foreign.append(place)
    elif place.count("/") < 2:
        # What is removed meanwhile, or is no folder, has no files.
        with suppress(FileNotFoundError, NotADirectoryError):
            for name in sorted(one.name for one in (folder / place).iterdir()):
                if not name.startswith("."):
                    yield from _within(folder, f"{place}/{name}", foreign)


def parts_at(folder: Path, hour: str, partition: int) -> list[Part]:
    """Return the files of an hour and partition that are to be seen."""
    return list(_within(folder, f"hour={hour}/partition={partition:02d}", None))


def require(folder: Path) -> None:
    """See to it that a folder is an archive that is written to; an empty or absent one becomes one.

    Raises:
        SourceError: it holds other things, an archive of another kind, or can't be written to.
    """
    name = escape(str(folder))
    try:
        make(folder.absolute())
        there = _read_mark(folder)
        if there is None:
            others = [one.name for one in folder.iterdir() if one.name not in (STAGED, LOCK)]
            if any(not one.startswith(_MARK) for one in others):
                raise SourceError(f"{name} holds other things and no archive: name an empty folder")
            _write_mark(folder)
            return
    except OSError as error:
        raise SourceError(f"{name}: {words(error)}") from error
    if (there.get("schema"), there.get("partitions")) != (VERSION, PARTITIONS):
        raise SourceError(
            f"{name} is an archive of another version of sipstream: name another folder"
        )


def is_archive(folder: Path) -> bool:
    """Tell whether a folder is an archive."""
    try:
        return (folder / _MARK).is_file()
    except OSError:
        return False


def identity(folder: Path) -> str:
    """Return what tells an archive from others, wherever it lies.

    Raises:
        SourceError: it can't be read.
    """
    try:
        found = (_read_mark(folder) or {}).get("id")
    except OSError as error:
        raise SourceError(f"{escape(str(folder))}: {words(error)}") from error
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise SourceError(f"{escape(str(folder / _MARK))}: it is damaged")
    return found


def _read_mark(folder: Path) -> dict[str, object] | None:
    """Return what says that a folder is an archive, None where nothing does."""
    try:
        # A FIFO would be waited for, a device has no end.
        descriptor = os.open(folder / _MARK, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = json.loads(os.read(descriptor, 1024))
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _write_mark(folder: Path) -> None:
    """Make a folder an archive, unless another one was faster."""
    text = json.dumps({"schema": VERSION, "partitions": PARTITIONS, "id": secrets.token_hex(8)})
    new = folder / f"{_MARK}-{os.getpid()}"
    new.touch(mode=0o600)
    new.write_text(f"{text}\n")
    with suppress(FileExistsError):
        (folder / _MARK).hardlink_to(new)
    new.unlink()


def make(folder: Path) -> None:
    """Make a folder, and those it lies in, for their owner alone."""
    for one in (*reversed(folder.parents), folder):
        # Others may make it at the same time.
        with suppress(FileExistsError):
            one.mkdir(mode=0o700)


def sync(path: Path) -> None:
    """Have what a file or a folder holds survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
