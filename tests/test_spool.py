"""Spools: what is appended is read back, files are private, pcaps are whole."""

import os
import struct
from pathlib import Path

import pytest

from sipstream.errors import SourceError
from sipstream.spool import FileStore, PcapSpool, Spool


def test_what_is_appended_is_read_back() -> None:
    spool = Spool()
    places = [spool.append(bytes([n % 256]) * 1000) for n in range(600)]
    assert all(spool.read(place, 1000) == bytes([n % 256]) * 1000 for n, place in enumerate(places))
    assert spool.size() == 600_000
    assert spool.read(spool.size(), 10) == b""
    spool.close()
    assert spool.read(0, 1) == b""


def test_a_named_pcap_is_private_and_whole_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "live.pcap"
    spool = PcapSpool(1, path)
    assert path.stat().st_mode & 0o777 == 0o600
    batch = spool.append_packets(
        [(1_500_000_000, b"one", 3), (2_000_000_001, b"other", 99)], "eth0"
    )
    assert path.stat().st_size == 24 + 2 * 16 + 8
    assert [(time, batch.data[a:b], wire) for time, a, b, wire in batch.records] == [
        (1_500_000_000, b"one", 3),
        (2_000_000_001, b"other", 99),
    ]
    assert spool.read(batch.base + batch.records[1][1], 5) == b"other"
    magic, *_, linktype = struct.unpack("<IHHiIII", path.read_bytes()[:24])
    assert (magic, linktype) == (0xA1B23C4D, 1)


def test_a_full_disk_loses_bytes_and_nothing_else() -> None:
    spool = Spool(Path("/dev/full"))
    spool.append(b"x" * 10)
    spool.flush()
    assert spool.lost == 10


def test_a_link_is_not_followed_for_writing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(SourceError, match="symbolic link"):
        Spool(tmp_path / "link")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        FileStore(tmp_path / "none")


def test_a_file_that_shrinks_gives_less(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")
    store = FileStore(path)
    os.truncate(path, 3)
    assert store.read(2, 4) == b"c"
    assert store.read(4, 4) == b""
