"""Triggers: once a conversation, what is said of traffic can't do anything, nothing is waited for."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rings import Clock
from support import CAPTURES, batch, ethernet, ipv4, sip, udp

from sipstream import acting
from sipstream.errors import SourceError
from sipstream.options import parse
from sipstream.options.groups import Wish
from sipstream.session import Session
from sipstream.triggers import LATEST_SECONDS, QUIET_SECONDS, Triggers

TRYING = "SIP/2.0 100 Trying"


class Tried:
    """A session with one trigger, by a clock of ours."""

    def __init__(self, session: Session, wish: Wish, told: list[str]) -> None:
        self.clock = Clock()
        self.told = told
        self.session = session
        self.triggers = Triggers(session, [wish], told.append, self.clock)
        self.entry = session.sources.entry("test")
        self._time = 0

    async def put(self, *messages: bytes, former: bool = False) -> None:
        """Have messages come in, each in its own second."""
        packets = [ethernet(ipv4(udp(message))) for message in messages]
        times = [(self._time + place) * 10**9 for place in range(len(packets))]
        self._time += len(packets)
        await self.entry.put(batch(packets, times=times), former=former)


@asynccontextmanager
async def tried(wish: Wish) -> AsyncIterator[Tried]:
    told: list[str] = []
    async with Session() as session:
        one = Tried(session, wish, told)
        session.watchers.append(one.triggers._saw)
        yield one
        session.watchers.remove(one.triggers._saw)
        async with one.triggers:
            pass


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_line_is_appended_once_a_conversation(tmp_path: Path) -> None:
    path = tmp_path / "hits"
    async with tried(Wish("dstnum 566*", path)) as one:
        await one.put(sip(call_id="a"), sip(TRYING, "a"), sip(call_id="b", destination="<sip:1@b>"))
        await one.triggers.step()
        await one.put(sip("SIP/2.0 200 OK", "a"), sip(call_id="c"))
        await one.triggers.step()
    found = lines(path)
    assert [line["call_id"] for line in found] == ["a", "c"]
    assert found[0]["on"] == "dstnum 566*"
    assert len(str(found[0]["told"])) == len(str(found[0]["time"])), "times look alike"
    assert found[0]["dst_num"] == "5660066"
    assert found[0]["messages"] == 2
    assert path.stat().st_mode & 0o777 == 0o600


async def test_what_may_cease_is_asked_when_nothing_more_comes(tmp_path: Path) -> None:
    path = tmp_path / "hits"
    async with tried(Wish("state calling", path)) as one:
        await one.put(sip(call_id="answered"), sip(call_id="silent"))
        await one.triggers.step()
        one.clock.now += QUIET_SECONDS - 1
        await one.put(sip("SIP/2.0 200 OK", "answered"))
        await one.triggers.step()
        one.clock.now += 1
        await one.triggers.step()
        one.clock.now += QUIET_SECONDS
        await one.triggers.step()
        await asyncio.to_thread(one.triggers._triggers[0]._action._worker.end)  # type: ignore[attr-defined]
        assert [line["call_id"] for line in lines(path)] == ["silent"]


async def test_what_never_gets_quiet_is_asked_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "hits"
    async with tried(Wish("not dstnum 1", path)) as one:
        for _ in range(int(LATEST_SECONDS / 2) + 1):
            await one.put(sip(call_id="busy"))
            await one.triggers.step()
            one.clock.now += 2
        await one.triggers.step()
        await asyncio.to_thread(one.triggers._triggers[0]._action._worker.end)  # type: ignore[attr-defined]
        assert [line["call_id"] for line in lines(path)] == ["busy"]


async def test_a_finding_that_is_silence(tmp_path: Path) -> None:
    path = tmp_path / "hits"
    told: list[str] = []
    async with Session() as session:
        wish = Wish("finding nat-timeout and number 5660*", path)
        async with Triggers(session, [wish], told.append):
            await session.sources.load(CAPTURES / "timeout.pcap")
    found = lines(path)
    assert [line["findings"] for line in found] == [["nat-timeout"]]
    assert told == []


async def test_what_was_asked_for_or_there_before_pulls_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hits"
    async with tried(Wish("dstnum 566*", path)) as one:
        await one.put(sip(call_id="former"), former=True)
        await one.put(sip(call_id="new"))
    assert [line["call_id"] for line in lines(path)] == ["new"]


async def test_cleared_conversations_are_others(tmp_path: Path) -> None:
    path = tmp_path / "hits"
    async with tried(Wish("dstnum 566*", path)) as one:
        await one.put(sip(call_id="a"))
        await one.triggers.step()
        one.session.clear()
        await one.put(sip(call_id="b"))
    assert [line["call_id"] for line in lines(path)] == ["a", "b"]


def script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "script"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


async def test_a_command_gets_traffic_in_its_environment_only(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    path = script(
        tmp_path,
        'for one in "$#" "$1" "$2" "$SIPSTREAM_FROM" "$SIPSTREAM_CALL_ID" "$SECRET"\n'
        f'do printf "%s\\n" "$one" >> {seen}; done; cat >> {seen}',
    )
    hostile = "$(touch${IFS}x)`y`;'\"\\\x1b[2J"
    os.environ["SECRET"] = "ours"
    try:
        async with tried(Wish("dstnum 5660066", run=f"{path} 'one $HOME' two")) as one:
            await one.put(sip(call_id=hostile, source="<sip:$(id)@a>;tag=1"))
    finally:
        del os.environ["SECRET"]
    count, first, second, source, call_id, secret, line = seen.read_text().splitlines()
    assert (count, first, second, secret) == ("2", "one $HOME", "two", "")
    assert source == "<sip:$(id)@a>;tag=1"
    assert call_id == "$(touch${IFS}x)`y`;'\"\\\\\\x1b[2J"
    assert json.loads(line)["call_id"] == hostile
    assert one.told == []


async def test_a_command_that_hangs_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "RUN_SECONDS", 0.3)
    pids = tmp_path / "pids"
    path = script(tmp_path, f"sleep 50 & echo $! >> {pids}; echo $$ >> {pids}; wait")
    async with tried(Wish("dstnum 566*", run=str(path))) as one:
        await one.put(sip(call_id="a"))
    assert any("took over" in text and "was killed" in text for text in one.told)
    for pid in pids.read_text().split():
        state = Path(f"/proc/{pid}/stat")
        assert not state.exists() or state.read_text().split()[2] == "Z"


async def test_commands_are_few_at_a_time_and_left_out_beyond_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "WAITING", 5)
    monkeypatch.setattr("sipstream.triggers._PATIENCE", 0.0)
    path = script(tmp_path, "sleep 20")
    async with tried(Wish("dstnum 566*", run=str(path))) as one:
        await one.put(*(sip(call_id=f"call-{number}") for number in range(40)))
        await one.triggers.step()
        action = one.triggers._triggers[0]._action
        assert isinstance(action, acting.Run)
        assert len(action._tasks) == acting.RUNNING
        assert len(action._waiting) == 5
    assert len(one.told) == 1
    assert "left out so far: 60 a minute are run, 4 at a time" in one.told[0]
    assert not action._tasks


async def test_a_command_that_fails_is_told_once(tmp_path: Path) -> None:
    path = script(tmp_path, "printf 'bad \\033[31mthing' >&2; exit 7")
    async with tried(Wish("dstnum 566*", run=str(path))) as one:
        await one.put(sip(call_id="a"), sip(call_id="b"))
    assert one.told == ["--on dstnum 566*: script failed with status 7: bad \\x1b[31mthing"]


async def test_a_full_disk_is_told_once_and_ends_nothing(tmp_path: Path) -> None:
    async with tried(Wish("dstnum 566*", Path("/dev/full"))) as one:
        await one.put(sip(call_id="a"), sip(call_id="b"))
        await one.triggers.step()
        await asyncio.to_thread(one.triggers._triggers[0]._action._worker.end)  # type: ignore[attr-defined]
        await asyncio.sleep(0)
    assert len(one.told) == 1
    assert "no space left on device" in one.told[0]


async def test_a_file_that_may_not_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    async with Session() as session:
        for wish in (
            Wish("dstnum 1", tmp_path / "link"),
            Wish("dstnum 1", tmp_path),
            Wish("dstnum 1", tmp_path / "not" / "there"),
            Wish("dstnum 1", run="not-a-program-here"),
            Wish("dstnum 1", run="'open"),
            Wish("dstnum 1", run=""),
        ):
            with pytest.raises(SourceError):
                Triggers(session, [wish], print)
    assert not (tmp_path / "target").exists()


def test_each_filter_has_what_stands_behind_it() -> None:
    options = parse(
        ["x.pcap", "--on", "dstnum 1", "--append", "a", "--on", "finding", "--run", "b c"]
    )
    assert options.triggers == [
        Wish("dstnum 1", append=Path("a")),
        Wish("finding", run="b c"),
    ]
    assert parse(["x.pcap"]).triggers == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--on", "dstnum 1"], "--on needs to know what to do"),
        (["--append", "a"], "put one before each"),
        (["--on", "dstnum 1", "--append", "a", "--run", "b"], "put one before each"),
        (["--on", "dstnum", "--append", "a"], "dstnum needs a number"),
        (["--on", "", "--append", "a"], "--on: "),
        (["--write-ring", "r", "--ring-size", "10GB"], "add --live IFACE"),
        (["--live", "lo", "--write-ring", "r"], "add --ring-size"),
        (["--live", "lo", "--ring-time", "24h"], "add --write-ring DIR"),
        (["--live", "lo", "--write-ring", "r", "--ring-size", "1G", "--ring-time", "5"], "no time"),
        (["--live", "lo", "--write-ring", "r", "--ring-size", "1G", "--write", "w"], "choose one"),
        (
            ["--live", "lo", "--write-ring", "r", "--ring-size", "1G", "--spool-dir", "w"],
            "choose one",
        ),
    ],
)
def test_options_that_make_no_sense(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert what in capsys.readouterr().err
