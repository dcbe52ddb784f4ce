"""Writing a ring: its bytes and its age are bounded, it goes on where an earlier run ended."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from rings import SIZE, Clock, packet
from support import needs, sip

from sipstream.errors import SourceError
from sipstream.ring.indexer import Indexes
from sipstream.ring.room import FILES, LEAST_FILE, LONGEST, Ring
from sipstream.spool import PcapSpool

LIMIT = 8 << 20
MESSAGE = 4000


def captures(path: Path) -> list[Path]:
    return sorted(path.glob("*.pcap"))


def taken(path: Path) -> int:
    return sum(one.stat().st_size for one in path.iterdir())


def big(number: int) -> tuple[int, bytes, int]:
    data = bytes(MESSAGE)
    return number * 10**9, data, len(data)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def spool_of(ring: Ring, label: str = "eth0") -> PcapSpool:
    return PcapSpool(1, room=ring, label=label)


def test_all_bytes_stay_below_the_limit_and_the_oldest_go(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "ring", LIMIT)
    spool = spool_of(ring)
    most = 0
    for number in range(4 * LIMIT // MESSAGE):
        spool.append_packets([big(number)])
        most = max(most, taken(tmp_path / "ring"))
    spool.close()
    ring.close()
    there = captures(tmp_path / "ring")
    assert LIMIT / 2 < most <= LIMIT
    assert there[0].name > "00000010"
    assert all(one.stat().st_size <= LEAST_FILE + MESSAGE + 100 for one in there)


def test_indexes_count(tmp_path: Path) -> None:
    ring = Ring(tmp_path, LIMIT)
    spool = spool_of(ring)
    number = 0
    while number < 15_000:
        messages = (sip(call_id=f"call-{number + more}", body="x" * 700) for more in range(200))
        spool.append_packets([packet(number, message) for message in messages])
        spool.flush()
        number += 200
        Indexes(tmp_path).step()
        ring.look()
        assert taken(tmp_path) <= LIMIT
    assert len(list(tmp_path.glob("*.index"))) > 3
    assert ring.removed
    there = {one.stem for one in captures(tmp_path)}
    assert {one.stem for one in tmp_path.glob("*.index")} <= there
    spool.close()
    ring.close()


def test_what_is_too_old_goes_also_while_nothing_comes(tmp_path: Path) -> None:
    clock = Clock()
    ring = Ring(tmp_path, SIZE, 7200, clock=clock)
    spool = spool_of(ring)
    for number in range(4):
        spool.append_packets([packet(number)])
        clock.now += 1800
    assert len(captures(tmp_path)) == 4
    ring.look()
    assert len(captures(tmp_path)) == 4
    clock.now += 1
    ring.look()
    assert [one.name[:8] for one in captures(tmp_path)] == ["00000002", "00000003", "00000004"]
    clock.now += 86_400
    ring.look()
    assert not captures(tmp_path)
    spool.append_packets([packet(9)])
    assert len(captures(tmp_path)) == 1
    spool.close()
    ring.close()


def test_a_file_is_written_to_for_a_time_at_most(tmp_path: Path) -> None:
    clock = Clock()
    ring = Ring(tmp_path, SIZE, clock=clock)
    spool = spool_of(ring)
    for number in range(3):
        spool.append_packets([packet(number)])
        clock.now += LONGEST / 2
    assert len(captures(tmp_path)) == 2
    spool.close()
    ring.close()


def test_messages_of_the_capture_are_read_where_they_lie(tmp_path: Path) -> None:
    clock = Clock()
    ring = Ring(tmp_path, SIZE, clock=clock)
    spool = spool_of(ring)
    before = open_descriptors()
    batches = []
    for number in range(20):
        batches.append(spool.append_packets([packet(number)]))
        clock.now += LONGEST
    assert open_descriptors() <= before + 1
    for number, batch in enumerate(batches):
        _, start, end, _ = batch.records[0]
        assert f"call-{number}\r".encode() in spool.read(batch.base + start, end - start)
    spool.close()
    ring.close()


def test_an_unfinished_packet_is_cut_off_and_the_ring_goes_on(tmp_path: Path) -> None:
    ring = Ring(tmp_path, SIZE)
    spool = spool_of(ring)
    spool.append_packets([packet(1), packet(2)])
    spool.close()
    ring.close()
    [file] = captures(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole + whole[24:60])
    ring = Ring(tmp_path, SIZE)
    assert ring.notes == ["the last 36 bytes of 00000001-eth0.pcap are no whole packet: cut off"]
    assert file.read_bytes() == whole
    spool = spool_of(ring)
    spool.append_packets([packet(3)])
    spool.close()
    ring.close()
    assert [one.name for one in captures(tmp_path)] == ["00000001-eth0.pcap", "00000002-eth0.pcap"]
    assert file.read_bytes() == whole


def test_files_of_earlier_runs_count_and_go_first(tmp_path: Path) -> None:
    for _ in range(3):
        ring = Ring(tmp_path, LIMIT)
        spool = spool_of(ring)
        for number in range(LIMIT // 2 // MESSAGE):
            spool.append_packets([big(number)])
        spool.close()
        ring.close()
        assert taken(tmp_path) <= LIMIT
    assert captures(tmp_path)[0].name > "00000004"


def test_one_process_writes(tmp_path: Path) -> None:
    ring = Ring(tmp_path, SIZE)
    with pytest.raises(SourceError, match=f"in use by another sipstream, process {os.getpid()}"):
        Ring(tmp_path, SIZE)
    ring.close()
    Ring(tmp_path, SIZE).close()


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "ring"
    ring = Ring(folder, SIZE)
    spool = spool_of(ring)
    spool.append_packets([packet(1)])
    spool.close()
    ring.close()
    Indexes(folder).step(all_of_it=True)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(list(folder.iterdir())) == 3
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}
    folder.chmod(0o755)
    with pytest.raises(SourceError, match="is open to other users"):
        Ring(folder, SIZE)


def test_files_become_larger_with_the_ring(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 4 << 30)
    assert ring.file_size == (4 << 30) // FILES
    ring.close()


@pytest.mark.parametrize("program", [pytest.param("tshark", marks=needs("tshark"))])
def test_others_read_each_file(tmp_path: Path, program: str) -> None:
    ring = Ring(tmp_path, SIZE)
    spool = spool_of(ring)
    spool.append_packets([packet(1), packet(2)])
    spool.flush()
    [file] = captures(tmp_path)
    copy = tmp_path.parent / "open.pcap"
    shutil.copy(file, copy)
    seen = subprocess.run(
        [program, "-r", copy, "-T", "fields", "-e", "sip.Call-ID"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert seen.stdout.split() == ["call-1", "call-2"]
    spool.close()
    ring.close()
