"""Interfaces that overrun, vanish, offload and double: what a live capture makes of them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live_programs import processor_seconds, stop, wait_for
from namespaces import HERE, THERE, Pair, pair, usable
from support import ethernet, ipv4, needs, sip, udp
from terminal import Terminal

pytestmark = [
    *needs("ip", "setpriv", root=True),
    pytest.mark.skipif(not usable(), reason="needs network namespaces"),
]

SMALL_BUFFER = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
"""Runs a program so that its sockets have at most net.core.rmem_max as their buffer."""
NUMBERED = sip(call_id="call-%n")
KEEP_ALIVE = b"\r\n\r\n"
FIGURES = r"vb: (\d+) packets, (\d+) messages, (\d+) dropped by the kernel"


@pytest.fixture
def hosts() -> Iterator[Pair]:
    with pair() as names:
        yield names


@pytest.fixture
def shell(hosts: Pair, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def begin(*arguments: str, through: list[str] | None = None) -> Terminal:
        prefix = [*hosts.command("b"), *(through or [])]
        opened.append(Terminal(arguments, cwd=tmp_path, rows=60, prefix=prefix))
        opened[-1].at_prompt()
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


@pytest.fixture
def follow(hosts: Pair) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        options = ("--json", "--follow", "method INVITE")
        started.append(hosts.sipstream("b", *arguments, *options))
        wait_for(started[-1].stderr, b"Starting packet capture")
        return started[-1]

    yield begin
    for one in started:
        one.kill()
        one.wait()


def call_ids(output: bytes) -> list[str]:
    return [json.loads(line)["call_id"] for line in output.decode().splitlines()]


# More than there is room for


def test_an_overrun_is_counted_to_the_packet(hosts: Pair, shell: Callable[..., Terminal]) -> None:
    """Row L1: stopped for 2 s under load; drops are shown soon, and at the end with all reasons."""
    terminal = shell("--live", "vb", through=SMALL_BUFFER)
    terminal.until("its receive buffer has")
    terminal.child.kill(signal.SIGSTOP)
    begun = time.monotonic()
    hosts.send(NUMBERED, 20_000)
    time.sleep(max(begun + 2 - time.monotonic(), 0))
    terminal.child.kill(signal.SIGCONT)
    # Promised are 2 s; the machine may have other work.
    terminal.until("drops [1-9]", 6)
    hosts.send(KEEP_ALIVE, 3)
    terminal.command("capture status")
    line = terminal.until(FIGURES)
    packets, messages, drops = map(int, re.findall(r"\d+", line)[:3])
    assert packets + drops == 20_003
    assert packets == messages + 3
    assert drops > 1000
    assert any(f"drops {drops}" in shown for shown in terminal.screen.display)
    terminal.type("exit\r")
    assert terminal.end() == 0
    terminal.until(
        rf"^vb: {packets} packets, {messages} messages, {drops} dropped by the kernel; 3 "
    )


def test_a_burst_fits_the_default_buffer(hosts: Pair, shell: Callable[..., Terminal]) -> None:
    """Row L2: 10,000 packets at once, none of them read meanwhile, which is worse than in 10 ms."""
    terminal = shell("--live", "vb")
    terminal.child.kill(signal.SIGSTOP)
    hosts.send(NUMBERED, 10_000)
    terminal.child.kill(signal.SIGCONT)
    terminal.until(r"messages 10000 \| conversations 10000 \| drops 0", 20)


# Interfaces that come and go


def test_an_interface_that_is_down_for_a_while(
    hosts: Pair, follow: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """Row L3: one line when it goes down, one when it is up, no work in between."""
    program = follow("--live", "vb")
    hosts.send(sip(call_id="before"))
    wait_for(program.stdout, b"before")
    hosts.ip("b", "link", "set", "vb", "down")
    wait_for(program.stderr, b"vb: is down; the capture goes on when it is up again\n")
    before = processor_seconds(program.pid)
    time.sleep(1.5)
    assert processor_seconds(program.pid) - before < 0.15
    hosts.ip("b", "link", "set", "vb", "up")
    time.sleep(1)
    hosts.send(sip(call_id="after"))
    time.sleep(0.5)
    output, errors = stop(program)
    assert call_ids(output) == ["after"]
    back, account = errors.decode().splitlines()
    assert re.fullmatch(r"vb: is up again after [1234] s", back)
    assert account.startswith("vb: 2 packets, 2 messages, 0 dropped")


def test_an_interface_that_is_removed_and_made_again(
    hosts: Pair, follow: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """Row L3: gone, and back under its name as another interface, which appears late."""
    program = follow("--live", "vb")
    hosts.ip("b", "link", "delete", "vb")
    time.sleep(1)
    hosts.connect()
    time.sleep(1)
    hosts.send(sip(call_id="after"))
    time.sleep(0.5)
    output, errors = stop(program)
    assert call_ids(output) == ["after"]
    gone, back, account = errors.decode().splitlines()
    assert re.fullmatch(
        r"vb: is (gone|down); the capture goes on when it is (there|up) again", gone
    )
    assert re.fullmatch(r"vb: is up again after [12] s", back)
    assert account.startswith("vb: 1 packets, 1 messages")


def test_an_interface_that_is_renamed(
    hosts: Pair, follow: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """Row L3: another name is no other interface."""
    program = follow("--live", "vb")
    hosts.ip("b", "link", "set", "vb", "down")
    wait_for(program.stderr, b"vb: is down; the capture goes on when it is up again\n")
    hosts.ip("b", "link", "set", "vb", "name", "vb9")
    hosts.ip("b", "link", "set", "vb9", "up")
    time.sleep(1)
    hosts.send(sip(call_id="after"))
    time.sleep(0.5)
    output, errors = stop(program)
    assert call_ids(output) == ["after"]
    called, back, _ = errors.decode().splitlines()
    assert called == "vb: is called vb9 now; the capture goes on"
    assert re.fullmatch(r"vb: is up again after [012] s", back)


def test_a_changed_mtu_is_nothing_to_speak_of(
    hosts: Pair, follow: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """Row L3: packets come as before, now in fragments."""
    program = follow("--live", "vb")
    for side, link in (("a", "va"), ("b", "vb")):
        hosts.ip(side, "link", "set", link, "mtu", "600")
    hosts.send(sip(call_id="in-pieces", body="x" * 1000))
    time.sleep(0.5)
    output, errors = stop(program)
    assert call_ids(output) == ["in-pieces"]
    [account] = errors.decode().splitlines()
    assert re.match(
        r"vb: [23] packets, 1 messages, 0 dropped by the kernel; [12] fragment", account
    )


def test_an_interface_that_is_not_there_yet_is_refused_in_the_shell_and_can_be_started_later(
    hosts: Pair, shell: Callable[..., Terminal]
) -> None:
    """Row L3: a name that doesn't exist is more often misspelt than late."""
    terminal = shell()
    terminal.command("capture start late0")
    terminal.until("no interface 'late0'; there are lo, vb, any")
    hosts.ip("b", "link", "add", "late0", "type", "veth", "peer", "name", "late1")
    hosts.ip("b", "link", "set", "late0", "up")
    terminal.command("capture start late0")
    terminal.until("^Starting packet capture")


