"""Faults planted in every stage: counted, told once, and everything else runs on."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support import batch, ethernet, ipv4, sip, udp
from terminal import Terminal

from sipstream import faults
from sipstream.conversations import Conversations
from sipstream.decode.decoder import Decoder
from sipstream.filters import FilterSet
from sipstream.filters.term import Due, Numbers
from sipstream.follow import Follow
from sipstream.index import Index
from sipstream.limits import RESTARTS
from sipstream.packets import Batch, Tally
from sipstream.session import Session
from sipstream.shell.console import Console
from sipstream.shell.output import Output
from sipstream.shell.writer import Writer
from sipstream.sip import found as found_module
from sipstream.sip.found import Found
from sipstream.sip.scan import Scanner
from sipstream.views import Message


class PlantedError(Exception):
    """What a stage raises that nobody foresaw."""


def fail(*arguments: object, **named: object) -> Any:
    raise PlantedError("planted")


class Feed:
    """A live source that gives messages of given Call-IDs, one a batch."""

    live = True

    def __init__(self, name: str, *call_ids: str) -> None:
        self.name = name
        self.tally = Tally(name)
        self.notes: list[str] = []
        self._call_ids = call_ids

    def progress(self) -> None:
        return None

    async def batches(self) -> AsyncIterator[Batch]:
        for call_id in self._call_ids:
            yield batch([ethernet(ipv4(udp(sip(call_id=call_id))))])


class Watched:
    """A session, what it says, and what its follows show."""

    def __init__(self) -> None:
        self.session = Session()
        self.said: list[str] = []
        self.shown: list[tuple[int, str]] = []
        self.session.sources.notices.complain = self.session.faults.tell = self.said.append
        self.session.deliver = self._deliver

    def _deliver(self, follow: Follow, messages: list[Message]) -> None:
        self.shown += [(follow.number, one.header("Call-ID") or "") for one in messages]

    async def feed(self, *call_ids: str, name: str = "feed") -> Tally:
        source = self.session.sources.start(Feed(name, *call_ids))  # type: ignore[arg-type]
        await self.session.sources.wait_sources()
        return source.tally


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "sipstream"


# The packets' way


@pytest.mark.parametrize("stage", ["decoder", "scanner"])
async def test_a_stage_that_fails_on_a_batch(
    stage: str, monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    """Row S7: its packets are counted and kept, what comes behind is shown."""
    stages = {"decoder": Decoder, "scanner": Scanner}
    whole = stages[stage].feed

    def feed(self: Any, given: Any, *more: Any) -> Any:
        data = given.data if isinstance(given, Batch) else b"".join(one[2] for one in given)
        return fail() if b"bad" in data else whole(self, given, *more)

    monkeypatch.setattr(stages[stage], "feed", feed)
    watched = Watched()
    async with watched.session as session:
        await session.follow(None)
        tally = await watched.feed("one", "bad", "two")
    assert [call_id for _, call_id in watched.shown] == ["one", "two"]
    assert dict(tally.reasons) == {"fault in sipstream (PlantedError)": 1}
    assert tally.packets == 3 == tally.with_messages + 1
    [said] = watched.said
    assert said.startswith("feed: sipstream failed on some packets and goes on")
    assert b"bad" in (state / "suspects-1.pcap").read_bytes()


@pytest.mark.parametrize(
    "step", ["Conversations._open", "Conversations._shapes_after", "Conversations._not_later",
             "found.parties"],
)  # fmt: skip
async def test_grouping_that_fails_leaves_no_message_half_entered(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row S7: what comes behind has its own time and text, not its neighbour's."""
    place, _, name = step.partition(".")
    owner = {"Conversations": Conversations, "Found": Found, "found": found_module}[place]
    whole = getattr(owner, name)

    def planted(*arguments: Any, **options: Any) -> Any:
        bad = any(b"bad" in one for one in _texts(arguments))
        return fail() if bad else whole(*arguments, **options)

    monkeypatch.setattr(owner, name, planted)
    watched = Watched()
    async with watched.session as session:
        await session.follow(None)
        tally = await watched.feed("one", "bad", "two", "two")
        found = {one.call_id: one for one in session.conversations}
        assert found["two"].count == 1
        assert found["one"].first.header("Call-ID") == "one"
        assert found["two"].first.header("Call-ID") == "two"
        columns = [
            len(column) for name, column in vars(session.conversations.index).items()
            if name.startswith("m_")
        ]  # fmt: skip
        assert len(set(columns)) == 1
        assert "bad" not in found
        assert session.conversations.message_count == 2
    assert [call_id for _, call_id in watched.shown] == ["one", "two"]
    assert tally.reasons == {"fault in sipstream (PlantedError)": 1}
    assert tally.packets == 4 == tally.with_messages + 1


