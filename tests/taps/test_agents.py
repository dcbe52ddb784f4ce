"""A shell over agents as they are: what they are asked for comes, and the same is never sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import agent, until
from consoles import Shell
from fake_taps import call
from nats_servers import NatsServer, nats_server, needs_nats_server

from sipstream.bus.connecting import Server
from sipstream.taps import reach, recent, remote

pytestmark = needs_nats_server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NatsServer]:
    monkeypatch.setattr(remote, "_LITTLE_PATIENCE", 0.1)
    monkeypatch.setattr(recent, "FRESH_SECONDS", 0.0)
    with nats_server(tmp_path / "nats") as started:
        yield started


async def test_the_same_question_costs_what_came_since(server: NatsServer, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    async with agent(server.url) as one, shell.session:
        one.put(*call(1), *call(2), *call(3, destination="1"))
        await reach(Server(server.url), shell.session)
        sent = []
        for more in ([], [], call(4)[:2], call(4)[2:], call(5, destination="1"), []):
            if more:
                one.put(*more)
            before = one.counts.messages
            await shell("list dstnum 5660066")
            sent.append(one.counts.messages - before)
        # Of a conversation that got messages all of them.
        assert sent == [8, 0, 2, 4, 0, 0]
        assert await shell("list dstnum 5660066 | count") == ["3"]
        # What is there no more comes again.
        shell.session.clear()
        before = one.counts.messages
        assert await shell("list dstnum 5660066 | count") == ["3"]
        assert one.counts.messages - before == 12
        # What matches as time goes by is judged anew each time.
        for _ in range(2):
            before = one.counts.messages
            await shell("list last 10m")
            assert one.counts.messages - before == 20
    shell.close()


async def test_a_follow_and_how_it_is(server: NatsServer, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    async with agent(server.url) as one, shell.session:
        one.put(*call(1))
        await reach(Server(server.url), shell.session)
        await shell("follow dstnum 5660066")
        assert one.counts.follows == 1
        (row,) = (await shell("show taps"))[1:]
        assert row.split()[0] == "sbc1"
        one.put(*call(2)[:1])
        await until(lambda: shell.session.follows[0].shown == 1)
        await shell("unfollow")
        await until(lambda: not one.counts.follows)
    shell.close()
