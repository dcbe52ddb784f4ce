"""A terminal that stands still while messages are followed live, and what that costs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pexpect
from live_programs import memory
from namespaces import Pair
from support import sip
from terminal import Terminal

CTRL_S, CTRL_Q = "\x13", "\x11"
HOWS = ("unread", "ctrl-s")
"""Nobody reads the terminal (a stalled ssh, a stopped emulator), or Ctrl-S was typed."""
_WARM_SECONDS = 1
_FIGURES = re.compile(rb"vb: (\d+) packets, (\d+) messages, (\d+) dropped by the kernel")
_SHOWN = re.compile(rb"call-\d+-end")
_NOT_SHOWN = re.compile(rb"(\d+) lines not shown")


class Result(NamedTuple):
    """What came of it; memory in bytes, times in seconds."""

    sent: int
    packets: int
    messages: int
    drops: int
    shown: int
    """Lines of the follow that the terminal got."""
    not_shown: int
    """Those it was told of instead."""
    growth: int
    """Memory beyond what a sipstream without follow took for the same messages."""
    index: int
    """What that one took."""
    back: float
    """From Ctrl-Q, or the first byte read, until a command that was typed then was answered."""


class _Watcher(NamedTuple):
    """A sipstream on a terminal, whose bytes are only searched: a screen would be too slow."""

    terminal: Terminal
    seen: bytearray

    @property
    def pid(self) -> int:
        """Its process."""
        return int(self.terminal.child.pid)

    def read(self) -> None:
        """Take what there is to read."""
        while True:
            try:
                self.seen.extend(self.terminal.child.read_nonblocking(1 << 20, timeout=0))
            except pexpect.TIMEOUT:
                return

    def until(self, pattern: re.Pattern[bytes], seconds: float = 60) -> re.Match[bytes]:
        """Read until something new matches."""
        begin, end = len(self.seen), time.monotonic() + seconds
        while (found := pattern.search(self.seen, begin)) is None:
            assert time.monotonic() < end, f"{pattern.pattern!r} didn't come"
            time.sleep(0.005)
            self.read()
        return found


@contextmanager
def _watchers(hosts: Pair, folder: Path) -> Iterator[tuple[_Watcher, _Watcher]]:
    """Start a sipstream that follows everything, and one that follows nothing."""
    opened = []
    try:
        for name in ("frozen", "free"):
            (folder / name).mkdir()
            terminal = Terminal(
                ["--live", "vb"], cwd=folder / name, rows=40, columns=400, prefix=hosts.command("b")
            )
            opened.append(_Watcher(terminal, bytearray()))
            terminal.at_prompt()
        opened[0].terminal.command("follow")
        yield opened[0], opened[1]
    finally:
        for one in opened:
            one.terminal.close()


def freeze(
    hosts: Pair, folder: Path, seconds: float, rate: int, how: str, padding: int = 0
) -> Result:
    """Have the terminal of a follow stand still for a time while `rate` messages a second come.

    `padding` is how much longer Call-IDs are, and with them the lines.
    """
    message = sip(call_id=f"call-%n-end{'x' * padding}")
    with _watchers(hosts, folder) as (frozen, free):
        warm = _send(hosts, message, _WARM_SECONDS, rate, [frozen, free])
        before = [memory(one.pid) for one in (frozen, free)]
        if how == "ctrl-s":
            frozen.terminal.type(CTRL_S)
            frozen.until(re.compile(b"paused"))
        reading = [free] if how == "unread" else [frozen, free]
        count = warm + _send(hosts, message, seconds, rate, reading)
        growth, index = (
            memory(one.pid) - size for one, size in zip((frozen, free), before, strict=True)
        )
        began = time.monotonic()
        frozen.terminal.type(f"{CTRL_Q}capture status\r")
        packets, messages, drops = map(int, frozen.until(_FIGURES).groups())
        back = time.monotonic() - began
        while packets + drops < count and time.monotonic() < began + 20:
            # On a busy machine some wait in the kernel still.
            frozen.terminal.type("capture status\r")
            packets, messages, drops = map(int, frozen.until(_FIGURES).groups())
        frozen.terminal.pump(0.5)
        frozen.seen.extend(frozen.terminal.raw)
        lost = sum(int(one[1]) for one in _NOT_SHOWN.finditer(frozen.seen))
        shown = len(_SHOWN.findall(frozen.seen))
    return Result(count, packets, messages, drops, shown, lost, growth - index, index, back)


def _send(
    hosts: Pair, message: bytes, seconds: float, rate: int, reading: Sequence[_Watcher]
) -> int:
    """Send messages for a time, read from some terminals meanwhile; return how many were sent."""
    count = int(seconds * rate)
    sending = hosts.sending(message, count, 1 / rate)
    while sending.poll() is None:
        for one in reading:
            one.read()
        time.sleep(0.02)
    assert sending.returncode == 0
    # What was sent last is still on its way through the stages.
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        for one in reading:
            one.read()
        time.sleep(0.02)
    return count