def test_a_capture_that_is_not_permitted_leaves_the_shell(shell: Callable[..., Terminal]) -> None:
    """Row L4: in the shell the refusal is an answer like others."""
    terminal = shell(through=["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw"])
    terminal.command("capture start vb")
    terminal.until("capturing on vb needs CAP_NET_RAW")
    terminal.command("show follows")
    terminal.until("nothing is followed")


# What network cards leave to do


SEND_TCP = """
import socket, sys
one = socket.create_connection((sys.argv[1], 5060))
one.sendall(sys.stdin.buffer.read())
one.shutdown(socket.SHUT_WR)
one.recv(1)
"""
TAKE_TCP = """
import socket
one = socket.create_server(("", 5060))
print("ready", flush=True)
taken, _ = one.accept()
while taken.recv(65536):
    pass
"""


def over_tcp(hosts: Pair, data: bytes) -> None:
    """Send bytes from a to b on a connection to port 5060."""
    taking = hosts.start("b", sys.executable, "-c", TAKE_TCP, stdout=subprocess.PIPE)
    try:
        wait_for(taking.stdout, b"ready")
        subprocess.run(
            hosts.command("a", sys.executable, "-c", SEND_TCP, THERE),
            input=data,
            check=True,
            timeout=20,
        )
    finally:
        taking.kill()
        taking.communicate()


