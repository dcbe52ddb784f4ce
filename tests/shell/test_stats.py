"""show stats: what a user sees of figures, in a shell without a terminal and on one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from consoles import Shell
from support import CAPTURES, sip
from terminal import Terminal

from sipstream.escape import cells
from sipstream.render import stats
from sipstream.shell.completion import offers
from sipstream.shell.registry import GENERAL
from sipstream.shell.statistics import TOPICS

PLAIN = CAPTURES / "testdata-pt.pcap.gz"


async def load(shell: Shell, path: Path = PLAIN) -> None:
    await shell("clear")
    await shell(f"load {path}")


async def test_the_overview_fits_a_screen_and_says_how_calls_went(shell: Shell) -> None:
    await load(shell)
    lines = await shell("show stats")
    assert len(lines) <= 22
    assert max(map(cells, lines)) <= 80
    assert lines[0] == "15:49:01 to 16:13:57 (24m55s): 1083 conversations, 6496 messages"
    assert "calls      731 asked for  494 answered  235 failed (82 cancelled)" in lines
    assert "           ASR 67.6%  NER 96.0%  SER 67.8%  SEER 85.0%  ISA 0.0%  SCR 66.3%" in lines


async def test_what_is_watched_has_room_for_what_tells_most(shell: Shell) -> None:
    """A third of 24 lines, of which one is the heading."""
    await load(shell)
    lines = "\n".join((await shell("show stats"))[:7])
    assert all(word in lines for word in ("ASR", "ACD", "most 95", "failing to", "errors", "IRA"))


async def test_figures_are_those_of_what_is_shown(shell: Shell) -> None:
    await load(shell)
    await shell("filter")
    await shell("add final 486")
    first = (await shell("show stats"))[0]
    assert first.endswith(": 82 conversations, 328 messages")
    narrower = (await shell("show stats number 4156632"))[0]
    listed = await shell("list number 4156632 | count")
    assert f": {listed[0]} conversations" in narrower
    await shell("reset")
    assert (await shell("show stats"))[0].endswith("1083 conversations, 6496 messages")


async def test_what_comes_counts_at_once(shell: Shell) -> None:
    await shell("clear")
    assert await shell("show stats") == ["no messages"]
    shell.put(sip("INVITE sip:2@b SIP/2.0", "a", cseq="1 INVITE"))
    assert "calls      1 asked for  0 answered  0 failed (0 cancelled)" in await shell("show stats")
    shell.put(sip("SIP/2.0 503 Busy", "a", cseq="1 INVITE"))
    lines = await shell("show stats")
    assert "calls      1 asked for  0 answered  1 failed (0 cancelled)" in lines
    assert "failing to 5660066 1" in lines
    assert "           ASR 0.0%  NER 0.0%  SER 0.0%  SEER 0.0%  ISA 100.0%  SCR 0.0%" in lines
    await shell("clear")
    assert await shell("show stats") == ["no messages"]


async def test_all_numbers_are_in_the_object(tmp_path: Path) -> None:
    made = Shell(tmp_path, as_json=True)
    async with made.session:
        await made(f"load {PLAIN}")
        (line,) = await made("show stats")
        found = json.loads(line)
        assert found["requests"]["INVITE"] == {"messages": 811, "sent_again": 0, "copies": 0}
        assert found["responses"]["486"]["messages"] == 82
        assert found["ser"] == pytest.approx(494 / (811 - 80 - 2))
        assert found["srd"]["p95"] == pytest.approx(1.497261)
        assert found["sdt"]["mean"] == found["acd"]
        assert found["talkers"][0] == {"address": "10.11.12.13", "messages": 2409}
        methods = list(map(json.loads, await made("show stats methods")))
        assert sum(one["messages"] for one in methods) == found["messages"] == 6496
        bars = list(map(json.loads, await made("show stats plot every 5m")))
        assert [one["seconds"] for one in bars] == [300] * 6
        assert sum(one["messages"] for one in bars) == 6496
        assert max(one["calls"] for one in bars) == found["most_at_once"] == 95
        agents = list(map(json.loads, await made("show stats agents")))
        assert sum(one["conversations"] for one in agents) == agents[0]["of"] == 1083
        failing = list(map(json.loads, await made("show stats failing")))
        assert failing[0] == {"kind": "called", "name": "5661786", "failed": 3, "of": 155}
        for topic in ("calls", "registrations"):
            (line,) = await made(f"show stats {topic}")
            assert json.loads(line).items() <= found.items()
    made.close()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("every", "every takes a duration from 1s on, as in every 5m"),
        ("every 5x", "every takes a duration from 1s on, as in every 5m, not 5x"),
        ("plot every 0s", "every takes a duration from 1s on, as in every 5m, not 0s"),
        ("calls every 5m", "every goes with plot, not with calls"),
    ],
)
async def test_what_makes_no_sense(shell: Shell, typed: str, told: str) -> None:
    assert await shell(f"show stats {typed}") == [f"*** Error! {told}"]


async def test_intervals_that_are_too_many_are_refused(shell: Shell) -> None:
    await shell("clear")
    shell.put(sip())
    shell._clock += 20_000 * 10**9
    shell.put(sip())
    [line] = await shell("show stats every 1s")
    assert line == "*** Error! every 1s makes more than 10000 intervals: take a longer one"


@pytest.mark.parametrize("topic", ["", *TOPICS])
@pytest.mark.parametrize("width", [20, 40, 80, 132])
async def test_no_line_is_wider_than_the_terminal(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, topic: str, width: int
) -> None:
    await load(shell)
    monkeypatch.setattr(type(shell.console), "table_width", width)
    lines = await shell(f"show stats {topic}".strip())
    assert lines
    assert max(map(cells, lines)) <= width


async def test_bars_stand_for_what_came(shell: Shell) -> None:
    await load(shell)
    lines = await shell("show stats every 5m")
    assert lines[0] == "15:45:00 to 16:10:00, 5m a bar"
    # 1549 messages in the third of six intervals: ten columns each.
    assert lines[1] == "   messages 1549┤" + " " * 20 + "█" * 20
    assert lines[6] == "               0┤" + "█" * 60
    assert [line.split("┤")[0].strip() for line in lines if "┤" in line][::2] == [
        "messages 1549", "failures 62", "calls at once 95",
    ]  # fmt: skip


async def test_a_terminal_without_unicode_has_bars_all_the_same(shell: Shell) -> None:
    await load(shell)
    shell.console.out.writer.encoding = "ascii"
    lines = await shell("show stats every 5m")
    assert lines[1] == "   messages 1549|" + " " * 20 + "#" * 20
    assert "\n".join(lines).isascii()


async def test_bars_for_which_there_is_no_room_are_told(shell: Shell) -> None:
    await load(shell)
    lines = await shell("show stats every 5s")
    # From 15:49:00 to 16:13:55 it is 300 of them, and there is room for 60.
    assert lines[0] == "16:09:00 to 16:13:55, 5s a bar; 240 earlier ones are left out"


async def test_user_agents_of_a_sample_are_told_so(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.metrics.tops.SAMPLE", 100)
    await load(shell)
    lines = await shell("show stats agents")
    # Every eleventh.
    assert lines[-1] == "counted in the first messages of 99 of 1083 conversations"
    assert sum(int(line.split()[-2]) for line in lines[1:-1]) == 99


async def test_texts_from_traffic_are_escaped(shell: Shell) -> None:
    await shell("clear")
    evil = sip(
        "INVITE sip:2@b SIP/2.0", extra="User-Agent: x\x1b[2Jy\r\n", destination="<sip:\x1b]0;a@b>"
    )
    shell.put(evil, sip("SIP/2.0 404 Any", destination="<sip:\x1b]0;a@b>", cseq="1 INVITE"))
    for topic in ("", *TOPICS):
        assert "\x1b" not in "\n".join(await shell(f"show stats {topic}".strip()))
    assert r"x\x1b[2Jy" in (await shell("show stats agents"))[1]
    assert r"failing to \x1b]0 1" in await shell("show stats")


def test_what_is_offered(shell: Shell) -> None:
    def offered(line: str) -> set[str]:
        return {one.text for one in offers(shell.session, line, GENERAL)[1]}

    assert {*TOPICS, "every", "dstnum", "final"} <= offered("show stats ")
    assert "every" in offered("show stats plot ")
    assert not {*TOPICS} & offered("show stats plot ")
    assert offered("show stats every ") == {"5m"}
    assert "dstnum" in offered("show stats every 5m ")
    assert {"or", "and"} <= offered("show stats calls dstnum 1 ")


def test_it_is_watched_while_a_capture_grows(tmp_path: Path) -> None:
    terminal = Terminal([], cwd=tmp_path, columns=80, rows=24)
    try:
        terminal.command("tail grows.pcap")
        terminal.command("watch show stats every 1s")
        (tmp_path / "grows.pcap").write_bytes((CAPTURES / "timeout.pcap").read_bytes())
        terminal.until(r"^calls      7 asked for  4 answered  2 failed \(1 cancelled\)")
        terminal.command("unwatch")
        terminal.command("watch show stats plot every 1s")
        terminal.until(r"messages 26┤")
        lines = [line.rstrip() for line in terminal.screen.display]
        assert any(re.search(r"calls at once 2┤", line) for line in lines), lines
        [place] = [
            place for place, line in enumerate(lines) if line == "every 1 s: show stats plot"
        ]
        assert re.fullmatch(r" +16:41:00 +16:42:[0-9]+ +16:4.*", lines[place + 7]), lines
    finally:
        terminal.close()


def test_lengths_of_intervals_are_told_as_they_are_typed() -> None:
    told = [stats.interval(seconds) for seconds in (1, 90, 300, 7200, 86_400)]
    assert told == ["1s", "90s", "5m", "2h", "1d"]
