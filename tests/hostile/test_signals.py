"""Signals, a terminal that changes, stops and goes away: nothing lost, nothing left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from benchmarks.generate import write_pcap
from live_programs import processor_seconds, wait_for
from namespaces import Pair, pair, usable
from support import CAPTURES, needs, sip
from terminal import Terminal

TIMEOUT = str(CAPTURES / "timeout.pcap")
SIPSTREAM = f"{shlex.quote(sys.executable)} -m sipstream"


def namespaces(test: Callable[..., None]) -> Callable[..., None]:
    """Skip a test where namespaces can't be made."""
    marks = needs("ip", "setpriv", "tcpdump", root=True)
    marks.append(pytest.mark.skipif(not usable(), reason="needs network namespaces"))
    for mark in marks:
        test = mark(test)
    return test


PROMPT_SECONDS = 1.0
"""Promised are 200 ms; the machine may have other work."""
GONE_SECONDS = 4.0
"""Promised are 2 s, likewise."""

Start = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    opened: list[Terminal] = []

    def begin(*arguments: str, **options: object) -> Terminal:
        opened.append(Terminal(list(arguments), cwd=tmp_path, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


@pytest.fixture
def bash(tmp_path: Path) -> Iterator[Terminal]:
    """A shell with job control on a terminal of its own."""
    terminal = Terminal.of(["/bin/bash", "--norc", "-i"], cwd=tmp_path)
    terminal.type("PS1='$ '\r")
    terminal.until(r"^\$$")
    yield terminal
    terminal.close()


@pytest.fixture
def hosts() -> Iterator[Pair]:
    with pair() as names:
        yield names


def modes(terminal: Terminal, name: str) -> str:
    """Return what `stty -a` tells, typed into a shell."""
    terminal.type(f"stty -a > {name}; echo told-{name}\r")
    terminal.until(f"^told-{name}$")
    return (Path(terminal.child.cwd) / name).read_text()


def answered(terminal: Terminal, pattern: str, keys: str) -> float:
    """Type keys, return the seconds until a line was shown and the prompt was back."""
    begun = time.monotonic()
    terminal.type(keys)
    terminal.until(pattern, 5)
    terminal.at_prompt()
    return time.monotonic() - begun


# Ctrl-C


def test_ctrl_c_in_all_places_and_twice(bash: Terminal, tmp_path: Path) -> None:
    """Row S1: at the prompt, in a follow, in a slow filter; the terminal is as it was."""
    before = modes(bash, "before")
    write_pcap(tmp_path / "large.pcap", 100_000)
    bash.type(f"{SIPSTREAM} large.pcap\r")
    bash.until(r"conversations \(100000 SIP messages\) extracted", 60)
    bash.at_prompt()
    delays = [answered(bash, "'exit' or Ctrl-D leaves", "\x03\x03\x03")]
    bash.command("follow dstnum 5660066")
    delays.append(answered(bash, "^follow ended", "\x03"))
    bash.command("filter")
    bash.type("add header Subject nothing\r")
    bash.pump(0.1)
    delays.append(answered(bash, "interrupted$", "\x03\x03"))
    bash.command("show")
    bash.until("^condition or$")
    assert max(delays) < PROMPT_SECONDS
    bash.type("exit\rexit\r")
    bash.until(r"^\$$")
    assert modes(bash, "after") == before


# Ctrl-Z


@namespaces
def test_a_follow_that_is_suspended(bash: Terminal, hosts: Pair, tmp_path: Path) -> None:
    """Row S2: modes are restored both ways, the capture goes on, drops meanwhile are told."""
    before = modes(bash, "before")
    words = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
    bash.type(f"{shlex.join(hosts.command('b', *words))} {SIPSTREAM} --live vb\r")
    bash.until("^sipstream:")
    bash.command("follow callid *00 afterwards")
    bash.type("half a comm")
    bash.until("^sipstream: half a comm")
    bash.type("\x1a")
    bash.until("Stopped")
    assert modes(bash, "meanwhile") == before
    hosts.send(sip(call_id="meanwhile-%n", body="x" * 900), 10_000)
    bash.type("fg\r")
    bash.until("meanwhile-100$")
    bash.editing("sipstream: half a comm")
    bash.until("drops [1-9]", 10)
    hosts.send(sip(call_id="afterwards"))
    bash.until("afterwards$")
    bash.type("\x03")
    bash.command("capture status")
    line = bash.until(r"^vb: \d+ packets")
    packets, _, drops = map(int, re.findall(r"\d+", line)[:3])
    assert packets + drops == 10_001
    bash.type("exit\r")
    bash.until(r"^vb: \d+ packets, \d+ messages, [1-9]\d* dropped by the kernel")
    bash.until(r"^\$$")
    assert modes(bash, "after") == before


# Sizes


def test_a_terminal_that_changes_its_size_all_the_time(start: Start) -> None:
    """Row S3: a thousand times a second, to nothing, one cell, and ten thousand columns."""
    terminal = start(TIMEOUT, rows=40)
    terminal.at_prompt()
    sizes = [(0, 0), (1, 1), (40, 10_000), (2, 3), (40, 160)]
    done = threading.Event()

    def shake() -> None:
        for number in range(1500):
            rows, columns = sizes[number % len(sizes)]
            place = struct.pack("HHHH", rows, columns, 0, 0)
            fcntl.ioctl(terminal.child.child_fd, termios.TIOCSWINSZ, place)
            os.kill(terminal.child.pid, signal.SIGWINCH)
            time.sleep(0.001)
        done.set()

    before, begun = processor_seconds(terminal.child.pid), time.monotonic()
    shaking = threading.Thread(target=shake)
    shaking.start()
    raw = b""
    while not done.is_set():
        with contextlib.suppress(pexpect.TIMEOUT):
            raw += terminal.child.read_nonblocking(65536, timeout=0.05)
    shaking.join()
    share = (processor_seconds(terminal.child.pid) - before) / (time.monotonic() - begun)
    assert share < 0.4, "promised is 0.2; the machine may have other work"
    assert b"Traceback" not in raw
    assert b"fault" not in raw
    terminal.type("show follows\r")
    terminal.until("nothing is followed")
    terminal.type("exit\r")
    assert terminal.end() == 0


# The terminal goes away


@pytest.mark.parametrize("arguments", [[], ["--follow", "callid *"]], ids=["shell", "follow"])
@namespaces
def test_the_terminal_is_closed(hosts: Pair, tmp_path: Path, arguments: list[str]) -> None:
    """Row S4: gone soon, with the status of a hang-up, and what was captured is whole."""
    kept = tmp_path / "kept.pcap"
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "sipstream", "--live", "vb", "--write", str(kept), *arguments]
    program = hosts.start(
        "b", *words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**os.environ, "TERM": "xterm", "HOME": str(tmp_path)},
    )  # fmt: skip
    os.close(slave)
    try:
        read_until(master, b"Starting packet capture")
        sending = hosts.sending(sip(call_id="call-%n"), 1500, 0.001)
        time.sleep(0.7)
    finally:
        os.close(master)
    begun = time.monotonic()
    status = program.wait(timeout=20)
    assert time.monotonic() - begun < GONE_SECONDS
    assert status == 129
    assert sending.wait(timeout=20) == 0
    assert whole_packets(kept) > 100


