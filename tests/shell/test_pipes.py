"""`show ... | count`, and lists by a filter of their own."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support import CAPTURES, batch, ethernet, ipv4, sip, udp

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.decode.decoder import Decoder
from sipstream.packets import Tally
from sipstream.session import Session
from sipstream.shell import help as help_texts
from sipstream.shell import pipes
from sipstream.shell.completion import listing, offers
from sipstream.shell.console import Console
from sipstream.shell.output import Output, Writer
from sipstream.sip.scan import Scanner


class Shell:
    """A console, and what it wrote since it was last asked."""

    def __init__(self, path: Path, *, as_json: bool = False) -> None:
        self.path = path
        self.file = path.open("ab")
        self.writer = Writer(self.file.fileno())
        self.console = Console(Session(), Output(self.writer, self.writer, json=as_json))
        self._read = 0

    async def __call__(self, line: str) -> list[str]:
        await self.console.execute(line)
        await self.writer.drain(0)
        text = self.path.read_text()[self._read :]
        self._read += len(text)
        return text.splitlines()


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    made = Shell(tmp_path / "out")
    async with made.console.session as session:
        await session.sources.load(CAPTURES / "timeout.pcap")
        yield made
    made.writer.close()


INVITE = "[10] 16:41:37.979995: INVITE 4151502->5660066"


async def test_conversations_that_match_a_filter(shell: Shell) -> None:
    """The index is the one that `show conversation` takes."""
    assert await shell("show conversations sorted dstnum 5660066") == [INVITE]
    assert (await shell("show conversation 10"))[1:2] == [
        "[0]  16:41:37.979995  INVITE  (4151502->5660066)"
    ]
    assert await shell("sh conversations so dstnum +5660066 and method INVITE") == [INVITE]
    [line] = await shell("show conversations dstnum 5660066")
    assert line == f"35e857d642ef6280292e2d0e4cac4f13@10.10.10.2:5060: {INVITE[5:]}"
    assert await shell("show conversations dstnum 1") == []


async def test_of_those_that_the_active_filter_shows(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.session._PIECE", 4)
    await shell.console.execute("filter")
    assert await shell("add method INVITE") != ["0 conversations"]
    shown = await shell("show conversations sorted")
    assert 1 < len(shown) < 45
    [line] = await shell("show conversations sorted dstnum 5660066")
    assert line in shown
    assert line.startswith(f"[{shown.index(line)}] ")
    assert await shell("show conversations not method INVITE") == []
    assert await shell("show conversations sorted | count") == [str(len(shown))]
    assert await shell("show conversations dstnum 5660066 | count") == ["1"]


async def test_both_lists_have_the_same_conversations(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.shell.commands.show._SORTED", 4)
    by_time = await shell("show conversations sorted status 100-699")
    by_call_id = await shell("show conversations status 100-699")
    assert by_call_id == sorted(by_call_id)
    assert sorted(line.split(" ", 1)[1] for line in by_time) == sorted(
        line.split(": ", 1)[1] for line in by_call_id
    )
    assert await shell("show conversations status 100-699 | count") == [str(len(by_time))]
    assert 0 < len(by_time) < 45


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("show conversations | count", 45),
        ("show conversations sorted | count", 45),
        ("sh conv 10 | co", 15),
        ("show conversation 10 messages |count", 0),
        ("show sources | count", 0),
        ("show states | count", 0),
        ("show filter | count", 1),
        ('show conversations callid "a | count" | count', 0),
        ('show conversations callid "35e8*" "a \\" | b"  |  count ', 1),
    ],
)
async def test_the_lines_are_counted(shell: Shell, line: str, count: int) -> None:
    [counted] = await shell(line)
    if not count:
        count = len(await shell(line.rpartition("|")[0]))
    assert counted == str(count)


async def test_objects_are_counted(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "out", as_json=True)
    async with shell.console.session as session:
        await session.sources.load(CAPTURES / "timeout.pcap")
        for line, count in (
            ("show conversations sorted | count", 45),
            ("show conversations dstnum 5660066 | count", 1),
            ("show conversation 10 | count", 14),
            ("show sources | count", 1),
        ):
            assert [json.loads(one) for one in await shell(line)] == [{"count": count}]
    shell.writer.close()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("show conversations |", "missing argument: | needs count"),
        ("show conversations | cuont", "unknown word behind |: cuont: did you mean count?"),
        ("show conversations | srcnum 5", "unknown word behind |: srcnum 5: it may be count"),
        ("show conversations | count | count", "unknown word behind |: count | count: "),
        ("show nothing | count", "unknown word nothing: "),
        ("show conversations dstnum | count", "missing argument: dstnum needs a number"),
        ("show conversations dstnum 1 || srcnum 2", "write `or` for '||'"),
        ("show conversations srted", "unknown word srted: did you mean sorted?"),
        ("show conversations dst 5", "unknown term 'dst', did you mean"),
        ("show conversation 99 | count", "no conversation 99: the last one is 44"),
    ],
)
async def test_what_makes_no_sense_is_one_sentence(shell: Shell, line: str, error: str) -> None:
    said, *below = await shell(line)
    assert said.startswith(f"*** Error! {error}")
    # Where a filter is wrong its text follows, with a caret below.
    assert [one.strip() for one in below[1:]] == (["^"] if below else [])
    assert await shell("show conversations | count") == ["45"]


def test_elsewhere_a_bar_belongs_to_the_command() -> None:
    for line in ("capture start eth0 filter tcp[13] | 2 != 0", 'load "a | b"', "help | count", ""):
        assert pipes.split(line) == (line, None)
    assert pipes.split("show conversations callid a|b | count") == (
        "show conversations callid a|b",
        "count",
    )


def texts(session: Session, line: str, context: str = "general") -> list[str]:
    return [one.text for one in offers(session, line, context)[1]]


async def test_what_is_offered(shell: Shell) -> None:
    session = shell.console.session
    assert {"sorted", "dstnum", "not", "| count"} <= set(texts(session, "show conversations "))
    assert texts(session, "show conversations so") == ["sorted"]
    assert texts(session, "show conversations sorted dstnum 56600") == ["5660066"]
    assert "| count" not in texts(session, "show conversations sorted dstnum ")
    assert {"and", "| count"} <= set(texts(session, "show conversations dstnum 5660066 "))
    assert "| count" in texts(session, "show conversation 10 ")
    assert "| count" in texts(session, "show conversations ", "filter")
    assert "| count" not in texts(session, "follow dstnum 5660066 ")
    assert texts(session, "show conversations dstnum 5 | ") == list(pipes.PIPES)
    assert texts(session, "show states |") == list(pipes.PIPES)
    assert texts(session, "show states | co") == ["count"]
    assert texts(session, "show states | x") == []
    assert "  | count" in " ".join(listing(session, "show conversations ", "general", 80))


def test_help_says_so() -> None:
    assert "| count" in (help_texts.of("show conversations", "general") or "")
    assert "<filter>" in (help_texts.of("show conversations", "general") or "")
    assert "how many lines there are" in (help_texts.of("count", "general") or "")


async def test_a_long_evaluation_lets_others_work_and_can_be_ended(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.pace.TURN_SECONDS", 0)
    session = shell.console.session
    tally = Tally("test")
    decoder = Decoder(tally, session.conversations.index.endpoints)
    scanner = Scanner(tally)

    def put(messages: list[bytes]) -> None:
        given = batch([ethernet(ipv4(udp(one))) for one in messages])
        found = scanner.feed(decoder.feed(given))
        deque(session.publishing.publish(session.conversations.feed(found, given.store)), 0)

    put([sip(call_id=f"many{n}") for n in range(2000)])
    line = "show conversations header From zz or callid late* | count"
    working = asyncio.ensure_future(shell(line))
    for turn in range(3):
        await asyncio.sleep(0)
        put([sip(call_id=f"late{turn}")])
    assert not working.done()
    assert await working == ["3"], "what came meanwhile is judged too"
    working = asyncio.ensure_future(shell(line.replace("zz", "yy")))
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert session.judging == []
    assert await shell("show conversations callid late* | count") == ["3"]
