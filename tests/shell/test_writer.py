"""Writing to what stops reading, goes away, or takes little at a time: nobody waits for it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pty
import queue
import random
import re
import threading
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sipstream.shell.writer import Writer, open_writers

LOSS = re.compile(rb"(\d+) lines not shown\n")


class Pipe:
    """A pipe that takes 4096 bytes, and what was read from it."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, 4096)
        self.seen = b""
        self._writers: list[Writer] = []

    def writer(self, **options: Any) -> Writer:
        self._writers.append(Writer(self.writing, **options))
        return self._writers[-1]

    def until(self, text: bytes) -> bytes:
        """Read until a text has come; return all that was read so far."""
        while text not in self.seen:
            piece = os.read(self.reading, 65536)
            assert piece, f"ended before {text!r}"
            self.seen += piece
        return self.seen

    def close(self) -> None:
        with suppress(OSError):
            os.close(self.reading)
        for writer in self._writers:
            writer.close(10)
        os.close(self.writing)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    one = Pipe()
    yield one
    one.close()


def numbered(count: int) -> list[str]:
    return [f"{n:099d}\n" for n in range(count)]


def test_all_is_written_in_order(pipe: Pipe) -> None:
    writer = pipe.writer()
    lines = numbered(1000)
    reader = threading.Thread(target=pipe.until, args=(lines[-1].encode(),))
    reader.start()
    for place, line in enumerate(lines):
        assert (writer.put, writer.write, writer.draw)[place % 3](line)
    assert writer.close(10)
    reader.join()
    assert pipe.seen.decode() == "".join(lines)
    assert writer.dropped == 0
    assert not writer.put("late\n")


