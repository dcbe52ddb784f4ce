"""Taps for tests: many in one process, which answer as agents do, or as agents must not.

As a program: `python tests/fake_taps.py URL COUNT CONVERSATIONS` simulates a site until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from nats import connect, micro
from nats.aio.client import Client
from nats.micro.request import Request
from support import Chain, batch, ethernet, ipv4, sip, udp

from sipstream.bus import coding
from sipstream.bus.names import SERVICE, VERBS, request_subject
from sipstream.envelopes import Enveloper
from sipstream.filters import Filter
from sipstream.version import __version__

Way = Callable[["FakeTap", str, bytes, Client], Coroutine[Any, Any, None]]
"""Answers a request of a verb in a way of its own; `reply` is where to."""
BEGAN = 1_700_000_000 * 10**9


def call(number: int, *, destination: str = "5660066") -> list[bytes]:
    """A call of four messages; its number is in its Call-ID, and its caller's."""
    known = {
        "call_id": f"call-{number}",
        "source": f"<sip:{4151000 + number}@a>;tag=1",
        "destination": f"<sip:{destination}@b>",
    }
    return [
        sip(f"INVITE sip:{destination}@b SIP/2.0", **known),
        sip("SIP/2.0 180 Ringing", **known),
        sip("SIP/2.0 200 OK", **known),
        sip(f"ACK sip:{destination}@b SIP/2.0", **known, cseq="1 ACK"),
    ]


@dataclass
class FakeTap:
    """One tap: what it has, and what it was asked."""

    name: str
    version: str = __version__
    host: str = "host-of-it"
    ways: dict[str, Way] = field(default_factory=dict)
    """How it answers, by verb, where that isn't as an agent does."""
    info: dict[str, Any] = field(default_factory=dict)
    """What it says of itself in another way."""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    follows: dict[str, tuple[Filter | None, str]] = field(default_factory=dict)
    """By their ids: the filter, and where messages go to."""
    packed: Callable[[Enveloper, Any, list[int]], list[bytes]] = Enveloper.pack
    client: Client | None = None
    chain: Chain = field(default_factory=Chain)

    def __post_init__(self) -> None:
        self.enveloper = Enveloper(self.name)

    def has(self, *messages: bytes, begin: int = BEGAN) -> FakeTap:
        """Have captured messages, a millisecond apart."""
        times = [begin + place * 10**6 for place in range(len(messages))]
        self.chain.feed(batch([ethernet(ipv4(udp(one))) for one in messages], times=times))
        return self

    async def sees(self, *messages: bytes, begin: int | None = None) -> None:
        """Capture messages now, tell those who follow."""
        begin = time.time_ns() if begin is None else begin
        times = [begin + place * 10**6 for place in range(len(messages))]
        given = batch([ethernet(ipv4(udp(one))) for one in messages], times=times)
        numbers = self.chain.feed(given)
        conversations = self.chain.conversations
        for wanted, reply in self.follows.values():
            mine = [
                number
                for number in numbers
                if wanted is None
                or wanted.matches(conversations[conversations.index.m_conversation[number]])
            ]
            if mine:
                await self.send(reply, coding.PART, self.part(mine))
        assert self.client is not None
        await self.client.flush()

    def part(self, numbers: list[int]) -> bytes:
        """Return messages as a part of an answer."""
        return coding.pack(self.packed(self.enveloper, self.chain.conversations.index, numbers))

    async def send(self, reply: str, kind: str, data: bytes) -> None:
        assert self.client is not None
        await self.client.publish(reply, data, headers={coding.KIND: kind})

    async def end(self, reply: str, **values: Any) -> None:
        about = {"tap": self.name, "version": self.version, "time": time.time_ns()}
        await self.send(reply, coding.END, coding.dump(values | about))

    async def answer(self, verb: str, data: bytes, reply: str) -> None:
        """Answer as an agent does."""
        fields = coding.read(data)
        self.asked.append((verb, fields))
        assert self.client is not None
        if verb in self.ways:
            await self.ways[verb](self, reply, data, self.client)
        elif verb == "find":
            await self.find(fields, reply)
        elif verb == "conversation":
            found = map(self.chain.conversations.by_call_id, fields["call_ids"])
            await self.give([one.id for one in found if one is not None], 1, reply)
        elif verb == "stats":
            await self.end(reply, **self.standing())
        elif fields.get("end"):
            self.follows.pop(fields["id"], None)
        else:
            text = fields["filter"]
            self.follows[fields["id"]] = Filter.parse(text) if text else None, reply
            await self.send(reply, coding.BEGUN, coding.dump({"time": time.time_ns()}))

    async def find(self, fields: dict[str, Any], reply: str) -> None:
        text = fields["filter"]
        wanted = Filter.parse(text) if text else None
        found = [
            one.id
            for one in reversed(list(self.chain.conversations))
            if wanted is None or wanted.matches(one)
        ]
        await self.give(found, fields["limit"], reply)

    async def give(self, found: list[int], limit: int, reply: str) -> None:
        index = self.chain.conversations.index
        given = found[:limit]
        numbers = [message for one in given for message in index.in_time_order(one)]
        for begin in range(0, len(numbers), 100):
            await self.send(reply, coding.PART, self.part(numbers[begin : begin + 100]))
        await self.end(reply, matching=len(found), given=len(given), messages=len(numbers))

    def standing(self) -> dict[str, Any]:
        """What it says of how it is."""
        return {
            "host": self.host,
            "rate": 12.5,
            "conversations": len(self.chain.conversations),
            "messages": self.chain.conversations.message_count,
            "drops": 0,
            "memory": 48 << 20,
            "cpu": 0.034,
        }

    @asynccontextmanager
    async def on(self, url: str) -> AsyncIterator[FakeTap]:
        """Answer on a server."""
        self.client = await connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
        metadata = {"tap": self.name, "host": self.host, "version": self.version}
        service = await micro.add_service(
            self.client, name=SERVICE, version=self.version, metadata=self.info or metadata
        )
        for verb in VERBS:
            await service.add_endpoint(
                name=verb, subject=request_subject(self.name, verb), handler=self._handler(verb)
            )
        await self.client.flush()
        try:
            yield self
        finally:
            await self.client.close()

    def _handler(self, verb: str) -> Callable[[Request], Coroutine[Any, Any, None]]:
        async def handle(request: Request) -> None:
            await self.answer(verb, request.data, request._msg.reply)

        return handle


