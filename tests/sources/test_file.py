"""Whole files: every kind, packed or not, damaged, and what is no file at all."""

import asyncio
import contextlib
import gzip
import os
import socket
from pathlib import Path

import pytest
from waysin import FORMATS, numbers_in, numbers_of, open_descriptors, pcap, pcap_record, text

from sipstream import limits
from sipstream.errors import SourceError
from sipstream.sources import container
from sipstream.sources.file import FileSource


def written(folder: Path, data: bytes, name: str = "any.name") -> FileSource:
    path = folder / name
    path.write_bytes(data)
    return FileSource(path)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", ["right", "wrong.gz", "wrong.pcap", "wrong.txt"])
async def test_kind_is_told_by_content(tmp_path: Path, kind: str, name: str) -> None:
    source = written(tmp_path, FORMATS[kind](range(10)), name)
    assert source.name == str(tmp_path / name)
    assert not source.live
    assert await numbers_in(source) == list(range(10))
    assert source.notes == []


@pytest.mark.parametrize("kind", FORMATS)
async def test_packed(tmp_path: Path, kind: str) -> None:
    source = written(tmp_path, gzip.compress(FORMATS[kind](range(1000))))
    assert await numbers_in(source) == list(range(1000))
    assert source.notes == []


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("chunk", [1, 100, 4096])
async def test_chunks_of_any_size(
    tmp_path: Path, kind: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHUNK", chunk)
    assert await numbers_in(written(tmp_path, FORMATS[kind](range(10)))) == list(range(10))


async def test_progress_counts_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CHUNK", 1000)
    data = pcap(range(20))
    source = written(tmp_path, data)
    seen = [source.progress() async for _ in source.batches()]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[0][0] < seen[-1][0]
    assert source.progress() == (len(data), len(data))


async def test_progress_of_a_packed_file_counts_packed_bytes(tmp_path: Path) -> None:
    data = gzip.compress(pcap(range(1000)))
    source = written(tmp_path, data)
    await numbers_in(source)
    assert source.progress() == (len(data), len(data))


async def test_batches_are_small_enough_for_the_event_loop(tmp_path: Path) -> None:
    empty = bytes(16) * (3 * limits.BATCH_PACKETS)
    source = written(tmp_path, pcap([]) + empty)
    sizes = [len(batch.records) async for batch in source.batches()]
    assert sum(sizes) == 3 * limits.BATCH_PACKETS
    assert max(sizes) <= limits.BATCH_PACKETS


@pytest.mark.parametrize("data", [b"", gzip.compress(b"")], ids=["bare", "packed"])
async def test_an_empty_file_is_an_empty_load(tmp_path: Path, data: bytes) -> None:
    source = written(tmp_path, data)
    assert await numbers_in(source) == []
    assert source.notes == ["is empty"]


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
async def test_a_cut_capture_says_where(tmp_path: Path, kind: str) -> None:
    whole = FORMATS[kind](range(3))
    cut = len(FORMATS[kind](range(2)))
    source = written(tmp_path, whole[:-3])
    assert await numbers_in(source) == [0, 1]
    (note,) = source.notes
    assert f"cut short at byte {cut}:" in note


async def test_a_cut_packed_file_keeps_what_came(tmp_path: Path) -> None:
    packed = gzip.compress(pcap(range(1000)), compresslevel=1)
    source = written(tmp_path, packed[: len(packed) // 2])
    numbers = await numbers_in(source)
    assert numbers == list(range(len(numbers)))
    assert 300 < len(numbers) < 700
    assert "the .gz is cut short" in source.notes[0]


async def test_a_bad_check_sum_keeps_what_came(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(pcap(range(5))))
    packed[-8] ^= 1
    source = written(tmp_path, bytes(packed))
    assert await numbers_in(source) == list(range(5))
    assert source.notes == ["the .gz is damaged (incorrect data check): what came before is kept"]


async def test_a_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GZIP_RATIO_FROM", 1 << 20)
    source = written(tmp_path, gzip.compress(pcap(range(3)) + bytes(16 << 20)))
    numbers = []
    async for batch in source.batches():
        numbers += [0] * len(batch.records)
    assert 3 < len(numbers) < (2 << 20) // 16
    assert "over 200 times the packed size" in source.notes[0]


@pytest.mark.parametrize(
    "data", [b"x", b"\xa1\xb2", b"hello\nworld\n", bytes(1000), b"\xff\xfe" * 40_000]
)
@pytest.mark.parametrize("packed", [False, True])
async def test_other_content_is_refused(tmp_path: Path, data: bytes, packed: bool) -> None:
    source = written(tmp_path, gzip.compress(data) if packed else data)
    with pytest.raises(SourceError) as raised:
        await numbers_in(source)
    assert (
        str(raised.value)
        == f"{tmp_path / 'any.name'}: neither a capture file nor text that tcpdump printed"
    )


async def test_only_one_layer_is_unpacked(tmp_path: Path) -> None:
    source = written(tmp_path, gzip.compress(gzip.compress(pcap(range(3)))))
    with pytest.raises(SourceError, match=r"holds a \.gz inside the \.gz"):
        await numbers_in(source)


async def test_a_sparse_file_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "TEXT_SEARCH", 4 << 20)
    source = written(tmp_path, b"")
    os.truncate(source.name, 1 << 40)
    with pytest.raises(SourceError, match="neither a capture file"):
        await numbers_in(source)
    assert source.progress() == (4 << 20, 1 << 40)


async def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="/absent: no such file or directory$"):
        await numbers_in(FileSource(tmp_path / "absent"))


async def test_no_possible_name() -> None:
    with pytest.raises(SourceError, match="is no possible file name"):
        await numbers_in(FileSource(Path("a\0b")))


async def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=": is a directory$"):
        await numbers_in(FileSource(tmp_path))


