"""The rows of the long form: inputs made by number, and tests that name a row; each measured alike.

`hostile/run.py` runs these in processes of their own and prints the table. A test belongs to the row
that its docstring begins with ("Row P1: ..."). One that holds many inputs says how many with
`record_property("tried", count)`.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from hostile_targets import TARGETS, attack, check

HERE = Path(__file__).parent
SHOWN = 3
"""Failures shown whole of those that happen at one place."""
LONGEST_TEST = 3600
"""Seconds after which a test is taken for one that hangs."""
_ROW = re.compile(r"Rows? ([A-Z]\d+)\b")


class Failure(NamedTuple):
    """What failed, what was said of it, and the input where there is one."""

    name: str
    text: str
    data: bytes


class Result(NamedTuple):
    """What came of a row, or of a part of one."""

    tried: int = 0
    failed: int = 0
    worst: float = 0.0
    """Seconds that the slowest one took: processor time of an input, time of day of a test."""
    slowest: str = ""
    peak: int = 0
    """Most bytes of memory that the process had meanwhile."""
    skipped: int = 0
    failures: tuple[Failure, ...] = ()

    def joined(self, other: Result) -> Result:
        """This and another part."""
        slower = max(self, other, key=lambda one: one.worst)
        return Result(
            self.tried + other.tried,
            self.failed + other.failed,
            slower.worst,
            slower.slowest,
            max(self.peak, other.peak),
            self.skipped + other.skipped,
            self.failures + other.failures,
        )


class Row(NamedTuple):
    """One line of the table: `run(first, count)` in a process of its own; None: all in one part."""

    row: str
    name: str
    inputs: int | None
    part: int
    """Inputs given to a process at once."""


# Inputs by number


def attacked(name: str, first: int, count: int) -> Result:
    """Give a target of F1 its inputs, however many of them fail."""
    places: Counter[object] = Counter()
    failures: list[Failure] = []
    worst, slowest = 0.0, first
    with _peak() as peak:
        for number in range(first, first + count):
            data = attack(name, number)
            begun = time.process_time()
            try:
                check(name, number, data)
            except Exception as error:
                # It happened at the last line of ours that the error went through.
                last = traceback.extract_tb(error.__traceback__)[-1]
                place = last.filename, last.lineno
                places[place] += 1
                if places[place] <= SHOWN:
                    text = "".join(traceback.format_exception(error))
                    failures.append(Failure(f"{name} {number}", text, data))
            taken = time.process_time() - begun
            if taken > worst:
                worst, slowest = taken, number
    return Result(
        count, places.total(), worst, f"input {slowest}", peak[0], failures=tuple(failures)
    )


def built(name: str, first: int, count: int) -> Result:
    """Build messages of F2, from this seed on; what doesn't come back as it was built is one failure."""
    from test_built_messages import WAYS, build

    taken: list[float] = []
    failures: tuple[Failure, ...] = ()
    with _peak() as peak:
        try:
            build(WAYS[name], first, count, taken)
        except Exception as error:
            text = "".join(traceback.format_exception(error))
            failures = (Failure(f"{name}, seed {first}", text, b""),)
    worst = max(taken, default=0.0)
    slowest = f"number {taken.index(worst)} of seed {first}" if taken else ""
    return Result(len(taken), len(failures), worst, slowest, peak[0], failures=failures)


def numbered(inputs: int, messages: int) -> dict[Row, Callable[[str, int, int], Result]]:
    """The rows of inputs by number, F1 and F2, and what runs them."""
    rows: dict[Row, Callable[[str, int, int], Result]] = {
        Row("F1", name, inputs, 10_000): attacked for name in TARGETS
    }
    for name in ("over UDP", "over TCP"):
        rows[Row("F2", name, messages, 500)] = built
    return rows


# Tests


def tested(path: str, row: str) -> Result:
    """Run the tests of a row that stand in a file."""
    measured = _Measured(row)
    with _peak() as peak, contextlib.redirect_stdout(io.StringIO()) as said:
        # The cache is for who works on the tests.
        options = ["-q", "-p", "no:cacheprovider", "--timeout", str(LONGEST_TEST)]
        status = pytest.main([*options, str(HERE / path)], plugins=[measured])
    result = measured.result._replace(peak=peak[0])
    if status not in (0, 1):
        failure = Failure(f"{path} couldn't be run", said.getvalue(), b"")
        result = result.joined(Result(failed=1, failures=(failure,)))
    return result


def rows_of_tests(wanted: Callable[[str], bool]) -> list[Row]:
    """The rows of tests: name is the file beside this one that holds them."""
    found = _Found()
    options = ["--collect-only", "-q", "-p", "no:cacheprovider"]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        status = pytest.main([*options, str(HERE)], plugins=[found])
    if status:
        sys.exit(said.getvalue())
    return [
        Row(row, path, None, 1) for row in sorted(found.files, key=_order) if wanted(row)
        for path in sorted(found.files[row])
    ]  # fmt: skip


def _order(row: str) -> tuple[int, int]:
    """The order of the matrix."""
    return "FPNHTRLSX".find(row[0]), int(row[1:])


def _row_of(item: pytest.Item) -> str:
    """The row a test belongs to, "" for none."""
    found = _ROW.match(getattr(getattr(item, "function", None), "__doc__", None) or "")
    return found[1] if found else ""


class _Found:
    """Takes note of which files have tests of a row; F1 and F2 have a long form of their own."""

    def __init__(self) -> None:
        self.files: defaultdict[str, set[str]] = defaultdict(set)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            row = _row_of(item)
            if row and row not in ("F1", "F2"):
                self.files[row].add(str(item.path.relative_to(HERE)))


class _Measured:
    """Leaves the tests of one row, and measures each."""

    def __init__(self, row: str) -> None:
        self.result = Result()
        self._row = row

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if _row_of(item) == self._row]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.result = self.result.joined(Result(skipped=1))
        elif report.when == "call" or report.failed:
            name = report.nodeid.partition("::")[2]
            tried = dict(report.user_properties).get("tried", 1)
            failures = (Failure(name, report.longreprtext, b""),) if report.failed else ()
            self.result = self.result.joined(
                Result(tried, len(failures), report.duration, name, failures=failures)
            )


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
