"""A file that grows: what a scripted writer does to it, look by look; none lost, none doubled."""

import asyncio
import gzip
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waysin import (
    FORMATS,
    PCAP_HEAD,
    numbers_of,
    open_descriptors,
    pcap,
    pcap_record,
    text,
    text_packet,
)

from sipstream import limits
from sipstream.errors import SourceError
from sipstream.sources.growing import GrowingFile
from sipstream.sources.tail import TailSource

KINDS = sorted(FORMATS)
REPLACED = "is a new file now (rotated or replaced): read from its beginning"
TRUNCATED = "was truncated, begins again: what was written just before may be lost"
Step = Callable[[], object]


class ScriptEndedError(Exception):
    pass


async def follow(
    path: Path, steps: Iterable[Step], *, from_start: bool = True, looks: int = 12
) -> tuple[list[int], list[str]]:
    """Follow a file; one step is done between two looks, then it is looked at a few times more."""
    script = list(steps)
    left = looks

    async def pause(seconds: float) -> None:
        nonlocal left
        assert seconds == limits.TAIL_INTERVAL_SECONDS
        if script:
            script.pop(0)()
        elif left:
            left -= 1
        else:
            raise ScriptEndedError

    source = TailSource(path, from_start=from_start, pause=pause)
    assert source.live
    assert source.progress() is None
    numbers: list[int] = []
    with pytest.raises(ScriptEndedError):
        async for batch in source.batches():
            numbers += numbers_of(batch)
    return numbers, source.notes


opened: list[FileIO] = []
"""What writers have open, closed after each test."""


@pytest.fixture(autouse=True)
def _close_writers() -> Iterator[None]:
    yield
    close_writers()


def close_writers() -> None:
    while opened:
        opened.pop().close()


def open_to_write(path: Path, mode: str = "ab") -> FileIO:
    opened.append(FileIO(path, mode.replace("b", "")))
    return opened[-1]