def _texts(arguments: tuple[Any, ...]) -> list[bytes]:
    texts = [one for one in arguments if isinstance(one, bytes)]
    return texts + [b"".join(one.ids) for one in arguments[1:] if isinstance(one, Found)]


async def test_a_stage_that_fails_all_the_time_ends_its_source_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Row S7: restarted at most five times a minute; another source has its own stages."""
    whole = Scanner.feed
    monkeypatch.setattr(
        Scanner,
        "feed",
        lambda self, *given: fail() if self._tally.name == "bad" else whole(self, *given),
    )
    watched = Watched()
    async with watched.session as session:
        tally = await watched.feed(*map(str, range(100)), name="bad")
        assert tally.packets == tally.reasons["fault in sipstream (PlantedError)"] == RESTARTS + 1
        assert session.sources.failed
        await watched.feed("one", name="good")
        assert [one.call_id for one in session.conversations] == ["one"]
    assert (
        "bad: a fault in sipstream ended it (PlantedError); what happened is in "
        in watched.said[-1]
    )


def test_only_so_many_restarts_a_minute() -> None:
    """Row S7: those of the minute before don't count, and a clock of its own tells."""
    now = 0.0
    restarts = faults.Restarts(lambda: now)
    assert [restarts.again() for _ in range(RESTARTS + 2)] == [True] * RESTARTS + [False] * 2
    now = 61.0
    assert restarts.again()


# Behind the conversations


