"""The stream on a bus to an archive: writers share one durable consumer, each message is kept once.

A batch is acknowledged when the file that holds it is visible. Of a writer that is killed before, the
server gives its batches to another one; where it was killed between the two, that one finds that the
archive has them (staging.py).
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream import pipeline
from sipstream.archive import layout, writer
from sipstream.archive.staging import Staging, recover
from sipstream.bus.connecting import Server, connect
from sipstream.bus.names import STREAM
from sipstream.conversations import Conversations
from sipstream.decode import hep
from sipstream.decode.endpoints import Endpoints
from sipstream.entry import Entered
from sipstream.errors import SourceError
from sipstream.escape import escape
from sipstream.segments import Room

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

_MESSAGES = 250_000
"""Messages that are written before their time: sixteen files of a megabyte."""
_BYTES = 256 << 20
"""The same of bytes."""
_BATCHES = 65_536
"""Batches given to writers and not acknowledged: some three million messages."""
_SLACK_SECONDS = 60
"""How long writing may take until the server gives the batches to another writer."""
_AGAIN_SECONDS = 5.0
"""How long to wait after what went wrong."""
_TOGETHER = 512
"""Envelopes taken together: some ms."""
_LONGEST, _MOST = 1 << 20, 1024
"""Bytes and envelopes of a batch that is taken: ours have a sixteenth, and 50."""

Tell = Callable[[str], None]


class _Gathered:
    """What came and isn't written yet."""

    def __init__(self, name: str) -> None:
        self.batches: list[Msg] = []
        """To be acknowledged."""
        self.numbers = array("Q")
        """Messages in the index."""
        self.size = 0
        """Bytes of the batches."""
        self.conversations = Conversations(Endpoints(), memory=None, room=Room(), folds=False)
        self._source = Entered(name, Room())
        self._intake = pipeline.Intake(self._source, self.conversations)

    async def take(self, envelopes: list[bytes]) -> None:
        """Take envelopes through all stages."""
        for begin in range(0, len(envelopes), _TOGETHER):
            batch = self._source.spool.batch(envelopes[begin : begin + _TOGETHER])
            await pipeline.through(self._intake, batch, self._came)

    def finish(self) -> None:
        """Take what streams still held."""
        self.numbers.extend(self._intake.finish())

    def close(self) -> None:
        """Give back where the bytes lay."""
        self._source.spool.close()

    def _came(self, numbers: list[int]) -> Iterator[None]:
        self.numbers.extend(numbers)
        return iter(())


