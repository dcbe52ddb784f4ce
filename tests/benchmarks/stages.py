"""The hot path stage by stage, in one process: decode, scan, group, match.

    python tests/benchmarks/stages.py [--messages 100000] [--runs 5]

Prints messages per second of each stage (the best of the runs: what the code can do) and the bytes
of memory that the index takes a message. No part of the test run.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from generate import write_pcap

from sipstream.conversations import Conversations
from sipstream.decode.decoder import Decoder
from sipstream.filters import Filter
from sipstream.matches import Matches
from sipstream.packets import Batch, Tally
from sipstream.sip.scan import Scanner
from sipstream.sources.pcap import PcapReader
from sipstream.spool import FileStore

FILTERS = ("dstnum 5660066", "method INVITE and not status 2xx", "header User-Agent nosuch")


def timed(times: dict[str, float], name: str, work: Callable[[], object]) -> object:
    """Run one stage, keep its shortest time."""
    begun = time.perf_counter()
    result = work()
    times[name] = min(times.get(name, 1e9), time.perf_counter() - begun)
    return result


def read(path: Path) -> list[Batch]:
    """Return the batches of a capture."""
    reader = PcapReader(FileStore(path))
    data, size = path.read_bytes(), 1 << 20
    return [
        batch for at in range(0, len(data), size) for batch in reader.feed(data[at : at + size])
    ]


def stages(batches: list[Batch], times: dict[str, float]) -> Conversations:
    """Send the batches through each stage at once, return what came of them."""
    tally, conversations = Tally("benchmark"), Conversations()
    decoder, scanner = Decoder(tally, conversations.index.endpoints), Scanner(tally)
    store = batches[0].store
    datagrams = [timed(times, "decode", lambda: [decoder.feed(one) for one in batches])][0]
    found = timed(times, "scan", lambda: [scanner.feed(one) for one in datagrams])  # type: ignore[attr-defined]
    timed(times, "group", lambda: [conversations.feed(one, store) for one in found])  # type: ignore[attr-defined]
    for text in FILTERS:
        matches = Matches(Filter.parse(text).matches)
        timed(times, f"match {text}", lambda m=matches: list(m.judge_all(conversations)))  # type: ignore[misc]
    return conversations


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    times: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "udp.pcap"
        write_pcap(path, options.messages)
        for _ in range(options.runs):
            batches = timed(times, "read", lambda: read(path))
            gc.collect()
            stages(batches, times)  # type: ignore[arg-type]
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        kept = stages(batches, {})  # type: ignore[arg-type]
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    for name, seconds in times.items():
        print(f"{name:44} {options.messages / seconds:12,.0f} messages/s")
    calls = len(kept)
    print(
        f"the index: {held / options.messages:.0f} bytes a message, {held / calls:.0f} a conversation"
    )


if __name__ == "__main__":
    main()
