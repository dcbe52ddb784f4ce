"""Records captures of the labelled set of findings: sipp calls sipp, and tcpdump listens.

    python tests/record_findings.py [--prefix NAME] FINDING/yes-sipp-WHAT ...

Needs root, ip, sipp and tcpdump. All of it happens in a network namespace of its own whose only
interface is the loopback, with the addresses of both ends on it. What was recorded is kept as it is:
a recording made anew has other times, tags and branches.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dpkt
from finding_cases import DIRECTORY
from finding_cases.recordings import RECORDINGS, SCENARIOS, Recording
from finding_cases.wire import Wire

_LONGEST = 60
"""Seconds that a call may take."""
_FIELD = re.compile(r"@([A-Z_]+)@")
"""What a scenario has in place of a recording's own value."""


def record(name: str, recording: Recording, prefix: str) -> Path:
    """Make one recording, return its path."""
    path = DIRECTORY / f"{name}.pcap"
    path.parent.mkdir(parents=True, exist_ok=True)
    addresses = (recording.near[0], recording.far[0], *recording.addresses)
    with _namespace(prefix, addresses) as inside, tempfile.TemporaryDirectory() as folder:
        listener = subprocess.Popen(
            [*inside, "tcpdump", "-i", "lo", "--immediate-mode", "-Z", "root", "-w", str(path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert listener.stderr is not None
        listener.stderr.readline()
        answerer = None
        if recording.uas:
            scenario = _filled(recording.uas, recording, Path(folder))
            answerer = _sipp(inside, scenario, recording.far, recording)
            time.sleep(0.5)
        scenario = _filled(recording.uac, recording, Path(folder))
        caller = _sipp(inside, scenario, recording.near, recording, recording.far)
        try:
            caller.wait(_LONGEST)
            time.sleep(0.5)
        finally:
            for program in (caller, answerer):
                if program is not None and program.poll() is None:
                    program.kill()
                    program.wait()
            listener.send_signal(signal.SIGINT)
            listener.wait()
    return _at_taps(path, recording.skew) if recording.skew else path


def _sipp(
    inside: list[str],
    scenario: Path,
    own: tuple[str, int],
    recording: Recording,
    other: tuple[str, int] | None = None,
) -> subprocess.Popen[bytes]:
    remote = [] if other is None else [f"{other[0]}:{other[1]}"]
    words = [
        *inside, "sipp", "-sf", str(scenario), *remote, "-i", own[0], "-p", str(own[1]), "-m", "1",
        "-s", recording.number, "-t", recording.transport, "-nostdin", "-timeout", "50s",
    ]  # fmt: skip
    for key, value in recording.keys.items():
        words += ["-key", key, value]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _filled(name: str, recording: Recording, folder: Path) -> Path:
    """Return a scenario with the recording's values in it; a line that holds only an empty one goes."""
    lines = []
    for line in (SCENARIOS / name).read_text().splitlines():
        filled = _FIELD.sub(lambda match: recording.value(match[1]), line)
        if filled.strip() or not line.strip():
            lines.append(filled)
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def _at_taps(path: Path, skew: float) -> Path:
    """Make of a capture one of two capture points, of which the second one's clock is ahead."""
    wire = Wire()
    with path.open("rb") as file:
        for at, frame in dpkt.pcap.Reader(file):
            for tap, ahead in (("near", 0.0), ("far", skew)):
                wire.frame(round((at + ahead) * 1_000_000), tap, frame)
    path.unlink()
    made = path.with_suffix(".pcapng")
    made.write_bytes(wire.file())
    return made


@contextmanager
def _namespace(prefix: str, addresses: tuple[str, ...]) -> Iterator[list[str]]:
    """Make a namespace that has some addresses, and return how a command begins that runs in it."""
    name = f"{prefix}-record-{os.getpid()}"
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        for address in dict.fromkeys(addresses):
            if not address.startswith("127."):
                length = 128 if ":" in address else 32
                _ip("-n", name, "address", "add", f"{address}/{length}", "dev", "lo")
        yield ["ip", "netns", "exec", name]
    finally:
        _ip("netns", "del", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def main() -> int:
    """Make the recordings that are asked for."""
    parser = argparse.ArgumentParser(description="Record captures of the labelled set of findings.")
    parser.add_argument("--prefix", default="ss", help="what the namespace's name begins with")
    parser.add_argument("names", nargs="+", metavar="NAME", choices=sorted(RECORDINGS))
    arguments = parser.parse_args()
    for name in arguments.names:
        path = record(name, RECORDINGS[name], arguments.prefix)
        print(f"{path.relative_to(DIRECTORY)}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
