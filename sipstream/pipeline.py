"""Source -> decode -> SIP -> conversations -> subscribers: the one place where data moves on.

A source is drawn batch by batch, each batch goes through all stages in one go of a few milliseconds,
then the event loop has its turn. So nothing queues up here: a slow stage slows the source, and a
source that can't wait (an interface) has its queue in the kernel, where drops are counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING

from sipstream.conversations import Conversations
from sipstream.decode.decoder import Decoder
from sipstream.decode.keylog import Secrets
from sipstream.decode.streams import Datagram
from sipstream.faults import Restarts
from sipstream.limits import BATCH_PACKETS
from sipstream.pace import Pace
from sipstream.packets import Batch, Store
from sipstream.parallel import Scanned
from sipstream.sip.found import Found, FoundOnly
from sipstream.sip.scan import Scanner
from sipstream.sources import Source

if TYPE_CHECKING:
    from sipstream.rtp.streams import Streams

_FIRST_PACKETS = 64
_LONG = 0.006
"""Seconds that packets may hold the event loop: keys are echoed and lines printed between two times."""


class Intake:
    """One source's way through the stages, and what came of it; RTP and RTCP go to `streams`."""

    def __init__(
        self,
        source: Source,
        conversations: Conversations,
        secrets: Secrets | None = None,
        streams: Streams | None = None,
    ) -> None:
        self.source = source
        self.opened = 0
        """Conversations that began with a message of this source."""
        self.only: Container[bytes] | None = None
        """The Call-IDs whose messages are taken, None for all."""
        self._store: Store | None = None
        self._tap = ""
        self._conversations = conversations
        self._streams = streams
        self._decoder = Decoder(source.tally, conversations.index.endpoints, secrets)
        self._scanner = Scanner(source.tally)
        self._restarts = Restarts()

    def feed(self, batch: Batch) -> list[int]:
        """Take a batch through all stages, return the numbers of the messages that came of it.

        A batch that a stage fails on is passed over; its packets are counted, and kept. When that
        happens too often the fault is raised, and ends the source.
        """
        if batch.packets:
            self._store, self._tap = batch.store, batch.tap
        tally = self.source.tally
        tally.about += batch.about
        packets, before = tally.packets, tally.unaccounted
        try:
            if isinstance(batch, Scanned):
                added = self._take(batch)
            else:
                added = self._group(self._decoder.feed(batch), batch.store, batch.tap)
        except Exception as error:
            tally.packets = packets + batch.packets
            tally.suspect_all(error, tally.unaccounted - before, batch)
            if not self._restarts.again():
                raise
            return []
        if batch.comments:
            self._conversations.index.keep_comments(added, batch)
        return added

    def finish(self) -> list[int]:
        """The source ended: return the numbers of messages that streams still held."""
        if self._store is None:
            return []
        return self._group(self._decoder.finish(), self._store, self._tap)

    def regroup(self, conversations: Conversations) -> None:
        """Put what comes from now on into other conversations (`clear`)."""
        self._conversations = conversations

    def _take(self, scanned: Scanned) -> list[int]:
        """Take what went through the first stages in another process."""
        tally, part = self.source.tally, scanned.tally
        tally.packets += part.packets
        tally.bytes += part.bytes
        tally.reasons.update(part.reasons)
        flows = scanned.flows.flows(self._decoder.flows.of_plain)
        added = self._enter(Found.unpacked(scanned.found, flows), scanned.store, scanned.tap)
        tally.with_messages += part.with_messages
        return added

    def _group(self, datagrams: list[Datagram], store: Store, tap: str) -> list[int]:
        if self._streams is not None:
            datagrams = self._streams.feed(datagrams, self.source.tally, tap)
        with_messages = self.source.tally.with_messages
        try:
            found = None if self.only is None else FoundOnly(self.only)
            return self._enter(self._scanner.feed(datagrams, found), store, tap)
        except Exception:
            self.source.tally.with_messages = with_messages
            raise

    def _enter(self, found: Found, store: Store, tap: str) -> list[int]:
        """Put messages into conversations, return their numbers."""
        before = self._conversations.opened
        added = self._conversations.feed(found, store, tap)
        self.opened += self._conversations.opened - before
        self.source.tally.messages += len(added)
        if self._decoder.correlations:
            self._conversations.correlate(added, self._decoder.correlations)
            self._decoder.correlations.clear()
        return added


class _Pace:
    """How many packets go through the stages at a time, so that the event loop isn't held for long."""

    def __init__(self) -> None:
        self.packets = _FIRST_PACKETS
        self._begun = 0.0

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *fault: object) -> None:
        took = time.perf_counter() - self._begun
        if took > _LONG:
            self.packets = max(self.packets // 2, 1)
        elif took < _LONG / 3:
            self.packets = min(self.packets * 2, BATCH_PACKETS)


async def run(
    intake: Intake,
    publish: Callable[[list[int]], Iterable[None] | None],
    *,
    stop: asyncio.Event | None = None,
    between: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """Draw a source to its end, hand the numbers of new messages to `publish`, which may work in pieces.

    `stop` ends it early, with what came in kept; returns whether that happened. `between` is awaited
    after each batch: it shows how far things are, and lets who shows messages keep up.
    """
    stopped = False
    pace = _Pace()
    async with aclosing(intake.source.batches()) as batches:
        async for batch in batches:
            stopped = await through(intake, batch, publish, pace, stop=stop, between=between)
            if stopped:
                break
    await _tell(publish(intake.finish()) or (), between)
    return stopped


async def through(
    intake: Intake,
    batch: Batch,
    publish: Callable[[list[int]], Iterable[None] | None],
    pace: _Pace | None = None,
    *,
    stop: asyncio.Event | None = None,
    between: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """Take one batch through all stages, in parts; return whether `stop` ended that early."""
    pace = pace if pace is not None else _Pace()
    rest: Batch | None = batch
    while rest is not None:
        part, rest = rest.parts(pace.packets)
        with pace:
            added = intake.feed(part)
        await _tell(publish(added) or (), between)
        if stop is not None and stop.is_set():
            return True
        if between is not None:
            await between()
        await asyncio.sleep(0)
    return False


async def _tell(pieces: Iterable[None], between: Callable[[], Awaitable[None]] | None) -> None:
    """Tell of new messages in turns: what a follow draws of thousands takes a second."""
    pace = Pace()
    for _ in pieces:
        if pace.due():
            if between is not None:
                await between()
            await pace.rest()
