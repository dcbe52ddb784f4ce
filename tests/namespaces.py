"""Two hosts joined by a cable: network namespaces with a veth pair, and programs in them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE, THERE = "10.99.0.1", "10.99.0.2"

_SEND = """
import socket, sys, time
source, destination, count, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
data = sys.stdin.buffer.read()
one = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
one.bind((source, 5060))
for number in range(count):
    one.sendto(data.replace(b"%n", str(number).encode()), (destination, 5060))
    if pause:
        time.sleep(pause)
"""


@dataclass(frozen=True)
class Pair:
    """The namespaces `a` (interface va, 10.99.0.1) and `b` (interface vb, 10.99.0.2)."""

    a: str
    b: str

    def command(self, side: str, *words: str) -> list[str]:
        """Return the command that runs `words` in namespace `side`."""
        return ["ip", "netns", "exec", getattr(self, side), *words]

    def start(self, side: str, *words: str, **options: object) -> subprocess.Popen[bytes]:
        """Start a program in a namespace."""
        return subprocess.Popen(self.command(side, *words), **options)  # type: ignore[call-overload, no-any-return]

    def sipstream(self, side: str, *arguments: str, **options: object) -> subprocess.Popen[bytes]:
        """Start sipstream in a namespace, with pipes."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return self.start(
            side, sys.executable, "-m", "sipstream", *arguments, **{**pipes, **options}
        )

    def send(self, message: bytes, count: int = 1, pause: float = 0) -> None:
        """Send a datagram from a to b, port 5060 to 5060; %n in it becomes the number from 0."""
        words = [sys.executable, "-c", _SEND, HERE, THERE, str(count), str(pause)]
        subprocess.run(self.command("a", *words), input=message, check=True, timeout=60)

    def answer(self) -> subprocess.Popen[bytes]:
        """Start a sipp that answers calls in b."""
        return self.start(
            "b", "sipp", "-sn", "uas", "-i", THERE, "-p", "5060", "-nostdin", "-trace_err",
            "-error_file", "/dev/null", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def call(
        self, number: str, calls: int = 1, rate: int = 1, port: int = 5070, *more: str
    ) -> None:
        """Make calls from a to b with sipp, bounded in count and time."""
        words = [
            "sipp", "-sn", "uac", "-s", number, THERE, "-i", HERE, "-p", str(port), "-m", str(calls),
            "-r", str(rate), "-nostdin", "-timeout", "60s", *more,
        ]  # fmt: skip
        subprocess.run(
            self.command("a", *words),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=90,
        )


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def pair() -> Iterator[Pair]:
    """Make two namespaces, take them away afterwards."""
    names = Pair(f"ss-a-{os.getpid()}", f"ss-b-{os.getpid()}")
    made: list[str] = []
    try:
        for name in (names.a, names.b):
            _ip("netns", "add", name)
            made.append(name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip(
            "-n",
            names.a,
            "link",
            "add",
            "va",
            "type",
            "veth",
            "peer",
            "name",
            "vb",
            "netns",
            names.b,
        )
        for name, link, address in ((names.a, "va", HERE), (names.b, "vb", THERE)):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", link)
            _ip("-n", name, "link", "set", link, "up")
        yield names
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def usable(path: Path = Path("/run/netns")) -> bool:
    """Tell whether namespaces can be made here: root in a container may not be allowed to."""
    if os.geteuid() != 0:
        return False
    probe = f"ss-probe-{os.getpid()}"
    try:
        _ip("netns", "add", probe)
    except (OSError, subprocess.CalledProcessError):
        return False
    subprocess.run(["ip", "netns", "del", probe], check=False, capture_output=True)
    return path.is_dir()


def words_of(output: bytes) -> Sequence[str]:
    """Return the lines of a program's output."""
    return output.decode().splitlines()
