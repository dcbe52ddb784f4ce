"""A follow over the taps of three hosts: what it writes and when, against what tcpdump saw there."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from socket import inet_ntoa
from typing import Any

from live_programs import wait_for
from tapped import TAPS, Packet, Sighted, Tapped, until

NUMBER = "5660066"
"""The number that is followed, of answered calls in `Site.calling`."""
_SAME = 1_000_000
"""Nanoseconds between a capture's time and that of another capture of the same frame, at most."""


@dataclass(frozen=True)
class Line:
    """A line that a program wrote, and when it came (ns)."""

    came: int
    text: str

    @property
    def fields(self) -> dict[str, Any]:
        """The line as the JSON object that it is."""
        return dict(json.loads(self.text))


class Lines:
    """What a program writes to a pipe, with the time of each line."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        self.lines: list[Line] = []
        self.program = program
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.program.stdout is not None
        for line in self.program.stdout:
            self.lines.append(Line(time.time_ns(), line.decode("utf-8", "replace").rstrip()))

    def end(self) -> list[Line]:
        """Wait until the program has closed its pipe, return all lines."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.lines


class Follow:
    """`sipstream --nats URL --follow 'dstnum NUMBER' --json` in o; of the stream with `--bus`, which
    reads what was there before it began."""

    def __init__(
        self, hosts: Tapped, url: str, number: str = NUMBER, *, stream: bool = False
    ) -> None:
        source = ("--bus", url, "--since", "1m") if stream else ("--nats", url)
        words = (*source, "--json", "--follow", f"dstnum {number}")
        self._program = hosts.sipstream("o", *words, stderr=subprocess.PIPE)
        self._lines = Lines(self._program)

    def until_begun(self) -> None:
        """Wait until it says that it found the taps, and a little longer: then it asks them."""
        assert self._program.stderr is not None
        wait_for(self._program.stderr, f"{len(TAPS)} taps:".encode())
        time.sleep(1)

    def until_lines(self, count: int) -> None:
        """Wait until it has written so many lines, and a little longer for further ones."""
        until(lambda: len(self._lines.lines) >= count)
        time.sleep(0.5)

    def end(self) -> list[Line]:
        """End it as Ctrl-C does, return what it wrote."""
        self._program.send_signal(signal.SIGINT)
        lines = self._lines.end()
        self._program.wait(10)
        return lines


@dataclass
class Shown:
    """What a follow showed of the messages that it had to show."""

    wanted: int = 0
    once: int = 0
    """Shown in one line, with all sightings."""
    missing: list[int] = field(default_factory=list)
    """Not shown: their times (ns)."""
    again: int = 0
    """Lines too many."""
    incomplete: int = 0
    """Shown without a sighting that there was, or with one that there wasn't."""
    off: list[float] = field(default_factory=list)
    """By how much each hop's delay differs from that of the dumps, ms."""
    late: list[tuple[int, float]] = field(default_factory=list)
    """Of each message when it was seen last (ns), and how long after that its line came, ms."""

    @property
    def complete(self) -> bool:
        return not (self.missing or self.again or self.incomplete)

    def after(self, moment: int) -> str:
        """Return how late messages came that were seen after a moment (ns)."""
        late = [ms for seen, ms in self.late if seen >= moment]
        return (
            f"{len(late)} messages, at most {max(late, default=0):.0f} ms after the last sighting"
        )

    def __str__(self) -> str:
        return (
            f"{self.wanted} messages to follow: {self.once} shown once with all sightings,"
            f" {len(self.missing)} not shown, {self.again} lines too many, {self.incomplete} without all"
            f" sightings; lines came at most {max((ms for _, ms in self.late), default=0):.0f} ms after"
            " the last sighting; delays differ from the dumps' by at most"
            f" {max(self.off, default=0):.3f} ms"
        )


Named = tuple[str, str, str, str, str]
"""Call-ID, source, destination, method or status, CSeq."""


def compare(
    seen: Iterable[tuple[Packet, Sighted]], lines: Iterable[Line], number: str = NUMBER
) -> Shown:
    """Compare what a follow of a number wrote with the messages that the dumps have."""
    shown: dict[Named, list[Line]] = defaultdict(list)
    for line in lines:
        fields = line.fields
        what = str(fields["method"] or fields["status"])
        ends = fields["source"], fields["destination"]
        shown[fields["call_id"], *ends, what, fields["cseq"]].append(line)
    result = Shown()
    for packet, at in of_number(seen, number):
        result.wanted += 1
        known = shown[named(packet)]
        line = next((one for one in known if _is_of(one, at)), None)
        if line is None:
            result.missing.append(min(at.values()))
            continue
        known.remove(line)
        _look(result, line, at)
    result.again = sum(map(len, shown.values()))
    return result


def _look(result: Shown, line: Line, at: Sighted) -> None:
    """Compare one line with the sightings of its message."""
    told = _sightings(line)
    result.late.append((max(at.values()), (line.came - max(at.values())) / 1e6))
    if set(told) != set(at):
        result.incomplete += 1
        return
    result.once += 1
    order = sorted(at, key=lambda link: at[link])
    for link, following in zip(order, order[1:], strict=False):
        own = at[following] - at[link]
        result.off.append(abs(told[following] - told[link] - own) / 1e6)


def _is_of(line: Line, at: Sighted) -> bool:
    """Tell whether a line shows this sending of a message, not a retransmission of it."""
    told = _sightings(line)
    return any(abs(told[link] - at[link]) < _SAME for link in told if link in at)


def _sightings(line: Line) -> Sighted:
    """Return when a line says that its message was seen, by tap."""
    return {one["tap"]: nanoseconds(one["time"]) for one in line.fields.get("sightings", ())}


def nanoseconds(text: str) -> int:
    """Return a time that JSON has as a text."""
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def of_number(seen: Iterable[tuple[Packet, Sighted]], number: str) -> list[tuple[Packet, Sighted]]:
    """Return the messages of calls to a number."""
    all_seen = list(seen)
    begins = f"INVITE sip:{number}@".encode()
    calls = {named(packet)[0] for packet, _ in all_seen if packet[4].startswith(begins)}
    return [(packet, at) for packet, at in all_seen if named(packet)[0] in calls]


def named(packet: Packet) -> Named:
    """Return what tells a message of a dump from others, but from its retransmissions."""
    source, destination, port, other, payload = packet
    first, *head = payload.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    fields = dict(line.partition(":")[::2] for line in head)
    words = first.split()
    return (
        fields["Call-ID"].strip(),
        f"{inet_ntoa(source)}:{port}",
        f"{inet_ntoa(destination)}:{other}",
        words[1] if words[0].startswith("SIP/") else words[0],
        fields["CSeq"].strip(),
    )
