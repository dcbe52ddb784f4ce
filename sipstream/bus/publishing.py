"""Publishing: all messages that a session gets go to the stream, in batches, by way of a spool on disk.

What comes is put into envelopes at once and gathered by partition; batches are kept on disk by a thread,
and sent from there (`delivery`). Nothing of it holds up a capture: what can't be kept is counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from sipstream.bus import names
from sipstream.bus.delivery import Connect, Delivered, Delivery
from sipstream.bus.journal import Batch, Journal
from sipstream.bus.stream import Limits, Tell
from sipstream.decode import hep
from sipstream.envelopes import Enveloper
from sipstream.escape import escape
from sipstream.limits import SPOOL_WAITING
from sipstream.segments import Folder
from sipstream.spool import spool_of

if TYPE_CHECKING:
    from sipstream.index import Index
    from sipstream.session import Session
    from sipstream.sources import Source

MESSAGES = 50
"""Messages of a batch at most: a server takes ten times as many in such ones as singly."""
BYTES = 1 << 16
"""Bytes of a batch at most; the longest envelope is a batch of its own. A server takes 1 MiB."""
GATHER_SECONDS = 0.1
"""How long messages are gathered: what a kill takes of them that isn't in a capture's spool."""
SIZE = 1 << 30
"""Bytes that wait on disk at most, unless told otherwise: a minute of 20,000 messages/s."""
_KEEPS_UP = SPOOL_WAITING // 4
"""Bytes that wait for the disk, from which on files wait too: what is live can't."""
_FULL_SECONDS = 1.0
"""After which a full disk is tried again."""
_PATIENCE = 5.0
"""Seconds that what isn't sent yet has at the end."""
_LOST_SECONDS = 30.0
"""How often the user is told of messages that are lost."""
FOLDER, ENDING = "publish", "hep"
"""Where in the folder for spools it lies, and how its files' names end."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Published:
    """What came of publishing so far."""

    delivered: Delivered
    waiting: int
    """Messages that aren't acknowledged yet."""
    lost: int
    """Messages that will never be: no room, bytes gone, too long for HEP."""
    away: bool
    """The server isn't reached at present."""


@dataclass(slots=True)
class _Gathered:
    """Envelopes of a partition that are no batch yet."""

    envelopes: list[bytes] = field(default_factory=list)
    size: int = 0


class _Known:
    """What earlier runs kept, by which messages are known that their captures' spool brings again.

    All that was captured before `sure` was kept; `hashes` are of the envelopes kept since.
    """

    def __init__(self, journal: Journal) -> None:
        self.sure = journal.sure
        self.hashes = {hash(one) for batch in journal.tail() for one in hep.split(batch)}

    def has(self, time: int, envelope: bytes) -> bool:
        """Tell whether a message of a time was kept already."""
        return time < self.sure or hash(envelope) in self.hashes


