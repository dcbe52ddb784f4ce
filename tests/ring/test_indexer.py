"""The process that writes indexes, and writers that are killed at any moment."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from rings import SIZE, call_ids, packet, remote

from sipstream.ring import indexer
from sipstream.ring.contents import preface_of
from sipstream.ring.room import Ring
from sipstream.session import Session
from sipstream.spool import PcapSpool

_WRITER = """
import sys
from pathlib import Path
from sipstream.ring.room import Ring
from sipstream.spool import PcapSpool
sys.path.insert(0, {tests!r})
from rings import packet
ring = Ring(Path({path!r}), 8 << 20)
spool = PcapSpool(1, room=ring, label="eth0", threaded=True)
print("ready", flush=True)
number = {first}
while True:
    spool.append_packets([packet(number + one) for one in range(7)])
    spool.flush()
    number += 7
"""


def test_indexes_are_written_beside_the_capture_and_at_its_end(tmp_path: Path) -> None:
    process = indexer.begin(tmp_path / "ring")
    assert process is not None
    ring = Ring(tmp_path / "ring", SIZE, indexer=process)
    spool = PcapSpool(1, room=ring, label="eth0")
    spool.append_packets([packet(number) for number in range(100)])
    spool.close()
    assert ring.is_indexed
    ring.close()
    assert not ring.is_indexed
    [capture] = (tmp_path / "ring").glob("*.pcap")
    index = capture.with_suffix(".index")
    assert preface_of(index.read_bytes()).covered == capture.stat().st_size
    assert index.stat().st_mode & 0o777 == 0o600


def test_a_program_that_ends_otherwise_does_not_wait_for_it(tmp_path: Path) -> None:
    text = (
        "from pathlib import Path\nfrom sipstream.ring import indexer\n"
        f"kept = indexer.begin(Path({str(tmp_path)!r}))\nassert kept.runs\nraise SystemExit(5)"
    )
    done = subprocess.run([sys.executable, "-c", text], timeout=60, check=False)
    assert done.returncode == 5


def kill_a_writer(path: Path, run: int) -> None:
    """Have a process write a ring, kill it while it does."""
    tests = str(Path(__file__).parent.parent)
    text = _WRITER.format(tests=tests, path=str(path), first=run * 10**6)
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.1 + run / 20)
        writer.send_signal(signal.SIGKILL)


async def test_a_writer_that_is_killed_leaves_a_ring_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    for run in range(3):
        kill_a_writer(path, run)
    ring = Ring(path, 8 << 20)
    newest = sorted(path.glob("*.pcap"))[-1]
    async with Session() as loaded, Session() as session:
        await loaded.sources.load(newest)
        assert not loaded.sources.partial
        remote(session, path)
        there = await call_ids(loaded, "")
        wanted = there[:: max(len(there) // 100, 1)]
        assert await call_ids(session, f"callid {' '.join(wanted)}") == wanted
    assert sum(one.stat().st_size for one in path.iterdir()) <= 8 << 20
    ring.close()
