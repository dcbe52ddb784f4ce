"""Text that tcpdump prints, stage by stage, in one process: read, decode, scan, group.

    python tests/benchmarks/text_stages.py [--messages 100000] [--runs 3]

Prints microseconds a message (the best of the runs) for each form, and the longest that the reader
held the event loop with one chunk. No part of the test run; needs tcpdump.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from generate import write_pcap
from run import printed_text

from sipstream.conversations import Conversations
from sipstream.decode.decoder import Decoder
from sipstream.limits import TEXT_CHUNK
from sipstream.packets import Batch, Tally
from sipstream.sip.scan import Scanner
from sipstream.sources.text import TextReader
from sipstream.sources.textstore import TextStore
from sipstream.spool import FileStore

FORMS = ("-v", "-vv", "-A", "-X", "-x", "-XX", "-v -A", "-e -v")
STAGES = ("read", "decode", "scan", "group")


def load(path: Path) -> tuple[list[float], float]:
    """Return seconds spent in each stage, and the longest that one chunk took to be read."""
    store = TextStore(FileStore(path))
    reader, conversations, tally = TextReader(store), Conversations(), Tally("text")
    decoder, scanner = Decoder(tally, conversations.index.endpoints), Scanner(tally)
    spent, longest, clock = [0.0] * len(STAGES), 0.0, time.perf_counter

    def group(batches: list[Batch]) -> None:
        for batch in batches:
            moments = [clock()]
            datagrams = decoder.feed(batch)
            moments.append(clock())
            found = scanner.feed(datagrams)
            moments.append(clock())
            conversations.feed(found, batch.store)
            moments.append(clock())
            for stage in (1, 2, 3):
                spent[stage] += moments[stage] - moments[stage - 1]

    with path.open("rb") as file:
        while data := file.read(TEXT_CHUNK):
            begun = clock()
            batches = reader.feed(data)
            took = clock() - begun
            spent[0] += took
            longest = max(longest, took)
            group(batches)
    group(reader.finish())
    return spent, longest


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(f"{'':8}" + "".join(f"{name:>8}" for name in STAGES) + "   longest chunk")
    with tempfile.TemporaryDirectory() as folder:
        pcap = Path(folder) / "udp.pcap"
        write_pcap(pcap, options.messages)
        for form in FORMS:
            path = printed_text(pcap, form.split(), Path(folder) / "text")
            runs = [load(path) for _ in range(options.runs)]
            best = [
                min(times) * 1e6 / options.messages
                for times in zip(*(one for one, _ in runs), strict=True)
            ]
            longest = min(longest for _, longest in runs)
            print(
                f"{form:8}" + "".join(f"{one:8.2f}" for one in best) + f"{longest * 1e3:13.1f} ms"
            )


if __name__ == "__main__":
    main()