async def silent(tap: FakeTap, reply: str, data: bytes, client: Client) -> None:
    """Answer nothing."""


def refuses(sentence: str) -> Way:
    """Answer with an error."""

    async def answer(tap: FakeTap, reply: str, data: bytes, client: Client) -> None:
        await tap.send(reply, coding.ERROR, coding.dump({"error": sentence}))

    return answer


def late(goes_on: asyncio.Event) -> Way:
    """Answer `find` as an agent does, once an event is set."""

    async def answer(tap: FakeTap, reply: str, data: bytes, client: Client) -> None:
        await goes_on.wait()
        await tap.find(coding.read(data), reply)

    return answer


@asynccontextmanager
async def taps_on(url: str, taps: Iterable[FakeTap]) -> AsyncIterator[None]:
    """Have taps answer on a server."""
    async with AsyncExitStack() as stack:
        for tap in taps:
            await stack.enter_async_context(tap.on(url))
        yield


def site(count: int, conversations: int) -> list[FakeTap]:
    """Return taps, each with calls of its own and one that all of them have seen."""
    return [
        FakeTap(f"sbc{number + 1}", host=f"h{number + 1}")
        .has(*call(0))
        .has(
            *(
                message
                for one in range(conversations - 1)
                for message in call(1 + number * conversations + one, destination="4151500")
            ),
            begin=BEGAN + 10**9,
        )
        for number in range(count)
    ]


async def _run(url: str, count: int, conversations: int) -> None:
    async with taps_on(url, site(count, conversations)):
        print(f"{count} taps answer", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
