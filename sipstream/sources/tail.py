"""A file that grows, followed by its name: rotated, truncated, deleted, or not there yet.

Looks at the name at intervals and reads what came. A new file under the name is queued, opened at
once so that later renames don't matter; the one before it is read until it stays quiet.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

from sipstream import limits
from sipstream.errors import SourceError, words
from sipstream.escape import escape
from sipstream.packets import Batch, Tally
from sipstream.segments import Room
from sipstream.sources.file import refusal
from sipstream.sources.growing import GrowingFile
from sipstream.sources.rotation import Identity, passed_over
from sipstream.sources.textstore import TextStore
from sipstream.spool import Spool

_ABSENT = "isn't there yet"
_QUIET_LOOKS = 2
"""Looks without news after which a printed packet is whole, and a rotated file read to its end."""
_PATIENCE_LOOKS = 50
"""Looks after which a rotated file is left although it grows: its writer has forgotten it."""
_SCANS = 3
"""Scans for files rotated past, when renames go on meanwhile."""
_HEADS = 64
"""Files read lately that are known again under another name."""


class TailSource:
    """The packets that are written to a file, from its start or from now on.

    `interval` is the time between two looks, in seconds; `pause` waits that long; `room` is where
    what is read is spooled. Never ends by itself.
    """

    live = True

    def __init__(
        self,
        path: Path,
        *,
        from_start: bool = True,
        interval: float = limits.TAIL_INTERVAL_SECONDS,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        room: Room | None = None,
    ) -> None:
        self.name = str(path)
        self.tally = Tally(self.name)
        self.notes: list[str] = []
        self._path = path
        self._from_start = from_start
        self._interval = interval
        self._pause = pause
        self._spool = Spool(room=room)
        self._text = TextStore(self._spool)
        self._queue: deque[GrowingFile] = deque()
        """The file that is read, and those that came under its name since."""
        self._heads: deque[bytes] = deque(maxlen=_HEADS)
        self.caught_up = asyncio.Event()
        """What was there at the beginning has come."""
        self._trouble = ""
        """Why there is no file under the name at present."""
        self._failure = ""
        """Why the present file can't be read."""
        self._begun_ns = 0
        """When watching began, ns since the epoch."""
        self._quiet = 0
        """Looks in a row that brought nothing."""
        self._looks = 0
        """Looks at the present file since it was replaced."""
        self._replaced = False
        """Whether a file behind it has bytes already."""

    @property
    def store(self) -> Spool:
        """Where what was read lies: exports find its packets again there."""
        return self._spool

    def progress(self) -> None:
        """Return None: there is no end to speak of."""

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield packets as they are written.

        Raises:
            SourceError: what is there at the start can't be followed.
        """
        located = False
        try:
            await self._begin()
            while True:
                for batch in await self._next():
                    located = True
                    yield batch
        finally:
            for file in self._queue:
                await file.close()
            if not located:
                self._spool.close()

    async def _begin(self) -> None:
        await self._look()
        self._begun_ns = time.time_ns()
        if self._queue and not self._from_start:
            await self._queue[0].skip_to_end()
        if not self._queue and self._trouble != _ABSENT:
            self.notes.clear()
            raise SourceError(f"{escape(self.name)}: {self._trouble}")

    async def _next(self) -> list[Batch]:
        """Return what came; when nothing did, wait for the next look."""
        found = await self._read()
        if found is not None:
            self._quiet = 0
            return found
        self._quiet += 1
        if self._quiet > _QUIET_LOOKS or not self._queue:
            self.caught_up.set()
        if self._is_left():
            return await self._leave()
        if self._quiet == _QUIET_LOOKS and self._queue and (found := self._queue[0].flush()):
            return found
        await self._pause(self._interval)
        self._looks += 1
        await self._look()
        return []

    async def _read(self) -> list[Batch] | None:
        """Return what the present file has brought, None when nothing."""
        if not self._queue:
            return None
        try:
            found = await self._queue[0].more()
        except OSError as error:
            if self._failure != words(error):
                self._failure = words(error)
                self.notes.append(f"can't be read ({self._failure}): trying on")
            return None
        self._failure = ""
        return found

    def _is_left(self) -> bool:
        """Return whether the present file was read to its end and another has taken its place."""
        if not any(file.size() for file in list(self._queue)[1:]):
            # The writer may not have noticed yet that there is a new one.
            return False
        if not self._replaced:
            self._replaced = True
            self._quiet, self._looks = 1, 0
        return self._quiet >= _QUIET_LOOKS or self._looks >= _PATIENCE_LOOKS

    async def _leave(self) -> list[Batch]:
        """Go on to the next file."""
        file = self._queue.popleft()
        if self._quiet < _QUIET_LOOKS:
            self.notes.append("the file before still grows: what comes there now isn't read")
        self._quiet = self._looks = 0
        self._replaced = False
        self._heads.extend(file.heads())
        await file.close()
        return file.finish()

    async def _look(self) -> None:
        """Look at the name, queue what is new there."""
        try:
            status = self._path.stat()
            what = refusal(status.st_mode)
            if what is not None:
                raise SourceError(what)
            if self._queue and self._queue[-1].identity == Identity.of(status):
                self._trouble = ""
                return
            await self._enqueue()
        except (FileNotFoundError, NotADirectoryError):
            self._say("was deleted" if self._queue else _ABSENT)
        except OSError as error:
            self._say(words(error))
        except SourceError as error:
            self._say(str(error))
        except ValueError as error:
            raise SourceError(f"{escape(self.name)}: is no possible file name") from error
        else:
            self._trouble = ""

    async def _enqueue(self) -> None:
        """Open what is under the name now, and what was there since the last look."""
        newest = await self._open(self._path)
        before = self._queue[-1] if self._queue else None
        if before is not None and newest.identity == before.identity:
            await newest.close()
            return
        self._queue.append(newest)
        if before is not None:
            self.notes.append("is a new file now (rotated or replaced): read from its beginning")
        elif self._trouble:
            self.notes.append("is there now")
        if before is not None or self._trouble:
            for _ in range(_SCANS):
                if await self._enqueue_missed(before):
                    break

    async def _enqueue_missed(self, before: GrowingFile | None) -> bool:
        """Queue files rotated past since the last look; return False when a rename came between.

        Where no file was there at the beginning, those written to since then.
        """
        known = {file.identity for file in self._queue}
        heads = {b"", *(before.heads() if before else ()), *self._heads}
        since = before.modified_ns() if before else self._begun_ns
        undisturbed = True
        for path, identity in passed_over(self._path, since, known):
            try:
                file = await self._open(path)
            except (OSError, SourceError):
                undisturbed = False
                continue
            if file.identity == identity and file.head() not in heads:
                self._queue.insert(len(self._queue) - 1, file)
                continue
            undisturbed = undisturbed and file.identity == identity
            await file.close()
        return undisturbed

    async def _open(self, path: Path) -> GrowingFile:
        return await GrowingFile.open(path, self._spool, self._text, self.notes)

    def _say(self, trouble: str) -> None:
        """Tell the user, once, why there is nothing to read."""
        if trouble != self._trouble:
            self._trouble = trouble
            self.notes.append(f"{trouble}: waiting for a file there")
