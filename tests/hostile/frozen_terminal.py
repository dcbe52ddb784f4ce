"""Row S5, the long form: a terminal stands still for a minute while 2,000 messages a second come.

    python tests/hostile/frozen_terminal.py [--seconds 60] [--rate 2000]

Needs root: it makes two hosts joined by a cable. Prints a table row for each way to stand still.
The exit status is 1 when a packet was lost, a line neither shown nor counted, memory grew by more
than 16 MiB beyond the index, or the prompt took longer than 2 s to be back.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile_terminal import HOWS, freeze
from namespaces import pair

MIB = 1 << 20
MOST_GROWTH, MOST_SECONDS = 16 * MIB, 2.0


def main() -> int:
    """Run both ways to stand still; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long it stands still")
    parser.add_argument("--rate", type=int, default=2000, help="messages a second")
    options = parser.parse_args()
    print(
        f"{'row':4}{'terminal':10}{'sent':>9}{'messages':>10}{'drops':>7}{'shown':>8}{'not shown':>11}"
        f"{'growth MiB':>12}{'index MiB':>11}{'back s':>8}"
    )
    failed = False
    for how in HOWS:
        with pair() as hosts, tempfile.TemporaryDirectory() as folder:
            one = freeze(hosts, Path(folder), options.seconds, options.rate, how)
        failed |= one.drops > 0 or not one.sent == one.packets == one.messages
        failed |= one.shown + one.not_shown != one.sent
        failed |= one.growth > MOST_GROWTH or one.back > MOST_SECONDS
        print(
            f"{'S5':4}{how:10}{one.sent:>9}{one.messages:>10}{one.drops:>7}{one.shown:>8}"
            f"{one.not_shown:>11}{one.growth / MIB:>12.1f}{one.index / MIB:>11.1f}{one.back:>8.2f}",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
