"""Live rates over a cable between two network namespaces, and how sipstream answers meanwhile.

    python tests/benchmarks/live.py [burst] [sustained] [load]
        [--messages 50000] [--rates 20000,40000,...] [--rate 20000] [--seconds 60] [--follow EXPR]
        [--runs 3] [--loads 5] [--keep DIR]

`burst` sends messages at rates that rise and with all speed, `sustained` a minute at one rate, and
counts what each program lost; meanwhile keys are pressed in sipstream's shell. `load` presses them
while a gigabyte loads. Needs root and tcpreplay.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lag
from generate import capture
from keyboard import Shell, Typing
from measuring import Others, machine, percentiles, table
from wire import LINK, Other, Sent, Wire, sent, until_captures, wire

RATES = (20_000, 40_000, 60_000, 80_000, 100_000, 150_000)
FOLLOW = "srcip 10.20.10.100"
"""One of four hundred hosts: fifty messages a second of 20,000 are printed."""
OURS, FOLLOWING = "sipstream", "sipstream, follow"
_DONE_SECONDS = 120.0
"""What sipstream has to get done with what was sent."""
_CONVERSATION = ("show conversation 0", rb"=== Conversation Call-ID")
_COUNT = ("show conversations sorted | count", rb"\n\d+(?: \w+)?\r*\n(?s:.*?)sipstream")
"""A number on a line of its own, and the next prompt: lines of a follow begin with numbers too."""
_GIGABYTE = 140_000
"""Messages of a mixed capture of a gigabyte."""


@dataclass(frozen=True)
class Wanted:
    """The options, and where captures are."""

    messages: int
    rates: tuple[int, ...]
    rate: int
    seconds: int
    follow: str
    runs: int
    loads: int
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """What became of what was sent."""

    sent: Sent
    captured: int
    told: str = ""

    @property
    def lost(self) -> int:
        return self.sent.messages - self.captured


def _status(shell: Shell) -> tuple[int, int, int]:
    """Return the packets, messages and drops that `capture status` tells."""
    answer = shell.ask("capture status", rb"(\d+) packets, (\d+) messages, (\d+) dropped")
    if answer is None:
        raise SystemExit(f"no capture status: {shell.seen[-500:]!r}")
    packets, messages, drops = map(int, re.findall(rb"\d+", answer[1]))
    return packets, messages, drops


class Ours:
    """sipstream that captures, in its shell on a terminal."""

    def __init__(self, wire: Wire, folder: Path, follow: str = "") -> None:
        self.shell = Shell(folder, ["--live", LINK], wire.receiving)
        until_captures(self.shell.process.pid)
        self.shell.at_prompt()
        if follow and self.shell.ask(f"follow {follow}", rb"Follow 1: ") is None:
            raise SystemExit(f"no follow: {self.shell.seen[-500:]!r}")

    def outcome(self, done: Sent) -> Outcome:
        """Wait until it is done, return what it says; its figures must add up to what was sent."""
        end = time.monotonic() + _DONE_SECONDS
        before, status = (-1, -1, -1), _status(self.shell)
        while (
            status != before or status[0] + status[2] < done.messages
        ) and time.monotonic() < end:
            if status[0] + status[2] < done.messages and status == before:
                # Nothing moves: what is missing won't come.
                self.shell.rest(1)
                if _status(self.shell) == status:
                    break
            self.shell.rest(0.3)
            before, status = status, _status(self.shell)
        packets, messages, drops = status
        told = []
        if drops:
            told.append(f"{drops:,} dropped by the kernel")
        if packets + drops != done.messages:
            told.append(f"{packets:,} + {drops:,} DON'T ADD UP to {done.messages:,}")
        return Outcome(done, messages, ", ".join(told))


def _check_arrived(wire: Wire, before: int, done: Sent) -> None:
    """End the benchmark when the cable lost something: no program could have captured it."""
    arrived = wire.arrived() - before
    if arrived != done.messages:
        raise SystemExit(f"tcpreplay sent {done.messages}, {arrived} arrived")


def _burst(name: str, wire: Wire, path: Path, rate: int | None, wanted: Wanted) -> Outcome:
    """Send one burst to one program, started for it."""
    with tempfile.TemporaryDirectory() as folder:
        if name in (OURS, FOLLOWING):
            ours = Ours(wire, Path(folder), wanted.follow if name == FOLLOWING else "")
            before = wire.arrived()
            program = wire.replaying(path, rate)
            while program.poll() is None:
                ours.shell.pump(0.05)
            done = sent(program)
            _check_arrived(wire, before, done)
            outcome = ours.outcome(done)
            ours.shell.leave()
            return outcome
        other = Other(name, wire, Path(folder), wanted.messages)
        before = wire.arrived()
        done = sent(wire.replaying(path, rate))
        _check_arrived(wire, before, done)
        return Outcome(done, other.captured())


def _names() -> list[str]:
    return [OURS, FOLLOWING, *(name for name in ("sngrep", "tshark") if shutil.which(name))]


def burst(wanted: Wanted) -> None:
    """Bursts at rising rates: what was lost in the worst of the runs, and the highest rate without."""
    path = capture(wanted.folder, "udp", wanted.messages)
    rates: list[int | None] = [*wanted.rates, None]
    rows, notes, elsewhere = [], [], Others()
    with wire() as cable:
        for name in _names():
            row, highest, lossless = [name], 0.0, True
            for rate in rates:
                outcomes = [_burst(name, cable, path, rate, wanted) for _ in range(wanted.runs)]
                worst = max(outcomes, key=lambda one: abs(one.lost))
                # What was reached: tcpreplay may be slower than it was told.
                reached = min(one.sent.rate for one in outcomes)
                lossless = lossless and not worst.lost
                highest = reached if lossless else highest
                row.append(f"{worst.lost:,} at {reached / 1000:.0f}k/s")
                notes += [
                    f"{name} at {one.sent.rate:,.0f}/s: {one.told}" for one in outcomes if one.told
                ]
            rows.append((*row, f"{highest:,.0f}/s" if highest else "none"))
    print(f"\nbursts of {wanted.messages:,} messages, lost in the worst of {wanted.runs}\n")
    heads = ("", *(f"{rate:,}/s" if rate else "all speed" for rate in rates), "highest loss-free")
    print(table(heads, rows))
    print("\n".join([*notes, f"other programs used {elsewhere} of a processor meanwhile"]))


def _type_meanwhile(
    shell: Shell, typing: Typing, longest: float, goes_on: Callable[[], bool]
) -> None:
    """Press keys, at most `longest` seconds apart, and ask commands while something goes on."""
    while goes_on():
        typing.line(shell, longest / 10, longest, goes_on)
        for command, answer in (_CONVERSATION, _COUNT):
            if goes_on():
                typing.ask(shell, command, answer)
                shell.pause(longest / 10, longest)


def _sustained(name: str, wire: Wire, path: Path, wanted: Wanted) -> tuple[Outcome, list[str]]:
    """Send at one rate to one program; of sipstream also how it answers meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        if name not in (OURS, FOLLOWING):
            other = Other(name, wire, Path(folder), wanted.rate * wanted.seconds)
            before = wire.arrived()
            done = sent(wire.replaying(path, wanted.rate))
            _check_arrived(wire, before, done)
            return Outcome(done, other.captured()), []
        ours = Ours(wire, Path(folder), wanted.follow if name == FOLLOWING else "")
        typing, before = Typing(), wire.arrived()
        program = wire.replaying(path, wanted.rate)
        # The file is read into memory first; what is typed before messages come counts for nothing.
        while wire.arrived() == before and program.poll() is None:
            ours.shell.rest(0.05)
        begun = time.monotonic()
        _type_meanwhile(ours.shell, typing, 0.2, lambda: program.poll() is None)
        ended = time.monotonic()
        done = sent(program)
        _check_arrived(wire, before, done)
        outcome = ours.outcome(done)
        ours.shell.leave()
        late = lag.read(ours.shell.lag, begun, ended)
        return outcome, [f"loop lag: {percentiles(late)}", *typing.lines()]