def frames(path: Path) -> list[bytes]:
    """Return the frames of a pcap that sipstream wrote."""
    data, place, found = path.read_bytes(), 24, []
    while place < len(data):
        length = int.from_bytes(data[place + 8 : place + 12], "little")
        found.append(data[place + 16 : place + 16 + length])
        place += 16 + length
    return found


def test_segments_that_the_card_would_cut(
    hosts: Pair, follow: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """Row L7: frames of up to 64 KiB, whose checksums nobody has computed yet."""
    kept = tmp_path / "kept.pcap"
    program = follow("--live", "vb", "--write", str(kept))
    over_tcp(hosts, b"".join(sip(call_id=f"large-{n}", body="x" * 30_000) for n in range(20)))
    time.sleep(0.5)
    output, errors = stop(program)
    assert call_ids(output) == [f"large-{n}" for n in range(20)]
    assert b"damaged" not in errors
    assert max(map(len, frames(kept))) > 20_000


SEND_FRAME = """
import socket, sys
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
one.bind(("va", 0))
one.send(sys.stdin.buffer.read())
"""


def test_a_tag_that_the_kernel_took_off(
    hosts: Pair, follow: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """Row L7: a VLAN tag comes beside the frame and stands in it again."""
    kept = tmp_path / "kept.pcap"
    program = follow("--live", "vb", "--write", str(kept))
    sent = ethernet(ipv4(udp(sip(call_id="tagged"))), tags=(0x8100,))
    subprocess.run(hosts.command("a", sys.executable, "-c", SEND_FRAME), input=sent, check=True)
    time.sleep(0.5)
    output, _ = stop(program)
    assert call_ids(output) == ["tagged"]
    assert frames(kept) == [sent]


@pytest.mark.parametrize("names", [["any"], ["vb", "br0"]], ids=" ".join)
def test_a_packet_that_a_bridge_shows_twice(
    hosts: Pair, shell: Callable[..., Terminal], names: list[str]
) -> None:
    """Row L7: seen on the bridge and on its port, it is one message and one copy."""
    hosts.ip("b", "address", "flush", "dev", "vb")
    hosts.ip("b", "link", "add", "br0", "type", "bridge")
    hosts.ip("b", "link", "set", "vb", "master", "br0")
    hosts.ip("b", "address", "add", f"{THERE}/24", "dev", "br0")
    hosts.ip("b", "link", "set", "br0", "up")
    terminal = shell(*(word for name in names for word in ("--live", name)))
    terminal.command("follow callid twice")
    # A port of a bridge passes nothing on for a while after it was added.
    deadline = time.monotonic() + 20
    while not any(re.search("messages [1-9]", line) for line in terminal.screen.display):
        assert time.monotonic() < deadline
        hosts.send(sip(call_id="probe"))
        terminal.pump(0.6)
    hosts.send(sip(call_id="twice"))
    terminal.until(rf"{re.escape(HERE)}.* twice \(copy\)$")
    terminal.command("show conversation twice messages")
    terminal.until(r"^===== Message #1 \(copy of #0\) =====")
    assert not any("Message #2" in line for line in terminal.lines())


# Filters


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port 5060 or " * 8000 + "port 1", r"the capture filter is longer than 1024 characters"),
        ("host 'a' \"b\"", r"capture filter .*: syntax error"),
        ('"', r"capture filter '\"': syntax error"),
        ("\x1b]0;x\x07", r"capture filter '.*x1b.*: "),
        ("port 5060 and (((", r"capture filter .*: syntax error"),
    ],
    ids=["100 KB", "quotes", "a quote", "controls", "invalid"],
)
def test_a_wrong_kernel_filter_is_refused_in_one_line(hosts: Pair, text: str, words: str) -> None:
    """Row L8: in the parser's words."""
    program = hosts.sipstream("b", "--live", "vb", "--bpf", text, "--follow", "method INVITE")
    output, errors = program.communicate(timeout=20)
    assert (program.returncode, output) == (1, b"")
    [line] = errors.decode().splitlines()
    assert re.match(r"\*\*\* Error! " + words, line)
    assert line.isprintable()


def test_a_kernel_filter_with_a_nul_is_refused_in_one_line(hosts: Pair) -> None:
    """Row L8: libpcap would end the text there and capture something else."""
    program = hosts.sipstream("b", stdin=subprocess.PIPE)
    _, errors = program.communicate(b"capture start vb filter port 1\0 or port 5060\n", timeout=20)
    assert program.returncode == 1
    assert errors == b"*** Error! the capture filter holds a NUL character\n"
