"""What stands behind `|`: each pipe, several of them, what they say of nonsense, how much they hold."""

from __future__ import annotations

import asyncio
import csv
import errno
import io
import json
import os
import stat
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from support import CAPTURES

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.render.colours import Paint
from sipstream.session import Session
from sipstream.shell import help as help_texts
from sipstream.shell import pipes
from sipstream.shell.completion import listing, offers, takes_word
from sipstream.shell.console import Console
from sipstream.shell.output import Output, Writer
from sipstream.shell.pipes.answer import answering

Ask = Callable[..., object]


class Shell:
    """A console, and what it wrote since it was last asked: on standard output, on standard error."""

    def __init__(self, folder: Path, *, as_json: bool = False, colour: bool = False) -> None:
        self._paths = [folder / "out", folder / "err"]
        self._files = [path.open("ab") for path in self._paths]
        self.writers = [Writer(file.fileno()) for file in self._files]
        self.console = Console(Session(), Output(*self.writers, json=as_json, paint=Paint(colour)))
        self._read = [0, 0]

    async def both(self, line: str) -> tuple[str, str]:
        await self.console.execute(line)
        found = []
        for place, writer in enumerate(self.writers):
            await writer.drain(0)
            data = self._paths[place].read_bytes()[self._read[place] :]
            self._read[place] += len(data)
            found.append(data.decode())
        return found[0], found[1]

    async def __call__(self, line: str) -> list[str]:
        out, err = await self.both(line)
        assert not err, err
        return out.replace("\r\n", "\n").splitlines()

    async def fails(self, line: str) -> str:
        out, err = await self.both(line)
        assert not out
        assert err.startswith("*** Error! ")
        assert err.count("\n") == 1, "one line"
        return err.removeprefix("*** Error! ").rstrip("\n")


async def made(folder: Path, **options: bool) -> AsyncIterator[Shell]:
    shell = Shell(folder, **options)
    async with shell.console.session as session:
        await session.sources.load(CAPTURES / "timeout.pcap")
        yield shell
    for writer in shell.writers:
        writer.close()


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    async for one in made(tmp_path):
        yield one


@pytest.fixture
async def json_shell(tmp_path: Path) -> AsyncIterator[Shell]:
    async for one in made(tmp_path, as_json=True):
        yield one


ALL = "show conversations sorted"


async def test_lines_are_chosen_by_pattern(shell: Shell) -> None:
    lines = await shell(ALL)
    registers = [line for line in lines if "REGISTER" in line]
    assert await shell(f"{ALL} | match REGISTER") == registers
    assert await shell(f"{ALL} | match register") == registers, "case doesn't count"
    assert await shell(f"{ALL} | match (?-i)register") == []
    others = [line for line in lines if line not in registers]
    assert await shell(f"{ALL} | except register") == others
    assert await shell(f"{ALL} | find MESSAGE") == lines[22:]
    assert await shell(f"{ALL} | find nowhere") == []
    assert await shell(f"{ALL} | last 3") == lines[-3:]
    assert await shell(f"{ALL} | last 99999999999999999999") == lines
    assert await shell(f"{ALL} | last 0") == []
    assert await shell(f"{ALL} | no-more") == lines
    # A bar that begins no word, and one in quotes, belong to the pattern.
    either = [line for line in lines if "MESSAGE" in line or "REGISTER" in line]
    assert await shell(f"{ALL} | match MESSAGE|REGISTER") == either
    assert await shell(f'{ALL} | match "MESSAGE | REGISTER "') == either
    assert await shell(f'{ALL} | match "\\[1\\d\\]"') == lines[10:20]


async def test_several_pipes_each_work_on_what_the_one_before_gave(shell: Shell) -> None:
    lines = await shell(ALL)
    invites = [line for line in lines if "INVITE" in line]
    assert await shell(f"{ALL} | match INVITE | last 2") == invites[-2:]
    assert await shell(f"{ALL} | last 2 | match INVITE") == []
    assert await shell(f"{ALL} | m invite | e 5660066 | c") == [
        str(sum("5660066" not in line for line in invites))
    ]
    assert await shell(f"{ALL} | match . | match . | find INVITE | last 40 | last 7 | count") == [
        "7"
    ]
    assert await shell("show conversation 10 messages | match ^CSeq: | count") == ["14"]


