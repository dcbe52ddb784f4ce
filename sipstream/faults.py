"""Faults of ours outside the packets' way: a stage that fails is told, and goes on, but not for ever.

What fails on a packet is the concern of `packets.Tally` and `suspects`; here are the stages behind: a
filter, a follow, a command, the prompt, the output.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from sipstream import suspects
from sipstream.limits import RESTART_SECONDS, RESTARTS


class Restarts:
    """How often one stage failed lately; `clock` tells seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=RESTARTS)

    def again(self) -> bool:
        """Note a failure; return whether the stage may go on, False beyond the limit."""
        now = self._clock()
        often = len(self._times) == RESTARTS and now - self._times[0] < RESTART_SECONDS
        self._times.append(now)
        return not often


class Faults:
    """The faults of a session's stages: counted, their tracebacks kept, each stage told once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[str] = Counter()
        """Faults so far by the stage's name."""
        self.tell: Callable[[str], None] = lambda text: None
        """Called with the sentence that the user is told."""
        self._clock = clock
        self._restarts: dict[str, Restarts] = {}

    def note(self, stage: str, error: BaseException) -> bool:
        """Take a fault of a stage; return whether it may go on, False when it fails too often."""
        self.counts[stage] += 1
        may = self._restarts.setdefault(stage, Restarts(self._clock)).again()
        if may:
            kept = suspects.keep_traceback(error)
            if self.counts[stage] == 1:
                self.tell(f"{stage}: a fault in sipstream ({type(error).__name__}){where(kept)}")
        return may

    def in_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take a fault of a callback, or of a task that nobody waits for: an exception handler."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self.note("event loop", error)


def where(kept: object) -> str:
    """Return how a sentence ends that says where a traceback was kept, "" where it wasn't."""
    return f"; what happened is in {kept}" if kept else ""
