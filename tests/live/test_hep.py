"""HEP with programs that send and read it: sngrep as both, tshark as a reader; between two hosts."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hep_agents import agents
from live_programs import stop, wait_for
from namespaces import HERE, THERE, Pair, pair, usable
from support import CAPTURES, ROOT, ethernet, ipv4, ipv6, needs, sip, udp

import sipstream

CAPTURE = CAPTURES / "timeout.pcap"
MESSAGES = 354
in_namespace = [
    *needs("ip", root=True),
    pytest.mark.skipif(not usable(), reason="needs network namespaces"),
]
Fact = tuple[float, str, str, bytes]
"""Time in µs, ends, bytes of a message."""


def facts(path: Path, method: str = "") -> list[Fact]:
    """What a capture holds, of conversations with a method."""
    return sorted(
        (one.time // 1000, one.source, one.destination, one.raw)
        for conversation in sipstream.load(path)
        for one in conversation.messages
        if not method or method in conversation.kinds
    )


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment() -> dict[str, str]:
    return {**os.environ, "SIPSTREAM_USER": "root"}


@contextmanager
def listening(port: int, folder: Path) -> Iterator[Path]:
    """sipstream, which keeps what comes as HEP; when it has ended what came lies in a file."""
    kept = folder / "kept"
    program = subprocess.Popen(
        [sys.executable, "-m", "sipstream", "--hep", f":{port}", "--spool-dir", str(kept),
         "--follow", ""],
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        wait_for(program.stderr, b"Listening for HEP")
        yield kept
        assert program.stdout is not None
        for _ in range(MESSAGES):
            assert program.stdout.readline()
        stop(program)
    finally:
        program.kill()
        program.communicate()


def send_file(port: int, *more: str, capture: Path = CAPTURE) -> None:
    """Send a capture to a port."""
    subprocess.run(
        [sys.executable, "-m", "sipstream", str(capture), "--send-hep", f"127.0.0.1:{port}", *more],
        check=True, timeout=60, env=environment(), stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip


@pytest.mark.parametrize("program", [pytest.param("sngrep", marks=needs("sngrep"))])
def test_from_sngrep(program: str, tmp_path: Path) -> None:
    """What sngrep -H sends is what is in the file it read."""
    port = free_port()
    with listening(port, tmp_path) as kept:
        subprocess.run(
            [program, "-N", "-q", "-F", "-I", str(CAPTURE), "-H", f"udp:127.0.0.1:{port}"],
            check=True, timeout=60, stdin=subprocess.DEVNULL, capture_output=True,
        )  # fmt: skip
    [path] = kept.glob("*.pcap")
    assert facts(path) == facts(CAPTURE)


@pytest.mark.parametrize("program", [pytest.param("sngrep", marks=needs("sngrep"))])
def test_to_sngrep(program: str, tmp_path: Path) -> None:
    """What sngrep -L hears and writes to a file is what was sent: as much as its buffer holds."""
    expected = facts(CAPTURE, "OPTIONS")
    size = sum(len(raw) for *_, raw in expected)
    port, path = free_port(), tmp_path / "heard.pcap"
    hears = subprocess.Popen(
        [program, "-N", "-q", "-F", "-L", f"udp:127.0.0.1:{port}", "-O", str(path)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: listens(port))
        send_file(port, "--filter", "method OPTIONS")
        # It writes the rest of what it holds when it is told to end.
        wait_until(lambda: path.is_file() and path.stat().st_size >= size)
        hears.send_signal(signal.SIGINT)
        hears.wait(timeout=20)
    finally:
        hears.kill()
        hears.wait()
    assert facts(path) == expected


def written(path: Path, frames: list[bytes]) -> Path:
    """A capture of frames."""
    path.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
        + b"".join(
            struct.pack("<IIII", 1_700_000_000, number, len(one), len(one)) + one
            for number, one in enumerate(frames)
        )
    )
    return path


@pytest.mark.parametrize("version", [pytest.param(one, marks=needs("tshark")) for one in (4, 6)])
def test_to_tshark(version: int, tmp_path: Path) -> None:
    """tshark, taught HEP by tests/hep.lua, finds all fields and the SIP message in each packet."""
    capture = CAPTURE
    if version == 6:
        calls = [ethernet(ipv6(udp(sip(call_id=f"call-{n}"))), 0x86DD) for n in range(9)]
        capture = written(tmp_path / "six.pcap", calls)
    expected = [
        (
            str(one.time // 10**9), str(one.time // 1000 % 10**6),
            *one.source.rsplit(".", 1), *one.destination.rsplit(".", 1),
            "17", "1", "sbc-1", "", conversation.call_id, one.cseq,
        )
        for conversation in sipstream.load(capture)
        for one in conversation.messages
    ]  # fmt: skip
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        one.bind(("127.0.0.1", 0))
        one.settimeout(20)
        send_file(one.getsockname()[1], "--tap", "sbc-1", capture=capture)
        packets = [one.recv(65_536) for _ in expected]
    frames = [ethernet(ipv4(udp(packet, 40_000, 9060))) for packet in packets]
    path = written(tmp_path / "sent.pcap", frames)
    wanted = (
        "hep.seconds", "hep.microseconds", f"hep.source{version}", "hep.source_port",
        f"hep.destination{version}", "hep.destination_port", "hep.protocol", "hep.type", "hep.node",
        "hep.rest", "sip.Call-ID", "sip.CSeq",
    )  # fmt: skip
    shown = subprocess.run(
        ["tshark", "-X", f"lua_script:{ROOT / 'tests' / 'hep.lua'}", "-r", str(path), "-T", "fields",
         *(word for name in wanted for word in ("-e", name))],
        check=True, timeout=60, capture_output=True,
    ).stdout.decode()  # fmt: skip
    assert sorted(tuple(line.split("\t")) for line in shown.splitlines()) == sorted(expected)


def wait_until(is_so: object) -> None:
    """Wait until something is so."""
    assert callable(is_so)
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def listens(port: int) -> bool:
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(one.split()[1].endswith(f":{port:04X}") for one in lines)


# Between hosts


@pytest.fixture
def hosts() -> Iterator[Pair]:
    with pair("hep") as names:
        yield names


_SEND = """
import socket, sys
packets = bytes.fromhex(sys.argv[4])
kind = socket.SOCK_STREAM if sys.argv[3] == "tcp" else socket.SOCK_DGRAM
with socket.socket(socket.AF_INET, kind) as one:
    one.connect((sys.argv[1], int(sys.argv[2])))
    one.sendall(packets)
