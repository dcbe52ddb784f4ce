"""All that a session gets comes to the stream, once and in order, and out of it again as it was."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from nats_servers import Access, NatsServer, nats_cluster, nats_server, needs_nats_server
from support import CAPTURES, ROOT, ipv4, sip, udp

from sipstream.bus.connecting import Server, connect
from sipstream.decode import hep
from sipstream.decode.endpoints import key_of
from sipstream.envelopes import Enveloper, envelope
from sipstream.packets import Batch, Linktype, Tally
from sipstream.session import Session
from sipstream.sources.bus import BusSource
from sipstream.spool import PcapSpool

pytest.importorskip("nats")
from sipstream.bus import connecting, delivery, stream
from sipstream.bus import publishing as publishing_module
from sipstream.bus.journal import Journal
from sipstream.bus.publishing import Publisher
from sipstream.bus.reading import Reader
from sipstream.segments import Folder

pytestmark = needs_nats_server
CAPTURE = CAPTURES / "timeout.pcap"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers come back soon here, and those that aren't there are given up soon."""
    monkeypatch.setattr(connecting, "_WAIT", 0.1)
    monkeypatch.setattr(delivery, "_RECONNECT_SECONDS", 0.2)
    monkeypatch.setattr(delivery, "_LAST_AGAIN", 0.2)
    monkeypatch.setattr(stream, "AGAIN_SECONDS", 0.1)


def facts(session: Session) -> Counter[tuple[object, ...]]:
    """What must come back of each message."""
    return Counter(
        (one.time, one.source, one.destination, one.transport, one.raw, one.cut_off)
        for conversation in session.conversations
        for one in conversation.messages
    )


@asynccontextmanager
async def publishing(
    url: str, tap: str = "sbc1", *, folds: bool = True, **options: Any
) -> AsyncIterator[tuple[Session, Publisher, list[str]]]:
    told: list[str] = []
    async with Session(memory=None, folds=folds) as session:

        def connected() -> Any:
            return connect(Server(url), told.append)

        async with Publisher(session, tap, connected, tell=told.append, **options) as publisher:
            yield session, publisher, told


