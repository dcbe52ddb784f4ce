"""Live capture with real calls: sipp on both ends of a veth pair, sipstream beside one of them."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_programs import stop, wait_for
from namespaces import Pair, pair, usable
from support import needs, sip
from terminal import Terminal

pytestmark = [
    *needs("ip", "sipp", root=True),
    pytest.mark.skipif(not usable(), reason="needs network namespaces"),
]

ELSEWHERE = "messages of matching calls between other hosts aren't captured"
CALL = ["INVITE", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK"]


@pytest.fixture
def hosts() -> Iterator[Pair]:
    with pair() as names:
        yield names


def test_a_follow_shows_the_call_and_no_other(hosts: Pair) -> None:
    answering = hosts.answer()
    follow = hosts.sipstream("b", "--live", "vb", "--follow", "dstnum 5660066")
    try:
        wait_for(follow.stderr, b"Starting packet capture")
        other = hosts.start(
            "a", "sipp", "-sn", "uac", "-s", "4151500", "10.99.0.2", "-i", "10.99.0.1", "-p", "5080",
            "-m", "1500", "-r", "500", "-nostdin", "-timeout", "30s",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(1)
        hosts.call("5660066", 1, 1, 5070, "-cid_str", "wanted-%u-%p@%s")
        other.wait(timeout=60)
        time.sleep(0.5)
        output, errors = stop(follow)
        assert re.search(rb"^vb: \d+ packets, \d+ messages, 0 dropped by the kernel\n", errors)
    finally:
        for program in (answering, follow):
            program.kill()
            program.wait()
    lines = output.decode().splitlines()
    assert all("wanted-" in line for line in lines), lines
    found = [next(word for word in CALL if f" {word} " in f"{line} ") for line in lines]
    assert found == CALL


def test_json_follow(hosts: Pair) -> None:
    answering = hosts.answer()
    follow = hosts.sipstream("b", "--live", "vb", "--json", "--follow", "dstnum 5660066")
    try:
        wait_for(follow.stderr, b"Starting packet capture")
        hosts.call("4151500", 20, 50, 5080)
        hosts.call("5660066", 1, 1, 5070)
        time.sleep(0.5)
        output, _ = stop(follow)
    finally:
        for program in (answering, follow):
            program.kill()
            program.wait()
    objects = [json.loads(line) for line in output.decode().splitlines()]
    keys = "call_id index time source destination transport method status reason cseq".split()
    assert [list(one) for one in objects] == [keys] * 6
    assert [one["index"] for one in objects] == list(range(6))
    assert [one["method"] or one["status"] for one in objects] == [
        "INVITE",
        180,
        200,
        "ACK",
        "BYE",
        200,
    ]
    assert objects[0]["destination"] == "10.99.0.2:5060"


def test_the_prompt_takes_input_while_a_follow_shows_within_200_ms(
    hosts: Pair, tmp_path: Path
) -> None:
    terminal = Terminal(
        ["--live", "vb"], cwd=tmp_path, columns=150, rows=60, prefix=hosts.command("b")
    )
    try:
        terminal.command("follow dstnum 5660066")
        delays = []
        for number in range(5):
            terminal.type("x")
            terminal.until("^sipstream: " + "x" * (number + 1) + "$")
            message = sip(call_id=f"late-{number}")
            sent = time.monotonic()
            hosts.send(message)
            terminal.until(f"INVITE .*late-{number}", 5)
            delays.append(time.monotonic() - sent)
        # What was typed is still there, and still works.
        terminal.type("\x15show conversations sorted\r")
        terminal.until(r"^\[4\] .*INVITE 4151500->5660066")
        # The time includes starting the program that sends, so it is more than what is promised.
        assert statistics.median(delays) < 0.2
        terminal.type("\x03")
        terminal.until("capture goes on")
        terminal.at_prompt()
        terminal.type("exit\r")
        assert terminal.end() == 0
    finally:
        terminal.close()


def test_fig06(hosts: Pair, tmp_path: Path) -> None:
    """capture start, some traffic, Ctrl-C (twice here: the first one asks), the count line."""
    terminal = Terminal([], cwd=tmp_path, prefix=hosts.command("b"))
    try:
        terminal.command("capture start vb")
        terminal.until("^Starting packet capture$")
        for number in range(6):
            hosts.send(sip(call_id=f"call-{number}", cseq="%n INVITE"), 4 if number < 4 else 2)
        terminal.at_prompt()
        terminal.type("\x03")
        terminal.until("Ctrl-C again")
        terminal.type("\x03")
        terminal.until(r"^6 conversations \(20 SIP messages\) extracted$")
        terminal.command("show conversation call-0")
        terminal.type("exit\r")
        assert terminal.end() == 0
    finally:
        terminal.close()


def test_what_is_written_is_readable_while_it_grows(hosts: Pair, tmp_path: Path) -> None:
    path = tmp_path / "kept.pcap"
    program = hosts.sipstream(
        "b", "--live", "vb", "--write", str(path), "--follow", "method INVITE"
    )
    try:
        wait_for(program.stderr, b"Starting packet capture")
        hosts.send(sip(call_id="kept", cseq="%n INVITE"), 50)
        wait_for(program.stdout, b"kept")
        time.sleep(0.5)
        tool = shutil.which("tshark") or shutil.which("tcpdump")
        assert tool, "needs tshark or tcpdump"
        read = subprocess.run(
            [tool, "-n", "-r", str(path)], capture_output=True, text=True, check=True
        )
        assert len(re.findall(r"INVITE", read.stdout)) >= 50
        stop(program)
    finally:
        program.kill()
        program.wait()
    assert path.stat().st_mode & 0o777 == 0o600


def test_any_sees_every_interface(hosts: Pair) -> None:
    program = hosts.sipstream("b", "--live", "any", "--json", "--follow", "method INVITE")
    try:
        wait_for(program.stderr, b"Starting packet capture")
        hosts.send(sip(call_id="over-veth"))
        inside = (
            "import socket,sys; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
            "s.sendto(sys.stdin.buffer.read(), ('127.0.0.1', 5060))"
        )
        subprocess.run(
            hosts.command("b", "python3", "-c", inside), input=sip(call_id="over-lo"), check=True
        )
        time.sleep(0.5)
        output, _ = stop(program)
    finally:
        program.kill()
        program.wait()
    found = [json.loads(line)["call_id"] for line in output.decode().splitlines()]
    assert found == ["over-veth", "over-lo"]


def test_an_unknown_interface_is_one_line(hosts: Pair) -> None:
    program = hosts.sipstream("b", "--live", "nosuch0", "--follow", "method INVITE")
    _, errors = program.communicate(timeout=20)
    assert program.returncode == 1
    [line] = errors.decode().splitlines()
    assert line.startswith("*** Error! ")
    assert "nosuch0" in line


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_without_permission_the_ways_to_get_it_are_told(hosts: Pair) -> None:
    """Row L4: status 77, three ways in, the interpreter that a capability would have to go to."""
    program = subprocess.run(
        hosts.command("b", "setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw",
                      shutil.which("python3") or "python3", "-c",
                      "import os,sys; os.execv(sys.argv[1], sys.argv[1:])",
                      sys.executable, "-m", "sipstream", "--live", "vb", "--follow", "method INVITE"),
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert program.returncode == 77
    assert program.stderr.count("*** Error!") == 1
    assert "tcpdump -U -w - " in program.stderr
    assert "setpriv" in program.stderr
    assert f"install -m 0750 -g GROUP {Path(sys.executable).resolve()} " in program.stderr
    assert "setcap" in program.stderr
    assert "Traceback" not in program.stderr


@pytest.mark.parametrize(
    ("wanted", "words", "messages"),
    [
        (
            "ip 10.99.0.1 and not status 699",
            f"narrowed to: host 10.99.0.1 ({ELSEWHERE})",
            6,
        ),
        (
            "ip 10.99.0.9",
            f"narrowed to: host 10.99.0.9 ({ELSEWHERE})",
            0,
        ),
        (
            "dstnum 5660066",
            "not narrowed: the filter fixes no address or port that each match has",
            6,
        ),
    ],
)
def test_the_kernel_takes_what_the_filter_asks_for(
    hosts: Pair, wanted: str, words: str, messages: int
) -> None:
    answering = hosts.answer()
    program = hosts.sipstream("b", "--live", "vb", "--narrow", "--follow", wanted)
    try:
        wait_for(program.stderr, f"{words}\nStarting packet capture\n".encode())
        hosts.call("5660066")
        time.sleep(0.5)
        output, errors = stop(program)
    finally:
        for one in (answering, program):
            one.kill()
            one.wait()
    assert len(output.splitlines()) == messages
    # What isn't captured costs nothing: the kernel kept it out.
    assert errors.decode().startswith(f"vb: {messages} packets, {messages} messages, 0 dropped")
