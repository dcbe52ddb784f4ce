"""Load times and memory against sngrep and tshark, whole processes, in turn: A B A B ...

    python tests/benchmarks/run.py [--messages 100000] [--runs 5]

Prints medians and the ratio of each pair, with the machine and versions. No part of the test run.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from generate import write_pcap


def measure(command: list[str]) -> tuple[float, int]:
    """Run a command, return its wall seconds and peak memory in bytes."""
    begun = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - begun, usage.ru_maxrss * 1024


def printed_text(pcap: Path, flags: list[str], path: Path) -> Path:
    """Write what tcpdump prints of a capture."""
    with path.open("wb") as file:
        subprocess.run(
            ["tcpdump", "-n", *flags, "-r", str(pcap)],
            stdout=file,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    return path


def commands(pcap: Path, folder: Path) -> dict[str, list[str]]:
    """Return what is measured, by name; the first is what the others are compared with."""
    ask = ["-c", "show conversations sorted"]
    ours = [sys.executable, "-m", "sipstream"]
    found: dict[str, list[str]] = {"sipstream pcap": [*ours, str(pcap), *ask]}
    if shutil.which("tcpdump"):
        for name, flags in (("-v", ["-v"]), ("-A", ["-A"]), ("-X", ["-X"])):
            text = printed_text(pcap, flags, folder / f"text{name}.txt")
            found[f"sipstream tcpdump {name}"] = [*ours, str(text), *ask]
    found["sipstream --filter"] = [*ours, str(pcap), "--filter", "dstnum 5660066", *ask]
    if shutil.which("sngrep"):
        found["sngrep"] = ["sngrep", "-N", "-q", "-I", str(pcap)]
    if shutil.which("tshark"):
        fields = ["-T", "fields", "-e", "sip.Call-ID", "-e", "sip.Method", "-e", "sip.Status-Code"]
        found["tshark"] = ["tshark", "-n", "-r", str(pcap), "-Y", "sip", *fields]
    found["grep -c (floor)"] = ["grep", "-c", "-a", "Call-ID", str(pcap)]
    return found


def idle_bytes() -> int:
    """Return the memory of a sipstream that has loaded nothing."""
    return measure([sys.executable, "-m", "sipstream", "-c", "show conversations"])[1]


def version(
    command: list[str], pick: Callable[[str], str] = lambda text: text.split("\n")[0]
) -> str:
    """Return the first line a program says of itself."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return pick((result.stdout or result.stderr).strip())


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pcap = Path(folder) / "udp.pcap"
        write_pcap(pcap, options.messages)
        wanted = commands(pcap, Path(folder))
        times: dict[str, list[float]] = {name: [] for name in wanted}
        peaks: dict[str, int] = {}
        for command in wanted.values():
            measure(command)
        for _ in range(options.runs):
            for name, command in wanted.items():
                seconds, peaks[name] = measure(command)
                times[name].append(seconds)
        idle = idle_bytes()
        size = pcap.stat().st_size
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name in ("sngrep", "tshark"):
        if name in wanted:
            print(version([name, "-V" if name == "sngrep" else "-v"]))
    print(f"{options.messages} messages, {size / 1e6:.0f} MB, medians of {options.runs}\n")
    print(
        f"{'':24} {'seconds':>8} {'messages/s':>11} {'peak MB':>8} {'B/message':>10} {'sipstream is':>14}"
    )
    base = times["sipstream pcap"]
    for name, row in times.items():
        ratio = statistics.median(other / own for other, own in zip(row, base, strict=True))
        median = statistics.median(row)
        memory = f"{(peaks[name] - idle) / options.messages:.0f}" if "sipstream" in name else ""
        print(
            f"{name:24} {median:8.2f} {options.messages / median:11,.0f} {peaks[name] / 1e6:8.0f} "
            f"{memory:>10} {ratio:11.1f} x"
        )


if __name__ == "__main__":
    main()
