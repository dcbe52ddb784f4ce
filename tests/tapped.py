"""Three hosts on one path, a tap in each, a host for the bus and one for the shell: network namespaces.

    a 10.97.1.1 --va  ma-- m --mb  vb-- b 10.97.2.2
    each by `bus` at the bridge of n (10.97.9.1), as is o, where the shell runs

sipp calls from a and answers in b. m routes: then each message has three sightings, at va, ma and vb.
Or a SIP proxy of m passes it on with a Via more: then each hop has two.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dpkt
from nats_servers import NatsServer

from sipstream.privileges import VARIABLE

CALLER, ROUTER_A, ROUTER_B, CALLEE = "10.97.1.1", "10.97.1.2", "10.97.2.1", "10.97.2.2"
BUS = {"n": "10.97.9.1", "a": "10.97.9.11", "m": "10.97.9.12", "b": "10.97.9.13", "o": "10.97.9.14"}
LINKS = {"va": "a", "ma": "m", "mb": "m", "vb": "b"}
"""The interfaces that SIP goes over, and their hosts."""
TAPS = ("va", "ma", "vb")
"""Those that each message is seen at once where m routes."""
ANSWERS, REFUSES, RINGS = 5060, 5062, 5064
"""Ports at b: where calls are answered, refused (486), and ring until the caller gives up."""
_SCENARIOS = Path(__file__).parent / "calls" / "sipp"
_CALLEES = {
    ANSWERS: ("-sn", "uas"),
    REFUSES: ("-sf", str(_SCENARIOS / "refuses.xml")),
    RINGS: ("-sf", str(_SCENARIOS / "rings.xml")),
}
_CALLERS = {
    ANSWERS: ("-sn", "uac"),
    REFUSES: ("-sf", str(_SCENARIOS / "is-refused.xml")),
    RINGS: ("-sf", str(_SCENARIOS / "gives-up.xml")),
}
# Folders of tests are for root only.
os.environ.setdefault(VARIABLE, "root")
_QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass
class Tapped:
    """The namespaces, and the programs started in them, which end with them."""

    prefix: str
    folder: Path
    to: str = CALLEE
    """Where calls go: to b, or to the proxy of m."""
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _port: int = 5070

    def name(self, side: str) -> str:
        return f"{self.prefix}-{side}-{os.getpid()}"

    def command(self, side: str, *words: str) -> list[str]:
        """Return the command that runs `words` at a host."""
        return ["ip", "netns", "exec", self.name(side), *words]

    def start(self, side: str, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a program at a host; it is killed at the end."""
        program = subprocess.Popen(self.command(side, *words), **{**_QUIET, **options})
        self.started.append(program)
        return program

    def sipstream(self, side: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start sipstream at a host, with pipes."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        words = (sys.executable, "-m", "sipstream", *arguments)
        return self.start(side, *words, **{**pipes, **options})

    def run(self, side: str, *words: str) -> None:
        subprocess.run(self.command(side, *words), check=True, capture_output=True)

    def connect(self) -> None:
        """Lay the cables."""
        _ip("-n", self.name("n"), "link", "add", "bus", "type", "bridge")
        _ip("-n", self.name("n"), "address", "add", f"{BUS['n']}/24", "dev", "bus")
        _ip("-n", self.name("n"), "link", "set", "bus", "up")
        for side in "amb" + "o":
            self._cable(side, "bus", BUS[side], "n", f"to-{side}")
            _ip("-n", self.name("n"), "link", "set", f"to-{side}", "master", "bus")
        self._cable("a", "va", CALLER, "m", "ma", ROUTER_A)
        self._cable("b", "vb", CALLEE, "m", "mb", ROUTER_B)
        _ip("-n", self.name("a"), "route", "add", "10.97.2.0/24", "via", ROUTER_A)
        _ip("-n", self.name("b"), "route", "add", "10.97.1.0/24", "via", ROUTER_B)
        self.run("m", "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def _cable(
        self, side: str, link: str, address: str, there: str, end: str, other: str = ""
    ) -> None:
        _ip(
            "-n", self.name(side), "link", "add", link, "type", "veth",
            "peer", "name", end, "netns", self.name(there),
        )  # fmt: skip
        for name, one, own in ((side, link, address), (there, end, other)):
            if own:
                _ip("-n", self.name(name), "address", "add", f"{own}/24", "dev", one)
            _ip("-n", self.name(name), "link", "set", "dev", one, "up")

    def hold(self, seconds: float) -> None:
        """Have m route what it got only after a time: the hop to b then takes as long."""
        for key in ("all", "default"):
            self.run("m", "sysctl", "-qw", f"net.ipv4.conf.{key}.rp_filter=0")
        _ip("-n", self.name("m"), "tuntap", "add", "held", "mode", "tun")
        _ip("-n", self.name("m"), "link", "set", "held", "up")
        _ip("-n", self.name("m"), "route", "add", "default", "dev", "held", "table", "100")
        for link in ("ma", "mb"):
            _ip("-n", self.name("m"), "rule", "add", "iif", link, "table", "100")
        self._middle("hold", "held", str(seconds))

    def proxy(self, late: float = 0) -> None:
        """Have calls go through a SIP proxy of m, which passes messages on after a time."""
        ports = [str(port) for port in _CALLEES]
        self._middle("proxy", ROUTER_A, ROUTER_B, CALLEE, *ports, "--late", str(late))
        self.to = ROUTER_A

    def _middle(self, *words: str) -> None:
        script = str(Path(__file__).parent / "tapped_middle.py")
        program = self.start("m", sys.executable, script, *words, stdout=subprocess.PIPE)
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"

    def answer(self) -> None:
        """Start what takes calls in b, wait until it does."""
        for port, scenario in _CALLEES.items():
            self.start("b", "sipp", *scenario, "-i", CALLEE, "-p", str(port), "-nostdin")
        until(lambda: self._listens("b", _CALLEES))

    def _listens(self, side: str, ports: Any) -> bool:
        told = subprocess.run(
            self.command(side, "ss", "-Hlnu"), check=True, capture_output=True, text=True
        )
        return all(f":{port} " in told.stdout for port in ports)

    def calling(
        self, number: str, kind: int = ANSWERS, *, calls: int = 1, rate: int = 1, lasts: int = 0
    ) -> subprocess.Popen[bytes]:
        """Start to make calls from a, so many a second, each answered for `lasts` milliseconds."""
        self._port += 2
        return self.start(
            "a", "sipp", *_CALLERS[kind], f"{self.to}:{kind}", "-s", number, "-i", CALLER,
            "-p", str(self._port), "-m", str(calls), "-r", str(rate), "-l", str(calls),
            "-d", str(lasts), "-nostdin", "-nd", "-recv_timeout", "5000",
        )  # fmt: skip

    def call(self, number: str, kind: int = ANSWERS, **options: int) -> None:
        """Make calls, wait until they are over; all must have gone as the scenario says."""
        assert self.calling(number, kind, **options).wait(timeout=90) == 0

    def dump(self) -> None:
        """Start tcpdump at each interface, wait until it captures; see `sightings`."""
        for link, side in LINKS.items():
            program = self.start(
                side, "tcpdump", "-i", link, "-U", "--immediate-mode", "-Z", "root", "-B", "16384",
                "--time-stamp-precision=nano", "-w", str(self.folder / f"{link}.pcap"), "udp",
                stderr=subprocess.PIPE,
            )  # fmt: skip
            assert program.stderr is not None
            assert b"listening on" in program.stderr.readline()

    def nats(self) -> NatsServer:
        """Start nats-server in n."""
        server = NatsServer(self.folder / "bus", host=BUS["n"], port=4222, prefix=self.command("n"))
        server.start()
        assert server.process is not None
        self.started.append(server.process)
        return server

    def end(self) -> None:
        """End what was started, the last first."""
        for program in reversed(self.started):
            if program.poll() is None:
                program.kill()
                program.wait()


Packet = tuple[bytes, bytes, int, int, bytes]
"""Addresses, ports and payload."""


def packets(capture: Path) -> list[tuple[int, Packet]]:
    """Return time (ns) and contents of the SIP packets of a pcap that tcpdump may still write."""
    data = capture.read_bytes()
    order = {0xA1B23C4D: "little", 0x4D3CB2A1: "big"}[int.from_bytes(data[:4], "little")]
    found, place = [], 24
    while place + 16 <= len(data):
        seconds, rest, size = (
            int.from_bytes(data[place + at : place + at + 4], order) for at in (0, 4, 8)
        )
        frame = data[place + 16 : place + 16 + size]
        place += 16 + size
        if place > len(data):
            break
        ip = dpkt.ethernet.Ethernet(frame).data
        if isinstance(ip, dpkt.ip.IP) and isinstance(udp := ip.data, dpkt.udp.UDP):
            found.append(
                (seconds * 10**9 + rest, (ip.src, ip.dst, udp.sport, udp.dport, bytes(udp.data)))
            )
    return found


Sighted = dict[str, int]
"""When a message was seen (ns), by the interface that it was seen at."""


def sightings(folder: Path, links: Iterable[str] = TAPS) -> list[tuple[Packet, Sighted]]:
    """Return each message that the dumps have, in order of time, with where and when it was seen.

    A message that was sent twice (a retransmission) counts twice.
    """
    seen: dict[tuple[Packet, int], Sighted] = defaultdict(dict)
    for link in links:
        times: dict[Packet, int] = defaultdict(int)
        for time_, packet in packets(folder / f"{link}.pcap"):
            seen[packet, times[packet]][link] = time_
            times[packet] += 1
    ordered = sorted(seen.items(), key=lambda one: min(one[1].values()))
    return [(packet, at) for (packet, _), at in ordered]


def proxied_sightings(folder: Path) -> list[tuple[Packet, Sighted]]:
    """Return the same where m is a SIP proxy, and has one tap for both sides: ma."""
    return [
        (packet, {"ma" if link == "mb" else link: time_ for link, time_ in at.items()})
        for packet, at in sightings(folder, LINKS)
    ]


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@contextmanager
def tapped(folder: Path, prefix: str = "tap") -> Iterator[Tapped]:
    """Make the hosts and their cables; end all that runs there and take them away afterwards."""
    hosts = Tapped(prefix, folder)
    made: list[str] = []
    try:
        for side in BUS:
            _ip("netns", "add", hosts.name(side))
            made.append(hosts.name(side))
            _ip("-n", hosts.name(side), "link", "set", "lo", "up")
            # Frames of the kernel's own would be counted among those on the bus.
            off = ("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
            hosts.run(side, "sysctl", "-qw", *off)
        hosts.connect()
        yield hosts
    finally:
        hosts.end()
        for name in made:
            # What programs started there have left behind.
            left = subprocess.run(["ip", "netns", "pids", name], check=False, capture_output=True)
            for pid in left.stdout.split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
