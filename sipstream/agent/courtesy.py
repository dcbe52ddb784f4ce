"""The SIP server comes first: how little an agent takes of the machine that it is a guest on.

The kernel is asked to give others the processor, and to end others last when memory runs out. What
requests cost is bounded beside that: all of them together have one turn at a time, and where the
machine, or the capture itself, is busy, a share of the time and no more.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sipstream.pace import Pace

NICE = 10
"""Where others want the processor they get nine times as much as a process of this nice value."""
_OUT_OF_MEMORY = 500
"""Added to what the kernel chooses by whom it ends (proc(5), oom_score_adj): rather us than others."""
_SHARE = 0.25
"""Of the time that requests are worked on while the machine is busy."""
_BUSY = 0.5
"""Of a processor, used by what is not for requests: the capture has much to do."""
_LOOK_SECONDS = 1.0
"""How often it is looked at how busy the machine is."""


def let_others_go_first() -> None:
    """Have the kernel prefer others; to be called while there is one thread, which others are made of."""
    with suppress(OSError):
        os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OUT_OF_MEMORY), encoding="ascii")
    # What a core holds are calls; and writing hundreds of megabytes is no help to a server in need.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


class Load:
    """How busy the machine and this process are, looked at once a second.

    `clock`, `used` and `load` tell seconds, seconds of processor time of this process, and how many
    processes want a processor.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
        load: Callable[[], float] | None = None,
    ) -> None:
        self.share = 0.0
        """Of a processor, that this process used lately."""
        self.for_requests = 0.0
        """Seconds of it that requests were worked on, since the start."""
        self._clock, self._used, self._load = clock, used, load or _load
        self._processors = len(os.sched_getaffinity(0))
        self._busy = False
        self._last = clock(), used(), 0.0

    def busy(self) -> bool:
        """Tell whether requests have to be content with their share."""
        now = self._clock()
        then, used, asked = self._last
        if now - then >= _LOOK_SECONDS:
            self._last = now, self._used(), self.for_requests
            self.share = (self._last[1] - used) / (now - then)
            other = self.share - (self.for_requests - asked) / (now - then)
            self._busy = other > _BUSY or self._load() >= self._processors
        return self._busy


class Turn(Pace):
    """A turn of one request: two never work at the same time, and each waits until it has its turn."""

    def __init__(self, turns: Turns, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.has_it = True
        """Whether it is this one's turn now."""
        self._turns = turns
        self._begun = clock()

    async def rest(self) -> None:
        """Let others have their turn, all else and other requests, then begin one of our own."""
        await self.pause(0.0)

    async def pause(self, seconds: float) -> None:
        """Rest for so long, or longer where the machine is busy."""
        await asyncio.sleep(max(self._turns.worked(self._clock() - self._begun), seconds))
        self.has_it = False
        self._turns.free.release()
        await self._turns.free.acquire()
        self.has_it = True
        self._begin()
        self._begun = self._clock()


class Turns:
    """Gives requests their turns, in order."""

    def __init__(self, load: Load, clock: Callable[[], float] = time.perf_counter) -> None:
        self.free = asyncio.Lock()
        self._load = load
        self._clock = clock

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait for a turn; it is over behind this, or in between when `rest` is awaited."""
        await self.free.acquire()
        turn = Turn(self, self._clock)
        try:
            yield turn
        finally:
            # It may have been cancelled while it waited for the next one.
            if turn.has_it:
                self.free.release()

    def worked(self, seconds: float) -> float:
        """Take note of how long a turn was, return how many seconds all requests rest for it."""
        self._load.for_requests += seconds
        return seconds * (1 / _SHARE - 1) if self._load.busy() else 0.0


def _load() -> float:
    """Return how many processes wanted a processor in the last minute, 0 where that isn't told."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0
