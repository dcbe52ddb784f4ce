"""Captures to an archive: each file's messages become visible together, and once."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from sipstream import pipeline
from sipstream.archive import layout, writer
from sipstream.archive.forked import forked
from sipstream.archive.mapped import Mapped
from sipstream.archive.staging import Staging, recover
from sipstream.bus.names import PARTITIONS
from sipstream.conversations import Conversations
from sipstream.decode.endpoints import Endpoints
from sipstream.decode.keylog import Secrets
from sipstream.errors import SourceError
from sipstream.escape import escape
from sipstream.notices import Notices
from sipstream.opening import Opened
from sipstream.parallel import ParallelFile
from sipstream.segments import Room
from sipstream.sources import Source
from sipstream.sources.file import open_file

_PIECE = 1_000_000
"""Messages written together: sixteen files of some MB. More would hold more of them in memory."""
_PIECE_BYTES = 1 << 30
"""Bytes of messages written together."""
_KEPT = 512 << 20
"""Bytes of the columns from which on the next piece begins without any: what was captured twice isn't
known as such in two of them. So many are some ten million messages."""
_SAMPLES, _SAMPLE = 64, 4096
"""Places of a file that tell it from others, and bytes of each."""

Tell = Callable[[str], None]


class Archiving:
    """Puts captures into an archive; `tell` gets a sentence on each."""

    def __init__(
        self, folder: Path, opened: Opened, secrets: Secrets, notices: Notices, tell: Tell
    ) -> None:
        self.partial = False
        """A part of some file couldn't be read."""
        self._folder = folder
        self._opened = opened
        self._secrets = secrets
        self._notices = notices
        self._tell = tell

    async def take(self, path: Path) -> None:
        """Archive a file; one that was archived before is passed over.

        Raises:
            SourceError: it can't be read, or the archive can't be written: nothing of it is visible then.
        """
        name, where = escape(str(path)), escape(str(self._folder))
        reading = self._opened.readings.pop(str(path), None)
        file = self._opened.take(path) or open_file(path)
        # The source closes what it has unpacked.
        descriptor = os.dup(file.fileno())
        try:
            recover(self._folder)
            identity = identity_of(descriptor)
            if any(part.origin.startswith(identity) for part in layout.parts(self._folder)):
                if reading is not None:
                    reading.workers.end()
                self._tell(f"{name}: is in {where} already")
                return
            source = ParallelFile(path, file, reading)
            with Staging(self._folder) as staging:
                changed = SourceError(
                    f"{name}: it has changed meanwhile: archive it when it is whole"
                )
                try:
                    lost = await self._write(source, staging, identity)
                except SourceError as error:
                    if identity_of(descriptor) != identity:
                        raise changed from error
                    raise
                if identity_of(descriptor) != identity:
                    raise changed
                [(count, repeated)] = await forked([partial(_commit, staging)])
        finally:
            os.close(descriptor)
        self._tell(f"{name}: {count} messages are in {where} now{_besides(repeated, lost)}")

    async def _write(self, source: Source, staging: Staging, identity: str) -> int:
        """Write all of a source's messages, return how many have no bytes any more."""
        pieces = _Pieces(source, staging, identity, self._secrets)
        try:
            await pieces.write()
        finally:
            self.partial = self.partial or self._notices.partial([source])
            self._notices.pass_on(source)
        return pieces.lost


class _Pieces:
    """Draws a source to its end, and writes so many messages at a time."""

    def __init__(self, source: Source, staging: Staging, identity: str, secrets: Secrets) -> None:
        self.lost = 0
        """Messages left out, without bytes."""
        self._staging = staging
        self._identity = identity
        self._count = 0
        self._room = Room()
        self._conversations = self._none()
        self._intake = pipeline.Intake(source, self._conversations, secrets)
        self._waiting = array("Q")
        """Messages to be written."""
        self._size = 0

    async def write(self) -> None:
        """Write all messages there are.

        Raises:
            SourceError: the source can't be read, or the files can't be written.
        """
        await pipeline.run(self._intake, self._came, between=self._between)
        if self._waiting:
            await self._flush()

    def _came(self, numbers: list[int]) -> Iterator[None]:
        self._waiting.extend(numbers)
        lengths = self._conversations.index.m_length
        self._size += sum(map(lengths.__getitem__, numbers))
        return iter(())

    async def _between(self) -> None:
        if len(self._waiting) >= _PIECE or self._size >= _PIECE_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        """Write what is waiting, a part of the partitions in each process."""
        index = self._conversations.index
        count = len(os.sched_getaffinity(0))
        origin = f"{self._identity}-{self._count}"
        works = [
            partial(
                writer.write, index, self._waiting, self._staging, origin,
                range(first, PARTITIONS, count), Mapped(index).raws,
            )
            for first in range(min(count, PARTITIONS))
        ]  # fmt: skip
        self.lost += sum(await forked(works))
        self._count += 1
        self._waiting, self._size = array("Q"), 0
        if index.size > _KEPT:
            self._conversations = self._none()
            self._intake.regroup(self._conversations)

    def _none(self) -> Conversations:
        return Conversations(Endpoints(), memory=None, room=self._room, folds=False)


def identity_of(descriptor: int) -> str:
    """Return what tells a file from others, wherever it lies: its size, when it was changed, samples.

    A copy with another time is another one: its messages are looked for in the archive one by one.
    """
    status = os.fstat(descriptor)
    digest = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode())
    step = max((status.st_size - _SAMPLE) // _SAMPLES, _SAMPLE)
    for place in (*range(0, status.st_size, step), max(status.st_size - _SAMPLE, 0)):
        digest.update(os.pread(descriptor, _SAMPLE, place))
    return digest.hexdigest()[:16]


def _commit(staging: Staging) -> tuple[int, int]:
    return staging.commit(), staging.repeated


def _besides(repeated: int, lost: int) -> str:
    """Return what else is to be said of messages."""
    text = f"; {repeated} were there already" if repeated else ""
    return f"{text}; {lost} have lost their bytes and are left out" if lost else text
