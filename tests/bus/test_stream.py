"""The stream: made as asked for, never changed, read in order whatever breaks meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nats_servers import nats_cluster, nats_server, needs_nats_server
from support import sip

from sipstream.bus.connecting import Server, connect
from sipstream.envelopes import envelope
from sipstream.session import Session
from sipstream.sources.bus import BusSource

pytest.importorskip("nats")
import nats.errors
from nats.js.errors import APIError

from sipstream.bus import reading as reading_module
from sipstream.bus import stream
from sipstream.bus.reading import Reader

pytestmark = needs_nats_server
ENDS = bytes((10, 0, 0, 1, 0x13, 0xC4)), bytes((10, 0, 0, 2, 0x13, 0xC4))


def enveloped(number: int, call_id: str | None = None, node: str = "sbc1") -> bytes:
    raw = sip(call_id=call_id or f"call-{number}", cseq=f"{number} INVITE")
    made = envelope(10**18 + number, *ENDS, "UDP", raw, node=node)
    assert made is not None
    return made


async def until(true: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    client = await connect(Server(url), lambda text: None)
    try:
        yield client.jetstream()
    finally:
        await client.close()


@asynccontextmanager
async def reading(url: str, since: int | None = 0) -> AsyncIterator[tuple[Session, BusSource]]:
    async with Session(memory=None) as session:
        source = BusSource(Server(url), since)
        session.sources.start(source)
        yield session, source


def count(session: Session) -> int:
    return session.conversations.message_count


def numbers(session: Session) -> list[int]:
    """Messages by their time."""
    messages = (one for each in session.conversations for one in each.messages)
    return sorted(one.time - 10**18 for one in messages)


async def made(js: Any, replicas: int = 1) -> None:
    await stream.ensure_stream(js, stream.Limits(replicas=replicas), lambda text: None)


async def stored(js: Any, number: int) -> None:
    """Have a message stored, once, though the cluster may have to choose who leads first."""
    async with asyncio.timeout(60):
        while True:
            with suppress(nats.errors.Error, APIError):
                headers = {"Nats-Msg-Id": str(number)}
                await js.publish("sip.sbc1.0", enveloped(number), timeout=1, headers=headers)
                return


async def test_it_is_made_with_the_limits_asked_for(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js:
            told: list[str] = []
            limits = stream.Limits(seconds=3600, size=1 << 30, replicas=1)
            await stream.ensure_stream(js, limits, told.append)
            config = (await js.stream_info("SIP")).config
            assert (config.max_age, config.max_bytes, config.num_replicas) == (3600, 1 << 30, 1)
            assert config.subjects == ["sip.>"]
            await stream.ensure_stream(js, limits, told.append)
            await stream.ensure_stream(js, stream.Limits(), told.append)
            assert told == []


async def test_one_that_is_there_stays_as_it_is_and_that_is_told(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js:
            await js.add_stream(name="SIP", subjects=["sip.>"], max_age=60)
            told: list[str] = []
            limits = stream.Limits(seconds=3600, size=1 << 30, replicas=3)
            await stream.ensure_stream(js, limits, told.append)
            assert told == [
                "the stream SIP is there with 60 seconds (not 3600) and no limit of bytes"
                " (not 1073741824) and 1 replicas (not 3): it stays so (`nats stream edit SIP`"
                " changes it)"
            ]
            assert (await js.stream_info("SIP")).config.max_age == 60


@pytest.mark.parametrize(
    ("name", "subjects", "says"),
    [
        ("SIP", ["other.>"], "the stream SIP takes other subjects than sip.>: rename one"),
        ("X", ["sip.a.>"], "the stream SIP can't be made: another stream takes sip.> already"),
    ],
)
async def test_streams_of_others_are_left_alone(
    tmp_path: Path, name: str, subjects: list[str], says: str
) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js:
            await js.add_stream(name=name, subjects=subjects)
            with pytest.raises(stream.StreamError) as error:
                await made(js)
            assert str(error.value) == says


async def test_more_replicas_than_servers_are_refused_in_a_line(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js:
            with pytest.raises(stream.StreamError, match="^the stream SIP can't be made: replicas"):
                await stream.ensure_stream(js, stream.Limits(replicas=3), lambda text: None)


async def test_reading_goes_on_when_the_server_or_its_reader_is_gone(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js, reading(server.url) as (session, source):
            # Who reads may be there before the stream is.
            await until(lambda: source.notes or source.caught_up.is_set())
            await made(js)
            for number in range(100):
                await js.publish("sip.sbc1.0", enveloped(number))
            await until(lambda: count(session) == 100)
            for one in await js.consumers_info("SIP"):
                await js.delete_consumer("SIP", one.name)
            for number in range(100, 200):
                await js.publish("sip.sbc1.0", enveloped(number))
            await until(lambda: count(session) == 200)
            server.kill()
            await asyncio.to_thread(server.start)
            await until(lambda: js._nc.is_connected)
            for number in range(200, 300):
                await js.publish("sip.sbc1.0", enveloped(number))
            await until(lambda: count(session) == 300)
            assert numbers(session) == list(range(300))


async def test_a_batch_that_was_sent_but_did_not_come_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without acknowledgements the server sends each once: a client that is slow may drop some."""
    dropped: list[int] = []
    take = stream.Pull._take

    async def lossy(pull: stream.Pull, batch: Any) -> None:
        if batch.data == enveloped(7) and not dropped:
            dropped.append(7)
        else:
            await take(pull, batch)

    monkeypatch.setattr(stream.Pull, "_take", lossy)
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js, reading(server.url) as (session, source):
            await made(js)
            for number in range(20):
                await js.publish("sip.sbc1.0", enveloped(number))
            await until(lambda: count(session) == 20)
            assert dropped == [7]
            assert numbers(session) == list(range(20))


