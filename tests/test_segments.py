"""Segments of spools: the oldest go, folders are private and one process's, full disks lose no more."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from sipstream.errors import SourceError
from sipstream.limits import (
    DISK_FULL_SECONDS,
    SEGMENT_LEAST,
    SEGMENTS,
    SPOOL,
    SPOOL_IN_MEMORY,
    SPOOL_LEAST,
)
from sipstream.segments import Folder, Room, usual_size
from sipstream.sources.pcap import PcapReader
from sipstream.spool import PcapSpool, Spool

LIMIT = SEGMENTS * SEGMENT_LEAST
PIECE = 50_000


def fill(spool: Spool, count: int, first: int = 0) -> list[int]:
    return [spool.append(bytes([n % 256]) * PIECE) for n in range(first, first + count)]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_oldest_bytes_go() -> None:
    room = Room(LIMIT)
    spool = Spool(room=room)
    places = fill(spool, 500)
    spool.flush()
    there = [place for place in places if place >= spool.begin]
    assert LIMIT * 0.8 < len(there) * PIECE <= LIMIT
    assert room.taken <= LIMIT
    assert room.removed > 10
    for n, place in enumerate(places):
        assert spool.read(place, PIECE) == (bytes([n % 256]) * PIECE if place in there else b"")


def test_what_lies_in_two_segments_is_read_as_one() -> None:
    spool = Spool(room=Room(LIMIT))
    fill(spool, 20)
    whole = b"".join(bytes([n]) * PIECE for n in range(20))
    assert spool.read(0, 20 * PIECE) == whole
    assert spool.read(PIECE - 1, 10 * PIECE) == whole[PIECE - 1 : 11 * PIECE - 1]


def test_spools_share_their_room() -> None:
    room = Room(LIMIT)
    quiet, busy = Spool(room=room), Spool(room=room)
    place = quiet.append(b"early")
    quiet.flush()
    fill(busy, 500)
    assert room.taken <= LIMIT
    assert quiet.read(place, 5) == b""
    place = quiet.append(b"late")
    assert quiet.read(place, 4) == b"late"
    assert quiet.begin == place


@pytest.mark.parametrize(
    ("free", "on_disk", "in_memory"),
    [
        (1 << 40, SPOOL, SPOOL_IN_MEMORY),
        (1 << 30, 1 << 28, 1 << 28),
        (1 << 20, SPOOL_LEAST, SPOOL_LEAST),
    ],
)
def test_what_spools_take_leaves_room_for_others(
    monkeypatch: pytest.MonkeyPatch, free: int, on_disk: int, in_memory: int
) -> None:
    """The temporary folder is never filled, least of all where it is memory."""
    figures = SimpleNamespace(f_bavail=free >> 12, f_frsize=1 << 12)
    monkeypatch.setattr("os.statvfs", lambda _: figures)
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    for kind, expected in (("tmpfs", in_memory), ("proc", on_disk)):
        folder = next((line.split()[1] for line in mounts if line.split()[2] == kind), None)
        if folder is not None:
            monkeypatch.setattr("tempfile.tempdir", folder)
            assert usual_size() == expected


def test_a_closed_spool_gives_its_room_back() -> None:
    room = Room(LIMIT)
    spool = Spool(room=room)
    fill(spool, 20)
    before = open_descriptors()
    spool.close()
    assert room.taken == 0
    assert open_descriptors() < before


def test_without_a_limit_all_is_kept_in_one_file() -> None:
    room = Room()
    spool = Spool(room=room)
    before = open_descriptors()
    places = fill(spool, 500)
    assert all(len(spool.read(place, PIECE)) == PIECE for place in places)
    assert open_descriptors() == before


# Folders


def packets(count: int, first: int = 0) -> list[tuple[int, bytes, int]]:
    return [((first + n) * 10**9, b"%07d" % (first + n) * 1000, 7000) for n in range(count)]


def numbers_in(path: Path) -> list[int]:
    reader = PcapReader(Spool())
    data = path.read_bytes()
    batches = reader.feed(data)
    reader.finish()
    assert not reader.notes
    return [int(one.data[start : start + 7]) for one in batches for _, start, _, _ in one.records]


def test_named_segments_are_private_and_captures_at_every_moment(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "spool")
    spool = PcapSpool(1, room=Room(LIMIT, folder), label="eth0")
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    for first in range(0, 1000, 10):
        spool.append_packets(packets(10, first))
        if first % 250 == 0:
            found = [n for path in sorted(folder.path.glob("*.pcap")) for n in numbers_in(path)]
            assert found == list(range(first + 10))[-len(found) :]
    files = sorted(folder.path.glob("*.pcap"))
    assert [path.name.partition("-")[2] for path in files] == ["eth0.pcap"] * len(files)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert LIMIT * 0.8 < sum(path.stat().st_size for path in files) <= LIMIT
    spool.close()
    assert sorted(folder.path.glob("*.pcap")) == files


def test_a_second_process_is_told_which_one_uses_the_folder(tmp_path: Path) -> None:
    """Row R8."""
    first = Folder(tmp_path / "spool")
    with pytest.raises(SourceError, match=rf"in use by another sipstream, process {os.getpid()}$"):
        Folder(tmp_path / "spool")
    first.close()
    Folder(tmp_path / "spool").close()


def test_a_folder_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Row R8."""
    tmp_path.chmod(0o755)
    with pytest.raises(SourceError, match="open to other users .mode 755.; .chmod go= PATH"):
        Folder(tmp_path)
    tmp_path.chmod(0o700)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(SourceError, match="symbolic link"):
        Folder(tmp_path / "link")
    with pytest.raises(SourceError, match="no such file"):
        Folder(tmp_path / "not" / "there")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    """Row R8."""
    tmp_path.chmod(0o700)
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(SourceError, match=r"belongs to another user \(65534\)"):
        Folder(tmp_path)


