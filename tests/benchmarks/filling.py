"""A stream filled by hand: envelopes of generated calls as many agents publish them, without agents."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Iterator

import nats
from generate import SERVER, STEPS, _message, caller_host, calls
from nats.aio.client import Client

from sipstream.bus.names import PARTITIONS, STREAM, partition_of, stream_subject
from sipstream.bus.stream import Limits, ensure_stream
from sipstream.decode import hep
from sipstream.envelopes import envelope

TOGETHER = 50
"""Envelopes of a batch."""
_PORT = (5060).to_bytes(2, "big")
_UNANSWERED = 512
"""Batches that the server hasn't confirmed."""


def envelopes(count: int, taps: int, rate: int = 20_000) -> Iterator[tuple[int, int, bytes]]:
    """Yield (tap, partition, envelope) of messages that end now, so many a second."""
    templates = [_message(step, "UDP") for step in range(STEPS)]
    gap = 10**9 // rate
    begun = time.time_ns() - count * gap
    names = [f"tap-{number:03}" for number in range(taps)]
    for number, (call, step) in enumerate(calls(count)):
        ends = [bytes(caller_host(call.number)) + _PORT, SERVER + _PORT]
        if step in (1, 2, 3, 6):
            ends.reverse()
        tap = call.number % taps
        payload = templates[step] % call.fields
        at = payload.index(b"Call-ID: ") + 9
        one = envelope(begun + number * gap, *ends, "UDP", payload, node=names[tap])
        assert one is not None
        yield tap, partition_of(payload[at : payload.index(b"\r\n", at)], PARTITIONS), one


def batches(count: int, taps: int, rate: int = 20_000) -> Iterator[tuple[str, bytes, int]]:
    """Yield subject, data and number of messages of batches, each of one tap and one partition."""
    waiting: dict[tuple[int, int], list[bytes]] = {}
    for tap, partition, one in envelopes(count, taps, rate):
        gathered = waiting.setdefault((tap, partition), [])
        gathered.append(one)
        if len(gathered) == TOGETHER:
            yield stream_subject(f"tap-{tap:03}", partition), b"".join(gathered), TOGETHER
            gathered.clear()
    for (tap, partition), gathered in waiting.items():
        if gathered:
            yield stream_subject(f"tap-{tap:03}", partition), b"".join(gathered), len(gathered)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    client = await nats.connect(url.split(","), max_reconnect_attempts=-1)
    try:
        yield client
    finally:
        await client.close()


async def fill(url: str, made: list[tuple[str, bytes, int]], replicas: int = 1) -> float:
    """Publish batches, return the seconds until the server had confirmed all."""
    async with connected(url) as client:
        js = client.jetstream(publish_async_max_pending=_UNANSWERED)
        await ensure_stream(js, Limits(replicas=replicas), print)
        begun = time.perf_counter()
        for subject, data, _ in made:
            name = hashlib.blake2b(data, digest_size=16).hexdigest()
            await js.publish_async(subject, data, headers={"Nats-Msg-Id": name})
        await js.publish_async_completed()
        return time.perf_counter() - begun


async def stored(url: str) -> tuple[int, int, int]:
    """Return how many messages the stream has, counted one by one, its batches, and its bytes."""
    count = 0
    async with connected(url) as client:
        js = client.jetstream()
        state = (await js.stream_info(STREAM)).state
        left = state.messages
        reader = await js.subscribe("sip.>", ordered_consumer=True)
        while left:
            count += len(hep.split((await reader.next_msg(timeout=10)).data))
            left -= 1
    return count, state.messages, state.bytes
