"""The long form of the hostile suite: runs every row of the matrix, prints a table of what came of it.

    python tests/hostile/run.py [--rows F1,P1] [--inputs 2000000] [--built 500000] [--jobs 2]
    python tests/hostile/run.py --rows F1 --only pcap --first 123456 --inputs 1

F1 and F2 are made by number, the same in every run; the other rows are the tests that name them, in
their long form. What failed is shown, and inputs that failed are kept in a folder. The exit status
is 1 when anything failed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import sys
import tempfile
import time
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

# Read when the targets are imported: to decode a quarter of the inputs in pieces too is enough here.
os.environ.setdefault("HOSTILE_CUT_SHARE", "0.25")
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile_rows import SHOWN, Failure, Result, Row, numbered, rows_of_tests, tested
from hostile_targets import TARGETS

MS, MIB = 1e3, 1 << 20
TELL_SECONDS = 10
"""How often progress is told."""


class Progress:
    """Tells on standard error how far all of it is."""

    def __init__(self, parts: int) -> None:
        self._parts = parts
        self._done = self._failed = 0
        self._begun = self._told = time.monotonic()

    def note(self, part: Future[Result]) -> None:
        """Count a part that is done."""
        self._done += 1
        self._failed += part.result().failed if part.exception() is None else 1
        now = time.monotonic()
        if now - self._told > TELL_SECONDS:
            self._told = now
            print(
                f"{self._done} of {self._parts} parts, {self._failed} failed, "
                f"{now - self._begun:.0f} s",
                file=sys.stderr,
                flush=True,
            )


def main() -> int:
    """Run the rows, print the table; return the exit status."""
    options = _options()
    # Read by the tests: their sizes are those of the matrix's long runs.
    os.environ["HOSTILE_LONG"] = "1"
    begun = time.monotonic()
    makers = {
        row: run
        for row, run in numbered(options.inputs, options.built).items()
        if _wanted(options, row.row) and options.only in (None, row.name)
    }
    rows = [*makers, *([] if options.only else rows_of_tests(lambda row: _wanted(options, row)))]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, spawn, max_tasks_per_child=1) as pool:
        parts: list[tuple[Row, list[Future[Result]]]] = []
        for row in rows:
            if row.inputs is None:
                parts.append((row, [pool.submit(tested, row.name, row.row)]))
                continue
            last = options.first + row.inputs
            starts = range(options.first, last, row.part)
            parts.append((row, [
                pool.submit(makers[row], row.name, start, min(row.part, last - start))
                for start in starts
            ]))  # fmt: skip
        failed = _table(parts, options.keep)
    print(f"{len(rows)} lines, {failed} failed, {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


def _table(parts: list[tuple[Row, list[Future[Result]]]], keep: Path) -> int:
    """Print a line for each row as soon as it is done; return how much failed."""
    progress = Progress(sum(len(futures) for _, futures in parts))
    for _, futures in parts:
        for future in futures:
            future.add_done_callback(progress.note)
    print(f"{'row':4}{'what':36}{'tried':>9}{'failed':>8}{'worst ms':>10}{'peak MiB':>10}  slowest")
    failed = 0
    for row, futures in parts:
        result = Result()
        for future in futures:
            result = result.joined(_came_of(future))
        failed += result.failed
        skipped = f" ({result.skipped} skipped)" if result.skipped else ""
        print(
            f"{row.row:4}{_short(row.name):36}{result.tried:>9}{result.failed:>8}"
            f"{result.worst * MS:>10.1f}{result.peak / MIB:>10.0f}  {result.slowest}{skipped}",
            flush=True,
        )
        for failure in result.failures[: 10 * SHOWN]:
            _show(row, failure, keep)
    return failed


def _came_of(future: Future[Result]) -> Result:
    """The result of a part; a process that died is a failure too."""
    try:
        return future.result()
    except Exception as error:
        return Result(failed=1, failures=(Failure("the process", repr(error), b""),))


def _short(path: str) -> str:
    return path.removeprefix("hostile/").removesuffix(".py")


def _show(row: Row, failure: Failure, keep: Path) -> None:
    """Print a failure, and keep its input."""
    where = ""
    if failure.data:
        keep.mkdir(parents=True, exist_ok=True)
        kept = keep / re.sub(r"[^A-Za-z0-9]+", "-", f"{row.row} {failure.name}")
        kept.write_bytes(failure.data)
        where = f", kept as {kept}"
    print(f"{row.row} {failure.name} failed{where}:\n{failure.text}", file=sys.stderr, flush=True)


def _wanted(options: argparse.Namespace, row: str) -> bool:
    return options.rows is None or row in options.rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=lambda text: text.split(","), help="rows, as in F1,P1")
    parser.add_argument("--inputs", type=int, default=2_000_000, help="F1: inputs for each target")
    parser.add_argument("--built", type=int, default=500_000, help="F2: messages built each way")
    parser.add_argument("--first", type=int, default=0, help="number of the first one of these")
    parser.add_argument("--only", choices=list(TARGETS), metavar="TARGET", help="F1: one target")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    keep = Path(tempfile.gettempdir()) / "sipstream-hostile"
    parser.add_argument("--keep", type=Path, default=keep, help="folder for inputs that failed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
