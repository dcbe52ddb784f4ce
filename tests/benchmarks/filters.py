"""How soon filters answer over a loaded capture, the first time and the second.

    python tests/benchmarks/filters.py [--messages 1000000] [--runs 5] [--keep DIR]

Two ways: what a script does (`load`, then `Filter.matches` of each conversation) in this process, and
`add TERM` in the shell on a terminal, from Enter until the number of conversations is there. Each
term's first time is the first that anybody asks after a load.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from pathlib import Path

from generate import caller_host, capture
from keyboard import Shell
from measuring import machine, table
from programs import knows_terms, middle

import sipstream

_FILTER = rb"sipstream\[filter\]:"
"""The prompt where filters are made, while there is none."""
Times = dict[str, list[tuple[float, float, int]]]
"""By term: for each load the seconds of the first and the second time, and how many it found."""


def terms(messages: int) -> list[str]:
    """Return what is asked: few, some and all conversations, by index, and by bytes."""
    return [
        f"dstnum {middle(messages)}",
        f"srcip {'.'.join(map(str, caller_host(messages // 14)))}",
        "method BYE",
        "status 5xx",
        "header User-Agent nosuch",
        "callid *7f6f6f25b700844@10.20.10.1*",
        f"number {middle(messages)}",
        "final >= 400",
        "duration > 30s",
        "retransmissions > 1",
        "port 5061",
        "ua nosuch",
        "codec G729",
        'ua ~ "^nosuch"',
        "each(method INVITE or status 1xx)",
    ]


def by_script(path: Path, wanted: list[str], times: Times) -> None:
    """Load in this process, match each conversation."""
    conversations = sipstream.load(path)
    for term in wanted:
        took, found = [], 0
        for _ in range(2):
            begun = time.perf_counter()
            matches = sipstream.Filter.parse(term).matches
            found = sum(1 for one in conversations if matches(one))
            took.append(time.perf_counter() - begun)
        times.setdefault(term, []).append((took[0], took[1], found))


def _asked(shell: Shell, command: str, answer: bytes) -> tuple[float, bytes]:
    shell.at_prompt()
    told = shell.ask(command, answer)
    if told is None:
        raise SystemExit(f"no answer to {command!r}: {shell.seen[-500:]!r}")
    return told


def by_shell(path: Path, wanted: list[str], times: Times) -> None:
    """Load in the shell, add each term to the empty filter and take it away."""
    with tempfile.TemporaryDirectory() as folder:
        shell = Shell(Path(folder), [])
        _asked(shell, f"load {path}", rb"messages\) extracted")
        _asked(shell, "filter", _FILTER)
        for term in wanted:
            took, found = [], 0
            for _ in range(2):
                seconds, answer = _asked(shell, f"add {term}", rb"\d+ conversations\r?\n")
                took.append(seconds)
                found = int(answer.split()[0])
                _asked(shell, "reset", _FILTER)
            times.setdefault(term, []).append((took[0], took[1], found))
        _asked(shell, "exit", rb"sipstream\*?:")
        if knows_terms():
            # The answer itself instead of a number: one line, so it costs nothing to print.
            line = re.compile(rb"[^\r\n]*->" + wanted[0].split()[1].encode())
            command = f"show conversations {wanted[0]}"
            pair = [_asked(shell, command, line.pattern)[0] for _ in range(2)]
            times.setdefault(command, []).append((pair[0], pair[1], 1))
        shell.leave()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="a folder that keeps the capture for another run")
    options = parser.parse_args()
    print(machine())
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = capture(options.keep or Path(folder), "udp", options.messages)
        wanted = terms(options.messages)
        found: dict[str, set[int]] = {}
        for name, way in (("script", by_script), ("shell", by_shell)):
            times: Times = {}
            for _ in range(options.runs):
                way(path, wanted, times)
            for term, took in times.items():
                found.setdefault(term, set()).update(count for _, _, count in took)
                first, second = (statistics.median(one[place] for one in took) for place in (0, 1))
                count = f"{took[0][2]:,}" if len(found[term]) == 1 else f"{found[term]} !"
                rows.append(
                    (f"{name}: {term}", f"{first * 1000:.1f}", f"{second * 1000:.1f}", count)
                )
    print(f"\nfilters over {options.messages:,} messages, medians of {options.runs} loads\n")
    print(table(("", "first ms", "second ms", "conversations"), rows))


if __name__ == "__main__":
    main()
