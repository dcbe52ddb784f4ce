"""Bringing batches from the spool on disk to the stream: in order within a partition, each once.

Of a partition one batch is under way at a time. Where it isn't known whether the server has it (the
connection broke, a crash), the last batch of the partition's subject is looked at before it is sent
again: so nothing is doubled, however long that took. Within two minutes its id does the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from nats.js.errors import NoStreamResponseError, NotFoundError

from sipstream.bus import names
from sipstream.bus.names import STREAM
from sipstream.bus.stream import TROUBLE, Limits, StreamError, Tell, ensure_stream, words
from sipstream.errors import SipstreamError

if TYPE_CHECKING:
    from nats.aio.client import Client

    from sipstream.bus.journal import Journal, Kept

WINDOW = 8 << 20
"""Bytes of batches held in memory, from the oldest that the server may not have: 64 KiB and more for each
of 16 partitions, eightfold. A restart finds what the server has among as many."""
_ACK_SECONDS = 5.0
"""How long the server has for an answer."""
_FIRST_AGAIN, _LAST_AGAIN = 0.1, 2.0
"""Seconds before something is tried again, and again."""
_PATIENCE = 3.0
"""Seconds of trouble before the user is told: a cluster chooses another leader in fewer."""
_TOGETHER = 0.005
"""Seconds in which what was acknowledged is gathered: each look at the disk costs time."""
_RECONNECT_SECONDS = 2.0
"""After which a connection that was refused is tried again."""
_NO_ANSWER = (ValueError, TypeError, KeyError)
"""What comes of an answer that isn't one."""
_ID, _EXPECTED = "Nats-Msg-Id", "Nats-Expected-Stream"

Connect = Callable[[], Awaitable["Client"]]


@dataclass(eq=False, slots=True)
class _Waiting:
    """A batch on its way."""

    kept: Kept
    done: bool = False


@dataclass(slots=True)
class _Lane:
    """The batches of one subject, in order; `unsure`: the server may have the first of them."""

    subject: str
    waiting: deque[_Waiting] = field(default_factory=deque)
    unsure: bool = False
    runs: bool = False


@dataclass(slots=True)
class Delivered:
    """What came of it so far."""

    messages: int = 0
    """That the server acknowledged."""
    batches: int = 0
    bytes: int = 0
    repeats: int = 0
    """Batches that the server had already."""
    again: int = 0
    """Batches that were sent again."""


