"""`sipstream archive --bus`: what is on the stream is in the archive, once, whoever is killed when."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from archives import asked
from nats_servers import nats_server, needs_nats_server
from support import sip

nats = pytest.importorskip("nats")

from nats.js.client import JetStreamContext  # noqa: E402

from sipstream.archive import layout  # noqa: E402
from sipstream.archive.drain import Draining  # noqa: E402
from sipstream.bus.connecting import Server  # noqa: E402
from sipstream.bus.names import partition_of, stream_subject  # noqa: E402
from sipstream.bus.stream import Limits, ensure_stream  # noqa: E402
from sipstream.decode.endpoints import key_of  # noqa: E402
from sipstream.envelopes import envelope  # noqa: E402

pytestmark = needs_nats_server
A, B = key_of(bytes((10, 0, 0, 1)), 5060), key_of(bytes((10, 0, 0, 2)), 5060)
BEGIN = 1_700_000_000 * 10**9


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with nats_server(tmp_path / "nats") as server:
        yield server.url


async def publish(js: JetStreamContext, numbers: range, tap: str = "sbc1") -> None:
    """Publish a message for each number, ten a batch, as an agent does."""
    by_partition: dict[int, list[bytes]] = {}
    for number in numbers:
        call_id = f"call-{number // 3}"
        one = envelope(
            BEGIN + number * 10**9,
            A,
            B,
            "UDP",
            sip(call_id=call_id, cseq=f"{number} INVITE"),
            node=tap,
        )
        assert one is not None
        by_partition.setdefault(partition_of(call_id.encode()), []).append(one)
    for partition, envelopes in by_partition.items():
        for begin in range(0, len(envelopes), 10):
            data = b"".join(envelopes[begin : begin + 10])
            await js.publish(stream_subject(tap, partition), data)


_WRITERS: list[subprocess.Popen[bytes]] = []


def writer(url: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sipstream", "archive", "--bus", url, "--flush", "1s"]
    environment = {**os.environ, "SIPSTREAM_USER": "root"}
    begun = subprocess.Popen([*command, str(folder)], env=environment, start_new_session=True)
    _WRITERS.append(begun)
    return begun


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    """Whatever a test comes to, no writer of its goes on."""
    yield
    while _WRITERS:
        one = _WRITERS.pop()
        if one.poll() is None:
            os.killpg(one.pid, signal.SIGKILL)
            one.wait()


def counts(folder: Path) -> tuple[int, int]:
    """How many rows there are, and how many messages."""
    if not list(folder.glob("hour=*/partition=*/*.parquet")):
        return 0, 0
    [found] = asked(folder, "SELECT count(*), count(DISTINCT (time_ns, cseq)) FROM messages")
    return found


async def test_all_is_kept_and_acknowledged(url: str, tmp_path: Path) -> None:
    """What came is written when the writer is told to end; the next one has nothing to do."""
    folder = tmp_path / "a"
    client = await nats.connect(url)
    js = client.jetstream()
    await ensure_stream(js, Limits(), print)
    await publish(js, range(600))
    running = writer(url, folder)
    for _ in range(300):
        if counts(folder)[0] == 600:
            break
        await asyncio.sleep(0.1)
    running.terminate()
    assert running.wait(20) == 128 + signal.SIGTERM
    assert counts(folder) == (600, 600)
    assert asked(folder, "SELECT DISTINCT tap, source, source_port FROM messages") == [
        ("sbc1", "10.0.0.1", 5060)
    ]
    name = f"archive-{layout.identity(folder)}"
    info = await js.consumer_info("SIP", name)
    assert (info.num_ack_pending, info.num_pending) == (0, 0)
    await client.close()


async def test_batches_that_come_again(url: str, tmp_path: Path) -> None:
    """Batches whose acknowledgement was lost, and messages published twice, are known."""
    folder = tmp_path / "a"
    layout.require(folder)
    client = await nats.connect(url)
    js = client.jetstream()
    await ensure_stream(js, Limits(), print)
    await publish(js, range(200))
    await publish(js, range(100, 300))
    for _ in range(2):
        draining = Draining(folder, Server(url), 3600, print)

        async def lost(*arguments: Any) -> None:
            """Acknowledge nothing."""

        draining._acknowledge = lost  # type: ignore[method-assign]
        await drained(draining)
        await js.delete_consumer("SIP", f"archive-{layout.identity(folder)}")
    assert counts(folder) == (300, 300)
    assert (draining.written, draining.repeated) == (0, 300)
    await client.close()


async def test_each_tap_s_sight_is_kept(url: str, tmp_path: Path) -> None:
    """The same message of two taps is two rows, which say where it was seen."""
    folder = tmp_path / "a"
    layout.require(folder)
    client = await nats.connect(url)
    js = client.jetstream()
    await ensure_stream(js, Limits(), print)
    await publish(js, range(3), "sbc1")
    await publish(js, range(3), "sbc2")
    told: list[str] = []
    await drained(Draining(folder, Server(url), 3600, told.append))
    assert told == [
        f"archiving from {url}: what comes is in {folder} after 3600 s at the latest, until Ctrl-C",
        f"6 messages are in {folder} now",
    ]
    found = asked(folder, "SELECT tap, count(*) FROM messages GROUP BY tap ORDER BY tap")
    assert found == [("sbc1", 3), ("sbc2", 3)]
    await client.close()


async def drained(draining: Draining) -> None:
    """Have a writer take what there is, then end it."""
    task = asyncio.create_task(draining.run())
    before = -1
    while before != len(draining._gathered.numbers) or before == 0:
        before = len(draining._gathered.numbers)
        await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.wait([task])


async def test_what_is_no_batch_is_passed_over(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    layout.require(folder)
    client = await nats.connect(url)
    js = client.jetstream()
    await ensure_stream(js, Limits(), print)
    await js.publish("sip.x.1", b"HEP3 nothing")
    await js.publish("sip.x.1", b"")
    await publish(js, range(3))
    draining = Draining(folder, Server(url), 3600, print)
    await drained(draining)
    assert (draining.written, draining.strange) == (3, 2)
    await client.close()


async def test_ended_in_the_middle_of_a_batch(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that wasn't taken whole isn't acknowledged: the next writer gets it."""
    folder = tmp_path / "a"
    layout.require(folder)
    client = await nats.connect(url)
    js = client.jetstream()
    await ensure_stream(js, Limits(), print)
    await publish(js, range(30))

    async def stuck(*arguments: object) -> None:
        began.set()
        await asyncio.sleep(3600)

    began = asyncio.Event()
    monkeypatch.setattr("sipstream.archive.drain._Gathered.take", stuck)
    task = asyncio.create_task(Draining(folder, Server(url), 3600, print).run())
    await began.wait()
    task.cancel()
    await asyncio.wait([task])
    info = await js.consumer_info("SIP", f"archive-{layout.identity(folder)}")
    assert info.num_ack_pending == (await js.stream_info("SIP")).state.messages
    await client.close()


@pytest.mark.parametrize("seed", range(2))
async def test_writers_killed_at_random(
    url: str, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writers, each killed now and then: in the end each message is there once."""
    folder, chance = tmp_path / "a", random.Random(seed)
    client = await nats.connect(url)
    js = client.jetstream()
    await ensure_stream(js, Limits(), print)
    running = [writer(url, folder) for _ in range(2)]
    for round_number in range(6):
        await publish(js, range(round_number * 300, (round_number + 1) * 300))
        await asyncio.sleep(chance.uniform(0.5, 2.0))
        place = chance.randrange(2)
        os.killpg(running[place].pid, signal.SIGKILL)
        running[place].wait()
        running[place] = writer(url, folder)
    for one in running:
        one.terminate()
    for one in running:
        one.wait(30)
    # The server gives again what was not acknowledged, here at once: the consumer is made anew.
    await js.delete_consumer("SIP", f"archive-{layout.identity(folder)}")
    await drained(Draining(folder, Server(url), 3600, print))
    assert counts(folder) == (1800, 1800)
    await client.close()