class Publisher:
    """Publishes what a session gets as the messages of a tap. Use it as an async context manager.

    `connect` connects to the server; `limits` are the stream's; `folder` is where batches wait, None
    for files that end with the process; they take up to `size` bytes. `former` is the source that
    brings again what an earlier run captured: of that only what wasn't kept yet is published.

    Raises:
        SourceError: the folder can't be used.
    """

    def __init__(
        self,
        session: Session,
        tap: str,
        connect: Connect,
        *,
        limits: Limits | None = None,
        partitions: int = names.PARTITIONS,
        folder: Path | None = None,
        size: int = SIZE,
        tell: Tell = lambda text: None,
    ) -> None:
        self.former: Source | None = None
        self._session = session
        self._tell = tell
        self._partitions = partitions
        # What HEP nodes told is theirs.
        self._enveloper = Enveloper(tap, keeps_taps=True)
        self._folder = folder
        place = Folder(folder, ENDING) if folder is not None else None
        self._journal = Journal(names.token(tap), size, place)
        self._thread = ThreadPoolExecutor(1, "publish")
        self._delivery = Delivery(
            self._journal, connect, limits or Limits(), tell, self._do, self._fault
        )
        self._known = _Known(self._journal) if self._journal.is_former else None
        self._open: dict[int, _Gathered] = {}
        self._sealed: deque[Batch] = deque()
        self._sealed_size = 0
        self._came = asyncio.Event()
        self._lost = 0
        """Messages that didn't get as far as the disk."""
        self._told_lost = 0
        self._told_at = float("-inf")
        self._told_full = False
        self._is_settled = False
        self._is_ending = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Publisher:
        self._session.watchers.append(self._saw)
        self._session.waits.append(self._keep_up)
        self._tasks = [
            asyncio.create_task(self._keep(), name="publish: keep"),
            asyncio.create_task(self._delivery.run(), name="publish: send"),
        ]
        self._delivery.news.set()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep what came, send what can be sent soon."""
        self._session.watchers.remove(self._saw)
        self._session.waits.remove(self._keep_up)
        keeping, sending = self._tasks
        # What is being kept now must not be kept again.
        self._is_ending = True
        self._came.set()
        await asyncio.wait([keeping])
        self._seal_all()
        await self._write()
        if not self._delivery.is_away:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._delivery.idle.wait()
        sending.cancel()
        await asyncio.wait([sending])
        self._tell_left()
        await self._do(self._journal.close)
        self._thread.shutdown(wait=False)

    def figures(self) -> Published:
        """Return what came of it so far."""
        delivery = self._delivery
        gathered = sum(len(one.envelopes) for one in self._open.values())
        sealed = sum(batch.messages for batch in self._sealed)
        lost = self._lost + self._journal.lost
        return Published(
            delivery.counts, delivery.waiting + gathered + sealed, lost, delivery.is_away
        )

    # What comes

    def _saw(self, numbers: list[int]) -> None:
        """Take messages that came, by their numbers: at once, they may be given up soon."""
        index = self._session.conversations.index
        count = 0
        try:
            by_partition: dict[int, list[int]] = {}
            of, call_ids = index.m_conversation, index.c_call_id
            for number in numbers:
                partition = names.partition_of(call_ids[of[number]], self._partitions)
                by_partition.setdefault(partition, []).append(number)
            for partition, some in by_partition.items():
                for envelope in self._packed(index, some):
                    self._gather(partition, envelope)
                count += len(some)
        except Exception as error:
            # A fault of ours ends no capture.
            self._lost += len(numbers) - count
            self._fault(error)
        self._came.set()

    def _packed(self, index: Index, numbers: list[int]) -> list[bytes]:
        """Return messages in envelopes, without those that an earlier run published."""
        if self._known is None:
            packed = self._enveloper.pack(index, numbers)
            self._lost += len(numbers) - len(packed)
            return packed
        new = []
        for number in numbers:
            packed = self._enveloper.pack(index, [number])
            self._lost += not packed
            if packed and not (
                self._is_former(index, number) and self._known.has(index.m_time[number], packed[0])
            ):
                new += packed
        return new

    def _is_former(self, index: Index, number: int) -> bool:
        """Tell whether an earlier run captured a message."""
        spool = spool_of(index.stores[index.m_store[number]])
        return self.former is not None and spool is getattr(self.former, "store", None)

    def _gather(self, partition: int, envelope: bytes) -> None:
        gathered = self._open.get(partition)
        if gathered is None:
            gathered = self._open[partition] = _Gathered()
        if gathered.size + len(envelope) > BYTES and gathered.envelopes:
            self._seal(partition, gathered)
        gathered.envelopes.append(envelope)
        gathered.size += len(envelope)
        if len(gathered.envelopes) == MESSAGES:
            self._seal(partition, gathered)

    def _seal(self, partition: int, gathered: _Gathered) -> None:
        """Make a batch of what was gathered."""
        envelopes, gathered.envelopes, gathered.size = gathered.envelopes, [], 0
        if not envelopes:
            return
        batch = Batch(partition, len(envelopes), b"".join(envelopes))
        if self._sealed_size + len(batch.data) > SPOOL_WAITING:
            # The disk stands still, or is full.
            self._lost += batch.messages
            return
        self._sealed.append(batch)
        self._sealed_size += len(batch.data)

    def _seal_all(self) -> None:
        for partition, gathered in self._open.items():
            self._seal(partition, gathered)

    # On disk

    async def _keep(self) -> None:
        """Have what came on disk, some time after the first of it, until the end."""
        while not self._is_ending:
            await self._came.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._came.clear()
            try:
                is_kept = await self._keep_now()
            except Exception as error:
                self._fault(error)
                is_kept = False
            if not is_kept:
                self._came.set()
                await asyncio.sleep(_FULL_SECONDS)
            self._tell_lost()

    async def _keep_now(self) -> bool:
        """Have on disk what came so far; return whether all could be."""
        has_former = self.former in self._session.sources.running
        self._seal_all()
        is_kept = await self._write()
        if is_kept and not has_former and not self._is_settled:
            await self._settle()
        return is_kept

    async def _keep_up(self) -> None:
        """Wait until not much waits for the disk."""
        while self._sealed_size > _KEEPS_UP:
            self._came.set()
            await asyncio.sleep(GATHER_SECONDS)

    async def _write(self) -> bool:
        """Keep the batches that there are; return whether all could be."""
        batches = list(self._sealed)
        kept = await self._do(lambda: self._journal.append(batches))
        for _ in range(kept):
            self._sealed_size -= len(self._sealed.popleft().data)
        if kept:
            self._delivery.idle.clear()
            self._delivery.news.set()
        full = kept < len(batches)
        if full and not self._told_full:
            self._tell("no room on disk for what is to be published: it waits in memory")
        self._told_full = full
        return not full

    def _tell_lost(self) -> None:
        """Say how many messages are lost, now and then."""
        lost, now = self._lost + self._journal.lost, asyncio.get_running_loop().time()
        if lost > self._told_lost and now - self._told_at >= _LOST_SECONDS:
            self._told_lost, self._told_at = lost, now
            self._tell(
                f"{lost:,} messages so far can't be published: there was no room to keep them"
                f"{self._too_long}"
            )

    @property
    def _too_long(self) -> str:
        count = self._enveloper.too_long
        return f" ({count:,} of them are too long for HEP)" if count else ""

    def _tell_left(self) -> None:
        """Say at the end what isn't published."""
        waiting = self.figures().waiting
        if waiting and self._folder is not None:
            place = escape(str(self._folder))
            self._tell(f"{waiting:,} messages aren't published yet: they are kept in {place}")
        elif waiting:
            self._tell(f"{waiting:,} messages weren't published (--spool-dir would keep them)")

    async def _settle(self) -> None:
        """Take note that what an earlier run captured was gone through."""
        self._is_settled, self._known = True, None
        await self._do(self._journal.settle)

    def _fault(self, error: Exception) -> None:
        self._session.faults.note("publish", error)

    async def _do(self, work: Callable[[], Result]) -> Result:
        """Do something with the journal in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
