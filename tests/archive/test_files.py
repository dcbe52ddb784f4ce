"""`sipstream archive FILE... DIR`: what is in the files is in the archive, once, whatever happens."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from archives import archive, asked, files, rows
from support import CAPTURES, SHARED, ethernet, ipv4, sip, udp

from sipstream.archive import parquet
from sipstream.archive.mapped import Mapped
from sipstream.errors import SourceError
from sipstream.options import archive as archive_options
from sipstream.session import Session

CAPTURE = CAPTURES / "callerid-problem.pcap.gz"
REAL = sorted((SHARED / "captures-real").glob("*.pcap*"))


async def check_counts(folder: Path, *captures: Path) -> None:
    """DuckDB counts what sipstream does: all, by conversation, by kind, by number."""
    async with Session(memory=None) as session:
        for path in captures:
            await session.sources.load(path)
        all_of_them = [one for each in session.conversations for one in each.messages]
        kinds: dict[object, int] = {}
        called: dict[str, int] = {}
        for one in all_of_them:
            kinds[one.kind] = kinds.get(one.kind, 0) + 1
        for each in session.conversations:
            called[each.dst_user] = called.get(each.dst_user, 0) + 1
        conversations = len(session.conversations)
    sql = "SELECT count(*), count(DISTINCT call_id) FROM messages"
    assert asked(folder, sql) == [(len(all_of_them), conversations)]
    by_kind = asked(folder, "SELECT method, status, count(*) FROM messages GROUP BY ALL")
    assert {
        status if method is None else method: count for method, status, count in by_kind
    } == kinds
    first = "SELECT call_id, arg_min(to_user, time_ns) AS called FROM messages GROUP BY call_id"
    by_number = asked(folder, f"SELECT coalesce(called, ''), count(*) FROM ({first}) GROUP BY ALL")
    assert dict(by_number) == called


@pytest.mark.parametrize(
    "name", ["timeout.pcap", "callerid-problem.pcap.gz", "diversion-problem.txt", "media.pcap.gz"]
)
async def test_counts(tmp_path: Path, name: str) -> None:
    await archive(tmp_path / "a", CAPTURES / name)
    await check_counts(tmp_path / "a", CAPTURES / name)


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
async def test_counts_of_others(tmp_path: Path, path: Path) -> None:
    *_, told = await archive(tmp_path / "a", path)
    if " 0 messages" not in told:
        await check_counts(tmp_path / "a", path)


async def test_what_a_row_says(tmp_path: Path) -> None:
    await archive(tmp_path / "a", CAPTURES / "diversion-problem.txt")
    [row] = asked(
        tmp_path / "a",
        "SELECT hour, partition, source, source_port, destination, transport, method, status, cseq,"
        " cseq_method, from_user, to_user, request_uri, diversion, size = octet_length(raw), time_ns"
        " FROM messages WHERE diversion IS NOT NULL ORDER BY time_ns LIMIT 1",
    )
    async with Session() as session:
        await session.sources.load(CAPTURES / "diversion-problem.txt")
        diverted = [
            one
            for each in session.conversations
            for one in each.messages
            if one.header("Diversion")
        ]
        first = min(diverted, key=lambda one: one.time)
    moment = time.gmtime(first.time // 10**9)
    assert row[0] == time.strftime("%Y-%m-%dT%H", moment)
    assert row[2:4] == (first.source_address, int(first.source.rpartition(".")[2]))
    assert row[4:8] == (first.destination_address, first.transport, first.method, None)
    assert f"{row[8]} {row[9]}" == first.cseq
    assert row[10:12] == (first.src_num, first.dst_num)
    assert row[12:14] == (first.start_line.split()[1], first.header("Diversion"))
    assert row[14:] == (True, first.time)


async def test_headers_however_written(tmp_path: Path) -> None:
    """Folded, repeated, compact and odd headers say what filters find in them."""
    odd = sip(
        call_id="odd", source='"A, \\"b\\" <sip:1@x>" <sip:+354-566-0066@a>;tag=1',
        extra="DIVERSION: <sip:1@a>\r\nDiversion:\r\n <sip:2@b>\r\nm: <sip:%34151500@c>\r\n"
        "User-Agent: caf\xe9\r\n",
    )  # fmt: skip
    odd = odd.replace("caf\xe9".encode(), b"caf\xe9")
    bare = sip(call_id="bare").replace(b"\r\n", b"\n").replace(b"From:", b"fROM :")
    path = tmp_path / "odd.pcap"
    await written(path, odd, bare)
    await archive(tmp_path / "a", path)
    found = asked(
        tmp_path / "a",
        "SELECT call_id, from_user, diversion, contact, spelled_users, user_agent FROM messages"
        " ORDER BY call_id",
    )
    assert found == [
        ("bare", "4151500", None, None, None, None),
        (
            "odd", "+3545660066", "<sip:1@a>, <sip:2@b>", "<sip:%34151500@c>",
            " +3545660066 +354-566-0066 4151500 1 2", "caf\uf7e9",
        ),
    ]  # fmt: skip


async def written(path: Path, *messages: bytes, time_ns: int = 10**18) -> None:
    """Write messages to a pcap, a millisecond apart."""
    from sipstream.spool import PcapSpool

    spool = PcapSpool(1, path=path)
    packets = [ethernet(ipv4(udp(one))) for one in messages]
    spool.append_packets(
        [(time_ns + place * 10**6, one, len(one)) for place, one in enumerate(packets)]
    )
    spool.close()


async def test_again(tmp_path: Path) -> None:
    """What is archived again, under its name or as a copy, changes no file."""
    folder = tmp_path / "a"
    await archive(folder, CAPTURE)
    before = files(folder), rows(folder)
    assert await archive(folder, CAPTURE) == [f"{CAPTURE}: is in {folder} already"]
    assert (files(folder), rows(folder)) == before
    copy = tmp_path / "copy.pcap.gz"
    shutil.copyfile(CAPTURE, copy)
    os.utime(copy, (1, 1))
    [told] = await archive(folder, copy)
    count = len(before[1])
    assert told == f"{copy}: 0 messages are in {folder} now; {count} were there already"
    assert (files(folder), rows(folder)) == before


async def test_files_that_overlap(tmp_path: Path) -> None:
    """Of two captures with the same packets in part each message is there once."""
    many = [sip(call_id=f"{number}") for number in range(40)]
    await written(tmp_path / "one.pcap", *many[:30])
    await written(tmp_path / "two.pcap", *many[10:], time_ns=10**18 + 10 * 10**6)
    folder = tmp_path / "a"
    told = await archive(folder, tmp_path / "one.pcap", tmp_path / "two.pcap")
    assert told[1].endswith(f"10 messages are in {folder} now; 20 were there already")
    assert asked(folder, "SELECT count(*), count(DISTINCT call_id) FROM messages") == [(40, 40)]


async def test_same_bytes_at_other_times_or_ends_are_other_messages(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    for number, time_ns in enumerate((10**18, 10**18 + 1000)):
        path = tmp_path / f"{number}.pcap"
        await written(path, sip(), time_ns=time_ns)
        await archive(folder, path)
    assert asked(folder, "SELECT count(*) FROM messages") == [(2,)]


async def test_nothing_of_others_is_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(SourceError, match="holds other things and no archive"):
        await archive(tmp_path, CAPTURE)
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


async def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a capture is there when not all is, and it is said."""
    folder = tmp_path / "a"
    write, count = parquet.write, 0

    def full(*arguments: object) -> int:
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(errno.ENOSPC, "full")
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(parquet, "write", full)
    with pytest.raises(SourceError, match="no space left on device"):
        await archive(folder, CAPTURE)
    assert not list(folder.rglob("*.parquet*"))
    monkeypatch.undo()
    await archive(folder, CAPTURE)
    await check_counts(folder, CAPTURE)


