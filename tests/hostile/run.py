"""Row F1, the long form: mutated input for each target, and a table of what came of it.

    python tests/hostile/run.py [--inputs 2000000] [--first 0] [--only TARGET] [--keep DIR]

Input number N of a target is the same in every run: `--only TARGET --first N --inputs 1` gives one
of them again. What failed is kept in DIR. The exit status is 1 when anything failed.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile_targets import TARGETS, attack, check

MS, MIB = 1e3, 1 << 20
SHOWN = 3
"""Failures shown whole of those that happen at one place."""


class Result(NamedTuple):
    """What came of one target."""

    tried: int
    failed: int
    worst: float
    """Seconds of processor time that the slowest input took."""
    slowest: int
    """Its number."""
    peak: int
    """Most bytes of memory that the process had meanwhile."""


class Failures:
    """Keeps inputs that failed, and shows the first ones of each place."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._places: Counter[tuple[str, int | None]] = Counter()

    @property
    def count(self) -> int:
        """How many inputs failed."""
        return self._places.total()

    def add(self, name: str, number: int, data: bytes, error: Exception) -> None:
        """Take a failure; it happened at the last line of ours that the error went through."""
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = last.filename, last.lineno
        self._places[place] += 1
        if self._places[place] <= SHOWN:
            self._directory.mkdir(parents=True, exist_ok=True)
            kept = self._directory / f"{re.sub(r'[^A-Za-z]+', '-', name)}-{number}"
            kept.write_bytes(data)
            print(f"input {number} of {name!r} failed, kept as {kept}:", file=sys.stderr)
            traceback.print_exception(error)


def main() -> int:
    """Run all targets, or one; return the exit status."""
    options = _options()
    names = [options.only] if options.only else list(TARGETS)
    print(
        f"{'row':4}{'target':16}{'tried':>10}{'failed':>8}{'worst ms':>10}{'peak MiB':>10}  slowest"
    )
    failed = 0
    for name in names:
        result = run(name, options.first, options.inputs, Failures(options.keep))
        failed += result.failed
        print(
            f"{'F1':4}{name:16}{result.tried:>10}{result.failed:>8}{result.worst * MS:>10.1f}"
            f"{result.peak / MIB:>10.0f}  input {result.slowest}",
            flush=True,
        )
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=2_000_000, help="inputs for each target")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", choices=list(TARGETS), metavar="TARGET", help="one target alone")
    keep = Path(tempfile.gettempdir()) / "sipstream-hostile"
    parser.add_argument("--keep", type=Path, default=keep, help="folder for inputs that failed")
    return parser.parse_args()


def run(name: str, first: int, count: int, failures: Failures) -> Result:
    """Give a target its inputs, however many of them fail."""
    worst, slowest = 0.0, first
    with _peak() as peak:
        for number in range(first, first + count):
            data = attack(name, number)
            begun = time.process_time()
            try:
                check(name, number, data)
            except Exception as error:
                failures.add(name, number, data, error)
            taken = time.process_time() - begun
            if taken > worst:
                worst, slowest = taken, number
    return Result(count, failures.count, worst, slowest, peak[0])


@contextmanager
def _peak() -> Iterator[list[int]]:
    """Tell in the list, when the block has ended, how much memory the process had at most."""
    peak = [0]
    # Forgets the peak so far (proc(5)).
    Path("/proc/self/clear_refs").write_text("5")
    yield peak
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    peak[0] = int(found[1]) << 10 if found else 0


if __name__ == "__main__":
    sys.exit(main())