@namespaces
def test_the_session_ends_unless_nohup_keeps_it(hosts: Pair, tmp_path: Path) -> None:
    """Row S4: SIGHUP ends a capture; with nohup it goes on, without a terminal and at rest."""
    kept = tmp_path / "kept.pcap"
    live = f"{shlex.join(hosts.command('b'))} {SIPSTREAM} --live vb"
    bash = Terminal.of(["/bin/bash", "--norc", "-i"], cwd=tmp_path)
    bash.type(f"nohup {live} --write {kept} >> log 2>&1 & echo pid-$!-\r")
    kept_on = int(re.findall(r"pid-(\d+)-", bash.until(r"^pid-\d+-"))[0])
    bash.type(f"{live} --follow 'callid *' & echo other-$!-\r")
    other = int(re.findall(r"other-(\d+)-", bash.until(r"^other-\d+-"))[0])
    bash.until("Starting packet capture")
    try:
        deadline = time.monotonic() + 10
        while "Starting" not in (tmp_path / "log").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(other, signal.SIGHUP)
        bash.type("wait %2\r")
        bash.until("Exit 129")
        bash.child.close(force=True)
        os.kill(kept_on, signal.SIGHUP)
        before = processor_seconds(kept_on)
        time.sleep(1)
        assert processor_seconds(kept_on) - before < 0.2
        hosts.send(sip(call_id="kept"))
        time.sleep(0.5)
    finally:
        os.kill(kept_on, signal.SIGTERM)
    deadline = time.monotonic() + GONE_SECONDS
    while alive(kept_on):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert whole_packets(kept) == 1
    assert "vb: 1 packets, 1 messages" in (tmp_path / "log").read_text()