class Draining:
    """One writer. `tell` gets a sentence on what goes wrong, and on what was done in the end."""

    def __init__(self, folder: Path, server: Server, flush: float, tell: Tell) -> None:
        self.written = self.repeated = self.lost = self.strange = 0
        """Messages that are in the archive now, that it had already, that lost their bytes; batches that
        hold something else."""
        self._folder = folder
        self._server = server
        self._flush_seconds = flush
        self._tell = tell
        self._gathered = _Gathered(server.name)
        self._begun = time.monotonic()
        """When the first batch came that isn't written yet."""
        self._told = ""
        self._busy = asyncio.Lock()
        """Held by who takes batches, and who writes them."""

    async def run(self) -> None:
        """Archive what comes until this is cancelled; what has come by then is written.

        Raises:
            SourceError: the server can't be reached, or refuses us.
        """
        recover(self._folder)
        client = await connect(self._server, self._tell)
        # Where nats-py is missing, connecting has said so.
        from nats.errors import ConnectionClosedError

        from sipstream.bus.stream import ConsumerGone, Pull

        js = client.jetstream()
        folder = escape(str(self._folder))
        self._tell(
            f"archiving from {self._server.name}: what comes is in {folder}"
            f" after {self._flush_seconds} s at the latest, until Ctrl-C"
        )
        flushing = asyncio.create_task(self._flush_in_time(client))
        try:
            while True:
                name = await self._consumer(js)
                with suppress(ConsumerGone):
                    async for came in Pull(js, name).batches():
                        await self._take(came, client)
        except ConnectionClosedError:
            raise SourceError(f"{self._server.name}: the connection was closed for good") from None
        finally:
            flushing.cancel()
            with suppress(asyncio.CancelledError):
                await flushing
            await self._flush(client)
            await client.close()
            self._sum_up()

    async def _consumer(self, js: JetStreamContext) -> str:
        """Have the consumer there that all writers of this archive share, return its name."""
        from nats.js.api import AckPolicy, ConsumerConfig
        from nats.js.errors import NotFoundError

        from sipstream.bus.stream import TROUBLE, words

        name = f"archive-{layout.identity(self._folder)}"
        config = ConsumerConfig(
            durable_name=name, ack_policy=AckPolicy.EXPLICIT, max_ack_pending=_BATCHES,
            ack_wait=2 * self._flush_seconds + _SLACK_SECONDS,
        )  # fmt: skip
        while True:
            try:
                await js.add_consumer(STREAM, config)
            except NotFoundError:
                self._complain(f"there is no stream {STREAM} yet: who publishes makes it")
            except TROUBLE as error:
                self._complain(f"the stream {STREAM} can't be read: {words(error)}")
            else:
                self._told = ""
                return name
            await asyncio.sleep(_AGAIN_SECONDS / 5)

    async def _take(self, came: list[Msg], client: Client) -> None:
        """Take batches; write when they are enough."""
        envelopes = [envelope for one in came for envelope in self._split(one.data)]
        async with self._busy:
            gathered = self._gathered
            if not gathered.batches:
                self._begun = time.monotonic()
            await gathered.take(envelopes)
            # Only now: what wasn't taken whole, because this was ended, must come again.
            gathered.batches += came
            gathered.size += sum(len(one.data) for one in came)
            if len(gathered.numbers) >= _MESSAGES or gathered.size >= _BYTES:
                await self._flush(client)

    def _split(self, data: bytes) -> list[bytes]:
        """Return the envelopes of a batch; anyone who may publish may have sent it."""
        too_much = len(data) > _LONGEST or data.count(hep.MAGIC) > _MOST
        envelopes = [] if too_much else hep.split(data)
        if not envelopes or sum(map(len, envelopes)) < len(data):
            self.strange += 1
        return envelopes

    async def _flush_in_time(self, client: Client) -> None:
        """Write what waits when its time is over."""
        while True:
            await asyncio.sleep(self._flush_seconds / 10)
            waited = time.monotonic() - self._begun
            if self._gathered.batches and waited >= self._flush_seconds:
                async with self._busy:
                    await self._flush(client)

    async def _flush(self, client: Client) -> None:
        """Write what waits, then acknowledge it. What can't be written comes again."""
        gathered, self._gathered = self._gathered, _Gathered(self._server.name)
        if not gathered.batches:
            return
        gathered.finish()
        writing = asyncio.get_running_loop().run_in_executor(None, self._write, gathered)
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await writing
            await self._acknowledge(gathered, client)
            raise
        except SourceError as error:
            self._complain(str(error))
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            await self._acknowledge(gathered, client)
        finally:
            gathered.close()

    def _write(self, gathered: _Gathered) -> None:
        """Put messages into the archive, in a thread.

        Raises:
            SourceError: the disk is full, or the like: nothing of this is visible.
        """
        index = gathered.conversations.index
        with Staging(self._folder) as staging:
            try:
                self.lost += writer.write(index, gathered.numbers, staging, staging.name)
            except OSError as error:
                raise staging.failed(error) from error
            self.written += staging.commit()
            self.repeated += staging.repeated

    async def _acknowledge(self, gathered: _Gathered, client: Client) -> None:
        """Say that batches needn't come again; where that is lost they come, and are known."""
        from sipstream.bus.stream import TROUBLE

        self._told = ""
        with suppress(*TROUBLE):
            for one in gathered.batches:
                await client.publish(one.reply, b"+ACK")
            await client.flush()

    def _complain(self, text: str) -> None:
        """Say once what is wrong."""
        if text != self._told:
            self._told = text
            self._tell(text)

    def _sum_up(self) -> None:
        name = escape(str(self._folder))
        more = [f"{self.repeated} were there already"] if self.repeated else []
        more += [f"{self.lost} have lost their bytes"] if self.lost else []
        more += [f"{self.strange} batches hold something else"] if self.strange else []
        self._tell("; ".join([f"{self.written} messages are in {name} now", *more]))
