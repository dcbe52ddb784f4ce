"""What all benchmarks measure with: whole processes, their memory, ratios of pairs, tables.

Times and memory are never taken in the same run, for reading a process's memory holds it up.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLED = 0.005
"""Seconds between two looks at a process's memory: a load grows by half a megabyte meanwhile."""
SIPSTREAM = (sys.executable, "-m", "sipstream")
_MEMORY_LINES = ("Pss_Anon:", "Pss_Shmem:")
HOW_MEMORY = (
    "peak: anonymous and shared memory of the process and all its children together (Pss_Anon and\n"
    f"Pss_Shmem of smaps_rollup), looked at each {SAMPLED * 1000:.0f} ms, gigabytes each 50, in a run\n"
    "of its own; mapped files don't count"
)


@dataclass(frozen=True, slots=True)
class Took:
    """What one run of a program took: wall seconds, and processor seconds of all its processes."""

    seconds: float
    processor: float


def environment() -> dict[str, str]:
    """Return what programs are started with; sipstream of root stays root, to read files of root."""
    own = {"SIPSTREAM_USER": "root"} if os.geteuid() == 0 else {}
    return {**own, **os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def take(command: Sequence[str]) -> Took:
    """Run a command, its output not looked at; end the benchmark if it fails.

    It writes to a file: for the null device grep stops at the first match.
    """
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env=environment(),
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Took(seconds, usage.ru_utime + usage.ru_stime)


def family(pid: int) -> list[int]:
    """Return a process and all that came of it and are there now."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(word) for word in children.read_text().split()]
            except OSError:
                continue
    return found


def anonymous_bytes(pid: int) -> int:
    """Return the memory that a process and its children hold beside mapped files, in bytes.

    Shares of pages, so that what parent and child have together counts once.
    """
    total = 0
    for one in family(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith(_MEMORY_LINES):
                total += int(line.split()[1]) * 1024
    return total


class PeakMemory:
    """The largest `anonymous_bytes` of a process while this is open: `bytes`."""

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def _sample(self) -> None:
        while True:
            begun = time.perf_counter()
            self.bytes = max(self.bytes, anonymous_bytes(self._pid))
            # A look at gigabytes takes longer, and whoever is looked at waits for it.
            if self._ended.wait(max(SAMPLED, 4 * (time.perf_counter() - begun))):
                return

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def watch(command: Sequence[str]) -> tuple[int, bytes]:
    """Run a command, return its peak memory in bytes and what it wrote to both outputs."""
    with tempfile.TemporaryFile() as output:
        with (
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(),
            ) as process,
            PeakMemory(process.pid) as peak,
        ):
            # Not reaped before the last look: its memory is gone then, its number may be another's.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{text[-500:]!r}")
    return peak.bytes, text


def in_turn(commands: Sequence[Sequence[str]], runs: int) -> list[list[Took]]:
    """Run the commands A B A B ..., return what each took, run by run."""
    took: list[list[Took]] = [[] for _ in commands]
    for number in range(runs):
        for row, command in zip(took, commands, strict=True):
            row.append(take(command))
        if sys.stderr.isatty():
            print(f"run {number + 1} of {runs} done", file=sys.stderr)
    return took


def ratio(others: Iterable[Took], own: Iterable[Took]) -> float:
    """Return how many times longer the others took: the median of the pairs of one turn."""
    pairs = zip(others, own, strict=True)
    return statistics.median(other.seconds / one.seconds for other, one in pairs)


class Others:
    """What programs that aren't ours take of the processors: with much of it figures mean little."""

    def __init__(self) -> None:
        self._before = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Return seconds: of the clock, of all programs and the kernel, of ours that have ended."""
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        user, nice, system, _, _, irq, softirq, steal = map(int, fields)
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        return time.monotonic(), busy, sum(os.times()[:4])

    def __str__(self) -> str:
        elapsed, busy, ours = (b - a for a, b in zip(self._before, self._now(), strict=True))
        return f"{max(busy - ours, 0) / elapsed:.0%}"


def percentiles(values: Sequence[float]) -> str:
    """Return median, 99th percentile and worst of seconds, in ms."""
    if not values:
        return "none measured"
    ordered = sorted(values)
    middle = statistics.median(ordered)
    # The smallest value that at least 99 in a hundred don't exceed.
    late = ordered[-(-99 * len(ordered) // 100) - 1]
    times = [f"{seconds * 1000:.1f}" for seconds in (middle, late, ordered[-1])]
    return "p50 {} p99 {} worst {} ms".format(*times) + f", {len(ordered):,} times"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, its first column to the left and the others to the right."""
    lines = [heads, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def machine() -> str:
    """Return the machine and the versions of what is measured, a line each."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    python = f"Python {platform.python_version()}"
    lines = [f"{platform.platform()}, {os.cpu_count()} cores, {memory:.0f} GB, {python}"]
    for words in (
        [*SIPSTREAM, "--version"],
        ["sngrep", "-V"],
        ["tshark", "-v"],
        ["tcpreplay", "-V"],
    ):
        try:
            result = subprocess.run(words, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            lines.append(f"no {words[0]} here")
            continue
        lines.append((result.stdout or result.stderr).strip().split("\n")[0])
    return "\n".join(lines)
