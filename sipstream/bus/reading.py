"""Reading the stream of messages from some time on, in order, whatever breaks meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from sipstream.bus.names import STREAM
from sipstream.bus.stream import (
    AGAIN_SECONDS,
    ANSWER_SECONDS,
    TROUBLE,
    ConsumerGone,
    Pull,
    Tell,
    place,
    words,
)

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext
    from nats.js.api import StreamInfo

_INACTIVE_SECONDS = 60.0
"""After which the server forgets a reader that is gone."""
_APART_SECONDS = 10.0
"""By how much the servers of a cluster may differ on when they made a stream."""
_LOOKS = 3
"""How often a stream has to look like another one to be another one."""
_NS = 10**9


class Reader:
    """All batches of the stream from some time on, each once and in order, whatever breaks meanwhile.

    `since` is that time in ns since the epoch, 0 for the first batch that is there, None for what
    comes from now on. `tell` is told in a sentence of what is missing or waited for; `caught_up` is set
    once what was there at the beginning was taken.
    """

    def __init__(
        self,
        js: JetStreamContext,
        since: int | None,
        tell: Tell,
        caught_up: asyncio.Event | None = None,
    ) -> None:
        self.missing = 0
        """Batches that the stream no longer had when they would have come."""
        self.left = 0
        """Batches that are there and weren't read yet, as far as is known."""
        self._js = js
        self._since = since
        self._tell = tell
        self._caught_up = caught_up or asyncio.Event()
        self._sequence: int | None = None
        """Of the last batch that was read, or passed over at the start."""
        self._created: datetime | None = None
        """When the stream was made that is read."""
        self._waits_for = ""

    async def batches(self) -> AsyncGenerator[list[Msg], None]:
        """Yield batches as they come; never ends by itself.

        Raises:
            nats.errors.ConnectionClosedError: the connection was closed for good.
        """
        while True:
            name = await self._consumer()
            self._see_whether_caught_up()
            delivered = 0
            pull = Pull(self._js, name)
            reading = pull.batches()
            try:
                async for came in reading:
                    good = self._in_order(came, delivered)
                    delivered += len(good)
                    if good:
                        yield good
                        self._see_whether_caught_up()
                    if len(good) < len(came):
                        break
            except ConsumerGone:
                pass
            finally:
                await reading.aclose()

    def _see_whether_caught_up(self) -> None:
        if not self.left:
            self._caught_up.set()

    def _in_order(self, came: list[Msg], delivered: int) -> list[Msg]:
        """Return the first ones, up to where one is missing that was sent to us and didn't come."""
        for number, one in enumerate(came):
            at = place(one)
            if at.delivery != delivered + number + 1:
                return came[:number]
            if self._sequence is not None and at.sequence > self._sequence + 1:
                self._miss(at.sequence - self._sequence - 1)
            self._sequence, self.left = at.sequence, at.left
        return came

    def _miss(self, count: int) -> None:
        self.missing += count
        self._tell(
            f"{count} batches were gone from the stream before they were read"
            " (it holds too little, or this end was away for too long)"
        )

    async def _consumer(self) -> str:
        """Have the server make a reader that goes on behind what was read, return its name."""
        failed = 0
        while True:
            await self._connected()
            try:
                await self._look_at_stream()
                # It may be put on the server that has just gone: then it is asked for again.
                info = await self._js.add_consumer(STREAM, self._config(), ANSWER_SECONDS)
            except NotFoundError:
                self._wait_for(f"there is no stream {STREAM} yet: who publishes makes it")
                if self._since is None:
                    # All that it will hold comes from now on.
                    self._since = 0
                self._see_whether_caught_up()
            except TROUBLE as error:
                # A cluster that chooses who leads takes a moment. That the server is away is told by
                # who is connected to it.
                failed += 1
                if failed > 1 and self._js._nc.is_connected:
                    self._wait_for(f"the stream {STREAM} can't be read: {words(error)}")
            else:
                if self._sequence is None and info.delivered is not None and self._since is None:
                    self._sequence = info.delivered.stream_seq
                self.left = info.num_pending or 0
                if self._since is not None and not (self.left or self._caught_up.is_set()):
                    self._tell(f"the stream {STREAM} has nothing of that time; now live")
                self._waits_for = ""
                return info.name
            await asyncio.sleep(AGAIN_SECONDS)

    async def _connected(self) -> None:
        """Wait for the connection: all that is asked for without one would be asked for at once then."""
        while not self._js._nc.is_connected:
            if self._js._nc.is_closed:
                raise nats.errors.ConnectionClosedError
            await asyncio.sleep(AGAIN_SECONDS)

    async def _look_at_stream(self) -> None:
        """See that the stream is the one that was read so far."""
        for _ in range(_LOOKS):
            info = await self._js.stream_info(STREAM)
            if self._sequence is None or self._is_known(info):
                break
            # A server that leads a cluster since a moment ago may not have all yet.
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            self._tell(f"the stream {STREAM} was made anew: it is read from its start")
            self._sequence = 0
        self._created = info.created

    def _is_known(self, info: StreamInfo) -> bool:
        """Tell whether this is the stream that was read so far."""
        apart = 0.0
        if info.created is not None and self._created is not None:
            apart = abs((info.created - self._created).total_seconds())
        return apart <= _APART_SECONDS and info.state.last_seq >= (self._sequence or 0)

    def _config(self) -> ConsumerConfig:
        config = ConsumerConfig(
            ack_policy=AckPolicy.NONE, inactive_threshold=_INACTIVE_SECONDS, mem_storage=True,
            num_replicas=1,
        )  # fmt: skip
        if self._sequence is not None:
            config.deliver_policy = DeliverPolicy.BY_START_SEQUENCE
            config.opt_start_seq = self._sequence + 1
        elif self._since is None:
            config.deliver_policy = DeliverPolicy.NEW
        elif self._since:
            config.deliver_policy = DeliverPolicy.BY_START_TIME
            config.opt_start_time = datetime.fromtimestamp(self._since / _NS, UTC)
        return config

    def _wait_for(self, text: str) -> None:
        """Say once what is waited for."""
        if text != self._waits_for:
            self._waits_for = text
            self._tell(text)
