"""Programs killed with -9 at random and started again, and what became of the messages meanwhile.

What an agent hadn't taken from the kernel when it was killed, and what came before its next run
captured, no program can have: `Account` tells of such messages apart from those that got lost.
"""

from __future__ import annotations

import bisect
import random
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nats_servers import NatsServer
from tapped import Packet

SAME = 1_000_000
"""Nanoseconds that two captures of one frame may be apart."""
_SETTING_UP = 2_000_000_000
"""Nanoseconds that a capture may need, once its socket is bound, until it keeps what comes."""


class Killable:
    """A program that is killed and begun again; `kind` is what it is for the table."""

    kind = ""
    name = ""

    def begin(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        raise NotImplementedError


class Server(Killable):
    """A nats-server."""

    kind = "nats-server"

    def __init__(self, server: NatsServer) -> None:
        self.name = server.name
        self._server = server

    def begin(self) -> None:
        self._server.begin()

    def kill(self) -> None:
        self._server.kill()


class Program(Killable):
    """A sipstream of some kind; what it writes to stderr goes on in a file."""

    def __init__(self, kind: str, name: str, command: list[str], folder: Path) -> None:
        self.kind, self.name = kind, name
        self.command, self.errors = command, folder / f"{name}.err"
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self, seconds: float = 60) -> int:
        """End it in order (SIGTERM), return its status."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} didn't end within {seconds} s") from None


class Agent(Program):
    """An agent; `gone` has the times (ns) from each kill until it captured again."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        super().__init__("agent", name, command, folder)
        self.gone: list[tuple[int, int]] = []
        self._killed = 0

    def begin(self) -> None:
        super().begin()
        self.until_captures()
        if self._killed:
            self.gone.append((self._killed, time.time_ns()))
            self._killed = 0

    def kill(self) -> None:
        self._killed = time.time_ns()
        super().kill()

    def until_captures(self, seconds: float = 20) -> None:
        """Wait until it has a packet socket that is bound to an interface."""
        end = time.monotonic() + seconds
        while not self._captures():
            assert self.process is not None
            assert self.process.poll() is None, self.errors.read_text()[-2000:]
            assert time.monotonic() < end, f"{self.name} doesn't capture"
            time.sleep(0.02)
        # A filter may be set after it is bound.
        time.sleep(0.1)

    def _captures(self) -> bool:
        assert self.process is not None
        pid = self.process.pid
        try:
            lines = Path(f"/proc/{pid}/net/packet").read_text().splitlines()[1:]
            files = [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            return False
        bound = {fields[8] for fields in map(str.split, lines) if fields[4] != "0"}
        return any(f"socket:[{inode}]" in files for inode in bound)


@dataclass
class Killer:
    """Kills `times` programs within `seconds`, each begun again after a while."""

    programs: list[Killable]
    times: int
    seconds: float
    seed: int
    told: Callable[[str], None] = print
    killed: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Kill at random times; each kind of program is as likely, and each is killed at least once."""
        chance = random.Random(self.seed)
        kinds = sorted({one.kind for one in self.programs})
        plan = [*kinds, *(chance.choice(kinds) for _ in range(self.times - len(kinds)))]
        chance.shuffle(plan)
        moments = sorted(chance.uniform(0, self.seconds) for _ in plan)
        begun = time.monotonic()
        for moment, kind in zip(moments, plan, strict=True):
            self._revive(begun + moment)
            victims = [one for one in self.programs if one.kind == kind and one not in self._dead()]
            if not victims:
                # It is dead already: it is begun sooner, to be killed once more.
                self._revive(float("inf"))
                victims = [one for one in self.programs if one.kind == kind]
            victim = chance.choice(victims)
            victim.kill()
            # Mostly as a service manager does it, now and then an outage.
            away = chance.choice((0.1, 0.5, 1, 2, 6))
            self._away.append((time.monotonic() + away, victim))
            self.killed[kind] += 1
            self.told(f"{time.monotonic() - begun:6.1f} s  {victim.name} killed for {away} s")
        self._revive(float("inf"))
        rest = begun + self.seconds - time.monotonic()
        time.sleep(max(rest, 0))

    _away: list[tuple[float, Killable]] = field(default_factory=list)

    def _dead(self) -> list[Killable]:
        return [one for _, one in self._away]

    def _revive(self, until: float) -> None:
        """Wait until a moment, begin again meanwhile what has been away long enough."""
        while self._away and (due := min(self._away, key=lambda one: one[0]))[0] < until:
            time.sleep(max(due[0] - time.monotonic(), 0))
            self._away.remove(due)
            due[1].begin()
        if until != float("inf"):
            time.sleep(max(until - time.monotonic(), 0))


@dataclass
class Account:
    """What an archive holds of one tap's messages, against what tcpdump saw there."""

    tap: str
    seen: int = 0
    """By tcpdump."""
    held: int = 0
    """Once each."""
    doubled: int = 0
    """Rows too many."""
    foreign: int = 0
    """Rows that tcpdump hasn't seen."""
    while_gone: int = 0
    """Missing: they came between a kill of the agent and its next capture."""
    before_kill: list[float] = field(default_factory=list)
    """Missing, and how long before a kill of the agent they came, in ms."""
    lost: list[int] = field(default_factory=list)
    """Missing, without such a reason: their times (ns)."""

    def __str__(self) -> str:
        sooner = f" (up to {max(self.before_kill):.0f} ms)" if self.before_kill else ""
        return (
            f"{self.tap}: {self.seen} seen, {self.held} archived once, {self.doubled} twice,"
            f" {self.foreign} from nowhere, {len(self.lost)} lost; the agent wasn't there for"
            f" {self.while_gone}, had {len(self.before_kill)} in its hands when it was killed{sooner}"
        )


def account(
    tap: str,
    seen: Iterable[tuple[int, Packet]],
    rows: Iterable[tuple[int, Packet]],
    gone: list[tuple[int, int]],
    in_hands: float,
) -> Account:
    """Compare messages of a tap with the rows of an archive, both with times in ns.

    `gone` are the times when the agent wasn't there: from a kill until its next socket was bound, or
    a little longer, until the first message that came from it. A message that came at most `in_hands`
    seconds before may have been lost with the agent.
    """
    rows = list(rows)
    gone = _until_first([moment for moment, _ in rows], gone)
    found: dict[Packet, list[int]] = defaultdict(list)
    for moment, packet in rows:
        found[packet].append(moment)
    for times in found.values():
        times.sort()
    result = Account(tap)
    for moment, packet in seen:
        result.seen += 1
        times = found.get(packet, [])
        first = bisect.bisect_left(times, moment - SAME)
        last = bisect.bisect_right(times, moment + SAME)
        if first < last:
            result.held += 1
            result.doubled += last - first - 1
            del times[first:last]
        else:
            _missing(result, moment, gone, in_hands)
    result.foreign = sum(map(len, found.values()))
    return result


def _until_first(moments: list[int], gone: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return times without an agent, each until the first message that its next run has."""
    moments.sort()
    longer = []
    for begun, end in gone:
        place = bisect.bisect_right(moments, begun)
        first = moments[place] if place < len(moments) else end
        longer.append((begun, max(end, first) if first < end + _SETTING_UP else end))
    return longer


def _missing(result: Account, moment: int, gone: list[tuple[int, int]], in_hands: float) -> None:
    if any(begun <= moment <= end for begun, end in gone):
        result.while_gone += 1
        return
    sooner = [begun - moment for begun, _ in gone if 0 < begun - moment <= in_hands * 10**9]
    if sooner:
        result.before_kill.append(min(sooner) / 1e6)
    else:
        result.lost.append(moment)