async def until(true: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def until_published(publisher: Publisher) -> None:
    await asyncio.sleep(0.25)
    await until(lambda: not publisher.figures().waiting)


async def publish(url: str, *paths: Path, tap: str = "sbc1", **options: Any) -> None:
    async with publishing(url, tap, **options) as (session, publisher, _):
        for path in paths:
            await session.sources.load(path)
        await until_published(publisher)
        assert publisher.figures().lost == 0


@asynccontextmanager
async def reading(url: str, since: int | None = 0) -> AsyncIterator[tuple[Session, BusSource]]:
    async with Session(memory=None) as session:
        source = BusSource(Server(url), since)
        session.sources.start(source)
        async with asyncio.timeout(60):
            await session.sources.wait_caught_up()
        yield session, source


async def envelopes(url: str) -> list[bytes]:
    """All that the stream holds, in its order."""
    client = await connect(Server(url), lambda text: None)
    caught_up = asyncio.Event()
    reader = Reader(client.jetstream(), 0, lambda text: None, caught_up)
    found: list[bytes] = []

    async def read() -> None:
        async for batches in reader.batches():
            for one in batches:
                found.extend(hep.split(one.data))

    task = asyncio.create_task(read())
    async with asyncio.timeout(60):
        await caught_up.wait()
    task.cancel()
    await asyncio.wait([task])
    await client.close()
    return found


def packets(numbers: range) -> list[tuple[int, bytes, int]]:
    made = []
    for number in numbers:
        one = ipv4(udp(sip(call_id=f"call-{number // 3}", cseq=f"{number} INVITE")))
        made.append((10**18 + number, one, len(one)))
    return made


class Fed:
    """A source that yields what it is fed with."""

    live = True

    def __init__(self) -> None:
        self.name = "fed"
        self.tally = Tally(self.name)
        self.notes: list[str] = []
        self.store = PcapSpool(Linktype.RAW)
        self.queue: asyncio.Queue[Batch] = asyncio.Queue()

    def progress(self) -> None:
        return

    async def batches(self) -> AsyncIterator[Batch]:
        while True:
            yield await self.queue.get()

    def feed(self, numbers: range) -> None:
        self.queue.put_nowait(self.store.append_packets(packets(numbers)))


@pytest.mark.parametrize("name", ["timeout.pcap", "media.pcap.gz", "diversion-problem.txt"])
async def test_all_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    """Bytes, times in ns, endpoints and transports, and each message's tap."""
    path = CAPTURES / name
    with nats_server(tmp_path) as server:
        await publish(server.url, path, tap="sbc 1.rtm")
        async with Session(memory=None) as loaded, reading(server.url) as (session, source):
            await loaded.sources.load(path)
            assert facts(session) == facts(loaded)
            taps = {m.tap for one in session.conversations for m in one.messages}
            assert taps == {"sbc 1.rtm"}
            assert source.tally.packets == source.tally.with_messages


async def test_what_hep_nodes_told_stays_theirs(tmp_path: Path) -> None:
    """An agent that takes HEP publishes each node's message under the node's name."""
    ends = key_of(bytes(4), 1), key_of(bytes(4), 2)
    raw = sip(call_id="a")
    told = [
        one
        for at, node in ((10**18, "north"), (10**18 + 400_000, "south"))
        if (one := envelope(at, *ends, "UDP", raw, node=node)) is not None
    ]
    with nats_server(tmp_path) as server:
        async with publishing(server.url, folds=False) as (session, publisher, _):
            await session.sources.entry("test").take(told)
            await until_published(publisher)
        async with reading(server.url) as (session, _):
            message = session.conversations[0].first
            assert [one.tap for one in message.sightings] == ["north", "south"]


async def test_messages_of_a_conversation_keep_their_order_and_partition(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with publishing(server.url) as (session, publisher, _):
            fed = Fed()
            session.sources.start(fed)
            for begin in range(0, 3000, 100):
                fed.feed(range(begin, begin + 100))
                await asyncio.sleep(0.005)
            await until_published(publisher)
            figures = publisher.figures()
        found = await envelopes(server.url)
        assert figures.delivered.messages == len(found) == 3000
        # Some 50 together: 16 partitions, and what was there each tenth of a second.
        assert figures.delivered.batches < 300
        times: dict[bytes, list[int]] = {}
        for one in found:
            call_id = one.split(b"Call-ID: ")[1].split(b"\r\n")[0]
            times.setdefault(call_id, []).append(hep.parse(one, 0, len(one)).time)
        assert len(times) == 1000
        assert all(one == sorted(one) for one in times.values())


async def test_the_server_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        async with publishing(server.url) as (session, publisher, told):
            fed = Fed()
            session.sources.start(fed)
            async with reading(server.url, None) as (other, _):
                for begin in range(0, 2000, 50):
                    fed.feed(range(begin, begin + 50))
                    await asyncio.sleep(0.02)
                    if begin % 1000 == 600:
                        server.kill()
                        await asyncio.to_thread(server.start)
                await until_published(publisher)
                await until(lambda: other.conversations.message_count >= 2000)
                assert facts(other) == facts(session)
        found = Counter(await envelopes(server.url))
        assert len(found) == 2000
        assert set(found.values()) == {1}


async def test_what_comes_while_the_server_is_away_is_sent_later(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        await publish(server.url, CAPTURE)
        server.kill()
        async with publishing(server.url, "sbc2") as (session, publisher, told):
            await session.sources.load(CAPTURE)
            await asyncio.sleep(0.3)
            figures = publisher.figures()
            assert figures.away
            assert figures.waiting == session.conversations.message_count
            await asyncio.to_thread(server.start)
            await until_published(publisher)
        assert len(await envelopes(server.url)) == 2 * figures.waiting


async def test_a_killed_program_publishes_all_that_it_captured_once(tmp_path: Path) -> None:
    """kill -9 of it at random, of the server too: what its captures kept is all there, once."""
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    chance = random.Random(7)

    def begin(rate: int, seconds: float) -> subprocess.Popen[bytes]:
        words = [sys.executable, str(ROOT / "tests" / "published.py"), server.url, str(folder)]
        return subprocess.Popen([*words, str(rate), str(seconds)])

    with nats_server(tmp_path) as server:
        for number in range(2):
            program = begin(3000, 60)
            await until(lambda: (folder / "publish").is_dir())
            await asyncio.sleep(0.5 + chance.random())
            program.kill()
            program.wait()
            if number % 2:
                server.kill()
                server.start()
        program = begin(10, 0.5)
        assert await asyncio.to_thread(program.wait, 60) == 0
        found = Counter(await envelopes(server.url))
        captured: set[bytes] = set()
        async with Session(memory=None) as session:
            for path in sorted(folder.glob("*.pcap")):
                await session.sources.load(path)
            count = session.conversations.message_count
            captured.update(Enveloper("tap").pack(session.conversations.index, range(count)))
    assert len(captured) > 500
    assert captured <= set(found)
    assert set(found.values()) == {1}


async def test_what_is_left_at_the_end_is_told_and_sent_by_the_next_run(tmp_path: Path) -> None:
    folder = tmp_path / "publish"
    async with publishing("nats://127.0.0.1:1", folder=folder) as (session, _, told):
        await session.sources.load(CAPTURE)
        count = session.conversations.message_count
    assert told[-1] == f"{count} messages aren't published yet: they are kept in {folder}"
    async with publishing("nats://127.0.0.1:1") as (session, _, told):
        await session.sources.load(CAPTURE)
    assert told[-1] == f"{count} messages weren't published (--spool-dir would keep them)"
    with nats_server(tmp_path) as server:
        async with publishing(server.url, folder=folder) as (_, publisher, told):
            await until_published(publisher)
        assert told == []
        assert len(await envelopes(server.url)) == count


async def test_what_was_stored_but_not_acknowledged_is_not_sent_again(tmp_path: Path) -> None:
    """However long the program was away: the server knows ids for a moment only."""
    with nats_server(tmp_path) as server:
        client = await connect(Server(server.url), lambda text: None)
        js = client.jetstream()
        await js.add_stream(name="SIP", subjects=["sip.>"], duplicate_window=0.1)
        # A first run that is killed before any acknowledgement comes.
        async with Session() as session:
            folder = tmp_path / "publish"
            publisher = Publisher(session, "sbc1", asyncio.Event().wait, folder=folder)
            async with publisher:
                await session.sources.load(CAPTURE)
                count = session.conversations.message_count
        journal = Journal("sbc1", 1 << 30, Folder(folder, "hep"))
        for kept in journal.load(1 << 30)[:-3]:
            subject = f"sip.sbc1.{kept.batch.partition}"
            await js.publish(subject, kept.batch.data, headers={"Nats-Msg-Id": kept.id})
        journal._folder.close()
        await asyncio.sleep(1)
        async with publishing(server.url, folder=folder) as (_, publisher, _):
            await until_published(publisher)
            assert publisher.figures().delivered.messages == count
        found = Counter(await envelopes(server.url))
        assert (len(found), set(found.values())) == (count, {1})
        await client.close()


async def test_beyond_its_room_on_disk_the_oldest_go_and_the_user_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nats_server(tmp_path) as server:
        server.kill()
        async with publishing(server.url, size=8 << 20) as (session, publisher, told):
            fed = Fed()
            session.sources.start(fed)
            for begin in range(0, 30_000, 1000):
                fed.feed(range(begin, begin + 1000))
                await asyncio.sleep(0.05)
            await until(lambda: session.conversations.message_count == 30_000)
            await until(lambda: any("there was no room to keep them" in text for text in told))
            figures = publisher.figures()
            assert figures.waiting == 30_000 - figures.lost
            await asyncio.to_thread(server.start)
            await until_published(publisher)
            lost = publisher.figures().lost
        assert lost > 0
        numbers = sorted(
            hep.parse(one, 0, len(one)).time - 10**18 for one in await envelopes(server.url)
        )
        assert len(numbers) == 30_000 - lost
        assert numbers[-1] == 29_999
        assert numbers[0] > 0


async def test_files_wait_where_the_disk_does_not_keep_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing_module, "SPOOL_WAITING", 3 << 20)
    monkeypatch.setattr(publishing_module, "_KEEPS_UP", 1 << 20)
    append = Journal.append

    def slowly(journal: Journal, batches: list[Any]) -> int:
        time.sleep(0.1)
        return append(journal, batches)

    monkeypatch.setattr(Journal, "append", slowly)
    async with publishing("nats://127.0.0.1:1") as (session, publisher, _):
        fed = Fed()
        fed.live = False
        for begin in range(0, 20_000, 1000):
            fed.feed(range(begin, begin + 1000))
        session.sources.start(fed)
        await until(lambda: session.conversations.message_count == 20_000)
        await until(lambda: publisher.figures().waiting == 20_000)
        assert publisher.figures().lost == 0


async def test_a_cluster_loses_a_server_and_nothing_else(tmp_path: Path) -> None:
    limits = stream.Limits(replicas=3)
    with nats_cluster(tmp_path) as cluster:
        async with publishing(cluster.url, limits=limits) as (session, publisher, _):
            fed = Fed()
            session.sources.start(fed)
            fed.feed(range(100))
            await until_published(publisher)
            for begin in range(100, 3000, 50):
                fed.feed(range(begin, begin + 50))
                await asyncio.sleep(0.02)
                if begin == 800:
                    (await asyncio.to_thread(cluster.leader, "SIP")).kill()
            await until_published(publisher)
            assert session.conversations.message_count == 3000
        rest = ",".join(one.url for one in cluster.servers if one.process is not None)
        found = Counter(await envelopes(rest))
        assert (len(found), set(found.values())) == (3000, {1})


# What the server may refuse


@asynccontextmanager
async def limited(folder: Path, denied: str) -> AsyncIterator[tuple[NatsServer, str]]:
    """A server where user `a` may not publish to some subjects; user `all` in the URL may all."""
    config = (
        f'authorization {{ users: [ {{ user: a, password: b, permissions: {{ publish: {{ deny: "{denied}"'
        " } } }, { user: all, password: b } ] }"
    )
    server = NatsServer(folder, access=Access(config, user="a:b"))
    try:
        await asyncio.to_thread(server.start)
        yield server, server.url.replace("a:b@", "all:b@")
    finally:
        server.kill()


async def test_who_may_make_no_stream_is_told_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_PATIENCE", 0)
    monkeypatch.setattr(delivery, "_ACK_SECONDS", 1)
    async with (
        limited(tmp_path, "$JS.API.STREAM.CREATE.*") as (server, all_url),
        publishing(server.url) as (session, publisher, told),
    ):
        await session.sources.load(CAPTURE)
        await until(lambda: told)
        assert told == [
            "not published at present, what comes is kept on disk: there is no stream SIP, and"
            " making it gets no answer: may this account make it?"
        ]
        assert publisher.figures().waiting == session.conversations.message_count
        await publish(all_url, CAPTURES / "media.pcap.gz", tap="other")
        await until_published(publisher)
        assert publisher.figures().delivered.messages == session.conversations.message_count


async def test_who_may_only_publish_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_ACK_SECONDS", 1)
    async with limited(tmp_path, "$JS.API.>") as (server, all_url):
        await publish(all_url, CAPTURES / "media.pcap.gz", tap="other")
        before = len(await envelopes(all_url))
        await publish(server.url, CAPTURE)
        assert len(await envelopes(all_url)) > before


async def test_wrong_credentials_are_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "PATIENCE", 0.5)
    async with limited(tmp_path, "x") as (server, _):
        wrong = server.url.replace("a:b@", "a:c@")
        async with publishing(wrong) as (_, _, told):
            await until(lambda: told)
        async with Session() as session:
            complaints: list[str] = []
            session.sources.notices.complain = complaints.append
            session.sources.start(BusSource(Server(wrong)))
            await session.sources.wait_sources()
        place = f"nats://127.0.0.1:{server.port}"
        assert told == [f"not published yet: {place}: no server answers: Authorization Violation"]
        assert complaints == [f"{place}: no server answers: Authorization Violation"]
