"""Real calls through a B2BUA made of two sipp: one takes calls, the other makes the next leg."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_programs import stop, wait_for
from namespaces import HERE, THERE, Pair, pair, usable
from support import needs
from terminal import Terminal

pytestmark = [
    *needs("ip", "sipp", root=True),
    pytest.mark.skipif(not usable(), reason="needs network namespaces"),
]

SCENARIOS = Path(__file__).parent.parent / "calls" / "sipp"
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@pytest.fixture
def hosts() -> Iterator[Pair]:
    with pair("legs") as names:
        yield names


@pytest.fixture
def b2bua(hosts: Pair) -> Iterator[Pair]:
    """In b what takes calls at port 5060 and makes calls to port 5090 of a, where they are answered."""

    def sipp(side: str, *words: str) -> subprocess.Popen[bytes]:
        return hosts.start(side, "sipp", *words, "-nostdin", **QUIET)

    def half(name: str, target: str, port: str) -> subprocess.Popen[bytes]:
        return sipp(
            "b", "-sf", str(SCENARIOS / name), target, "-i", THERE, "-p", port,
            "-3pcc", "127.0.0.1:6000", "-s", "5660066",
        )  # fmt: skip

    programs = [sipp("a", "-sn", "uas", "-i", HERE, "-p", "5090")]
    try:
        programs.append(half("makes.xml", f"{HERE}:5090", "5062"))
        _listening(hosts, "6000")
        programs.append(half("takes.xml", f"{HERE}:5070", "5060"))
        _listening(hosts, ":5060")
        yield hosts
    finally:
        for program in programs:
            program.kill()
            program.wait()


def _listening(hosts: Pair, port: str) -> None:
    """Wait until something listens at a port of b."""
    for _ in range(100):
        found = subprocess.run(
            hosts.command("b", "ss", "-Hlntu"), capture_output=True, text=True, check=True
        )
        if any(port in line for line in found.stdout.splitlines()):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens at {port}")


def _captured(hosts: Pair, path: Path, calls: int, rate: int, lasts: int) -> list[dict[str, Any]]:
    """Make calls from a to b; return what `show calls` tells of them."""
    program = hosts.sipstream("b", "--live", "vb", "--write", str(path), "--follow", "status 699")
    try:
        wait_for(program.stderr, b"Starting packet capture")
        hosts.call("5660066", calls, rate, 5070, "-d", str(lasts), "-l", str(calls))
        time.sleep(0.5)
        stop(program)
    finally:
        program.kill()
        program.wait()
    shown = subprocess.run(
        [sys.executable, "-m", "sipstream", "--json", str(path), "-c", "show calls"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in shown.stdout.splitlines()]


def test_both_legs_of_a_call_are_one_by_what_the_second_says(b2bua: Pair, tmp_path: Path) -> None:
    found = _captured(b2bua, tmp_path / "kept.pcap", calls=20, rate=40, lasts=1000)
    assert len(found) == 20
    for call in found:
        first, second = call["legs"]
        assert second == f"onwards///{first}"
        assert call["reasons"] == ["X-Call-ID"]
        assert (call["state"], call["worst_status"]) == ("ended", 200)


def test_a_thousand_calls_at_once_between_two_machines_stay_apart(
    hosts: Pair, tmp_path: Path
) -> None:
    """They have the same numbers, the same session descriptions, the same media addresses."""
    answering = hosts.answer()
    try:
        found = _captured(hosts, tmp_path / "kept.pcap", calls=1000, rate=1000, lasts=2000)
    finally:
        answering.kill()
        answering.wait()
    assert len(found) == 1000
    assert all(len(call["legs"]) == 1 for call in found)
    times = [(call["time"], call["duration"]) for call in found]
    assert len({time[:19] for time, _ in times}) <= 4, "they weren't there at the same time"


def test_the_next_leg_is_followed_too(b2bua: Pair, tmp_path: Path) -> None:
    terminal = Terminal(
        ["--live", "vb"], cwd=tmp_path, columns=150, rows=40, prefix=b2bua.command("b")
    )
    try:
        terminal.command("follow call dstnum 5660066")
        b2bua.call("5660066", 1, 1, 5070, "-d", "200")
        terminal.until(r"BYE 5660066|10.99.0.2:5062 -> 10.99.0.1:5090 BYE")
        terminal.at_prompt()
        terminal.type("unfollow\r")
        terminal.until(r"Follow 1 ended \(12 messages shown\)")
        terminal.type("exit\r")
        assert terminal.end() == 0
    finally:
        terminal.close()