async def test_a_follow_whose_predicate_fails(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    """Row S7: the message it fails on is left out; other follows, and the source, know nothing."""
    watched = Watched()
    async with watched.session as session:
        bad = await session.follow(None)
        await session.follow(None)
        bad.matches._judge = lambda index, numbers, due: [
            index.c_call_id[number] != b"bad" or fail() for number in numbers
        ]
        await watched.feed("one", "bad", "two")
        assert watched.shown == [(1, "one"), (2, "one"), (2, "bad"), (1, "two"), (2, "two")]
        assert session.faults.counts == {"follow 1": 1}
        assert not session.sources.failed
    [said] = watched.said
    assert said == (
        f"follow 1: a fault in sipstream (PlantedError); what happened is in {state / 'faults.txt'}"
    )
    assert "PlantedError: planted" in (state / "faults.txt").read_text()


async def test_one_bad_message_costs_a_follow_no_other_of_its_batch() -> None:
    """Row S7: of what comes together only what fails is left out."""
    watched = Watched()
    async with watched.session as session:
        await session.follow(None)
        session.deliver = lambda follow, messages: (
            fail()
            if any(one.header("Call-ID") == "bad" for one in messages)
            else watched._deliver(follow, messages)
        )
        source = Feed("feed")
        frames = [ethernet(ipv4(udp(sip(call_id=one)))) for one in ("one", "bad", "two")]

        async def together() -> AsyncIterator[Batch]:
            yield batch(frames)

        source.batches = together  # type: ignore[method-assign]
        session.sources.start(source)  # type: ignore[arg-type]
        await session.sources.wait_sources()
        assert watched.shown == [(1, "one"), (1, "two")]
        assert [one.shown for one in session.follows] == [2]


async def test_what_a_follow_failed_on_is_left_out_and_what_follows_it_is_not() -> None:
    """Row S7: the next message of the same call is shown, alone."""
    watched = Watched()
    async with watched.session as session:
        await session.follow(None)

        def deliver(follow: Follow, messages: list[Message]) -> None:
            if len(messages) > 1 or messages[0].id == 0:
                fail()
            watched._deliver(follow, messages)

        session.deliver = deliver
        for place in range(2):
            source = Feed(str(place))
            message = sip(call_id="call", cseq=f"{place} INVITE")
            source.batches = lambda one=message: _one(one)  # type: ignore[method-assign]
            session.sources.start(source)  # type: ignore[arg-type]
            await session.sources.wait_sources()
        assert watched.shown == [(1, "call")]
        assert session.faults.counts == {"follow 1": 1}


async def _one(message: bytes) -> AsyncIterator[Batch]:
    yield batch([ethernet(ipv4(udp(message)))])


async def test_a_follow_that_fails_all_the_time_ends() -> None:
    """Row S7: after five times a minute it is told and ended, and nothing else is."""
    watched = Watched()
    async with watched.session as session:
        bad = await session.follow(None)
        await session.follow(None)
        bad.matches._judge = fail
        await watched.feed(*map(str, range(20)))
        assert [one.number for one in session.follows] == [2]
        assert len(watched.shown) == 20
        assert session.faults.counts == {"follow 1": RESTARTS + 1}
    assert watched.said[-1] == "follow 1 ended: it failed too often"
    assert len(watched.said) == 2


async def test_an_active_filter_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row S7: a conversation it can't judge doesn't match; those beside it do."""
    watched = Watched()
    async with watched.session as session:
        await session.change_filter(lambda filters: filters.add("method INVITE"))
        judge = FilterSet.judge

        def judging(self: FilterSet, index: Index, numbers: Numbers, due: Due) -> Any:
            bad = any(index.c_call_id[number] == b"bad" for number in numbers)
            return fail() if bad else judge(self, index, numbers, due)

        session.matches._judge = lambda *asked: judging(session.filters, *asked)
        await watched.feed("one", "bad", "two")
        assert session.matching_count == 2
        assert session.faults.counts == {"filter": 1}


# The shell


async def console_of(watched: Watched, writer: Writer) -> Console:
    console = Console(watched.session, Output(writer, writer))
    watched.session.faults.tell = watched.said.append
    return console


async def test_a_command_that_fails_costs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row S7: one sentence, no traceback, and the next command works; show sources counts it."""
    from sipstream.shell import commands  # noqa: F401

    path = tmp_path / "out"
    with path.open("wb") as file:
        writer = Writer(file.fileno())
        watched = Watched()
        async with watched.session as session:
            console = await console_of(watched, writer)
            with monkeypatch.context() as patch:
                patch.setattr(session, "listed", fail)
                assert not await console.execute("show conversations")
            assert await console.execute("show conversations")
            assert await console.execute("show sources")
        assert writer.close()
    first, _, third = path.read_text().splitlines()
    assert first.startswith(
        "*** Error! a fault in sipstream ended it (PlantedError); what happened is"
    )
    assert third == "1 faults in sipstream: commands"


async def test_the_outputs_thread_fails(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    """Row S7: writing goes on behind a fault, and is given up when it fails all the time."""
    read, written = os.pipe()
    fcntl.fcntl(written, fcntl.F_SETPIPE_SZ, 4096)
    try:
        writer = Writer(written, limit=10_000)
        writer.on_recovery = fail
        writer.put("x" * 8999 + "\n")
        assert not writer.write("y" * 1999 + "\n")
        # Once the pipe is read there is room again, which the thread tells.
        await asyncio.to_thread(_until, read, b"x\n")
        writer.put("after\n")
        await asyncio.to_thread(_until, read, b"after\n")
        assert not writer.broken
        assert "PlantedError" in (state / "faults.txt").read_text()
        monkeypatch.setattr("sipstream.shell.writer._write_all", fail)
        async with asyncio.timeout(10):
            for _ in range(RESTARTS + 1):
                writer.put("x\n")
                await asyncio.sleep(0.05)
            await writer.wait_broken()
    finally:
        os.close(read)
        os.close(written)


def _until(descriptor: int, text: bytes) -> None:
    seen = b""
    while text not in seen:
        seen += os.read(descriptor, 65536)


PLANT = """
import sys
from sipstream.{module} import {name} as place
def fail(*arguments, **named):
    raise ZeroDivisionError("planted")
place.{function} = fail
from sipstream.cli import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("module", "name", "function", "keys"),
    [
        ("shell", "prompt", "status.line", ""),
        ("shell", "completion", "search", "show \t"),
        ("shell", "keys", "list_next", "show ?"),
        ("shell.prompt", "Prompt", "_interrupt_idle", "\x03"),
    ],
    ids=["bottom line", "completion", "listing", "key"],
)
def test_the_prompt_lives_on(
    tmp_path: Path, module: str, name: str, function: str, keys: str
) -> None:
    """Row S7: a fault while the prompt is drawn or a key is handled is a sentence above it."""
    plant = PLANT.format(module=module, name=name, function=function)
    terminal = Terminal.of([sys.executable, "-c", plant], cwd=tmp_path)
    try:
        terminal.at_prompt()
        terminal.type(keys)
        terminal.until(r"a fault in sipstream \(ZeroDivisionError\); what happened is in")
        terminal.type("\x15")
        terminal.command("show follows")
        terminal.until("^nothing is followed")
        terminal.type("exit\r")
        assert terminal.end() == 0
        assert not any("Traceback" in line for line in terminal.lines())
    finally:
        terminal.close()
