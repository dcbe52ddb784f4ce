"""Two network namespaces joined by a cable, tcpreplay at one end, what captures at the other."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from generate import PARALLEL, STEPS
from measuring import environment
from programs import FIELDS, sngrep_limit

from sipstream.sources.live import BUFFER

LINK = "vb"
_SENDING_LINK = "va"
_DUMP = Path(f"/dev/shm/bench-{os.getpid()}.pcap")
"""What sngrep writes, by which its packets are counted: no disk may slow it."""
_QUIET = 1.5
"""Seconds without progress after which a program counts as done with what was sent."""
_LONGEST = 300.0
"""Seconds that a program has to get done with it."""
_MEGABYTES = str(BUFFER >> 20)
"""The kernel's buffer that sipstream asks for; the others get as much, not their 2 MB."""


@dataclass(frozen=True)
class Wire:
    """The namespaces; `sender` has tcpreplay, `receiver` what captures on LINK."""

    sender: str
    receiver: str

    @property
    def receiving(self) -> list[str]:
        """Return what goes before a command to run it where the messages arrive."""
        return ["ip", "netns", "exec", self.receiver]

    def arrived(self) -> int:
        """Return how many frames have come over the cable."""
        words = ["ip", "-n", self.receiver, "-s", "-j", "link", "show", LINK]
        told = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
        return int(told[0]["stats64"]["rx"]["packets"])

    def replaying(self, capture: Path, rate: int | None) -> subprocess.Popen[bytes]:
        """Start to send a capture, read into memory before, at messages a second or with all speed."""
        speed = "--topspeed" if rate is None else f"--pps={rate}"
        words = ["tcpreplay", "-i", _SENDING_LINK, "--preload-pcap", speed, str(capture)]
        return subprocess.Popen(
            ["ip", "netns", "exec", self.sender, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


@dataclass(frozen=True)
class Sent:
    """What tcpreplay says it did."""

    messages: int
    rate: float


def sent(program: subprocess.Popen[bytes]) -> Sent:
    """Wait for tcpreplay, return what it sent."""
    output = program.communicate()[0]
    done = re.search(rb"Successful packets:\s+(\d+)", output)
    rate = re.search(rb"([\d.]+) pps", output)
    if program.returncode or done is None or rate is None:
        raise SystemExit(f"tcpreplay: {output.decode(errors='replace')}")
    return Sent(int(done[1]), float(rate[1]))


@contextmanager
def wire() -> Iterator[Wire]:
    """Make the namespaces and the cable, take them away afterwards."""
    made = Wire(f"bench-a-{os.getpid()}", f"bench-b-{os.getpid()}")

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    try:
        for name in (made.sender, made.receiver):
            ip("netns", "add", name)
            # Frames of the kernel's own would be counted among those sent.
            off = ["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"]
            ip("netns", "exec", name, *off, "net.ipv6.conf.default.disable_ipv6=1")
        ends = ("type", "veth", "peer", "name", LINK, "netns", made.receiver)
        ip("-n", made.sender, "link", "add", _SENDING_LINK, *ends)
        ip("-n", made.sender, "link", "set", _SENDING_LINK, "up")
        ip("-n", made.receiver, "link", "set", LINK, "up")
        yield made
    finally:
        for name in (made.sender, made.receiver):
            # Whatever still runs there was started here, and somebody ended the benchmark.
            left = subprocess.run(["ip", "netns", "pids", name], check=False, capture_output=True)
            for pid in left.stdout.split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        _DUMP.unlink(missing_ok=True)


def until_captures(pid: int) -> None:
    """Wait until a process's namespace has a packet socket on LINK."""
    end = time.monotonic() + 30
    while not _bound(pid):
        if time.monotonic() > end:
            raise SystemExit(f"process {pid} doesn't capture")
        time.sleep(0.05)
    # A ring may be mapped, a filter set after it is bound.
    time.sleep(0.5)


def _bound(pid: int) -> bool:
    try:
        lines = Path(f"/proc/{pid}/net/packet").read_text().splitlines()[1:]
    except OSError:
        return False
    return any(line.split()[4] != "0" for line in lines)


class Other:
    """sngrep or tshark that captures, alone, without a terminal."""

    def __init__(self, name: str, wire: Wire, folder: Path, messages: int) -> None:
        self._name = name
        self._output = folder / f"{name}.out"
        limit = str(sngrep_limit(messages // STEPS + PARALLEL))
        commands: dict[str, Sequence[str]] = {
            "sngrep": [
                "sngrep", "-N", "-l", limit, "-B", _MEGABYTES, "-d", LINK, "-O", str(_DUMP),
            ],
            "tshark": ["tshark", "-n", "-i", LINK, "-B", _MEGABYTES, "-Y", "sip", *FIELDS],
        }  # fmt: skip
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*wire.receiving, *commands[name]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(),
            )
        until_captures(self._process.pid)

    def _progress(self) -> tuple[int, int]:
        """Return what grows as long as it works: its files, and its processor time."""
        sizes = sum(one.stat().st_size for one in (_DUMP, self._output) if one.exists())
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        # What it uses while it waits, some hundredths of a second, isn't progress.
        return sizes if self._name == "tshark" else 0, sum(map(int, fields[11:13])) // 20

    def captured(self) -> int:
        """Wait until it is done, end it, return how many messages it says it captured."""
        end, before, since = time.monotonic() + _LONGEST, self._progress(), time.monotonic()
        while time.monotonic() - since < _QUIET and time.monotonic() < end:
            time.sleep(0.1)
            if (now := self._progress()) != before:
                before, since = now, time.monotonic()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        if self._name == "tshark":
            told = re.findall(rb"(\d+) packets? captured", self._output.read_bytes())
            return int(told[-1]) if told else 0
        count = _packets(_DUMP)
        _DUMP.unlink()
        return count


def _packets(capture: Path) -> int:
    """Return how many whole packets a pcap file of this machine's byte order has."""
    data, at, count = capture.read_bytes(), 24, 0
    while at + 16 <= len(data):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        count += at <= len(data)
    return count