async def test_file_that_is_cut_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, whatever the writers came upon, and nothing of it is in the archive."""
    folder, path = tmp_path / "a", tmp_path / "cut.pcap"
    await written(path, *(sip(call_id=f"{number}") for number in range(100)))
    raws = Mapped.raws

    def cut(mapped: Mapped, numbers: list[int]) -> list[bytes]:
        raws(mapped, numbers)
        os.truncate(path, 0)
        return raws(mapped, numbers)

    monkeypatch.setattr(Mapped, "raws", cut)
    with pytest.raises(SourceError, match="has changed meanwhile: archive it when it is whole"):
        await archive(folder, path)
    assert not list(folder.rglob("*.parquet*"))


async def test_modes(tmp_path: Path) -> None:
    """Files hold calls: they are their owner's alone, whatever the umask."""
    before = os.umask(0o022)
    try:
        await archive(tmp_path / "a", CAPTURE)
    finally:
        os.umask(before)
    for path in (tmp_path / "a").rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600), path


def command(capture: Path, folder: Path) -> list[str]:
    return [sys.executable, "-m", "sipstream", "archive", str(capture), str(folder)]


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After kills in the middle the archive has all or nothing of a capture, and all in the end."""
    monkeypatch.setenv("SIPSTREAM_USER", "root")
    folder, chance = tmp_path / "a", random.Random(seed)
    capture = CAPTURES / "testdata-pt.pcap.gz"
    for _ in range(4):
        running = subprocess.Popen(command(capture, folder), start_new_session=True)
        time.sleep(chance.uniform(0.2, 1.2))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    subprocess.run(command(capture, folder), check=True, timeout=60)
    asyncio.run(check_counts(folder, capture))
    assert not list((folder / ".staged").iterdir())


@pytest.mark.parametrize("renamed", [0, 1, 5])
async def test_killed_between_renames(
    tmp_path: Path, renamed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was complete when its writer died becomes visible with the next one."""
    folder, rename, count = tmp_path / "a", Path.rename, 0

    def dies(path: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count > renamed:
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", dies)
    with pytest.raises(SourceError, match="ended from outside"):
        await archive(folder, CAPTURE)
    monkeypatch.undo()
    assert len(list(folder.glob("hour=*/partition=*/*.parquet"))) == renamed
    await archive(folder, CAPTURE)
    await check_counts(folder, CAPTURE)
    assert not list((folder / ".staged").iterdir())


def test_two_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that archive the same at the same time don't archive it twice."""
    monkeypatch.setenv("SIPSTREAM_USER", "root")
    folder = tmp_path / "a"
    running = [subprocess.Popen(command(CAPTURE, folder)) for _ in range(2)]
    assert [one.wait(60) for one in running] == [0, 0]
    asyncio.run(check_counts(folder, CAPTURE))


def test_a_folder_that_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        archive_options.parse([str(CAPTURES / "timeout.txt"), str(CAPTURES / "timeout.pcap")])
    said = capsys.readouterr().err
    assert "timeout.pcap is a file: the archive's folder DIR stands last" in said
