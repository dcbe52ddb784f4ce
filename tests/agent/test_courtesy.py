"""The SIP server comes first: turns of requests, and what isn't sent to who takes too little."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

pytest.importorskip("nats")

from agents import until  # noqa: E402
from support import sip  # noqa: E402

from sipstream.agent import asked  # noqa: E402
from sipstream.agent.counts import Counts  # noqa: E402
from sipstream.agent.courtesy import Load, Turns  # noqa: E402
from sipstream.agent.following import Followings  # noqa: E402
from sipstream.agent.outlet import Outlet  # noqa: E402
from sipstream.envelopes import Enveloper  # noqa: E402
from sipstream.session import Session  # noqa: E402


class Machine:
    """A clock, the processor time used, and how many want a processor."""

    def __init__(self) -> None:
        self.now = self.used = self.wanting = 0.0
        self.load = Load(lambda: self.now, lambda: self.used, lambda: self.wanting)

    def passes(self, seconds: float, used: float, requests: float = 0.0) -> bool:
        self.now += seconds
        self.used += used
        self.load.for_requests += requests
        return self.load.busy()


def test_a_machine_is_busy_when_others_want_it_or_the_capture_does() -> None:
    machine = Machine()
    assert not machine.passes(2, used=0.2)
    assert machine.load.share == pytest.approx(0.1)
    # All of it for requests: they don't stand in their own way.
    assert not machine.passes(2, used=1.8, requests=1.8)
    assert machine.passes(2, used=1.8, requests=0.2)
    assert not machine.passes(2, used=0.0)
    machine.wanting = 1000.0
    assert machine.passes(2, used=0.0)


async def test_requests_take_a_quarter_of_the_time_when_it_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine()
    slept: list[float] = []
    turns = Turns(machine.load, lambda: machine.now)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("sipstream.agent.courtesy.asyncio.sleep", sleep)
    async with turns.turn() as turn:
        machine.now += 0.004
        assert turn.due()
        await turn.rest()
        assert not turn.due()
        machine.wanting = 1000.0
        machine.now += 2
        await turn.rest()
    assert slept == [0.0, pytest.approx(6)]


async def test_two_requests_never_work_at_once() -> None:
    turns = Turns(Load())
    order: list[str] = []

    async def work(name: str) -> None:
        async with turns.turn() as turn:
            for _ in range(3):
                order.append(name)
                await turn.rest()

    await asyncio.gather(work("a"), work("b"))
    assert order == ["a", "b"] * 3


async def test_one_that_is_cancelled_while_it_waits_takes_no_others_turn() -> None:
    turns = Turns(Load())

    async def work() -> None:
        async with turns.turn() as turn:
            await turn.rest()

    resting = asyncio.create_task(work())
    await asyncio.sleep(0)
    async with turns.turn():
        # It rested, and waits for its next turn.
        resting.cancel()
        await asyncio.wait([resting])
        assert resting.cancelled() and turns.free.locked()
    await asyncio.wait_for(work(), 10)


class Client:
    """A connection that takes nothing as long as `pending_data_size` says so."""

    is_connected = True
    pending_data_size = 0

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, str], bytes]] = []

    async def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        self.sent.append((subject, headers, data))


async def test_what_a_slow_server_does_not_take_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from collections import deque

    from support import batch, ethernet, ipv4, udp

    from sipstream.decode.decoder import Decoder
    from sipstream.packets import Tally
    from sipstream.sip.scan import Scanner

    monkeypatch.setattr("sipstream.agent.following._WAITING_BYTES", 3000)
    async with Session() as session:
        counts, client = Counts(), Client()
        followings = Followings(session, Enveloper("t"), Turns(Load()), counts)
        outlet = Outlet(client, "_INBOX.x", counts)  # type: ignore[arg-type]
        await followings.begin(asked.follow(b'{"id": "f"}'), outlet.part)

        async def put(first: int, count: int) -> None:
            messages = [sip(call_id=f"c{first + place}") for place in range(count)]
            given = batch([ethernet(ipv4(udp(one))) for one in messages])
            decoder = Decoder(Tally("test"), session.conversations.index.endpoints)
            found = Scanner(Tally("test")).feed(decoder.feed(given))
            numbers = session.conversations.feed(found, given.store)
            deque(session.publishing.publish(numbers), 0)
            await until(lambda: followings._sending is None)

        # More than may wait: a turn's are told of together, the next turn's are missed.
        await put(0, 100)
        missed, parts = counts.missed, len(client.sent)
        assert 0 < missed < 100 and counts.messages == 100 - missed
        client.pending_data_size = 10 << 20
        await put(100, 3)
        assert counts.missed == missed + 3 and len(client.sent) == parts
        client.pending_data_size = 0
        await put(103, 1)
        subject, headers, _ = client.sent[-1]
        assert subject == "_INBOX.x"
        assert headers["Sipstream-Missed"] == "3"
        await put(104, 1)
        told = [int(headers.get("Sipstream-Missed", 0)) for _, headers, _ in client.sent]
        assert (sum(told), told[-1]) == (missed + 3, 0)
        await followings.close()
        assert not session.follows


async def test_an_answer_waits_for_room_and_then_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    client, paused = Client(), []
    outlet = Outlet(client, "_INBOX.x", Counts())  # type: ignore[arg-type]

    async def pause(seconds: float) -> None:
        paused.append(seconds)
        if len(paused) == 3:
            client.pending_data_size = 0

    client.pending_data_size = 10 << 20
    assert await outlet.part_of_answer(b"x", pause)
    assert len(paused) == 3 and len(client.sent) == 1
    client.pending_data_size = 10 << 20
    paused += [0.0]
    assert not await outlet.part_of_answer(b"x", pause)
    assert sum(paused) == pytest.approx(10, abs=0.1)
    values: dict[str, Any] = {"a": 1}
    assert not await outlet.tell("end", values)
    client.pending_data_size = 0
    assert await outlet.tell("end", values) and json.loads(client.sent[-1][2]) == values