@namespaces
def test_a_reader_that_has_enough(hosts: Pair, tmp_path: Path) -> None:
    """Row S4: behind a follow, head ends it at the next line, quietly, and the capture is whole."""
    kept = tmp_path / "kept.pcap"
    live = f"{shlex.join(hosts.command('b'))} {SIPSTREAM} --live vb --write {kept}"
    program = subprocess.Popen(
        ["bash", "-c", f"{live} --follow 'callid *' | head -1; exit ${{PIPESTATUS[0]}}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(program.stderr, b"Starting packet capture")
    hosts.send(sip(call_id="call-%n"), 100)
    begun = time.monotonic()
    output, errors = program.communicate(timeout=20)
    assert time.monotonic() - begun < GONE_SECONDS
    assert program.returncode == 0
    assert output.endswith(b"call-0\n")
    assert re.fullmatch(rb"vb: \d+ packets, \d+ messages, 0 dropped by the kernel\n", errors)
    assert whole_packets(kept) > 0


def test_input_that_ends(start: Start) -> None:
    """Row S4: an empty standard input ends the shell that reads commands from it."""
    result = subprocess.run(
        [sys.executable, "-m", "sipstream", TIMEOUT],
        input=b"show follows\n", capture_output=True, timeout=20, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.endswith(b"nothing is followed\n")


def read_until(descriptor: int, text: bytes) -> None:
    seen = b""
    while text not in seen:
        seen += os.read(descriptor, 65536)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def whole_packets(path: Path) -> int:
    """Return how many packets tcpdump reads; it fails on a file that is cut short."""
    tool = shutil.which("tcpdump")
    assert tool, "needs tcpdump"
    read = subprocess.run([tool, "-n", "-r", str(path)], capture_output=True, text=True, check=True)
    assert "truncated" not in read.stderr
    return len(read.stdout.splitlines())


# Other signals


def following(tmp_path: Path) -> subprocess.Popen[bytes]:
    """Return a sipstream that waits for a file."""
    program = subprocess.Popen(
        [sys.executable, "-m", "sipstream", "--tail", "late.pcap", "--follow", "method INVITE"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
    )  # fmt: skip
    wait_for(program.stderr, b"isn't there yet")
    return program


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_orderly_end(tmp_path: Path, number: signal.Signals) -> None:
    """Row S6: what ends a program ends it soon, with the status that tells which signal it was."""
    program = following(tmp_path)
    begun = time.monotonic()
    program.send_signal(number)
    _, errors = program.communicate(timeout=20)
    assert time.monotonic() - begun < GONE_SECONDS
    assert program.returncode == 128 + number
    assert errors == b""


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE])
def test_signals_that_mean_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Row S6: a stray one costs no capture."""
    program = following(tmp_path)
    program.send_signal(number)
    (tmp_path / "late.pcap").write_bytes(Path(TIMEOUT).read_bytes())
    wait_for(program.stdout, b"INVITE")
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=20)
    assert program.returncode == 143


def test_sigquit_keeps_the_stacks_and_goes_on(tmp_path: Path) -> None:
    """Row S6: in a file that nobody else reads; each time anew."""
    program = following(tmp_path)
    kept = tmp_path / "state" / "sipstream" / "stacks.txt"
    for times in (1, 2):
        program.send_signal(signal.SIGQUIT)
        wait_for(program.stderr, f"the stacks of all threads are in {kept}".encode())
        assert kept.read_text().count("most recent call first") >= times
    assert kept.stat().st_mode & 0o777 == 0o600
    (tmp_path / "late.pcap").write_bytes(Path(TIMEOUT).read_bytes())
    wait_for(program.stdout, b"INVITE")
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=20)
    assert program.returncode == 143


STUCK = """
import sys, time
from sipstream import session
session.Session.status = lambda self: time.sleep(60)
from sipstream.cli import run
sys.exit(run([]))
"""


def test_sigquit_shows_what_holds_the_loop_and_a_second_one_ends_it(tmp_path: Path) -> None:
    """Row S6: also a program that hangs tells where, and can be ended from the keyboard."""
    terminal = Terminal.of([sys.executable, "-c", STUCK], cwd=tmp_path)
    try:
        terminal.pump(2)
        kept = tmp_path / "state" / "sipstream" / "stacks.txt"
        terminal.child.kill(signal.SIGQUIT)
        deadline = time.monotonic() + 10
        while not kept.exists() or "in <lambda>" not in kept.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        terminal.child.kill(signal.SIGQUIT)
        terminal.end()
        assert terminal.child.signalstatus == signal.SIGQUIT
    finally:
        terminal.close()
