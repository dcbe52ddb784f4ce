"""An agent without a capture, and somebody who asks it: what tests of the bus need."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from support import batch, ethernet, ipv4, udp

from sipstream.agent.counts import Counts
from sipstream.agent.courtesy import Load, Turns
from sipstream.agent.outlet import Asked
from sipstream.agent.service import Service
from sipstream.agent.standing import Standing
from sipstream.bus.coding import unpack
from sipstream.bus.names import request_subject
from sipstream.decode import hep
from sipstream.decode.decoder import Decoder
from sipstream.packets import Tally
from sipstream.session import Session
from sipstream.sip.scan import Scanner

_PATIENCE = 20.0


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(_PATIENCE):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@dataclass
class Answer:
    """What came of a request: messages as their bytes, by parts, and what stood at the end."""

    parts: list[list[bytes]] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)
    kind: str = ""

    @property
    def messages(self) -> list[bytes]:
        return [one for part in self.parts for one in part]

    def take(self, message: Msg) -> bool:
        """Take one message of it in; return whether that was the last."""
        self.kind = (message.headers or {})["Sipstream"]
        if self.kind == "part":
            self.parts.append([_payload(one) for one in unpack(message.data)])
            return False
        self.end = json.loads(message.data)
        return True


def _payload(envelope: bytes) -> bytes:
    captured = hep.parse(envelope, 0, len(envelope))
    assert captured is not None
    return envelope[captured.start : captured.end]


class Asking:
    """A client of the bus."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, tap: str, verb: str, **fields: Any) -> Answer:
        return await self.raw(tap, verb, json.dumps(fields).encode())

    async def raw(self, tap: str, verb: str, data: bytes) -> Answer:
        """Ask with any bytes, wait for all of the answer."""
        inbox = self.client.new_inbox()
        waiting = await self.client.subscribe(inbox)
        await self.client.publish(request_subject(tap, verb), data, reply=inbox)
        answer = Answer()
        while not answer.take(await waiting.next_msg(timeout=_PATIENCE)):
            pass
        await waiting.unsubscribe()
        return answer

    async def follow(self, tap: str, **fields: Any) -> Followed:
        """Begin a follow and return what takes its messages."""
        inbox = self.client.new_inbox()
        followed = Followed(self.client, tap, inbox)
        await self.client.subscribe(inbox, cb=followed.take)
        await followed.ask(**fields)
        return followed


class Followed:
    """What comes of a follow."""

    def __init__(self, client: Client, tap: str, inbox: str) -> None:
        self._client, self._tap, self._inbox = client, tap, inbox
        self.messages: list[bytes] = []
        self.parts = 0
        self.missed = 0
        self.told: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._came = asyncio.Event()

    async def ask(self, **fields: Any) -> tuple[str, dict[str, Any]]:
        await self._client.publish(
            request_subject(self._tap, "follow"), json.dumps(fields).encode(), reply=self._inbox
        )
        async with asyncio.timeout(_PATIENCE):
            self.last = await self.told.get()
        return self.last

    async def take(self, message: Msg) -> None:
        headers = message.headers or {}
        if headers["Sipstream"] == "part":
            self.parts += 1
            self.missed += int(headers.get("Sipstream-Missed", 0))
            self.messages += [_payload(one) for one in unpack(message.data)]
            self._came.set()
        else:
            self.told.put_nowait((headers["Sipstream"], json.loads(message.data)))

    async def until(self, count: int) -> list[bytes]:
        """Wait until so many messages came."""
        async with asyncio.timeout(_PATIENCE):
            while len(self.messages) < count:
                self._came.clear()
                await self._came.wait()
        return self.messages


class Agent:
    """A session that messages are put into by hand, and its service."""

    def __init__(self, session: Session, tap: str) -> None:
        self.session = session
        self.tap = tap
        self.counts = Counts()
        load = Load()
        standing = Standing(session, tap, load, self.counts)
        self.service = Service(session, tap, standing, Turns(load), self.counts)
        self._clock = 10**18
        self._scanner = Scanner(Tally("test"))

    def put(self, *messages: bytes) -> None:
        """Have messages come in, a millisecond apart, as a source does."""
        times = [self._clock + place * 10**6 for place in range(len(messages))]
        self._clock = times[-1] + 10**6
        given = batch([ethernet(ipv4(udp(one))) for one in messages], times=times)
        decoder = Decoder(Tally("test"), self.session.conversations.index.endpoints)
        found = self._scanner.feed(decoder.feed(given))
        numbers = self.session.conversations.feed(found, given.store)
        deque(self.session.publishing.publish(numbers), 0)


@asynccontextmanager
async def agent(url: str, tap: str = "sbc1") -> AsyncIterator[Agent]:
    """An agent that answers on a server."""
    async with Session() as session:
        made = Agent(session, tap)
        client = await nats.connect(url)
        client.msg_class = Asked
        async with made.service.on(client, {"tap": tap, "host": "h", "version": "1"}):
            await client.flush()
            yield made
        await client.close()


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[Asking]:
    """Somebody who asks agents on a server."""
    client = await nats.connect(url)
    yield Asking(client)
    await client.close()