"""


@pytest.mark.parametrize("way", [pytest.param(way, marks=in_namespace) for way in ("", "tcp:")])
def test_what_is_sent_is_seen_on_the_wire(way: str, hosts: Pair) -> None:
    """A capture that sees what it sends on itself doesn't take it for more messages."""
    listens = ["--hep", THERE, "--hep-allow", HERE, "--follow", ""]
    sends = ["--live", "va", "--bpf", "ip", "--send-hep", f"{way}{THERE}:9060", "--follow", ""]
    there, here = hosts.sipstream("b", *listens), hosts.sipstream("a", *sends)
    try:
        wait_for(there.stderr, b"Listening for HEP")
        wait_for(here.stderr, b"Starting packet capture")
        hosts.send(sip(call_id="call-%n"), 20, 0.01)
        assert there.stdout is not None
        seen = [there.stdout.readline() for _ in range(20)]
        found = [word for line in seen for word in line.split() if word.startswith(b"call-")]
        assert sorted(found) == sorted(b"call-%d" % n for n in range(20))
        _, errors = stop(here)
        assert b"20 messages sent to" in errors
        assert b"20 messages, 0 dropped" in errors
        assert b"HEP that sipstream sent itself" in errors
        _, errors = stop(there)
        assert b"20 packets, 20 messages" in errors
    finally:
        for program in (here, there):
            program.kill()
            program.communicate()


@pytest.mark.parametrize("root", [pytest.param(True, marks=in_namespace)])
def test_a_low_port_without_rights(
    root: bool, hosts: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ports are opened before root's rights are given up; who isn't allowed is left out, over both."""
    monkeypatch.delenv("SIPSTREAM_USER", raising=False)
    program = hosts.sipstream(
        "b", "--hep", f"{THERE}:906", "--hep-allow", f"{HERE},::1", "--follow", ""
    )
    try:
        wait_for(program.stderr, b"Listening for HEP")
        status = Path(f"/proc/{program.pid}/status").read_text()
        assert "CapPrm:\t0000000000000000" in status
        assert "Uid:\t65534" in status
        for side, call_id in (("b", "denied"), ("a", "allowed")):
            for how in ("tcp", "udp"):
                packet = agents(sip(call_id=f"{call_id}-{how}"))["heplify"][0]
                subprocess.run(
                    hosts.command(side, sys.executable, "-c", _SEND, THERE, "906", how, packet.hex()),
                    check=True, timeout=20,
                )  # fmt: skip
        seen = b""
        while b"allowed-udp" not in seen or b"allowed-tcp" not in seen:
            assert program.stdout is not None
            seen += program.stdout.readline()
        assert b"denied" not in seen
        _, errors = stop(program)
        assert b"2 from a sender that isn't allowed" in errors
    finally:
        program.kill()
        program.communicate()
