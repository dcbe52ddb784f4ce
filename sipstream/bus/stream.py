"""The stream of messages: what it is, that it is there, and how a consumer of it is asked for batches.

A JetStream stream that all taps publish to. Each of its NATS messages is a batch: envelopes (HEP v3
packets) of one tap and one partition, one behind the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import nats.errors
from nats.js.api import StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from sipstream.bus.names import STREAM, STREAM_SUBJECTS
from sipstream.errors import SipstreamError
from sipstream.escape import escape

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext
    from nats.js.api import StreamInfo

AGE_SECONDS = 24 * 3600
"""How long messages stay in a stream that we make, unless told otherwise."""
SIZE = 10 << 30
"""Bytes that it holds, unless told otherwise: 1,000 messages/s for some three hours."""
DUPLICATE_SECONDS = 120
"""How long the server knows the ids of batches, some 100 bytes each. Who publishes looks for what it
sent last before it sends anything again later than that."""

AHEAD = 256
"""Batches asked for at a time, at most 16 MiB: a round trip for some 10,000 messages."""
_EXPIRES_SECONDS = 30.0
"""How long the server keeps a request for batches."""
_HEARTBEAT_SECONDS = 1.0
"""How often it says that it does so, while there is nothing to send."""
ANSWER_SECONDS = 3.0
"""How long it has to make a consumer, or to say that there is one."""
_LOOK_SECONDS = 0.25
"""How soon it is seen that the connection was made anew, with which requests are gone."""
AGAIN_SECONDS = 0.5
"""How long to wait before something is asked for again."""
_NS = 10**9
_PLACED = "$JS.ACK."
"""What the reply subject of a stored message begins with, and that of no other."""
_HEARTBEAT, _OVER = "100", ("404", "408")
"""Statuses: a request is still there; it ended as it had to, the time being over."""
_TAKEN, _OVERLAPPING = 10058, 10065
"""Error codes of the server: there is a stream of this name; there is one of these subjects."""

TROUBLE = (nats.errors.Error, TimeoutError, APIError, OSError)
"""What asking the server may raise."""

Tell = Callable[[str], None]


class StreamError(SipstreamError):
    """The stream isn't as it must be, or can't be made."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What was asked for of the stream; None where nothing was."""

    seconds: int | None = None
    """How long it keeps messages."""
    size: int | None = None
    """How many bytes it holds; beyond, the oldest go."""
    replicas: int | None = None
    """On how many servers of a cluster it lies."""


class Place(NamedTuple):
    """Where a batch stands: its numbers in the stream and among those that a reader was given."""

    sequence: int
    delivery: int
    time: int
    """When it was stored, ns since the epoch."""
    left: int
    """Batches behind it that the reader wasn't given yet."""
    times: int
    """How often it was given to a reader of this name."""


def place(batch: Msg) -> Place:
    """Return where a batch stands.

    Raises:
        nats.errors.NotJSMessageError: it isn't of a stream.
    """
    tokens = batch.Metadata._get_metadata_fields(batch.reply)
    # $JS.ACK[.domain.account].stream.consumer.times.sequence.delivery.time.left[.more]
    first = 4 if len(tokens) == 9 else 6
    times, sequence, delivery, stored, left = map(int, tokens[first : first + 5])
    return Place(sequence, delivery, stored, left, times)


# Making it


async def ensure_stream(js: JetStreamContext, limits: Limits, tell: Tell) -> StreamInfo:
    """Have the stream there; one that is there stays as it is, and it is told where it isn't as asked.

    Raises:
        StreamError: it can't be made, or takes other subjects.
        nats.errors.Error, TimeoutError: the server doesn't answer.
    """
    try:
        info = await js.stream_info(STREAM)
    except NotFoundError:
        info = await _make(js, limits)
    if STREAM_SUBJECTS not in (info.config.subjects or []):
        raise StreamError(
            f"the stream {STREAM} takes other subjects than {STREAM_SUBJECTS}: rename one"
        )
    differing = _differing(info.config, limits)
    if differing:
        tell(
            f"the stream {STREAM} is there with {' and '.join(differing)}: it stays so"
            f" (`nats stream edit {STREAM}` changes it)"
        )
    return info


async def _make(js: JetStreamContext, limits: Limits) -> StreamInfo:
    seconds = limits.seconds or AGE_SECONDS
    config = StreamConfig(
        name=STREAM, description="SIP messages: HEP v3 packets, one behind the other",
        subjects=[STREAM_SUBJECTS], storage=StorageType.FILE, max_age=seconds,
        max_bytes=limits.size or SIZE, num_replicas=limits.replicas or 1,
        duplicate_window=min(DUPLICATE_SECONDS, seconds),
    )  # fmt: skip
    try:
        return await js.add_stream(config)
    except nats.errors.TimeoutError as error:
        raise StreamError(
            f"there is no stream {STREAM}, and making it gets no answer: may this account make it?"
        ) from error
    except ServiceUnavailableError:
        raise
    except APIError as error:
        if error.err_code == _TAKEN:
            # Another one was faster, and wanted other limits.
            return await js.stream_info(STREAM)
        what = escape(error.description or "refused")
        if error.err_code == _OVERLAPPING:
            what = f"another stream takes {STREAM_SUBJECTS} already"
        raise StreamError(f"the stream {STREAM} can't be made: {what}") from error