async def test_a_pipe_without_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match=r"is a pipe, not a file: give it on standard input"):
        await numbers_in(FileSource(tmp_path / "pipe"))


async def test_a_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(SourceError, match=r"is a socket, not a file$"):
            await numbers_in(FileSource(tmp_path / "s"))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/random"])
async def test_a_device(device: str) -> None:
    with pytest.raises(SourceError, match=f"^{device}: is a device, not a file$"):
        await numbers_in(FileSource(Path(device)))


async def test_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(SourceError, match="/a: too many levels of symbolic links$"):
        await numbers_in(FileSource(tmp_path / "a"))


async def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    source = written(tmp_path, pcap(range(3)))
    Path(source.name).chmod(0)
    me = os.geteuid()
    if me == 0:
        # Root may read everything; nobody may not.
        os.seteuid(65534)
    try:
        with pytest.raises(SourceError, match=": permission denied$"):
            await numbers_in(source)
    finally:
        os.seteuid(me)


async def test_a_link_is_followed(tmp_path: Path) -> None:
    written(tmp_path, pcap(range(3)))
    (tmp_path / "link").symlink_to("any.name")
    assert await numbers_in(FileSource(tmp_path / "link")) == [0, 1, 2]


async def test_a_file_that_shrinks_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHUNK", 1000)
    source = written(tmp_path, pcap(range(20)))
    numbers = []
    async for batch in source.batches():
        numbers += [int(record[0] // 10**9) - 1_700_000_000 for record in batch.records]
        os.truncate(source.name, 2000)
    assert 0 < len(numbers) < 20
    assert "became shorter while it was read: it ends at byte 2000" in source.notes


async def test_what_is_appended_while_it_is_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHUNK", 1000)
    source = written(tmp_path, pcap(range(20)))
    numbers = []
    with (tmp_path / "any.name").open("ab", buffering=0) as file:
        async for batch in source.batches():
            numbers += numbers_of(batch)
            file.write(pcap_record(99))
    assert numbers == list(range(20))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_stopping_early_keeps_the_bytes_of_what_came(
    tmp_path: Path, pack: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(pack)
    monkeypatch.setattr(limits, "CHUNK", 1000)
    source = written(tmp_path, pack(pcap(range(100))))
    batches = source.batches()
    first = await anext(batches)
    await batches.aclose()
    assert numbers_of(first)[0] == 0


async def test_descriptors_are_closed_when_nothing_came(tmp_path: Path) -> None:
    before = open_descriptors()
    for data in (b"", b"hello", gzip.compress(b"hello"), pcap([])):
        source = written(tmp_path, data)
        with contextlib.suppress(SourceError):
            await numbers_in(source)
    assert open_descriptors() == before


async def test_packed_bytes_are_closed_when_all_came(tmp_path: Path) -> None:
    source = written(tmp_path, gzip.compress(text(range(3))))
    before = open_descriptors()
    batches = [batch async for batch in source.batches()]
    assert open_descriptors() == before + 1
    assert [number for batch in batches for number in numbers_of(batch)] == [0, 1, 2]


async def test_a_load_without_packets_lets_others_run(tmp_path: Path) -> None:
    source = written(tmp_path, b"no packet\n" * (1 << 20))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    with pytest.raises(SourceError):
        await numbers_in(source)
    counting.cancel()
    assert turns >= 10