def sustained(wanted: Wanted) -> None:
    """One rate for long: what was lost, and how sipstream answered meanwhile."""
    path = capture(wanted.folder, "udp", wanted.rate * wanted.seconds)
    rows, answers = [], []
    with wire() as cable:
        for name in _names():
            elsewhere = Others()
            outcome, told = _sustained(name, cable, path, wanted)
            done = outcome.sent
            figures = (f"{done.messages:,}", f"{done.rate:,.0f}/s", f"{outcome.lost:,}")
            rows.append((name, *figures, str(elsewhere), outcome.told))
            answers += [f"{name}: {line}" for line in told]
    print(f"\n{wanted.rate:,} messages a second for {wanted.seconds} s\n")
    print(table(("", "sent", "rate", "lost", "other programs", "sipstream says"), rows))
    print("\n".join(answers))


def load(wanted: Wanted) -> None:
    """Keys and commands while a gigabyte loads in the shell."""
    path = capture(wanted.folder, "mixed", _GIGABYTE)
    typing, late, took, elsewhere = Typing(), [], [], Others()
    for _ in range(wanted.loads):
        with tempfile.TemporaryDirectory() as folder:
            shell = Shell(Path(folder), [])
            shell.at_prompt()
            since = len(shell.seen)
            shell.type(f"load {path}".encode())
            shell.rest(0.2)
            begun = time.monotonic()
            shell.type(b"\r")
            shell.until(b"Processing file", since)
            _type_meanwhile(
                shell,
                typing,
                0.06,
                lambda shell=shell, since=since: b") extracted" not in shell.seen[since:],  # type: ignore[misc]
            )
            ended = time.monotonic()
            took.append(ended - begun)
            shell.at_prompt()
            shell.leave()
            late += lag.read(shell.lag, begun, ended)
    print(
        f"\n{path.stat().st_size / 1e6:,.0f} MB loaded {wanted.loads} times, at most {max(took):.1f} s"
    )
    print("\n".join([f"loop lag: {percentiles(late)}", *typing.lines()]))
    print(f"other programs used {elsewhere} of a processor meanwhile")


