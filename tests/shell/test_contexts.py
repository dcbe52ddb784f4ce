"""Contexts: in and out of them, what works in all, and what the one of a follow does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from consoles import Shell
from support import CAPTURES, sip
from terminal import Terminal

from sipstream.shell.completion import listing, offers, takes_word
from sipstream.shell.registry import CONTEXTS, CONVERSATION, FILTER, FOLLOW, GENERAL

TIMEOUT = str(CAPTURES / "timeout.pcap")


@pytest.fixture
async def typed(tmp_path: Path) -> AsyncIterator[Shell]:
    made = Shell(tmp_path)
    async with made.session:
        made.put(sip(call_id="a"), sip(call_id="b", destination="<sip:7000000@b>"))
        yield made
    made.close()


async def test_up_leads_back_through_the_contexts(typed: Shell) -> None:
    await typed("follow dstnum 5660066")
    for line, prompt in (
        ("follow 1", "sipstream[follow 1]: "),
        ("run conversation 1", "sipstream[conversation 1]: "),
        ("run filter", "sipstream[filter]: "),
        ("add dstnum 5660066", "sipstream[filter]*: "),
        ("up", "sipstream[conversation 1]*: "),
        ("exit", "sipstream[follow 1]*: "),
        ("run filter", "sipstream[filter]*: "),
        ("run conversation 0", "sipstream[conversation 0]*: "),
        ("top", "sipstream*: "),
        ("top", "sipstream*: "),
        ("filter", "sipstream[filter]*: "),
        ("follow 1", "sipstream[follow 1]*: "),
        ("up", "sipstream[filter]*: "),
        ("up", "sipstream*: "),
    ):
        assert await typed(line) in ([], ["1 conversations"])
        assert typed.console.prompt == prompt
    assert await typed("up") == [
        "*** Error! this is the general context, the uppermost: 'exit' ends the program"
    ]
    assert not typed.console.finished
    await typed("exit")
    assert typed.console.finished


async def test_a_command_of_the_general_context_is_told_how_it_runs(typed: Shell) -> None:
    await typed("filter")
    for line in ("filter", "load x.pcap", "clear", "conv 0"):
        assert await typed(line) == [
            f"*** Error! {line.split()[0]} is a command of the context general:"
            f" 'run {line}' runs it here"
        ]
    assert await typed("load filtre") == [
        "*** Error! load is a command of the context general: 'run load filtre' runs it here"
    ]
    assert await typed("load filter") == [
        "*** Error! missing argument: load filter needs <name>; see 'help load filter'"
    ]
    assert await typed("next") == ["*** Error! next is a command of the context conversation"]
    assert await typed("bogus") == ["*** Error! unknown command bogus: 'help' lists them"]


async def test_a_context_that_is_open_is_gone_back_to(typed: Shell) -> None:
    """So that no chain of them grows without end."""
    for line in ("filter", "run conversation 0", "run filter"):
        await typed(line)
    assert typed.console.prompt == "sipstream[filter]: "
    await typed("run filter")
    await typed("up")
    assert typed.console.prompt == "sipstream: "


async def test_run_runs_what_the_general_context_has(typed: Shell) -> None:
    await typed("conversation 0")
    assert await typed("run show conversations | count") == ["2"]
    assert await typed("ru sh conversations dstnum 7000000 | count") == ["1"]
    assert (await typed("run show"))[0].startswith("*** Error! missing argument: show needs")
    assert not typed.good
    assert await typed("run conversation 9") == ["*** Error! no conversation 9: the last one is 1"]
    assert not typed.good
    assert (await typed("run"))[
        0
    ] == "*** Error! missing argument: run needs <command>; see 'help run'"
    assert (await typed("run run show states"))[0].startswith("*** Error! run takes a command")
    assert typed.console.prompt == "sipstream[conversation 0]: "
    # A filter that is wrong there has its caret too.
    assert (await typed("run show conversations dstnm 4"))[1:] == ["  dstnm 4", "  ^"]


@pytest.mark.parametrize("context", CONTEXTS)
async def test_what_looks_works_everywhere(typed: Shell, context: str) -> None:
    await typed("follow dstnum 1")
    enter = {FILTER: "filter", CONVERSATION: "conversation 0", FOLLOW: "follow 1"}
    if context != GENERAL:
        await typed(enter[context])
    for line, count in (
        ("show conversations", 2),
        ("show follows", 1),
        ("list | count", 1),
        ("follow dstnum 2", 1),
        ("unfollow 2", 1),
    ):
        assert len(await typed(line)) == count, line
        assert typed.good
    helped = await typed("help")
    for word in ("up", "top", "run", "exit", "help"):
        assert any(line.startswith(f"{word} ") for line in helped), word
    assert (await typed("help run"))[0] == "run <command>"


async def test_the_context_of_a_follow(typed: Shell) -> None:
    await typed("follow dstnum 5660066")
    assert await typed("follow 2") == ["*** Error! no follow 2: 'show follows' lists them"]
    await typed("follow 1")
    assert await typed("show") == [
        "Follow 1: dstnum 5660066",
        "1 conversations match",
        "0 messages shown",
    ]
    assert [line.split()[0] for line in await typed("list columns index")] == ["#", "0"]
    assert await typed("list dstnum 7000000") == ["no conversations"]
    typed.put(sip("SIP/2.0 180 Ringing", "a"))
    [line] = await typed.written()
    assert " 180 Ringing " in line
    await typed("messages")
    typed.put(sip("SIP/2.0 200 OK", "a"))
    assert "Call-ID: a" in await typed.written()
    await typed("lines")
    typed.put(sip("ACK sip:2@b SIP/2.0", "a"))
    assert len(await typed.written()) == 1
    assert (await typed("show"))[2] == "3 messages shown"


async def test_a_follow_that_is_paused_counts(typed: Shell) -> None:
    await typed("follow dstnum 5660066")
    await typed("follow 1")
    assert (await typed("resume"))[0].startswith("*** Error! the follow isn't paused")
    await typed("pause")
    typed.put(sip("SIP/2.0 180 Ringing", "a"), sip("SIP/2.0 200 OK", "a"))
    assert await typed.written() == []
    assert (await typed("show"))[3].startswith("paused: 2 messages passed over so far")
    assert await typed("resume") == ["2 messages were passed over"]
    typed.put(sip("ACK sip:2@b SIP/2.0", "a"))
    assert len(await typed.written()) == 1
    await typed("pause")
    assert await typed("resume") == ["0 messages were passed over"]


async def test_another_filter_shows_only_what_comes(typed: Shell) -> None:
    await typed("follow dstnum 5660066")
    await typed("follow 1")
    assert await typed("filter dstnum 7000000") == ["1 conversations"]
    typed.put(sip("SIP/2.0 180 Ringing", "a"), sip("SIP/2.0 180 Ringing", "b"))
    [line] = await typed.written()
    assert line.endswith(" b")
    assert await typed("filter dstnum 5660066") == ["1 conversations"]
    # What came for it while another filter was followed isn't new.
    typed.put(sip("SIP/2.0 200 OK", "a"))
    [line] = await typed.written()
    assert " 200 OK " in line
    assert (await typed("filter dstnm 1"))[0].startswith("*** Error! unknown term 'dstnm'")
    assert (await typed("show"))[0] == "Follow 1: dstnum 5660066"


async def test_end_ends_it_and_leaves(typed: Shell) -> None:
    await typed("follow dstnum 5660066")
    await typed("follow 1")
    assert await typed("end") == ["Follow 1 ended (0 messages shown)"]
    assert typed.console.prompt == "sipstream: "
    assert await typed("show follows") == ["nothing is followed"]


async def test_a_follow_that_ended_meanwhile(typed: Shell) -> None:
    await typed("follow dstnum 5660066")
    await typed("follow 1")
    await typed("unfollow")
    for line in (
        "show",
        "list",
        "lines",
        "messages",
        "flow",
        "pause",
        "resume",
        "filter dstnum 1",
        "end",
    ):
        assert await typed(line) == ["*** Error! the follow has ended; 'exit' leaves its context"]
    assert await typed("exit") == []
    assert typed.console.prompt == "sipstream: "


async def test_a_follow_as_an_object(tmp_path: Path) -> None:
    made = Shell(tmp_path, as_json=True)
    async with made.session:
        made.put(sip(call_id="a"))
        await made("follow dstnum 5660066 messages")
        await made("follow 1")
        [found] = map(json.loads, await made("show"))
    made.close()
    assert found == {
        "follow": 1,
        "filter": "dstnum 5660066",
        "whole": True,
        "flow": False,
        "conversations": 1,
        "shown": 0,
        "paused": False,
        "passed_over": 0,
    }


async def test_completion_behind_run(typed: Shell) -> None:
    session = typed.session
    await typed("follow dstnum 5660066")
    typed_word, found = offers(session, "run show conversations so", FILTER)
    assert (typed_word, [one.text for one in found]) == ("so", ["sorted"])
    assert [one.text for one in offers(session, "follow 1", GENERAL)[1]] == ["1"]
    assert "| count" in [one.text for one in offers(session, "run show filter ", FOLLOW)[1]]
    assert any(
        line.strip().startswith("sorted")
        for line in listing(session, "run show conversations ", FILTER, 80)
    )
    assert takes_word("run show conversations", FILTER)


def test_by_options() -> None:
    def run(*commands: str) -> subprocess.CompletedProcess[str]:
        words = [word for line in commands for word in ("-c", line)]
        return subprocess.run(
            [sys.executable, "-m", "sipstream", TIMEOUT, *words],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TZ": "UTC"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = run(
        "follow dstnum 5660066",
        "follow 1",
        "list columns index,time",
        "run show conversations | count",
        "top",
        "list | count",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[3:] == [" #  time", "10  16:41:37.979995", "45", "45"]
    assert run("filter", "run nonsense").returncode == 1
    assert run("filter", "exit", "exit", "nonsense").returncode == 0


def test_on_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal([TIMEOUT], cwd=tmp_path, columns=80, rows=50)
    try:
        terminal.command("follow dstnum 5660066")
        terminal.command("follow 1")
        terminal.until(r"^sipstream\[follow 1\]:$")
        terminal.command("list")
        line = terminal.until("^10  16:41:37")
        assert (
            line
            == "10  16:41:37  INVITE     4151502->5660066    -     31.499s  calling      problem"
        )
        terminal.command("run filter")
        terminal.command("add status 4xx")
        terminal.type("\x04")
        terminal.until(r"^sipstream\[follow 1\]\*:$")
        terminal.at_prompt()
        terminal.type("\x04")
        terminal.until(r"^sipstream\*:$")
        terminal.command("list")
        rows = [one for one in terminal.lines() if one.endswith(("registered", "failed", "done"))]
        assert len(rows) > 10
        assert all(len(one) <= 80 for one in rows)
        terminal.at_prompt()
        terminal.type("\x04")
        assert terminal.end() == 0
    finally:
        terminal.close()
