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
begun = time.monotonic()
for number in range(count):
    wait = begun + number * pause - time.monotonic()
    if pause and wait > 0:
        time.sleep(wait)
    one.sendto(data.replace(b"%n", str(number).encode()), (destination, 5060))
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
        program = self.sending(message, count, pause)
        assert program.wait(timeout=60) == 0

    def sending(self, message: bytes, count: int, pause: float = 0) -> subprocess.Popen[bytes]:
        """Start to send a datagram as `send` does, one each `pause` seconds."""
        words = [sys.executable, "-c", _SEND, HERE, THERE, str(count), str(pause)]
        program = self.start("a", *words, stdin=subprocess.PIPE)
        assert program.stdin is not None
        program.stdin.write(message)
        program.stdin.close()
        return program

    def ip(self, side: str, *words: str) -> None:
        """Run `ip WORDS` in a namespace."""
        _ip("-n", getattr(self, side), *words)

    def mac(self, side: str) -> bytes:
        """Return the link address of a side's interface."""
        words = ["cat", f"/sys/class/net/v{side}/address"]
        shown = subprocess.run(self.command(side, *words), check=True, capture_output=True)
        return bytes.fromhex(shown.stdout.decode().strip().replace(":", ""))

    def connect(self) -> None:
        """Join the namespaces by a cable, va and vb, and give both ends their addresses."""
        _ip(
            "-n", self.a, "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", self.b
        )
        for side, link, address in (("a", "va", HERE), ("b", "vb", THERE)):
            self.ip(side, "address", "add", f"{address}/24", "dev", link)
            self.ip(side, "link", "set", link, "up")

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
def pair(prefix: str = "ss") -> Iterator[Pair]:
    """Make two namespaces, take them away afterwards."""
    names = Pair(f"{prefix}-a-{os.getpid()}", f"{prefix}-b-{os.getpid()}")
    made: list[str] = []
    try:
        for name in (names.a, names.b):
            _ip("netns", "add", name)
            made.append(name)
            _ip("-n", name, "link", "set", "lo", "up")
        names.connect()
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
