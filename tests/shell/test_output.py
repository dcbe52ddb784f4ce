"""Where data, words and errors go, and what can never reach a terminal."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import pty
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyte
import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.input import create_pipe_input
from support import SHARED, Chain, batch, ethernet, ipv4, sip, udp

import sipstream
from sipstream.render import lists, message, objects, overview
from sipstream.render.colours import PLAIN, SGR, Paint
from sipstream.shell.output import Output, Writer, vt100

HOSTILE = "a\x1b[2J\x9b2J\x1b]52;c;QUJD\x07\r\b\t\x00\x7f\u202e\u200b\ufeff\ud800 \udc9b\u2028z"
SPELT = (
    r"a\x1b[2J\u{9b}2J\x1b]52;c;QUJD\x07\x0d\x08\x09\x00\x7f"
    r"\u{202e}\u{200b}\u{feff}\u{d800} \x9b\u{2028}z"
)


class Written:
    """An output whose standard output and standard error are files."""

    def __init__(self, folder: Path, *, json: bool = False, paint: Paint = PLAIN) -> None:
        self._paths = folder / "out", folder / "errors"
        self._fds = [os.open(path, os.O_WRONLY | os.O_CREAT) for path in self._paths]
        self.output = Output(Writer(self._fds[0]), Writer(self._fds[1]), json=json, paint=paint)

    def close(self) -> tuple[str, str]:
        """What was written to standard output and standard error."""
        self.output.close(10)
        for fd in self._fds:
            os.close(fd)
        out, errors = (path.read_bytes().decode() for path in self._paths)
        return out, errors


@pytest.fixture
def pipe() -> Iterator[tuple[int, Output]]:
    """A pipe's reading end, and an output that writes to the other."""
    reading, writing = os.pipe()
    writer = Writer(writing, limit=1_000_000)
    yield reading, Output(writer, writer)
    with suppress(OSError):
        os.close(reading)
    writer.close(10)
    os.close(writing)