class Delivery:
    """Sends what a journal holds; `connect` returns a connection that is made anew whenever it breaks.

    `do` does something with the journal in its thread, `fault` takes faults of ours.
    """

    def __init__(
        self,
        journal: Journal,
        connect: Connect,
        limits: Limits,
        tell: Tell,
        do: Callable[[Callable[[], list[Kept]]], Awaitable[list[Kept]]],
        fault: Callable[[Exception], object],
    ) -> None:
        self.counts = Delivered()
        self.news = asyncio.Event()
        """Set when there is more in the journal, or something was acknowledged."""
        self.idle = asyncio.Event()
        """Nothing is under way, and nothing waits in the journal."""
        self._journal = journal
        self._connect = connect
        self._limits = limits
        self._tell = tell
        self._do = do
        self._fault = fault
        self._nc: Client | None = None
        self._under_way: deque[_Waiting] = deque()
        """In the order of the journal."""
        self._size = 0
        """Bytes of these."""
        self._lanes: dict[str, _Lane] = {}
        self._has_stream = False
        self._making = asyncio.Lock()
        self._trouble = 0.0
        """When it began, 0 for none."""
        self._told = Counter[str]()

    @property
    def waiting(self) -> int:
        """Messages that the server doesn't have yet."""
        under_way = sum(one.kept.batch.messages for one in self._under_way if not one.done)
        return self._journal.unread + under_way

    @property
    def is_away(self) -> bool:
        """Whether the server isn't reached at present."""
        return self._trouble > 0 or self._nc is None or not self._nc.is_connected

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            self._nc = await self._connected()
            async with asyncio.TaskGroup() as senders:
                while True:
                    self.news.clear()
                    try:
                        await self._turn(senders)
                    except Exception as error:
                        self._fault(error)
                        self.news.set()
                        await asyncio.sleep(_LAST_AGAIN)
                    await self.news.wait()
                    await asyncio.sleep(_TOGETHER)
        finally:
            if self._nc is not None:
                await self._nc.close()

    async def _connected(self) -> Client:
        """Return the first connection, which may take long: the server may be away, or refuse us."""
        while True:
            try:
                return await self._connect()
            except (SipstreamError, *TROUBLE) as error:
                text = str(error) if isinstance(error, SipstreamError) else words(error)
                self._tell_once(f"not published yet: {text}")
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _turn(self, senders: asyncio.TaskGroup) -> None:
        """Take note of what was acknowledged, and have more under way."""
        journal, committed = self._journal, -1
        while self._under_way and self._under_way[0].done:
            kept = self._under_way.popleft().kept
            committed = kept.end
            self._size -= len(kept.batch.data)
        room = WINDOW - self._size
        loaded = await self._do(partial(_commit_and_load, journal, committed, room))
        for kept in loaded:
            self._send_soon(kept, senders)
        if self._under_way or journal.unread:
            self.idle.clear()
        else:
            self.idle.set()

    def _send_soon(self, kept: Kept, senders: asyncio.TaskGroup) -> None:
        one = _Waiting(kept)
        self._under_way.append(one)
        self._size += len(kept.batch.data)
        subject = names.stream_subject(kept.token, kept.batch.partition)
        lane = self._lanes.get(subject)
        if lane is None:
            lane = self._lanes[subject] = _Lane(subject, unsure=self._journal.is_former)
        lane.waiting.append(one)
        if not lane.runs:
            lane.runs = True
            senders.create_task(self._send_all(lane))

    async def _send_all(self, lane: _Lane) -> None:
        """Send what waits in a lane, one after the other."""
        pause = _FIRST_AGAIN
        while lane.waiting:
            try:
                sent = await self._send(lane)
            except Exception as error:
                self._fault(error)
                sent = False
            if sent:
                pause = _FIRST_AGAIN
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LAST_AGAIN)
        lane.runs = False

    async def _send(self, lane: _Lane) -> bool:
        """Send the first batch of a lane; return whether the server has it."""
        nc = self._nc
        assert nc is not None
        if not nc.is_connected:
            # A connection that isn't there would keep it, and send it later.
            self._in_trouble("the server is away")
            return False
        try:
            await self._make_stream()
            if lane.unsure:
                await self._look(lane)
                if not lane.waiting:
                    return True
            kept = lane.waiting[0].kept
            lane.unsure = True
            ack = await nc.jetstream(timeout=_ACK_SECONDS).publish(
                lane.subject, kept.batch.data, headers={_ID: kept.id, _EXPECTED: STREAM}
            )
        except NoStreamResponseError:
            self._has_stream = False
            self._in_trouble(
                f"no stream takes {lane.subject} at present (`nats-server -js` has streams)"
            )
        except StreamError as error:
            self._in_trouble(str(error))
        except TROUBLE as error:
            self._in_trouble(words(error))
        except _NO_ANSWER:
            self._in_trouble("what answers isn't JetStream")
        else:
            lane.unsure = False
            self.counts.repeats += bool(ack.duplicate)
            self._is_there(lane.waiting.popleft())
            return True
        self.counts.again += 1
        return False

    async def _look(self, lane: _Lane) -> None:
        """See which of a lane's batches the server has: up to the last one of its subject.

        Who may not look relies on the ids, which the server knows for two minutes.
        """
        assert self._nc is not None
        try:
            last = await self._nc.jetstream(timeout=_ACK_SECONDS).get_last_msg(STREAM, lane.subject)
        except NotFoundError:
            return
        except TROUBLE:
            if not self._nc.is_connected:
                raise
            return
        name = (last.headers or {}).get(_ID)
        if any(one.kept.id == name for one in lane.waiting):
            while lane.waiting:
                one = lane.waiting.popleft()
                self._is_there(one)
                if one.kept.id == name:
                    break

    async def _make_stream(self) -> None:
        """Have the stream there, once for each time that it wasn't."""
        assert self._nc is not None
        async with self._making:
            if self._has_stream:
                return
            try:
                js = self._nc.jetstream(timeout=_ACK_SECONDS)
                await ensure_stream(js, self._limits, self._tell_once)
            except TROUBLE:
                # Some may publish only: then the stream is there, or publishing says that it isn't.
                if not self._nc.is_connected:
                    raise
            self._has_stream = True

    def _is_there(self, one: _Waiting) -> None:
        one.done = True
        self.counts.messages += one.kept.batch.messages
        self.counts.batches += 1
        self.counts.bytes += len(one.kept.batch.data)
        if self._told["away"]:
            self._told.clear()
            self._tell(f"published again, {self.waiting:,} messages wait")
        self._trouble = 0.0
        self.news.set()

    def _in_trouble(self, text: str) -> None:
        """Say that batches wait, once, if it takes longer than a moment."""
        now = asyncio.get_running_loop().time()
        self._trouble = self._trouble or now
        if now - self._trouble >= _PATIENCE and not self._told["away"]:
            self._told["away"] = 1
            self._tell(f"not published at present, what comes is kept on disk: {text}")

    def _tell_once(self, text: str) -> None:
        self._told[text] += 1
        if self._told[text] == 1:
            self._tell(text)


def _commit_and_load(journal: Journal, committed: int, room: int) -> list[Kept]:
    if committed >= 0:
        journal.commit(committed)
    loaded = journal.load(room)
    if not loaded and not journal.unread:
        journal.note()
    return loaded