async def test_colours_are_no_part_of_a_line_and_stay(tmp_path: Path) -> None:
    async for shell in made(tmp_path, colour=True):
        [line] = await shell(f"{ALL} | match ^.10..16:41")
        assert "\x1b[1mINVITE\x1b[0m" in line
        assert await shell(f"{ALL} | match 38;5") == []
        assert await shell(f"{ALL} | match 0m") == []


@pytest.mark.parametrize(
    ("piped", "error"),
    [
        ("match", "missing argument: | match needs <pattern>; see 'help | match'"),
        ("match a(", "'a(' is no regular expression (RE2): missing ): a("),
        ("match (?=a)", "'(?=a)' is no regular expression (RE2): invalid perl operator: (?="),
        ("last", "missing argument: | last needs <number>; see 'help | last'"),
        ("last -3", "| last needs a number of lines, not -3"),
        ("last 3 lines", "| last needs a number of lines, not 3 lines"),
        ("no-more please", "nothing more is expected behind | no-more: please"),
        ("count 5", "nothing more is expected behind | count: 5"),
        ("display", "missing argument: | display needs json or csv; see 'help | display'"),
        ("display xml", "unknown word behind | display: xml: it may be json or csv"),
        ("display jsn", "unknown word behind | display: jsn: did you mean json?"),
        ("display csv | display json", "| display may stand in a line once: display json"),
        ("save", "missing argument: | save needs <file>; see 'help | save'"),
        ("save a b", "| save takes one file: a name with blanks has to be in quotes"),
        ("save a | count", "| save comes last: nothing may stand behind it, not count"),
        ("save /nowhere/a", "/nowhere/a can't be written: no such file or directory"),
        ("match a | ", "missing argument: | needs count, match, except, find, last, no-more, "),
        ("| count", "missing argument: | needs count, match, except, find, last, no-more, "),
        ("mtach a", "unknown word behind |: mtach a: did you mean match?"),
        (" | ".join(["no-more"] * 33), "a line has at most 32 pipes, this one 33"),
    ],
)
async def test_what_makes_no_sense_is_one_line(shell: Shell, piped: str, error: str) -> None:
    assert (await shell.fails(f"{ALL} | {piped}")).startswith(error)


async def test_under_json_pipes_work_on_objects(json_shell: Shell) -> None:
    shell = json_shell
    objects = [json.loads(line) for line in await shell(ALL)]
    wanted = [one for one in objects if one["state"] == "ended"]
    found = await shell(f"""{ALL} | match ""state": "ended"" """)
    assert [json.loads(line) for line in found] == wanted
    assert [json.loads(line) for line in await shell(f"{ALL} | last 2")] == objects[-2:]
    assert await shell(f"{ALL} | match ended | count") == ['{"count": 4}']
    assert await shell(f"{ALL} | display json | last 1") == (await shell(ALL))[-1:]
    assert "no objects" in await shell.fails("help show | match conversation")


async def test_objects_can_be_shown_without_the_option(shell: Shell, tmp_path: Path) -> None:
    shown = await shell(f"{ALL} | display json")
    (tmp_path / "json").mkdir()
    async for other in made(tmp_path / "json", as_json=True):
        assert await other(ALL) == shown
        for line in ("show sources", "show states", "show filter", "show conversation 3"):
            assert await shell(f"{line} | display json") == await other(line) != []
    assert await shell(f"{ALL} | display json | count") == ["45"]
    assert await shell(f"{ALL} | match ended | count | display json") == ['{"count": 4}']
    assert "has no objects" in await shell.fails("help show | display json")


async def test_csv_is_what_other_programs_read(shell: Shell) -> None:
    text, _ = await shell.both("show conversation 10 | display csv")
    assert text.endswith("\r\n")
    names, *rows = csv.reader(io.StringIO(text, newline=""))
    assert len(rows) == 14
    assert {len(row) for row in rows} == {len(names)}
    assert dict(zip(names, rows[1], strict=True))["copy_of"] == "0"
    assert dict(zip(names, rows[0], strict=True))["copy_of"] == ""
    # The same columns, whatever the first object has.
    assert (await shell("show conversation 3 | display csv"))[0] == ",".join(names)
    assert await shell("show states | display csv | last 1") == ["done,22"]
    assert await shell(f"{ALL} | match INVITE | count | display csv") == ["count", "7"]
    assert await shell(f"{ALL} | match nothing | display csv") == []


async def csv_of(out: Output, objects: list[dict[str, object]]) -> None:
    async with answering(out, pipes.read("show x | display csv")[1], None) as into:
        await into.rows([], objects)