def read_until(fd: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        seen += os.read(fd, 65536)
    return seen


def hang_up(fd: int) -> None:
    """Close what a descriptor stands for; the number stays taken."""
    with Path(os.devnull).open("rb") as null:
        os.dup2(null.fileno(), fd)


async def test_words_data_and_errors(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.output.line("word")
    written.output.line()
    written.output.lines(["one", "two"])
    written.output.lines([])
    await written.output.rows(["row"], [{"a": 1}])
    written.output.stream(["now"])
    written.output.error("no such file")
    assert written.close() == ("word\n\none\ntwo\nrow\nnow\n", "*** Error! no such file\n")


async def test_under_json_only_objects_on_standard_output(tmp_path: Path) -> None:
    written = Written(tmp_path, json=True, paint=Paint(True))
    written.output.line("word")
    written.output.lines(["one", "two"])
    await written.output.rows(["row"], [{"a": HOSTILE}, {"a": "é"}])
    written.output.error("no such file")
    out, errors = written.close()
    assert [json.loads(line) for line in out.splitlines()] == [
        {"a": HOSTILE},
        {"a": "é"},
    ]
    assert out.isascii()
    assert errors == "word\none\ntwo\n*** Error! no such file\n"
    assert not written.output.paint.enabled


def test_under_json_a_loss_is_told_beside_the_data(tmp_path: Path) -> None:
    written = Written(tmp_path, json=True)
    written.output.writer._limit = 10
    written.output.stream(["x" * 20])
    assert written.close() == ("", "1 lines not shown\n")


@pytest.mark.parametrize("paint", [PLAIN, Paint(True)], ids=["plain", "painted"])
async def test_the_last_defence(tmp_path: Path, paint: Paint) -> None:
    written = Written(tmp_path, paint=paint)
    written.output.line(HOSTILE)
    written.output.lines([HOSTILE, HOSTILE])
    await written.output.rows([HOSTILE])
    written.output.stream([HOSTILE])
    written.output.error(HOSTILE)
    out, errors = written.close()
    assert out == f"{SPELT}\n" * 5
    assert errors == f"*** Error! {SPELT}\n"


async def test_colours_pass_where_they_are_on_and_nowhere_else(tmp_path: Path) -> None:
    paint = Paint(True)
    painted = [
        paint.status("200 OK", 200),
        paint.call_id("電話", "x"),
        paint.dim("x"),
        paint.strong("y"),
    ]
    written = Written(tmp_path, paint=paint)
    await written.output.rows(painted)
    written.output.line("\x1b[8mhidden\x1b[31;1m\x1b[5m\x1b[2Kx")
    out, _ = written.close()
    assert out.splitlines() == [*painted, r"\x1b[8mhidden\x1b[31;1m\x1b[5m\x1b[2Kx"]
    off = Written(tmp_path)
    await off.output.rows([paint.dim("x")])
    assert off.close()[0].startswith(r"\x1b[2mx\x1b[0m")


async def test_a_million_rows_are_made_as_they_are_read(pipe: tuple[int, Output]) -> None:
    reading, output = pipe
    made = 0

    def rows() -> Iterator[str]:
        nonlocal made
        for number in range(1_000_000):
            made += 1
            yield f"{number:09d}"

    answering = asyncio.ensure_future(output.rows(rows()))
    for _ in range(200):
        await asyncio.sleep(0)
    assert output.writer.pending > 65_536
    assert made < 50_000
    read = await asyncio.to_thread(read_until, reading, b"000030000\n")
    assert read.startswith(b"000000000\n000000001\n")
    assert made < 100_000
    # Interrupted: what was made and not read is taken back.
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    output.interrupt()
    assert output.writer.pending <= 65_536
    output.line("prompt")
    await asyncio.to_thread(read_until, reading, b"prompt\n")


async def test_rows_that_take_long_to_make_leave_the_loop_free(tmp_path: Path) -> None:
    written = Written(tmp_path)
    ticks = iter(range(1_000_000))
    written.output._clock = lambda: next(ticks) * 0.001
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count_turns())
    await written.output.rows(str(number) for number in range(600))
    counting.cancel()
    # A ms a row: the loop has its turn every 5 ms.
    assert turns >= 600 / 6
    assert written.close()[0].splitlines() == [str(number) for number in range(600)]


async def test_rows_end_when_the_reader_has_gone(pipe: tuple[int, Output]) -> None:
    reading, output = pipe
    hang_up(reading)
    made = 0

    def rows() -> Iterator[str]:
        nonlocal made
        while True:
            made += 1
            yield "x" * 1000

    async with asyncio.timeout(10):
        await output.rows(rows())
    assert output.writer.broken
    assert made < 10_000


async def test_a_source_that_can_wait_loses_nothing(pipe: tuple[int, Output]) -> None:
    reading, output = pipe
    reader = asyncio.ensure_future(asyncio.to_thread(read_until, reading, b"end\n"))
    for number in range(2000):
        output.stream([f"{number:09d}"] * 20)
        await output.drained()
    output.line("end")
    seen = (await reader).decode().splitlines()
    assert output.writer.dropped == 0
    assert seen == [f"{number:09d}" for number in range(2000) for _ in range(20)] + ["end"]


def test_the_prompts_drawing_cannot_block_and_text_in_it_is_spelt() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        writer = Writer(slave, limit=50_000)
        output = vt100(writer)
        output.write_raw("\x1b[0m")
        output.write("a\x9b2J\u202e\x07")
        output.write("\r\n")
        output.write("\r")
        output.flush()
        first = b"\x1b[0m" + rb"a\u{9b}2J\u{202e}\x07" + b"\r\n\r"
        assert read_until(master, b"\r\n\r") == first
        assert output.get_size().columns
        assert output.encoding() == "utf-8"
        for _ in range(2000):
            output.write("x" * 1000)
            output.flush()
        assert writer.pending <= 60_000
        assert writer.dropped == 0
    finally:
        os.close(master)
        writer.close(10)
        os.close(slave)


async def test_a_prompt_lives_on_while_its_terminal_stands_still() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    loop = asyncio.get_running_loop()
    writer = Writer(slave, limit=20_000)
    output = Output(writer, writer)
    try:
        with create_pipe_input() as keys:
            session: PromptSession[str] = PromptSession(input=keys, output=vt100(writer))

            def after_stall(lost: int) -> None:
                session.app.renderer.reset()
                output.line(f"{lost} lines not shown")
                session.app.invalidate()

            writer.on_recovery = lambda lost: loop.call_soon_threadsafe(after_stall, lost)
            prompt = asyncio.ensure_future(session.prompt_async("sipstream: "))
            for number in range(200):
                await asyncio.sleep(0)
                await run_in_terminal(lambda n=number: output.stream([f"{n:0200d}"] * 5))  # type: ignore[misc]
            assert writer.dropped > 0
            arrived = asyncio.Event()
            session.default_buffer.on_text_changed += lambda buffer: (
                arrived.set() if buffer.text == "typed" else None
            )
            keys.send_text("typed")
            await arrived.wait()
            seen = b""
            # The prompt may have been drawn with what was typed before or after the loss is told.
            while (
                b" lines not shown\n" not in seen or b"typed" not in seen.split(b"not shown\n")[1]
            ):
                seen += await asyncio.to_thread(os.read, master, 65_536)
            assert seen.count(b"lines not shown") == 1
            assert b"%d lines not shown" % writer.dropped in seen
            assert seen.split(b"not shown\n")[1].count(b"sipstream: ") == 1
            keys.send_text("\r")
            assert await prompt == "typed"
    finally:
        os.close(master)
        writer.close(10)
        os.close(slave)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the captures in ../shared")
@pytest.mark.parametrize("paint", [PLAIN, Paint(True)], ids=["plain", "painted"])
async def test_the_terminal_attacks_of_the_torture_set(tmp_path: Path, paint: Paint) -> None:
    chain = Chain()
    files = sorted((SHARED / "torture" / "known-bugs").glob("term-*"))
    chain.feed(batch([ethernet(ipv4(udp(path.read_bytes()))) for path in files]))
    assert len(chain.conversations) >= 15
    written = Written(tmp_path, paint=paint)
    output = written.output
    for place, one in enumerate(chain.conversations):
        await output.rows([lists.by_time(place, one, paint), lists.by_call_id(one, paint)])
        await output.rows([overview.heading(one.call_id, paint), *overview.lines(one, paint)])
        await output.rows(message.every(one.messages, paint))
        output.stream(lists.followed(m, one.call_id, paint=paint) for m in one.messages)
        await output.rows([objects.dumps(objects.conversation(place, one))])
        await output.rows([objects.dumps(objects.message(one.first, one.call_id))])
        output.error(one.call_id)
    out, errors = written.close()
    for text in (out, errors):
        assert all(char == "\n" or char.isprintable() for char in SGR.sub("", text))
    assert ("\x1b" in out) == paint.enabled
    screen = pyte.Screen(300, 1000)
    pyte.Stream(screen).feed(out.replace("\n", "\r\n"))
    shown = [line.rstrip() for line in screen.display]
    wanted = [line.rstrip() for line in SGR.sub("", out).splitlines() if len(line) < 300]
    assert [line for line in wanted if line not in shown] == []
    assert screen.title == ""


def test_two_calls_that_a_terminal_would_show_alike_are_told_apart(tmp_path: Path) -> None:
    chain = Chain()
    ids = ["a\\x1b", "a\x1b", "a\u200b", "a", "a\\u{200b}", "a\u00ad"]
    chain.feed(batch([ethernet(ipv4(udp(sip(call_id=one)))) for one in ids]))
    shown = {lists.by_call_id(one).split(":")[0] for one in chain.conversations}
    assert len(shown) == len(ids)


WAYS_ROUND = {
    "print",
    "input",
    "print_formatted_text",
    "print_container",
    "ANSI",
    "HTML",
    "patch_stdout",
}
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}


