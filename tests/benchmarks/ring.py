"""A ring of 24 simulated hours: whether it stays within its size, and how soon a question is answered.

    python tests/benchmarks/ring.py [--size 2G] [--messages 3000000] [--keep DIR]

Generated messages get times that lie evenly in the last 24 hours, and go through the code that writes a
ring live; its clock is theirs. The process that writes indexes runs as it does then.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import generate

from sipstream.options import values
from sipstream.ring import indexer
from sipstream.ring.room import Ring
from sipstream.sources.pcap import PcapReader
from sipstream.spool import FileStore, PcapSpool

_DAY = 86_400
_BEHIND = 6
"""Files that indexes may be behind: live, a file takes longer than its index."""


def main() -> None:
    """Write the ring, ask it."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.keep) as made:
        source, folder = Path(made) / "source.pcap", Path(made) / "ring"
        generate.write_pcap(source, options.messages)
        most = _write(source, folder, options.size, options.messages)
        print(f"written: at most {most >> 20} MiB of {options.size >> 20}")
        source.unlink()
        wanted = generate.callee(options.messages // generate.STEPS - 1000)
        for question in (
            f"last 2h dstnum {wanted}",
            f"last 2h number *{wanted[-4:]}",
            f"dstnum {wanted}",
        ):
            _ask(folder, question)


def _write(source: Path, folder: Path, size: int, messages: int) -> int:
    """Write the ring, return the most bytes that it took."""
    indexer._SECONDS = 0.2
    process = indexer.begin(folder)
    clock = [0.0]
    ring = Ring(folder, size, _DAY, process, clock=lambda: clock[0])
    spool = PcapSpool(1, room=ring, label="eth0", threaded=True)
    begin, gap = time.time_ns() - _DAY * 10**9, _DAY * 10**9 // messages
    store = FileStore(source)
    number = most = 0
    for batches in PcapReader(store).read_until(store.size()):
        for batch in batches:
            packets = []
            for _, start, end, wire in batch.records:
                packets.append((begin + number * gap, batch.data[start:end], wire))
                number += 1
            clock[0] = number * gap / 10**9
            spool.append_packets(packets)
            spool.flush()
        while sum(one.index_size is None for one in ring._files()) > _BEHIND:
            ring.worker.do(ring.look)
            time.sleep(0.1)
        most = max(most, _taken(folder))
    spool.close()
    ring.close()
    return max(most, _taken(folder))


def _taken(folder: Path) -> int:
    """Return the bytes of all files; some go meanwhile."""
    size = 0
    for one in folder.iterdir():
        with suppress(FileNotFoundError):
            size += one.stat().st_size
    return size


def _ask(folder: Path, question: str) -> None:
    command = [sys.executable, "-m", "sipstream", f"ring://{folder}", "-q"]
    took = {}
    for name, line in (("whole run", f"show conversations {question}"), ("start", "help")):
        begun = time.perf_counter()
        done = subprocess.run([*command, "-c", line], capture_output=True, text=True, check=True)
        took[name] = time.perf_counter() - begun
        if name == "whole run":
            found = len(done.stdout.splitlines())
    print(f"{question}: {found} found; " + ", ".join(f"{one} {took[one]:.2f} s" for one in took))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=values.size, default=2 << 30)
    parser.add_argument("--messages", type=int, default=3_000_000)
    parser.add_argument("--keep", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