RUNS: dict[str, Callable[[Wanted], None]] = {one.__name__: one for one in (burst, sustained, load)}


def main() -> None:
    """Measure what was named and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", metavar="|".join(RUNS), help="all unless named")
    parser.add_argument("--messages", type=int, default=50_000, help="of a burst")
    parser.add_argument("--rates", default=",".join(map(str, RATES)), help="of bursts, a second")
    parser.add_argument("--rate", type=int, default=20_000, help="of sustained, a second")
    parser.add_argument("--seconds", type=int, default=60, help="of sustained")
    parser.add_argument("--follow", default=FOLLOW, help="what is followed")
    parser.add_argument("--runs", type=int, default=3, help="of each burst")
    parser.add_argument("--loads", type=int, default=5)
    parser.add_argument(
        "--keep", type=Path, help="a folder that keeps the captures for another run"
    )
    options = parser.parse_args()
    if unknown := set(options.what) - set(RUNS):
        parser.error(f"no such run: {', '.join(sorted(unknown))}")
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        wanted = Wanted(
            options.messages,
            tuple(int(word) for word in options.rates.split(",")),
            options.rate,
            options.seconds,
            options.follow,
            options.runs,
            options.loads,
            options.keep or Path(folder),
        )
        for name in options.what or RUNS:
            RUNS[name](wanted)


if __name__ == "__main__":
    main()