async def test_no_cell_can_act(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("wb") as file:
        writer = Writer(file.fileno())
        values = [
            "=1+1",
            "+49",
            "-1",
            "@SUM(A1)",
            " =2",
            "'=3",
            "＝4",
            "a\r\n=5",
            "\x1b]0;x\x07",
            '"',
        ]
        objects = [{"value": one, "parts": {"a": [one]}, "number": -5} for one in values]
        out = Output(writer, writer)
        await csv_of(out, objects)
        await writer.drain(0)
    text = path.read_bytes().decode()
    assert text.count("\r\n") == text.count("\n") == len(values) + 1
    assert "\x1b" not in text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["value"] for row in rows] == [
        *("'=1+1", "'+49", "'-1", "'@SUM(A1)", "' =2", "''=3", "'＝4"),
        r"a\x0d\x0a=5",
        r"\x1b]0;x\x07",
        '"',
    ]
    assert [json.loads(row["parts"])["a"] for row in rows] == [[one] for one in values]
    assert {row["number"] for row in rows} == {"-5"}
    with pytest.raises(sipstream.errors.CommandError, match="no column for b"):
        await csv_of(out, [{"a": 1}, {"a": 2, "b": 3}])


async def test_saved_is_what_would_be_shown(tmp_path: Path) -> None:
    async for shell in made(tmp_path, colour=True):
        path = tmp_path / "a file.txt"
        old = os.umask(0)
        try:
            said = await shell(f'{ALL} | match INVITE | save "{path}"')
        finally:
            os.umask(old)
        assert said == [f"7 lines saved in {path}"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        lines = path.read_text().splitlines()
        assert len(lines) == 7
        assert lines[0] == "[1] 16:41:04.118402: INVITE 5660066->6644298"
        assert await shell(f"{ALL} | count | save {tmp_path}/n") == [
            f"1 line saved in {tmp_path}/n"
        ]
        assert (tmp_path / "n").read_text() == "45\n"
        await shell(f"{ALL} | display csv | save {tmp_path}/c.csv")
        assert (tmp_path / "c.csv").read_bytes().count(b"\r\n") == 46


async def test_under_json_objects_are_saved_and_words_kept_apart(
    json_shell: Shell, tmp_path: Path
) -> None:
    out, err = await json_shell.both(f"{ALL} | save {tmp_path}/o")
    assert (out, err) == ("", f"45 lines saved in {tmp_path}/o\n")
    assert json.loads((tmp_path / "o").read_text().splitlines()[3])["index"] == 3


async def test_nothing_is_written_over_or_through_a_link(shell: Shell, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    for path in (there, link, tmp_path):
        error = await shell.fails(f"{ALL} | save {path}")
        assert error == f"{path} is there already and is left as it is: choose another name"
    assert there.read_text() == "mine"
    assert not (tmp_path / "target").exists()


async def test_no_half_a_file_is_left(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "half"
    assert "no conversation 99" in await shell.fails(f"show conversation 99 | save {path}")
    assert "no column" not in await shell.fails(f"show nothing | save {path}")
    assert not path.exists()

    def full(file: io.FileIO, data: bytes) -> None:
        file.write(data[:100])
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("sipstream.shell.pipes.save._write_all", full)
    error = await shell.fails(f"{ALL} | save {path}")
    assert error == f"{path} can't be written to its end and was removed: no space left on device"
    assert not path.exists()


class Big:
    """An answer of many rows, and an output for it."""

    ROWS = 20_000

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "out").open("wb")
        self.writer = Writer(self._file.fileno())
        self.out = Output(self.writer, self.writer)

    def rows(self) -> Iterator[str]:
        return (f"{place:06} {'a long line ' * 12}" for place in range(self.ROWS))

    def objects(self) -> Iterator[dict[str, object]]:
        return ({"text": row, "left": [1]} for row in self.rows())

    async def through(self, piped: str) -> None:
        async with answering(self.out, pipes.read(f"show x | {piped}")[1], None) as into:
            await into.rows(self.rows(), self.objects())


@pytest.mark.parametrize(
    "piped",
    [
        "match long | except 7$ | find 0",
        "match nowhere",
        "last 500",
        "match 1 | count",
        "display json",
        "display csv | save {folder}/o.csv",
        "save {folder}/o",
    ],
)
async def test_a_long_answer_is_not_gathered(tmp_path: Path, piped: str) -> None:
    """The rows take three megabytes and more."""
    big = Big(tmp_path)
    await big.through("match nowhere")
    tracemalloc.start()
    try:
        await big.through(piped.format(folder=tmp_path))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    big.writer.close()


async def test_last_keeps_only_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipstream.shell.pipes.choosing._HELD", 100_000)
    big = Big(tmp_path)
    await big.through("last 500")
    with pytest.raises(sipstream.errors.CommandError, match="the last 662 lines can"):
        await big.through("last 5000")
    big.writer.close()


async def test_others_have_their_turn_and_an_end_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.pace.TURN_SECONDS", 0)
    big = Big(tmp_path)
    working = asyncio.ensure_future(big.through("match nowhere"))
    turns = 0
    while not working.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 200
    path = tmp_path / "half"
    working = asyncio.ensure_future(big.through(f"save {path}"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert path.exists()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert not path.exists()
    big.writer.close()


async def test_every_show_has_objects(json_shell: Shell) -> None:
    shell = json_shell
    await shell.console.session.change_filter(lambda filters: filters.add("method INVITE"))
    await shell.console.session.follow("dstnum 5660066", whole=True)
    states = {"calling": 1, "ended": 4, "cancelled": 1, "failed": 1, "registered": 16, "done": 22}
    expected = {
        "show filter": [{"condition": "or", "terms": ["method INVITE"]}],
        "show states": [{"state": one, "conversations": n} for one, n in states.items()],
        "show follows": [
            {"follow": 1, "filter": "dstnum 5660066", "whole": True, "flow": False, "shown": 0}
        ],
        "capture status": [],
    }
    for line, objects in expected.items():
        assert [json.loads(one) for one in await shell(line)] == objects
    await shell.console.execute("filter")
    assert [json.loads(one) for one in await shell("show")] == expected["show filter"]


def texts(session: Session, line: str) -> list[str]:
    return [one.text for one in offers(session, line, "general")[1]]


async def test_what_is_offered_behind_a_bar(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = shell.console.session
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calls.txt").touch()
    assert texts(session, f"{ALL} | ma") == ["match"]
    assert texts(session, f"{ALL} | match x | ") == list(pipes.PIPES)
    assert texts(session, f"{ALL} | match x ") == [f"| {name}" for name in pipes.PIPES]
    assert texts(session, f"{ALL} | match x") == []
    assert texts(session, f"{ALL} | match ") == []
    assert texts(session, f"{ALL} | display ") == ["json", "csv"]
    assert texts(session, f"{ALL} | match x | display c") == ["csv"]
    assert "| display" not in texts(session, f"{ALL} | display csv ")
    assert texts(session, f"{ALL} | count ") == ["| no-more", "| save", "| display"]
    assert texts(session, f"{ALL} | count | ") == ["no-more", "save", "display"]
    assert offers(session, f"{ALL} | save cal", "general")[0] == "cal"
    assert texts(session, f"{ALL} | save cal") == ["calls.txt"]
    assert texts(session, f"{ALL} | save calls.txt ") == []
    assert texts(session, f"{ALL} | nonsense ") == []
    assert texts(session, "help | ma") == ["| match"]


async def test_a_question_mark_behind_a_bar(shell: Shell) -> None:
    session = shell.console.session

    def listed(line: str) -> str:
        return "\n".join(listing(session, line, "general", 80))

    assert "  match    only the lines in which" in listed(f"{ALL} | ")
    assert "  <pattern>  only the lines" in listed(f"{ALL} | match ")
    assert "<Enter>" not in listed(f"{ALL} | match ")
    assert "  | count" in listed(f"{ALL} | match x ")
    assert "  <Enter>" in listed(f"{ALL} | match x ")
    assert "  <number>" in listed(f"{ALL} | last ")
    assert "  json  the objects" in listed(f"{ALL} | display ")
    assert takes_word(f"{ALL} | ma", "general")
    assert not takes_word(f"{ALL} | match a", "general"), "there it is a letter of the pattern"


async def test_help_on_pipes(shell: Shell) -> None:
    shown = await shell("help |")
    assert shown == (help_texts.of("|", "general") or "").splitlines()
    for name, pipe in pipes.PIPES.items():
        assert any(line.startswith(f"| {name} ") and pipe.about in line for line in shown)
        one = await shell(f"help | {name}")
        assert one[0].startswith(f"show ... | {name}")
        assert sum(line.startswith("sipstream: ") for line in one) == 3
    assert (await shell("help last"))[0].startswith("last "), "the term of filters"
    assert await shell("help | match conversation | last 1") == [
        "list          Shows conversations as a table that fits the terminal"
    ]
    assert "no help on | nonsense" in await shell.fails("help | nonsense")
