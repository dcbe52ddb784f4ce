"""`sipstream agent --publish`: what it captures is in the stream, and how that goes is told."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytest.importorskip("nats")

from agents import asking  # noqa: E402
from nats.errors import NoRespondersError  # noqa: E402
from nats_servers import free_port, nats_server, needs_nats_server  # noqa: E402
from support import CAPTURES  # noqa: E402

pytestmark = needs_nats_server
TIMEOUT = str(CAPTURES / "timeout.txt")


@contextmanager
def running(*arguments: str) -> Iterator[None]:
    """An agent, ended in order."""
    program = subprocess.Popen([sys.executable, "-m", "sipstream", "agent", *arguments])
    try:
        yield
        program.send_signal(signal.SIGTERM)
        assert program.wait(30) == 128 + signal.SIGTERM
    finally:
        program.kill()
        program.wait()


async def published(url: str) -> dict[str, int]:
    """What the agent `lab` tells of publishing, once the stream has all that it gets."""
    async with asking(url) as ask, asyncio.timeout(20):
        while True:
            with suppress(NoRespondersError):
                await ask.client.request("$SRV.PING.sipstream", timeout=1)
                break
            await asyncio.sleep(0.05)
        while True:
            told = (await ask("lab", "stats")).end["published"]
            if told["messages"] and not told["waiting"]:
                return told
            await asyncio.sleep(0.05)


def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run sipstream without a terminal."""
    words = [sys.executable, "-m", "sipstream", *arguments]
    return subprocess.run(
        words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )


def page_of(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as opened:
        return str(opened.read().decode())


def listed(*arguments: str) -> list[dict[str, object]]:
    """What `list` shows of each conversation."""
    lines = shell(*arguments, "--json", "-q", "-c", "list").stdout.splitlines()
    return [json.loads(line) for line in lines]


async def test_what_it_gets_is_read_by_bus(tmp_path: Path) -> None:
    """Its figures are told to Prometheus and shells."""
    spool, port = tmp_path / "spool", free_port()
    with nats_server(tmp_path / "bus") as server:
        publishing = ("--nats", server.url, "--publish", "--spool-dir", str(spool), "--tap", "lab")
        page = ("--prometheus", f":{port}")
        with running(TIMEOUT, *publishing, *page, "--stream-age", "1h"):
            told = await published(server.url)
            metrics = await asyncio.to_thread(page_of, port)
        assert f"sipstream_published_messages_total {told['messages']:.1f}" in metrics
        assert "sipstream_published_lost_messages_total 0.0" in metrics
        count = sum(int(str(one["messages"])) for one in listed(TIMEOUT))
        read = listed("--bus", server.url, "--since", "all", "--filter", "tap lab")
        assert told == {"messages": count, "waiting": 0, "lost": 0, "away": False}
        assert len(read) == len(listed(TIMEOUT)) > 0
        streams = server.told("jsz?streams=true&accounts=true&config=true")
        config = streams["account_details"][0]["stream_detail"][0]["config"]
        assert config["max_age"] == 3600 * 10**9


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--stream-age", "1h"], "--stream-age says how messages are published: add --publish"),
        (["--publish", "--partitions", "0"], "'0' is no number from 1 to 256"),
        (["--publish", "--stream-replicas", "6"], "'6' is no number from 1 to 5"),
        (["--publish", "--stream-age", "soon"], "'soon' is no time of a minute or more"),
        (["--publish", "--spool-dir", "/dev/null"], "/dev/null: not a directory"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(words: list[str], says: str) -> None:
    done = shell("agent", TIMEOUT, "--nats", "nats://127.0.0.1:1", *words)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_shell_tells_in_a_line_why_it_reads_no_stream() -> None:
    away = shell("--bus", "nats://127.0.0.1:1", "-c", "list")
    assert away.stderr == ("*** Error! nats://127.0.0.1:1: no server answers: connection refused\n")
    assert away.returncode == 1
    plain = shell("--bus", "nats://192.0.2.1", "--nats-creds", str(CAPTURES / "x"), "-c", "list")
    assert plain.returncode == 2
    assert "credentials aren't sent in plain text: use tls://" in plain.stderr
    assert "add --bus URL" in shell("--since", "5m", "-c", "list").stderr