@pytest.mark.parametrize("how", ["mode", "link", "pipe"])
def test_a_segment_that_is_not_ours_is_refused(tmp_path: Path, how: str) -> None:
    """Row R8: neither is it waited for."""
    tmp_path.chmod(0o700)
    path = tmp_path / "00000001-eth0.pcap"
    if how == "pipe":
        os.mkfifo(path, 0o600)
    else:
        path.write_bytes(b"x")
        path.chmod(0o644 if how == "mode" else 0o600)
    if how == "link":
        path.rename(tmp_path / "other")
        path.symlink_to(tmp_path / "other")
    folder = Folder(tmp_path)
    with pytest.raises(SourceError, match="mode 644|symbolic links|is no file"):
        folder.former(path.name)


def test_a_name_that_somebody_took_is_passed_over(tmp_path: Path) -> None:
    folder, now = Folder(tmp_path / "spool"), [1000.0]
    (folder.path / "00000001-eth0.pcap").write_bytes(b"")
    spool = PcapSpool(1, room=Room(LIMIT, folder), label="eth0", clock=lambda: now[0])
    spool.append_packets(packets(1))
    now[0] += DISK_FULL_SECONDS
    spool.append_packets(packets(1, 1))
    assert numbers_in(folder.path / "00000002-eth0.pcap") == [1]


# A full disk


class Disk:
    """Has room for so many bytes more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 10**9
        self.tries = 0
        self._pwrite = os.pwrite
        monkeypatch.setattr("os.pwrite", self.pwrite)

    def pwrite(self, fd: int, data: memoryview, place: int) -> int:
        self.tries += 1
        if not self.room:
            raise OSError(errno.ENOSPC, "full")
        count = self._pwrite(fd, data[: self.room], place)
        self.room -= count
        return count


@pytest.mark.parametrize("kind", ["nameless", "segments", "file"])
def test_what_a_full_disk_loses_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Row R6: files hold whole packets, it is tried again later, what is lost reads as nothing."""
    disk, now = Disk(monkeypatch), [1000.0]
    room = Room(LIMIT, Folder(tmp_path / "spool") if kind == "segments" else None)
    path = tmp_path / "file.pcap" if kind == "file" else None
    spool = PcapSpool(1, path, room=room, label="eth0", clock=lambda: now[0])

    def keep(first: int) -> tuple[int, int]:
        given = spool.append_packets(packets(1, first))
        spool.flush()
        return given.base + given.records[0][1], first

    good = [keep(0), keep(1)]
    disk.room = 3000
    lost = [keep(2)]
    assert spool.full
    assert spool.lost == 7016
    files = [path] if path else sorted((tmp_path / "spool").glob("*.pcap"))
    assert [n for one in files for n in numbers_in(one)] == ([0, 1] if files else [])
    disk.room, disk.tries = 10**9, 0
    lost += [keep(3)]
    assert disk.tries == 0
    now[0] += DISK_FULL_SECONDS
    good += [keep(4), keep(5)]
    assert not spool.full
    assert spool.lost == 2 * 7016
    assert [spool.read(place, 7) for place, _ in good] == [b"%07d" % n for _, n in good]
    assert [spool.read(place, 7) for place, _ in lost] == [b"", b""]
    files = [path] if path else sorted((tmp_path / "spool").glob("*.pcap"))
    assert [n for one in files for n in numbers_in(one)] == ([0, 1, 4, 5] if files else [])


def test_a_segment_without_room_for_its_head_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row R6."""
    folder = Folder(tmp_path / "spool")
    disk = Disk(monkeypatch)
    disk.room = 0
    spool = PcapSpool(1, room=Room(LIMIT, folder), label="eth0")
    spool.append_packets(packets(1))
    assert spool.lost == 7016
    assert not list(folder.path.glob("*.pcap"))


def test_a_file_begins_with_its_head_whenever_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row R6."""
    disk, now = Disk(monkeypatch), [1000.0]
    disk.room = 0
    spool = PcapSpool(1, tmp_path / "file.pcap", clock=lambda: now[0])
    spool.append_packets(packets(1))
    disk.room = 10**9
    now[0] += DISK_FULL_SECONDS
    spool.append_packets(packets(1, 1))
    assert numbers_in(tmp_path / "file.pcap") == [1]
    assert struct.unpack("<I", (tmp_path / "file.pcap").read_bytes()[:4]) == (0xA1B23C4D,)