def test_a_descriptor_that_someone_made_non_blocking(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    writer = pipe.writer()
    for line in numbered(2000):
        assert writer.put(line)
    assert pipe.until(numbered(2000)[-1].encode()).decode() == "".join(numbered(2000))
    assert writer.close(10)
    assert not os.get_blocking(pipe.writing)


def test_lines_that_find_no_room_are_counted_and_told_once(pipe: Pipe) -> None:
    writer = pipe.writer(limit=20_000)
    lines = numbered(1000)
    taken = [writer.write(line) for line in lines]
    count = taken.index(False)
    assert 200 <= count <= 700
    assert not any(taken[count:])
    assert writer.dropped == 1000 - count
    notice = f"{1000 - count} lines not shown\n"
    assert pipe.until(b"not shown\n").decode() == "".join(lines[:count]) + notice
    assert writer.write("after\n")
    assert pipe.until(b"after\n").decode() == "".join(lines[:count]) + notice + "after\n"
    assert writer.dropped == 1000 - count


def test_the_loss_is_told_also_when_nothing_follows_and_again_at_the_next(pipe: Pipe) -> None:
    writer = pipe.writer(limit=5000)
    for _ in range(2):
        while writer.write("x" * 99 + "\n"):
            pass
        pipe.until(b" not shown\n")
        pipe.seen = b""


def test_a_text_larger_than_all_room_is_told_at_once(pipe: Pipe) -> None:
    writer = pipe.writer(limit=1000)
    assert not writer.write("x\n" * 600)
    assert pipe.until(b"shown\n") == b"600 lines not shown\n"


def test_answers_are_kept_where_lines_of_a_follow_are_lost(pipe: Pipe) -> None:
    writer = pipe.writer(limit=20_000)
    while writer.write("x" * 99 + "\n"):
        pass
    assert writer.put("answer\n")
    seen = pipe.until(b" not shown\n")
    assert seen.index(b"answer\n") < seen.index(b"not shown\n")


def test_even_answers_end_somewhere(pipe: Pipe) -> None:
    writer = pipe.writer(limit=20_000)
    count = 0
    while writer.put("x" * 999 + "\n"):
        count += 1
        assert writer.pending <= 40_000
    assert count >= 40
    assert writer.dropped == 1
    assert pipe.until(b"not shown\n").endswith(b"\n1 lines not shown\n")


def test_lost_drawing_is_lost_to_the_end_and_a_redraw_is_asked_for(pipe: Pipe) -> None:
    writer = pipe.writer(limit=8000)
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    writer.on_recovery = told.put
    while writer.draw("drawing, "):
        pass
    assert not writer.draw("x")
    assert told.empty()
    reader = threading.Thread(target=pipe.until, args=(b"redrawn",))
    reader.start()
    assert told.get(timeout=10) == 0
    assert writer.draw("redrawn")
    reader.join()
    assert writer.dropped == 0
    assert re.fullmatch(rb"(drawing, )+redrawn", pipe.seen)


def test_who_takes_the_loss_over_gets_the_number(pipe: Pipe) -> None:
    writer = pipe.writer(limit=8000)
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    writer.on_recovery = told.put
    while writer.write("x" * 99 + "\n"):
        pass
    writer.write("1\n2\n3\n")
    writer.put("end\n")
    pipe.until(b"end\n")
    assert told.get(timeout=10) == 4
    assert b"not shown" not in pipe.seen


async def test_producers_wait_for_room_without_holding_the_loop(pipe: Pipe) -> None:
    writer = pipe.writer()
    writer.put("x" * 100_000)
    waiting = asyncio.ensure_future(writer.drain())
    whole = asyncio.ensure_future(writer.drain(0))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    reading = asyncio.ensure_future(asyncio.to_thread(pipe.until, b"y"))
    async with asyncio.timeout(10):
        await waiting
        await whole
    assert writer.pending == 0
    writer.put("y")
    await reading
    await writer.drain()


async def test_a_cancelled_wait_harms_nobody(pipe: Pipe) -> None:
    writer = pipe.writer()
    writer.put("x" * 100_000 + "\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await writer.drain()
    writer.put("end\n")
    async with asyncio.timeout(10):
        await asyncio.gather(asyncio.to_thread(pipe.until, b"end\n"), writer.drain(0))


async def test_the_reader_goes_while_something_is_written(pipe: Pipe) -> None:
    writer = pipe.writer()
    os.close(pipe.reading)
    pipe.reading = -1
    writer.put("x\n" * 100_000)
    async with asyncio.timeout(10):
        await writer.wait_broken()
        await writer.wait_broken()
        await writer.drain(0)
    assert writer.broken
    assert writer.error is not None
    assert writer.error.errno == errno.EPIPE
    assert not writer.put("x")
    assert not writer.write("x")
    assert not writer.draw("x")
    assert (writer.dropped, writer.pending) == (0, 0)
    assert not writer.close()


async def test_the_reader_goes_while_nothing_is_written(pipe: Pipe) -> None:
    writer = pipe.writer()
    writer.put("hello\n")
    await asyncio.to_thread(pipe.until, b"hello\n")
    waiting = asyncio.ensure_future(writer.wait_broken())
    await asyncio.sleep(0)
    assert not waiting.done()
    os.close(pipe.reading)
    pipe.reading = -1
    async with asyncio.timeout(10):
        await waiting
    assert isinstance(writer.error, BrokenPipeError)


async def test_a_full_disk_is_an_error_of_its_own() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        writer = Writer(fd)
        writer.put("x\n")
        async with asyncio.timeout(10):
            await writer.wait_broken()
        assert writer.error is not None
        assert writer.error.errno == errno.ENOSPC
    finally:
        os.close(fd)


async def test_a_terminal_that_nobody_reads() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        writer = Writer(slave, limit=100_000)
        assert writer.isatty()
        assert writer.fileno() == slave
        beats = 0
        for _ in range(3000):
            writer.write("x" * 99 + "\n")
            await asyncio.sleep(0)
            beats += 1
        assert beats == 3000
        assert writer.dropped > 1000
        assert writer.pending <= 100_000

        def read_on() -> bytes:
            seen = b""
            while b"shown\n" not in seen:
                seen += os.read(master, 65536)
            return seen

        seen = await asyncio.to_thread(read_on)
        kept = (b"x" * 99 + b"\n") * (3000 - writer.dropped)
        assert seen == kept + b"%d lines not shown\n" % writer.dropped
    finally:
        os.close(master)
        os.close(slave)


async def test_a_terminal_that_goes_away() -> None:
    master, slave = pty.openpty()
    writer = Writer(slave)
    try:
        writer.put("x" * 100_000)
        os.close(master)
        async with asyncio.timeout(10):
            await writer.wait_broken()
        assert writer.error is not None
        assert writer.error.errno == errno.EIO
    finally:
        os.close(slave)


def test_an_interrupted_answer_is_taken_back_but_for_whole_lines(pipe: Pipe) -> None:
    writer = pipe.writer()
    writer.put("".join(numbered(2000)))
    writer.discard()
    writer.put("prompt\n")
    lines = pipe.until(b"prompt\n").decode().splitlines(keepends=True)
    assert lines[:-1] == numbered(2000)[: len(lines) - 1]
    assert len(lines) < 1000


def test_a_loss_is_told_when_room_comes_from_taking_back(pipe: Pipe) -> None:
    writer = pipe.writer(limit=20_000)
    while writer.put("x" * 999 + "\n"):
        pass
    # A chunk that is being written can't be taken back: then there is room when it was read.
    writer.discard()
    seen = pipe.until(b" not shown\n")
    assert seen.endswith(b"\n1 lines not shown\n") or seen == b"1 lines not shown\n"


def test_closing_waits_only_so_long(pipe: Pipe) -> None:
    writer = pipe.writer()
    writer.put("x" * 100_000)
    assert not writer.close(0.05)


def test_closing_what_was_never_used(pipe: Pipe) -> None:
    assert pipe.writer().close()


def test_whatever_the_pace_every_line_is_there_or_counted(pipe: Pipe) -> None:
    chance = random.Random(7)
    writer = pipe.writer(limit=3000)
    done = b"end of all\n"
    reader = threading.Thread(target=pipe.until, args=(done,))
    reader.start()
    for number in range(20_000):
        writer.write(f"{number}\n" * chance.choice((1, 1, 3)))
        if chance.random() < 0.001:
            while writer.pending > 500:
                chance.random()
    while writer.pending:
        chance.random()
    assert writer.put(done.decode())
    reader.join()
    *lines, last = pipe.seen.splitlines(keepends=True)
    assert last == done
    losses = [int(match[1]) for line in lines if (match := LOSS.fullmatch(line))]
    assert sum(losses) == writer.dropped
    shown = [int(line) for line in lines if not LOSS.fullmatch(line)]
    assert shown == sorted(shown)


def test_a_terminal_of_another_encoding_gets_no_byte_above_ascii(pipe: Pipe) -> None:
    writer = pipe.writer(encoding="ascii")
    # U+041B is D0 9B in UTF-8, and 9B is CSI to a terminal that knows Latin letters only.
    writer.put("\u041b2J é\n")
    assert pipe.until(b"\n") == rb"\u041b2J \xe9" + b"\n"


def test_characters_that_have_no_encoding_are_no_error(pipe: Pipe) -> None:
    writer = pipe.writer(encoding="utf-8")
    writer.put("é\ud800\udc80\n")
    assert pipe.until(b"\n") == "é".encode() + rb"\ud800\udc80" + b"\n"


def test_one_writer_for_one_terminal_two_for_two(pipe: Pipe, tmp_path: Path) -> None:
    out, errors = open_writers(pipe.writing, pipe.writing)
    assert out is errors
    with (tmp_path / "file").open("wb") as file:
        out, errors = open_writers(pipe.writing, file.fileno())
        assert out is not errors
        assert (out.fileno(), errors.fileno()) == (pipe.writing, file.fileno())
