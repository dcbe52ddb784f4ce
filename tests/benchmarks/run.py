"""Load times and memory against sngrep and tshark: whole processes in turn, A B A B ...

    python tests/benchmarks/run.py [load] [mixed] [text] [tcp] [growth] [start] [stats]
        [--messages 1000000] [--largest 10000000] [--runs 5] [--keep DIR]

Prints medians, and ratios as medians of the pairs. No part of the test run.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from generate import capture
from keyboard import Shell
from measuring import HOW_MEMORY, SIPSTREAM, Others, Took, in_turn, machine, ratio, table, watch
from programs import Program, asking, middle, others, printed, sipstream, sngrep

CAPTURES = Path(__file__).parents[2] / "captures"
GROWTH_MEMORY = "4G"
"""What sipstream may take for conversations where captures grow: its default holds a million messages."""
_STARTS = 20
_PORT = ":9190"
_FIGURES = (
    ("show stats, first time", "show stats", rb"200 to BYE +\d"),
    ("show stats, second time", "show stats", rb"200 to BYE +\d"),
    ("show stats plot", "show stats plot", rb"calls at once \d"),
    ("show stats talkers", "show stats talkers", rb"called +conversations"),
    ("show stats agents", "show stats agents", rb"user agent +conversations"),
)
"""What is asked for, and what of the answer comes last."""
_SIZES = (0.01, 0.03, 0.1, 0.3, 1)
"""Of the largest capture, where captures grow."""
_MIXED_SHARE = 0.14
"""Of the messages: with nine tenths RTP a million becomes a gigabyte."""


@dataclass(frozen=True)
class Wanted:
    """The options."""

    messages: int
    largest: int
    runs: int
    folder: Path


@dataclass(frozen=True)
class Figures:
    """What was measured of a program."""

    program: Program
    peak: int
    found: str
    took: list[Took]

    @property
    def seconds(self) -> float:
        return statistics.median(one.seconds for one in self.took)

    @property
    def processor(self) -> float:
        return statistics.median(one.processor for one in self.took)

    def find(self) -> str:
        """Return what it found, and whether that isn't all."""
        if self.found == str(self.program.expected):
            return f"{self.program.expected:,}"
        return f"{self.found} of {self.program.expected:,} !"


def measure(programs: Sequence[Program], runs: int) -> list[Figures]:
    """Look at each program's memory and findings in a first run, then time them in turn."""
    watched = []
    for one in programs:
        peak, output = watch(one.telling or one.command)
        watched.append((peak, one.found(output)))
    took = in_turn([one.command for one in programs], runs)
    return [
        Figures(program, peak, found, row)
        for program, (peak, found), row in zip(programs, watched, took, strict=True)
    ]


def idle() -> int:
    """Return the peak memory of a sipstream that has loaded nothing."""
    return watch([*SIPSTREAM, "-c", "show conversations"])[0]


def _times(figures: Sequence[Figures], name: str, own: Figures) -> str:
    """Return how many times longer than `own` the program of a name took."""
    for one in figures:
        if one.program.name == name and one is not own:
            return f"{ratio(one.took, own.took):.1f} x"
    return ""


def compare(title: str, path: Path, messages: int, programs: list[Program], runs: int) -> None:
    """Measure programs on a capture and print their table."""
    elsewhere = Others()
    figures = measure(programs, runs)
    empty = idle()
    largest = next((one.peak for one in figures if one.program.name == "sngrep"), 0)
    rows = []
    for one in figures:
        ours = one.program.name.startswith("sipstream")
        rows.append(
            (
                one.program.name,
                f"{one.seconds:.3f}",
                f"{one.processor:.3f}",
                f"{messages / one.seconds:,.0f}",
                f"{one.peak / 1e6:.1f}",
                f"{(one.peak - empty) / messages:.0f}" if ours else "",
                f"{one.peak / largest:.0%}" if largest else "",
                _times(figures, "sngrep", one),
                _times(figures, "tshark", one),
                one.find(),
            )
        )
    heads = (
        "", "seconds", "processor", "messages/s", "peak MB", "B/message", "of sngrep's",
        "sngrep takes", "tshark takes", "found",
    )  # fmt: skip
    print(
        f"\n{title}: {messages:,} messages, {path.stat().st_size / 1e6:,.0f} MB, medians of {runs}\n"
    )
    print(table(heads, rows))
    print(f"B/message over the idle sipstream's {empty / 1e6:.1f} MB")
    print(f"other programs used {elsewhere} of a processor meanwhile")