def test_what_is_replayed_is_spooled_in_pieces() -> None:
    taken: list[int] = []

    def came() -> Iterator[Any]:
        for number in range(256):
            taken.append(number)
            yield SimpleNamespace(data=b"".join(map(enveloped, range(50))))

    batches = BusSource(Server("nats://127.0.0.1"))._take(came())
    assert next(batches).packets == 50 * len(taken) < 1000


async def test_since_is_by_the_time_that_batches_came_to_the_stream(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js:
            await made(js)
            await js.publish("sip.sbc1.0", enveloped(1))
            await asyncio.sleep(0.05)
            between = time.time_ns()
            await asyncio.sleep(0.05)
            await js.publish("sip.sbc1.0", enveloped(2))
            async with (
                reading(server.url, 0) as (everything, _),
                reading(server.url, between) as (later, _),
                reading(server.url, None) as (new, source),
            ):
                await until(source.caught_up.is_set)
                await js.publish("sip.sbc1.0", enveloped(3))
                await until(lambda: (count(everything), count(later), count(new)) == (3, 2, 1))
                assert numbers(later) == [2, 3]
                assert numbers(new) == [3]


async def test_batches_that_were_gone_before_they_were_read_are_told(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js:
            await made(js)
            told: list[str] = []
            reader = Reader(js, 0, told.append)
            batches = reader.batches()
            await js.publish("sip.sbc1.0", enveloped(0))
            assert len(await anext(batches)) == 1
            for one in await js.consumers_info("SIP"):
                await js.delete_consumer("SIP", one.name)
            for number in range(1, 11):
                await js.publish("sip.sbc1.0", enveloped(number))
            await js.purge_stream("SIP", keep=3)
            came = []
            while len(came) < 3:
                came += [stream.place(one).sequence for one in await anext(batches)]
            assert came == [9, 10, 11]
            assert reader.missing == 7
            assert told[0].startswith("7 batches were gone from the stream before they were read")
            await batches.aclose()


async def test_a_reader_goes_on_when_the_server_of_a_cluster_that_serves_it_is_killed(
    tmp_path: Path,
) -> None:
    """What reads is known on one of them only, and nobody says so of one that is killed."""
    with nats_cluster(tmp_path) as cluster:
        async with connected(cluster.url) as js, reading(cluster.url) as (session, source):
            await made(js, replicas=3)
            await js.publish("sip.sbc1.0", enveloped(0))
            await until(lambda: count(session) == 1)
            (consumer,) = await js.consumers_info("SIP")
            (serving,) = (one for one in cluster.servers if one.name == consumer.cluster.leader)
            serving.kill()
            for number in range(1, 200):
                await stored(js, number)
            await until(lambda: count(session) == 200, seconds=60)
            assert numbers(session) == list(range(200))
            # None was read twice.
            assert source.tally.packets == (await js.stream_info("SIP")).state.messages


@pytest.mark.parametrize("later", [5, 30])
async def test_a_stream_that_was_made_anew_is_read_from_its_start(
    tmp_path: Path, later: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_module, "_APART_SECONDS", 0.0)
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js, reading(server.url) as (session, _):
            await made(js)
            for number in range(20):
                await js.publish("sip.sbc1.0", enveloped(number))
            await until(lambda: count(session) == 20)
            await js.delete_stream("SIP")
            await made(js)
            for number in range(20, 20 + later):
                await js.publish("sip.sbc1.0", enveloped(number))
            await until(lambda: count(session) == 20 + later)


async def test_what_is_stored_twice_is_one_message(tmp_path: Path) -> None:
    """A tap that sends again, later than the server knows ids; another tap's sighting is its own."""
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js, reading(server.url) as (session, _):
            await made(js)
            batch = enveloped(1, "a") + enveloped(2, "a")
            for _ in range(3):
                await js.publish("sip.sbc1.0", batch)
            await js.publish("sip.sbc1.0", enveloped(3, "a"))
            await until(lambda: count(session) == 3)
            assert numbers(session) == [1, 2, 3]


async def test_that_there_is_nothing_to_replay_is_told(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js:
            await made(js)
            await js.publish("sip.sbc1.0", enveloped(0))
            async with reading(server.url, time.time_ns() + 10**10) as (session, _):
                told: list[str] = []
                session.sources.notices.tell = told.append
                await until(lambda: told)
                assert told == [f"{server.url}: the stream SIP has nothing of that time; now live"]


async def test_what_is_no_batch_of_ours_is_counted_and_ends_nothing(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js, reading(server.url) as (session, source):
            await made(js)
            whole = enveloped(1)
            damaged = [
                b"", b"x", b"HEP3", b"HEP3\0\0", b"HEP3\xff\xff", whole[:-1], whole + b"rest",
                b"HEP3\0\6" * 100_000, bytes(1 << 19),
            ]  # fmt: skip
            for one in damaged:
                await js.publish("sip.sbc1.0", one, headers={"Status": "408"})
            await js.publish("sip.sbc1.0", enveloped(2))
            await until(lambda: count(session) == 2)
            assert source.tally.reasons["damaged batch of the stream"] == len(damaged)
            assert source.tally.packets == source.tally.with_messages + len(damaged)


async def test_how_far_a_replay_is_and_what_came_of_it_is_told(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with connected(server.url) as js:
            await made(js)
            for number in range(50):
                await js.publish("sip.sbc1.0", enveloped(number))
            async with reading(server.url) as (session, source):
                told: list[str] = []
                session.sources.notices.tell = told.append
                await until(lambda: told)
                assert told[0].startswith(f"{server.url}: 50 messages of before, in ")
                assert source.progress() is None
