"""Spools: what is appended is read back, files are private, pcaps are whole."""

import gc
import os
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from threading import Event, Thread

import pytest

from sipstream.errors import SourceError
from sipstream.limits import SPOOL_WAITING
from sipstream.packets import Batch
from sipstream.segments import Room
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


# Written by a thread

PIECE = 1 << 18


def block(number: int) -> bytes:
    return number.to_bytes(4, "big") * (PIECE // 4)


class Held:
    """A room whose thread stands still, as a disk may, until it is let go on."""

    def __init__(self, limit: int = 256 * PIECE) -> None:
        self.room = Room(limit)
        self.spool = PcapSpool(1, room=self.room, threaded=True)
        self._goes_on = Event()
        assert self.room.worker is not None
        self.room.worker.do(lambda: self._goes_on.wait() and None)

    def append(self, number: int) -> Batch:
        return self.spool.append_packets([(number, block(number), PIECE)])

    def read(self, one: Batch) -> bytes:
        _, start, end, _ = one.records[0]
        return self.spool.read(one.base + start, end - start)

    def finish(self) -> None:
        """Let the thread go on, and wait until all is written."""
        self._goes_on.set()
        self.room.close()


def test_what_waits_to_be_written_is_read_where_it_waits() -> None:
    held = Held()
    batches = [held.append(number) for number in range(20)]
    small = held.spool.append_packets([(1, b"small", 5), (2, b"other", 5)])
    for _ in range(2):
        assert [held.read(one) for one in batches] == [block(number) for number in range(20)]
        assert held.spool.read(small.base + 16, 26)[::21] == b"so"
        over = held.spool.read(batches[3].base + 16 + PIECE - 5, 5 + 16 + 3)
        assert over[:5] == block(3)[-5:]
        assert over[-3:] == block(4)[:3]
        assert held.spool.lost == 0
        held.finish()
    assert held.room.taken > 20 * PIECE


def test_a_disk_that_stands_still_takes_bounded_memory_and_what_is_lost_is_known() -> None:
    """Row R6: who appends isn't held up, and writing goes on when the disk does."""
    held = Held()
    there = SPOOL_WAITING // (PIECE + 16)
    batches = [held.append(number) for number in range(there + 3)]
    assert held.spool.lost == 3 * (PIECE + 16)
    assert held.spool.full
    held.finish()
    assert not held.spool.full
    found = [held.read(one) for one in batches]
    assert found == [block(number) for number in range(there)] + [b""] * 3
    last = held.append(7)
    assert held.read(last) == block(7)


def test_segments_that_go_while_the_thread_writes_are_counted_right() -> None:
    held = Held(64 * PIECE)
    beside = Spool(room=held.room)
    for number in range(60):
        held.append(number)
        beside.append(block(number))
    held.finish()
    held.append(1)
    assert 0 < held.room.taken <= 64 * PIECE
    held.spool.close()
    beside.close()
    assert held.room.taken == 0


def test_a_file_that_a_thread_writes_is_whole_when_it_is_closed(tmp_path: Path) -> None:
    spool = PcapSpool(1, tmp_path / "live.pcap", threaded=True)
    for number in range(10):
        spool.append_packets([(number, block(number), PIECE)])
    spool.close()
    assert (tmp_path / "live.pcap").stat().st_size == 24 + 10 * (16 + PIECE)


def test_where_no_thread_can_be_had_it_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row R9."""

    def start(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)
    spool = PcapSpool(1, room=Room(64 * PIECE), threaded=True)
    place = spool.append(block(3))
    assert spool.read(place, PIECE) == block(3)
    assert spool.lost == 0


@pytest.mark.filterwarnings("error")
def test_a_spool_that_only_the_thread_still_has_is_closed_by_it(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        # What other tests left is none of this one's.
        warnings.simplefilter("ignore")
        gc.collect()
    spool = PcapSpool(1, tmp_path / "live.pcap", threaded=True)
    worker, goes_on, done = spool.room.worker, Event(), Event()
    assert worker is not None
    worker.do(lambda: goes_on.wait() and None)
    spool.append_packets([(1, block(1), PIECE)])
    worker.do(done.set)
    del spool
    goes_on.set()
    assert done.wait(10)
    gc.collect()
    assert (tmp_path / "live.pcap").stat().st_size == 24 + 16 + PIECE


def test_a_program_ends_that_still_has_one() -> None:
    """No thread begins any more when the interpreter ends, and one that is waited for never does."""
    program = "from sipstream.spool import Spool; one = Spool(threaded=True); one.append(b'x')"
    done = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
