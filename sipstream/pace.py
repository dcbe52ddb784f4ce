"""How long work may hold the event loop: long answers are worked out in turns of a few milliseconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from sipstream.limits import TURN_SECONDS


class Pace:
    """The turn that some work has; `due` says that it is over, `rest` lets others have theirs."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begin()

    def due(self) -> bool:
        """Tell whether the work has held the loop for long enough."""
        return self._clock() >= self._end

    async def rest(self) -> None:
        """Let the event loop have its turn, then begin one of our own."""
        await asyncio.sleep(0)
        self._begin()

    async def through(self, pieces: Iterable[None]) -> None:
        """Do work whose pieces end when a turn is over."""
        for _ in pieces:
            await self.rest()

    def _begin(self) -> None:
        """Begin a turn."""
        self._end = self._clock() + TURN_SECONDS