def ways_round(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Places in a module that write to a terminal themselves."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name in WAYS_ROUND:
                yield node.lineno, name
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "sys" and node.attr in STREAMS:
                yield node.lineno, f"sys.{node.attr}"
            if node.value.id == "os" and node.attr in ("write", "writev"):
                yield node.lineno, f"os.{node.attr}"
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            for name in names & (WAYS_ROUND | (STREAMS if node.module == "sys" else set())):
                yield node.lineno, name
        if isinstance(node, ast.Constant) and node.value in (
            "/dev/tty",
            "/dev/stdout",
            "/dev/stderr",
        ):
            yield node.lineno, node.value


def test_nothing_else_writes_to_the_terminal() -> None:
    folder = Path(sipstream.__file__).parent
    found = [
        f"{path.relative_to(folder)}: {what}"
        for path in sorted(folder.rglob("*.py"))
        if path != folder / "shell" / "writer.py"
        for _, what in ways_round(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == [
        # Its own version, before anything is imported.
        "__main__.py: os.write",
        # The file that a trigger appends to.
        "acting.py: os.write",
        # A capture for another program: never to a terminal.
        "export/target.py: os.write",
        # A file of its own.
        "export/target.py: os.write",
        # Opened for the shell's keys, when standard input is data.
        "program.py: /dev/tty",
        # Indexes of a ring.
        "ring/files.py: os.write",
    ]


def test_the_search_for_ways_round_finds_them() -> None:
    text = "print(1)\nsys.stderr.write('')\nfrom sys import stdout\nos.write(1, b'')\nANSI('')"
    assert sorted(line for line, _ in ways_round(ast.parse(text))) == [1, 2, 3, 4, 5]
