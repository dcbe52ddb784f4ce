"""A terminal that stands still while messages are followed live; the long form is frozen_terminal.py."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path

import pexpect
import pytest
from benchmarks.generate import write_pcap
from hostile_terminal import CTRL_Q, CTRL_S, HOWS, freeze
from live_programs import memory, processor_seconds
from namespaces import pair, usable
from support import needs
from terminal import Terminal

MIB = 1 << 20


@needs("ip", root=True)[0]
@pytest.mark.skipif(not usable(), reason="needs root and network namespaces")
@pytest.mark.parametrize("how", HOWS)
def test_a_terminal_that_stands_still(tmp_path: Path, how: str) -> None:
    """Row S5: no packet is lost, every line is shown or counted, and the prompt is back at once."""
    with pair() as hosts:
        one = freeze(hosts, tmp_path, 3, 5000, how, padding=200)
    assert one.drops == 0
    assert one.sent == one.packets == one.messages == one.shown + one.not_shown
    assert one.not_shown > 0
    assert one.growth < 16 * MIB
    # Promised is at once; the machine may have other work.
    assert one.back < 5


def test_whole_messages_that_wait_for_ctrl_q_are_bounded(tmp_path: Path) -> None:
    """Row S5: what is gathered while paused is bounded by its size; the rest is counted by line."""
    terminal = Terminal(["--tail", "grows.pcap"], cwd=tmp_path, rows=40)
    try:
        terminal.command("follow messages")
        before = memory(terminal.child.pid)
        terminal.type(CTRL_S)
        terminal.until("^paused")
        write_pcap(tmp_path / "new.pcap", 40_000)
        (tmp_path / "new.pcap").rename(tmp_path / "grows.pcap")
        at_rest(terminal)
        # The text alone is 35 MiB.
        assert memory(terminal.child.pid) - before < 24 * MIB
        terminal.type(CTRL_Q)
        seen, end = b"", time.monotonic() + 20
        while (told := re.search(rb"(\d+) lines not shown", seen)) is None:
            assert time.monotonic() < end
            with suppress(pexpect.TIMEOUT):
                seen += terminal.child.read_nonblocking(1 << 20, timeout=0.1)
        assert len(seen) < 6 * MIB
        assert int(told[1]) > 300_000
    finally:
        terminal.close()


def at_rest(terminal: Terminal) -> None:
    """Wait until the program has worked, and has nothing to do any more."""
    taken, end = processor_seconds(terminal.child.pid), time.monotonic() + 60
    worked = False
    while True:
        terminal.pump(0.5)
        now = processor_seconds(terminal.child.pid)
        if worked and now - taken < 0.05:
            return
        worked = worked or now - taken > 0.05
        taken = now
        assert time.monotonic() < end
