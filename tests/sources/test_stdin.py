"""Standard input: pipes, terminals, redirected files; in any pieces, to the end or closed early."""

import asyncio
import gzip
import os
import pty
import tty
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from waysin import FORMATS, numbers_in, numbers_of, open_descriptors, pcap, text

from sipstream.errors import SourceError
from sipstream.sources import container
from sipstream.sources.stdin import StdinSource

KINDS = sorted(FORMATS)
Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe's ends for reading and writing; what a test closed stays closed."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


async def draw(source: StdinSource, *steps: Callable[[], object]) -> list[list[int]]:
    """Do the steps, one whenever a batch came; return the batches' numbers."""
    script = list(steps)
    script.pop(0)()
    batches = []
    async with aclosing(source.batches()) as drawn:
        async for batch in drawn:
            batches.append(numbers_of(batch))
            if script:
                script.pop(0)()
    return batches


@pytest.mark.parametrize("kind", KINDS)
async def test_a_pipe(pipe: Pipe, kind: str) -> None:
    reading, writing = pipe
    source = StdinSource(reading)
    assert source.name == "standard input"
    assert source.live
    assert source.progress() is None
    os.write(writing, FORMATS[kind](range(5)))
    os.close(writing)
    assert await numbers_in(source) == [0, 1, 2, 3, 4]
    assert source.notes == []
    os.fstat(reading)


@pytest.mark.parametrize("kind", KINDS)
async def test_packets_come_before_the_input_ends(pipe: Pipe, kind: str) -> None:
    reading, writing = pipe
    data = FORMATS[kind](range(2))
    cut = len(FORMATS[kind](range(1))) + 10
    source = StdinSource(reading, quiet=3600)
    assert await draw(
        source,
        lambda: os.write(writing, data[:cut]) and kind == "text" and os.write(writing, data[cut:]),
        lambda: (kind != "text" and os.write(writing, data[cut:]), os.close(writing)),
    ) == [[0], [1]]


async def test_the_last_printed_message_comes_when_it_is_quiet(pipe: Pipe) -> None:
    reading, writing = pipe
    source = StdinSource(reading, quiet=0.001)
    assert await draw(
        source,
        lambda: os.write(writing, text([0])),
        lambda: os.write(writing, text([1])),
        lambda: os.close(writing),
    ) == [[0], [1]]


@pytest.mark.parametrize("kind", KINDS)
async def test_byte_by_byte(pipe: Pipe, kind: str) -> None:
    reading, writing = pipe
    data = FORMATS[kind](range(3))

    async def write() -> None:
        for place in range(len(data)):
            os.write(writing, data[place : place + 1])
            if place % 7 == 0:
                await asyncio.sleep(0)
        os.close(writing)

    task = asyncio.ensure_future(write())
    assert await numbers_in(StdinSource(reading, quiet=3600)) == [0, 1, 2]
    await task


@pytest.mark.parametrize("kind", KINDS)
async def test_more_than_a_pipe_holds(pipe: Pipe, kind: str) -> None:
    reading, writing = pipe
    data = FORMATS[kind](range(3000))

    def write() -> None:
        with os.fdopen(writing, "wb", closefd=False) as file:
            file.write(data)
        os.close(writing)

    task = asyncio.create_task(asyncio.to_thread(write))
    assert await numbers_in(StdinSource(reading)) == list(range(3000))
    await task


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packed", [False, True])
async def test_a_redirected_file(tmp_path: Path, kind: str, packed: bool) -> None:
    data = FORMATS[kind](range(1000))
    data = gzip.compress(data) if packed else data
    (tmp_path / "f").write_bytes(data)
    with (tmp_path / "f").open("rb") as file:
        source = StdinSource(file.fileno())
        assert not source.live
        assert source.progress() == (0, len(data))
        assert await numbers_in(source) == list(range(1000))
        assert source.progress() == (len(data), len(data))


async def test_a_packed_pipe(pipe: Pipe) -> None:
    reading, writing = pipe
    packed = gzip.compress(pcap(range(3)))

    async def write() -> None:
        for byte in packed:
            os.write(writing, bytes([byte]))
            await asyncio.sleep(0)
        os.close(writing)

    task = asyncio.ensure_future(write())
    assert await numbers_in(StdinSource(reading)) == [0, 1, 2]
    await task


async def test_a_terminal() -> None:
    controlling, terminal = pty.openpty()
    tty.setraw(terminal)
    try:
        os.write(controlling, text([0]))
        source = StdinSource(terminal, quiet=0.001)
        async with aclosing(source.batches()) as batches:
            assert numbers_of(await anext(batches)) == [0]
        assert source.live
    finally:
        os.close(controlling)
        os.close(terminal)


@pytest.mark.parametrize("data", [b"", b"\0"])
async def test_nothing_comes(pipe: Pipe, data: bytes) -> None:
    reading, writing = pipe
    os.close(writing)
    source = StdinSource(reading)
    assert await numbers_in(source) == []
    assert source.notes == ["ended without giving anything"]


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[int]:
    """A descriptor of the device that the test names."""
    descriptor = os.open(request.param, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("device", ["/dev/null"], indirect=True)
async def test_dev_null(device: int) -> None:
    source = StdinSource(device)
    assert await numbers_in(source) == []
    assert source.notes == ["ended without giving anything"]


@pytest.mark.parametrize("device", ["/dev/zero"], indirect=True)
async def test_endless_zeros_are_given_up(device: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "TEXT_SEARCH", 1 << 20)
    with pytest.raises(SourceError, match="^standard input: neither a capture file nor text"):
        await numbers_in(StdinSource(device))


@pytest.mark.parametrize(
    "data",
    [b"hello", b"hello\nworld\n" * 1000, gzip.compress(b"hello")],
    ids=["short", "long", "packed"],
)
async def test_other_content_is_refused(pipe: Pipe, data: bytes) -> None:
    reading, writing = pipe
    os.write(writing, data)
    os.close(writing)
    with pytest.raises(SourceError, match="^standard input: neither a capture file nor text"):
        await numbers_in(StdinSource(reading))


async def test_a_directory(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(SourceError, match="^standard input: is a directory$"):
            await numbers_in(StdinSource(directory))
    finally:
        os.close(directory)


async def test_a_closed_descriptor(pipe: Pipe) -> None:
    os.close(pipe[0])
    with pytest.raises(SourceError, match="^standard input: is closed$"):
        await numbers_in(StdinSource(pipe[0]))


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
async def test_a_capture_cut_short_says_where(pipe: Pipe, kind: str) -> None:
    reading, writing = pipe
    os.write(writing, FORMATS[kind](range(3))[:-3])
    os.close(writing)
    source = StdinSource(reading)
    assert await numbers_in(source) == [0, 1]
    (note,) = source.notes
    assert f"cut short at byte {len(FORMATS[kind](range(2)))}:" in note


async def test_closing_early_leaves_nothing_behind(pipe: Pipe) -> None:
    reading, writing = pipe
    before = open_descriptors()
    os.write(writing, pcap(range(3)))
    batches = StdinSource(reading).batches()
    batch = await anext(batches)
    await batches.aclose()
    assert numbers_of(batch) == [0, 1, 2]
    assert open_descriptors() == before + 1  # the spool that the messages lie in
    assert not asyncio.get_running_loop().remove_reader(reading)


async def test_cancelling_while_it_waits(pipe: Pipe) -> None:
    before = open_descriptors()
    task = asyncio.ensure_future(numbers_in(StdinSource(pipe[0])))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert open_descriptors() == before
    assert not asyncio.get_running_loop().remove_reader(pipe[0])