class Writer:
    """Writes numbered packets to a file in pieces; its steps are for a script."""

    def __init__(self, path: Path, kind: str = "pcap") -> None:
        self.path = path
        self.kind = kind
        self.next = 0
        self.pending = b""
        self.begin()

    def begin(self) -> None:
        """Make the file and what stands at its beginning."""
        self.file = open_to_write(self.path)
        self.write_head()

    def write_head(self) -> None:
        self.file.write(FORMATS[self.kind]([]))

    def packets(self, count: int) -> bytes:
        """Return the bytes of the next packets."""
        first, self.next = self.next, self.next + count
        whole = FORMATS[self.kind](range(first, self.next))
        return whole[len(FORMATS[self.kind]([])) :]

    def write(self, count: int = 1) -> None:
        """Write whole packets, after the rest of a half one."""
        self.file.write(self.pending + self.packets(count))
        self.pending = b""

    def write_bytes(self, size: int) -> None:
        """Write part of a packet, or several."""
        while len(self.pending) < size:
            self.pending += self.packets(1)
        self.file.write(self.pending[:size])
        self.pending = self.pending[size:]

    def write_rest(self) -> None:
        self.file.write(self.pending)
        self.pending = b""

    def rename(self, kept: int = 20) -> None:
        """Move the files one number up, the way logrotate does."""
        for number in range(kept, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.rename(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.rename(self.path.with_name(f"{self.path.name}.1"))

    def rotate(self) -> None:
        self.write_rest()
        self.file.close()
        self.rename()
        self.begin()

    def copytruncate(self) -> None:
        shutil.copy(self.path, self.path.with_name(f"{self.path.name}.1"))
        os.truncate(self.path, 0)


def all_of(*steps: Step) -> Step:
    return lambda: [step() for step in steps]


@pytest.mark.parametrize("kind", KINDS)
async def test_reads_what_is_there_and_what_comes(tmp_path: Path, kind: str) -> None:
    writer = Writer(tmp_path / "f", kind)
    writer.write(3)
    steps = [lambda: writer.write(2), lambda: None, lambda: writer.write(1)]
    assert await follow(writer.path, steps) == ([0, 1, 2, 3, 4, 5], [])


@pytest.mark.parametrize("kind", KINDS)
async def test_byte_by_byte(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f"
    path.touch()
    file = open_to_write(path)
    steps = [
        lambda byte=byte: file.write(bytes([byte]))  # type: ignore[misc]
        for byte in FORMATS[kind](range(2))
    ]
    assert await follow(path, steps) == ([0, 1], [])


async def test_the_last_printed_message_is_shown_when_the_file_stays_quiet(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(text(range(2)))
    assert await follow(path, [], looks=0) == ([0], [])
    assert await follow(path, [], looks=2) == ([0, 1], [])


@pytest.mark.parametrize("kind", KINDS)
async def test_not_there_yet(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "later" / "f"
    steps: list[Step] = [
        lambda: None,
        lambda: None,
        path.parent.mkdir,
        path.touch,
        lambda: path.write_bytes(FORMATS[kind](range(3))),
    ]
    assert await follow(path, steps) == (
        [0, 1, 2],
        ["isn't there yet: waiting for a file there", "is there now"],
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_rotation_reads_the_old_file_to_its_end(tmp_path: Path, kind: str) -> None:
    writer = Writer(tmp_path / "f", kind)
    steps = [
        lambda: writer.write(2),
        all_of(lambda: writer.write(2), writer.rotate, lambda: writer.write(2)),
        lambda: writer.write(1),
    ]
    assert await follow(writer.path, steps) == (list(range(7)), [REPLACED])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_writer_that_goes_on_in_the_old_file_for_a_while(tmp_path: Path, kind: str) -> None:
    writer = Writer(tmp_path / "f", kind)
    old = writer.file

    def reopen() -> None:
        writer.begin()
        writer.write(1)

    steps = [
        lambda: writer.write(2),
        all_of(writer.rename, writer.path.touch),
        *[lambda: writer.write(1)] * 5,
        *[lambda: None] * 9,
        lambda: writer.write(1),
        reopen,
        lambda: old.write(writer.packets(1)),
    ]
    numbers, notes = await follow(writer.path, steps)
    assert numbers == [0, 1, 2, 3, 4, 5, 6, 7, 9, 8]
    assert notes == [REPLACED]


async def test_an_old_file_that_grows_for_ever_is_left(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "f")
    old = writer.file

    def rotate() -> None:
        writer.rename()
        writer.begin()
        writer.file.write(pcap_record(1000))

    steps = [rotate, *[lambda: old.write(writer.packets(1))] * 80]
    numbers, notes = await follow(writer.path, steps)
    assert numbers[-1] == 1000
    assert numbers[:-1] == list(range(len(numbers) - 1))
    assert notes == [REPLACED, "the file before still grows: what comes there now isn't read"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["f", "f.pcap"])
async def test_several_rotations_between_two_looks(tmp_path: Path, kind: str, name: str) -> None:
    writer = Writer(tmp_path / name, kind)
    once = all_of(writer.rotate, lambda: writer.write(2))
    steps = [lambda: writer.write(2), all_of(once, once, once, once), once, all_of(once, once)]
    numbers, notes = await follow(writer.path, steps, looks=30)
    assert numbers == list(range(16))
    assert set(notes) == {REPLACED}


async def test_rotation_to_dated_names(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "sip.pcap")

    def rotate(stamp: str) -> None:
        writer.file.close()
        writer.path.rename(tmp_path / f"sip-{stamp}.pcap")
        writer.begin()
        writer.write(2)

    steps = [
        lambda: writer.write(1),
        lambda: [rotate("20261124-1000"), rotate("20261124-1001"), rotate("20261124-1002")],
    ]
    assert (await follow(writer.path, steps))[0] == list(range(7))


async def test_other_files_beside_are_left_alone(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "sip.pcap")
    writer.write(2)

    def beside() -> None:
        writer.rotate()
        writer.write(1)
        (tmp_path / "sip.pcap.copy").write_bytes(pcap([70]))
        (tmp_path / "sip-errors.pcap").write_bytes(pcap([71]))
        (tmp_path / "sip.pcap.2.gz").write_bytes(gzip.compress(pcap([72])))
        (tmp_path / "other.pcap.1").write_bytes(pcap([73]))
        (tmp_path / "sip.pcap.9").mkdir()
        shutil.copy(tmp_path / "sip.pcap.1", tmp_path / "sip.pcap.3")

    assert (await follow(writer.path, [lambda: None, beside]))[0] == [0, 1, 2]


async def test_the_kind_may_change_with_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(pcap(range(2)))

    def replace(data: bytes) -> None:
        path.rename(tmp_path / "old")
        path.write_bytes(data)

    steps = [
        lambda: replace(text(range(2, 4))),
        *[lambda: None] * 4,
        lambda: replace(FORMATS["pcapng"](range(4, 6))),
    ]
    assert (await follow(path, steps))[0] == list(range(6))


@pytest.mark.parametrize("kind", KINDS)
async def test_truncation_begins_again(tmp_path: Path, kind: str) -> None:
    writer = Writer(tmp_path / "f", kind)

    def truncate() -> None:
        os.truncate(writer.path, 0)
        writer.write_head()
        writer.write(1)

    steps = [lambda: writer.write(3), lambda: None, truncate, lambda: writer.write(2)]
    assert await follow(writer.path, steps) == (list(range(6)), [TRUNCATED])


@pytest.mark.parametrize("kind", KINDS)
async def test_truncation_to_a_part(tmp_path: Path, kind: str) -> None:
    writer = Writer(tmp_path / "f", kind)
    writer.write(4)
    half = len(FORMATS[kind](range(2)))
    steps = [lambda: os.truncate(writer.path, half), *[lambda: None] * 3, lambda: writer.write(1)]
    assert await follow(writer.path, steps) == ([0, 1, 2, 3, 0, 1, 4], [TRUNCATED])


@pytest.mark.parametrize("kind", KINDS)
async def test_copytruncate(tmp_path: Path, kind: str) -> None:
    writer = Writer(tmp_path / "f", kind)
    steps = [
        lambda: writer.write(3),
        lambda: None,
        writer.copytruncate,
        writer.write_head,
        lambda: writer.write(2),
    ]
    assert await follow(writer.path, steps) == (list(range(5)), [TRUNCATED])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, 3, 9])
async def test_copytruncate_that_grew_past_the_old_place(
    tmp_path: Path, kind: str, count: int
) -> None:
    writer = Writer(tmp_path / "f", kind)
    steps = [
        lambda: writer.write(2),
        lambda: None,
        all_of(
            writer.copytruncate,
            writer.write_head,
            lambda: writer.write(count),
        ),
    ]
    assert await follow(writer.path, steps) == (list(range(2 + count)), [TRUNCATED])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("looked", [False, True])
async def test_a_writer_that_stays_at_its_place_after_truncation(
    tmp_path: Path, kind: str, looked: bool
) -> None:
    """tcpdump -w, or > FILE: the file then begins with a hole of zeros."""
    path = tmp_path / "f"
    whole = FORMATS[kind](range(6))
    first = len(FORMATS[kind](range(3)))
    file = open_to_write(path, "wb")
    truncate = lambda: os.truncate(path, 0)  # noqa: E731
    go_on = lambda: file.write(whole[first:])  # noqa: E731
    steps: list[Step] = [lambda: file.write(whole[:first]), lambda: None, lambda: None]
    steps += [truncate, go_on] if looked else [all_of(truncate, go_on)]
    assert await follow(path, steps) == (list(range(6)), [TRUNCATED])


@pytest.mark.parametrize("kind", ["pcap", "text"])
async def test_truncation_that_lost_packets_under_such_a_writer(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f"
    whole = FORMATS[kind](range(6))
    first, second = (len(FORMATS[kind](range(count))) for count in (2, 4))
    file = open_to_write(path, "wb")
    steps: list[Step] = [
        lambda: file.write(whole[:first]),
        lambda: None,
        lambda: None,
        all_of(
            lambda: file.write(whole[first:second]),
            lambda: os.truncate(path, 0),
            lambda: file.write(whole[second:]),
        ),
    ]
    assert await follow(path, steps) == ([0, 1, 4, 5], [TRUNCATED])


@pytest.mark.parametrize("kind", KINDS)
async def test_deleted_and_made_again(tmp_path: Path, kind: str) -> None:
    writer = Writer(tmp_path / "f", kind)

    def make_again() -> None:
        writer.file.close()
        writer.begin()
        writer.write(2)

    steps = [
        lambda: writer.write(2),
        writer.path.unlink,
        lambda: writer.write(1),
        lambda: None,
        make_again,
    ]
    assert await follow(writer.path, steps) == (
        list(range(5)),
        ["was deleted: waiting for a file there", REPLACED],
    )


async def test_the_inode_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(pcap(range(2)))
    inode = path.stat().st_ino

    def replace(numbers: Iterable[int]) -> None:
        path.unlink()
        path.write_bytes(pcap(numbers))

    steps = [lambda: replace([2, 3]), *[lambda: None] * 4, lambda: replace([4, 5])]
    numbers, _ = await follow(path, steps)
    assert numbers == list(range(6))
    assert inode


async def test_replaced_by_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(pcap(range(2)))
    steps: list[Step] = [
        lambda: [path.unlink(), path.mkdir()],
        lambda: None,
        lambda: [path.rmdir(), os.mkfifo(path)],
        lambda: [path.unlink(), path.write_bytes(pcap([2]))],
    ]
    numbers, notes = await follow(path, steps)
    assert numbers == [0, 1, 2]
    assert notes[0] == "is a directory: waiting for a file there"
    assert notes[1].startswith("is a pipe, not a file")
    assert notes[2:] == [REPLACED]


async def test_a_moved_link_counts_as_rotation(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"sip-{number}").write_bytes(pcap([number]))
    path = tmp_path / "current"

    def point_to(number: int) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(f"sip-{number}")

    point_to(0)
    steps: list[Step] = [lambda: point_to(1), *[lambda: None] * 4, lambda: point_to(2)]
    assert await follow(path, steps) == ([0, 1, 2], [REPLACED, REPLACED])


async def test_the_time_of_change_is_not_trusted(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "f")
    steps: list[Step] = []
    for when in (0, 4_000_000_000, 1):
        steps += [lambda: writer.write(1), lambda when=when: os.utime(writer.path, (when, when))]  # type: ignore[misc]
    assert await follow(writer.path, steps) == ([0, 1, 2], [])


@pytest.mark.parametrize("kind", KINDS)
async def test_from_now_on(tmp_path: Path, kind: str) -> None:
    writer = Writer(tmp_path / "f", kind)
    writer.write(5)
    steps = [lambda: None, lambda: writer.write(2), writer.rotate, lambda: writer.write(2)]
    assert await follow(writer.path, steps, from_start=False) == ([5, 6, 7, 8], [REPLACED])


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
@pytest.mark.parametrize("chunk", [700, 2000, 1 << 20])
async def test_from_now_on_within_a_packet(
    tmp_path: Path, kind: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHUNK", chunk)
    writer = Writer(tmp_path / "f", kind)
    writer.write(30)
    writer.write_bytes(100)
    steps = [writer.write_rest, lambda: writer.write(2)]
    assert await follow(writer.path, steps, from_start=False) == ([30, 31, 32], [])


async def test_from_now_on_within_a_printed_line(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "f", "text")
    writer.write(3)
    writer.write_bytes(1)
    steps = [writer.write_rest, lambda: writer.write(2)]
    assert await follow(writer.path, steps, from_start=False) == ([4, 5], [])


@pytest.mark.parametrize("there", [b"", PCAP_HEAD[:3], PCAP_HEAD[:10]])
async def test_from_now_on_before_anything_is_there(tmp_path: Path, there: bytes) -> None:
    path = tmp_path / "f"
    path.write_bytes(there)
    steps = [lambda: path.write_bytes(pcap(range(2)))]
    assert await follow(path, steps, from_start=False) == ([0, 1], [])


async def test_from_now_on_reads_all_of_a_file_that_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "f"
    steps = [lambda: path.write_bytes(pcap(range(2)))]
    assert (await follow(path, steps, from_start=False))[0] == [0, 1]


async def test_what_cannot_be_followed_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(gzip.compress(pcap(range(2))))
    steps = [lambda: None, lambda: open_to_write(path).write(b"more")]
    numbers, notes = await follow(path, steps)
    assert numbers == []
    assert notes == ["is a .gz, which can't be followed: load it when it is whole"]


async def test_other_text_is_said_once_and_may_become_better(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"listening on eth0\n" * 5000)

    def append(data: bytes) -> None:
        with path.open("ab") as file:
            file.write(data)

    steps = [lambda: append(b"listening on eth0\n" * 5000), lambda: append(text(range(2)))]
    assert await follow(path, steps) == (
        [0, 1],
        ["has been neither a capture file nor text that tcpdump printed so far"],
    )


async def test_at_the_start_a_directory_is_refused(tmp_path: Path) -> None:
    source = TailSource(tmp_path)
    with pytest.raises(SourceError, match=f"^{tmp_path}: is a directory$"):
        await anext(source.batches())
    assert source.notes == []


async def test_no_possible_name() -> None:
    with pytest.raises(SourceError, match="is no possible file name"):
        await anext(TailSource(Path("a\0b")).batches())


async def test_a_read_error_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(tmp_path / "f")
    more = GrowingFile.more
    failing = False

    async def fail(self: GrowingFile) -> object:
        if failing:
            raise OSError(5, "Input/output error")
        return await more(self)

    def set_failing(value: bool) -> None:
        nonlocal failing
        failing = value

    monkeypatch.setattr(GrowingFile, "more", fail)
    steps: list[Step] = [
        lambda: writer.write(1),
        lambda: set_failing(True),
        lambda: writer.write(1),
        lambda: None,
        lambda: set_failing(False),
    ]
    assert await follow(writer.path, steps) == (
        [0, 1],
        ["can't be read (input/output error): trying on"],
    )


async def test_messages_stay_readable_after_truncation_and_the_end(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(pcap(range(3)))
    batches = TailSource(path).batches()
    batch = await anext(batches)
    path.write_bytes(b"")
    path.unlink()
    await batches.aclose()
    assert numbers_of(batch) == [0, 1, 2]


async def test_closing_closes_all_files(tmp_path: Path) -> None:
    before = open_descriptors()
    writer = Writer(tmp_path / "f")
    await follow(writer.path, [writer.rotate, writer.rotate])
    writer.file.close()
    assert open_descriptors() == before


async def test_cancelling_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(pcap(range(3)))
    before = open_descriptors()
    seen: list[int] = []
    came = asyncio.Event()

    async def draw() -> None:
        async with aclosing(TailSource(path, interval=3600).batches()) as batches:
            async for batch in batches:
                seen.extend(numbers_of(batch))
                came.set()

    task = asyncio.ensure_future(draw())
    await came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [0, 1, 2]
    # The spool stays, because messages lie there.
    assert open_descriptors() == before + 1


OPERATIONS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 900)),
    st.just(("rotate", 0)),
    st.just(("copytruncate", 0)),
)


def steps_for(writer: Writer, operations: list[tuple[str, int]]) -> list[Step]:
    """The operations in one step; but all is read before a truncation, or it would be lost."""
    steps: list[list[Step]] = [[]]
    for name, size in operations:
        if name == "write":
            steps[-1].append(lambda size=size: writer.write_bytes(size))  # type: ignore[misc]
        elif name == "rotate":
            steps[-1].append(writer.rotate)
        else:
            steps[-1].append(writer.write_rest)
            steps += [[] for _ in range(20)]
            steps[-1] += [writer.copytruncate, writer.write_head]
    return [all_of(*step) for step in steps]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.lists(st.lists(OPERATIONS, min_size=1, max_size=4), max_size=12),
)
def test_any_writing_and_rotating(kind: str, script: list[list[tuple[str, int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder) / "f", kind)

        looks = [step for part in script for step in steps_for(writer, part)]
        numbers, _ = asyncio.run(
            follow(writer.path, [*looks, lambda: writer.write(1)], looks=8 + 3 * 4 * 12)
        )
        close_writers()
    assert numbers == list(range(writer.next))


WRITER = """
import os, sys, time
path = sys.argv[1]
for number, part in enumerate(sys.argv[2:]):
    if number:
        os.rename(path, f"{path}.{number}")
    with open(part, "rb") as source, open(path, "ab", buffering=0) as file:
        for place, byte in enumerate(source.read()):
            file.write(bytes([byte]))
            if place % 500 == 0:
                time.sleep(0.001)
"""


@pytest.mark.parametrize("kind", KINDS)
async def test_another_process_writes_and_rotates(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f"
    parts = [tmp_path / f"part-{number}" for number in range(6)]
    for number, part in enumerate(parts):
        part.write_bytes(FORMATS[kind](range(number * 10, number * 10 + 10)))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, path, *parts)
    numbers: list[int] = []
    async with asyncio.timeout(60):
        async for batch in TailSource(path, interval=0.005).batches():
            numbers += numbers_of(batch)
            if len(numbers) >= 60:
                break
        assert await process.wait() == 0
    assert numbers == list(range(60))


def test_text_packets_are_as_tcpdump_prints_them() -> None:
    assert text_packet(7).startswith(b"12:00:07.000000 IP (tos 0x0, ")


@pytest.mark.parametrize("kind", KINDS)
async def test_rotated_before_it_was_seen_for_the_first_time(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f"
    (tmp_path / "f.2").write_bytes(FORMATS[kind](range(90, 95)))
    os.utime(tmp_path / "f.2", ns=(10**9, 10**9))

    def twice() -> None:
        (tmp_path / "f.1").write_bytes(FORMATS[kind](range(3)))
        path.write_bytes(FORMATS[kind](range(3, 5)))

    numbers, _ = await follow(path, [twice])
    assert numbers == [0, 1, 2, 3, 4]