def _differing(config: StreamConfig, limits: Limits) -> list[str]:
    """Return what the stream has that isn't as it was asked for."""
    size = config.max_bytes if config.max_bytes and config.max_bytes > 0 else 0
    there = (
        (limits.seconds, int(config.max_age or 0), "seconds"),
        (limits.size, size, "bytes"),
        (limits.replicas, config.num_replicas, "replicas"),
    )
    return [
        f"{has or 'no limit of'} {unit} (not {wanted})"
        for wanted, has, unit in there
        if wanted is not None and wanted != has
    ]


# Consumers of it


class ConsumerGone(Exception):  # noqa: N818
    """Nobody knows the consumer any more, or it is on a server of a cluster that is gone."""


class Pull:
    """The batches that a consumer of the stream is given, asked for as they are taken.

    It outlives connections. Several of the same durable consumer share its batches.
    """

    def __init__(self, js: JetStreamContext, consumer: str, *, ahead: int = AHEAD) -> None:
        self._js = js
        self._nc: Client = js._nc
        self._consumer = consumer
        self._ahead = ahead
        self._came: list[Msg] = []
        self._news = asyncio.Event()
        self._asked = 0
        """Batches that a request still brings."""
        self._doubted = False
        """A request ended before its time, or got no answer: the consumer may be gone. Nobody says so
        for one that is on a server which was killed."""
        self._heard = 0.0
        self._connection = -1

    async def batches(self) -> AsyncGenerator[list[Msg], None]:
        """Yield what came, in order, as soon as it is there.

        Raises:
            ConsumerGone: there is no such consumer any more, or none that answers: the server that had
                it may be gone from the cluster for good.
            nats.errors.ConnectionClosedError: the connection was closed for good.
        """
        inbox = self._nc.new_inbox()
        subscription = await self._nc.subscribe(inbox, cb=self._take)
        try:
            while True:
                if self._asked <= 0:
                    await self._ask(inbox)
                await self._wait()
                if self._came:
                    came, self._came = self._came, []
                    yield came
        finally:
            if not self._nc.is_closed:
                await subscription.unsubscribe()

    async def _take(self, msg: Msg) -> None:
        self._heard = time.monotonic()
        status = (msg.headers or {}).get("Status")
        if msg.reply.startswith(_PLACED):
            self._asked -= 1
            self._came.append(msg)
        elif status != _HEARTBEAT:
            self._asked = 0
            self._doubted = status not in _OVER
        self._news.set()

    async def _ask(self, inbox: str) -> None:
        """Ask for more; where there is a doubt see before whether the consumer is there."""
        if self._nc.is_closed:
            raise nats.errors.ConnectionClosedError
        if self._doubted:
            self._doubted = False
            await asyncio.sleep(AGAIN_SECONDS)
            try:
                await self._js.consumer_info(STREAM, self._consumer, timeout=ANSWER_SECONDS)
            except TROUBLE as error:
                if isinstance(error, NotFoundError) or self._nc.is_connected:
                    raise ConsumerGone from error
                self._doubted = True
                return
        self._connection = self._nc.stats["reconnects"]
        self._heard = time.monotonic()
        self._asked = self._ahead
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._consumer}"
        request = (
            b'{"batch":%d,"expires":%d,"idle_heartbeat":%d}'
            % (self._ahead, _EXPIRES_SECONDS * _NS, _HEARTBEAT_SECONDS * _NS)
        )  # fmt: skip
        await self._nc.publish(subject, request, inbox)

    async def _wait(self) -> None:
        """Wait for news; a request that went with a connection, or was lost, isn't waited for."""
        self._news.clear()
        if not self._came and self._asked > 0:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                silent = time.monotonic() - self._heard
                again = self._nc.is_closed or self._nc.stats["reconnects"] != self._connection
                if again or (self._nc.is_connected and silent > 3 * _HEARTBEAT_SECONDS):
                    self._asked, self._doubted = 0, True


def words(error: Exception) -> str:
    """Return what to say of trouble with the server."""
    if isinstance(error, ServiceUnavailableError):
        return (
            "the server has no JetStream for this account, or none at present"
            " (`nats-server -js` has it)"
        )
    if isinstance(error, APIError):
        return escape(error.description or str(error))
    if isinstance(error, TimeoutError):
        return "no answer (no leader in the cluster at present, or the account isn't allowed to)"
    return escape(str(error))