def load(wanted: Wanted) -> None:
    """Messages over UDP, a tenth of them and all."""
    for messages in (wanted.messages // 10, wanted.messages):
        path = capture(wanted.folder, "udp", messages)
        programs = [sipstream("sipstream", path, messages), *others(path, messages)]
        compare("load", path, messages, programs, wanted.runs)


def mixed(wanted: Wanted) -> None:
    """Messages amid RTP, nine tenths of the bytes."""
    messages = int(wanted.messages * _MIXED_SHARE)
    path = capture(wanted.folder, "mixed", messages)
    programs = [sipstream("sipstream", path, messages), *others(path, messages)]
    compare("mixed with RTP", path, messages, programs, wanted.runs)


def tcp(wanted: Wanted) -> None:
    """A tenth of the messages over TCP."""
    messages = wanted.messages // 10
    path = capture(wanted.folder, "tcp", messages)
    programs = [sipstream("sipstream", path, messages), *others(path, messages)]
    compare("TCP", path, messages, programs, wanted.runs)


def text(wanted: Wanted) -> None:
    """What tcpdump prints of a capture, against sngrep that loads the capture."""
    for messages, flags in ((wanted.messages // 10, "vAX"), (wanted.messages, "vA")):
        path = capture(wanted.folder, "udp", messages)
        texts = [(f"-{flag}", printed(wanted.folder, path, f"-{flag}")) for flag in flags]
        programs = [
            *(sipstream(f"sipstream {flag}", printed_to, messages) for flag, printed_to in texts),
            sipstream("sipstream pcap", path, messages),
            sngrep(path, messages),
        ]
        compare("text of tcpdump", path, messages, programs, wanted.runs)


def growth(wanted: Wanted) -> None:
    """sipstream alone on captures that grow, compared with the third, a tenth of the largest."""
    sizes = [int(wanted.largest * share) for share in _SIZES]
    programs = [
        sipstream(f"{size:,}", capture(wanted.folder, "udp", size), size, "--memory", GROWTH_MEMORY)
        for size in sizes
    ]
    elsewhere = Others()
    figures, empty = measure(programs, wanted.runs), idle()
    base = figures[2]
    rows = [
        (
            one.program.name,
            f"{one.seconds:.2f}",
            f"{one.processor:.2f}",
            f"{size / one.seconds:,.0f}",
            f"{ratio(one.took, base.took):.2f} x",
            f"{one.peak / 1e6:.1f}",
            f"{(one.peak - empty) / size:.0f}",
            f"{(one.peak - empty) / (base.peak - empty):.2f} x",
            one.find(),
        )
        for size, one in zip(sizes, figures, strict=True)
    ]
    heads = (
        "messages", "seconds", "processor", "messages/s", "time", "peak MB", "B/message", "memory",
        "found",
    )  # fmt: skip
    print(f"\ngrowth, sipstream --memory {GROWTH_MEMORY}, medians of {wanted.runs}\n")
    print(table(heads, rows))
    print(f"time and memory over the idle program's are compared with {sizes[2]:,} messages")
    print(f"other programs used {elsewhere} of a processor meanwhile")


def start(wanted: Wanted) -> None:
    """From the start to the answer: what a person waits for."""
    small = ("-c", "show conversations")
    rows = {
        "python -c pass (floor)": [SIPSTREAM[0], "-c", "pass"],
        "sipstream --version": [*SIPSTREAM, "--version"],
        "sipstream timeout.pcap -c": [*SIPSTREAM, str(CAPTURES / "timeout.pcap"), *small],
        "sipstream timeout.txt -c": [*SIPSTREAM, str(CAPTURES / "timeout.txt"), *small],
    }
    for command in rows.values():
        watch(command)
    took = in_turn(list(rows.values()), _STARTS)
    seconds = [[one.seconds for one in row] for row in took]
    print(f"\nstart, medians of {_STARTS}\n")
    print(
        table(
            ("", "ms", "worst ms"),
            [
                (name, f"{statistics.median(row) * 1000:.0f}", f"{max(row) * 1000:.0f}")
                for name, row in zip(rows, seconds, strict=True)
            ],
        )
    )


def stats(wanted: Wanted) -> None:
    """Figures of a loaded capture, from Enter on, and what a load takes with and without them."""
    path = capture(wanted.folder, "udp", wanted.messages)
    asked: dict[str, list[float]] = {}
    for _ in range(wanted.runs):
        with tempfile.TemporaryDirectory() as folder:
            shell = Shell(Path(folder), [])
            _ask(shell, f"load {path}", rb"messages\) extracted")
            for name, command, answer in _FIGURES:
                asked.setdefault(name, []).append(_ask(shell, command, answer))
            shell.leave()
    rows = [(name, f"{statistics.median(took):.3f}") for name, took in asked.items()]
    print(f"\nfigures of {wanted.messages:,} messages, from Enter on, medians of {wanted.runs}\n")
    print(table(("", "seconds"), rows))
    load = [*SIPSTREAM, "-q", str(path)]
    commands = {
        "load": [*load, "-c", "show filter"],
        "load with --prometheus": [*load, "--prometheus", _PORT, "-c", "show filter"],
        "load, then show stats": [*load, "-c", "show stats"],
    }
    took = in_turn(list(commands.values()), wanted.runs)
    print(f"\nloads of {wanted.messages:,} messages, medians of {wanted.runs}\n")
    print(
        table(
            ("", "seconds", "of the load's"),
            [
                (
                    name,
                    f"{statistics.median(one.seconds for one in row):.3f}",
                    f"{ratio(row, took[0]):.2f} x",
                )
                for name, row in zip(commands, took, strict=True)
            ],
        )
    )


def _ask(shell: Shell, command: str, answer: bytes) -> float:
    """Return the seconds from Enter until an answer is there."""
    shell.at_prompt()
    told = shell.ask(command, answer)
    if told is None:
        raise SystemExit(f"no answer to {command!r}: {shell.seen[-500:]!r}")
    return told[0]


RUNS: dict[str, Callable[[Wanted], None]] = {
    one.__name__: one for one in (load, mixed, text, tcp, growth, start, stats)
}


def main() -> None:
    """Measure what was named and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", metavar="|".join(RUNS), help="all unless named")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--largest", type=int, default=10_000_000, help="of growth")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--keep", type=Path, help="a folder that keeps the captures for another run"
    )
    options = parser.parse_args()
    if unknown := set(options.what) - set(RUNS):
        parser.error(f"no such run: {', '.join(sorted(unknown))}")
    print(machine())
    print(HOW_MEMORY)
    question = " ".join(itertools.islice(asking(middle(options.messages)), 1, None, 2))
    print(f"sipstream is asked: {question}")
    with tempfile.TemporaryDirectory() as folder:
        keep = options.keep or Path(folder)
        wanted = Wanted(options.messages, options.largest, options.runs, keep)
        for name in options.what or RUNS:
            RUNS[name](wanted)


if __name__ == "__main__":
    main()
