"""Messages of taps that follows are told of a moment later: other taps may yet tell of them.

So each is shown once, with all its sightings. One that comes later still isn't shown again by a
follow: it would be the same message a second time; conversations have it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from sipstream.pace import Pace

if TYPE_CHECKING:
    from sipstream.conversations import Conversations

WAIT = 0.15
"""Seconds that a message waits for further sightings: agents send what they saw every few tens of
milliseconds, and nobody sees a line that comes later by so little."""


class Holding:
    """Holds messages by their numbers; `release` tells follows of some, in pieces."""

    def __init__(self, release: Callable[[list[int]], Iterator[None]]) -> None:
        self.numbers: set[int] = set()
        """Those that are held."""
        self._release = release
        self._waiting: deque[tuple[float, list[int], set[int]]] = deque()
        """What came together, with its conversations, and when it has waited long enough."""
        self._of: Counter[int] = Counter()
        """Conversations of which something waits, and how often."""
        self._work: Iterator[None] = iter(())
        self._timer: asyncio.TimerHandle | None = None

    def hold(self, conversations: Conversations, added: list[int]) -> None:
        """Hold those of some messages that taps told of, and what comes behind them in conversations."""
        index = conversations.index
        network = index.ways.network
        if 1 not in network or not conversations.folds:
            return
        way, conversation = index.m_way, index.m_conversation
        holding: list[int] = []
        whose: set[int] = set()
        for number in added:
            one = conversation[number]
            if network[way[number]] or one in self._of or one in whose:
                whose.add(one)
                holding.append(number)
        if holding:
            self.numbers.update(holding)
            self._of.update(whose)
            loop = asyncio.get_running_loop()
            self._waiting.append((loop.time() + WAIT, holding, whose))
            if self._timer is None:
                self._timer = loop.call_later(WAIT, self._step)

    async def settle(self) -> None:
        """Tell of all that is held at once: nothing more will come."""
        pace = Pace()
        await pace.through(self._work)
        while self._waiting:
            await pace.through(self._next())

    def let_go(self, conversations: Iterable[int], behind: list[int]) -> None:
        """Tell of all that is held where something of one of these conversations is, but not of what
        came `behind` it.
        """
        if self._of and any(one in self._of for one in conversations):
            self.numbers.update(behind)
            deque(self._work, 0)
            while self._waiting:
                deque(self._next(), 0)
            self.numbers.difference_update(behind)

    def clear(self) -> None:
        """All conversations were cleared."""
        self._waiting.clear()
        self.numbers.clear()
        self._of.clear()
        self._work = iter(())
        self._stop()

    async def end(self) -> None:
        """Tell of all that is held, and of nothing more."""
        await self.settle()
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _step(self) -> None:
        """Tell of what has waited long enough, for as long as one turn takes."""
        loop = asyncio.get_running_loop()
        self._timer = None
        pace = Pace()
        while True:
            for _ in self._work:
                if pace.due():
                    self._timer = loop.call_later(0, self._step)
                    return
            if not self._waiting:
                return
            due = self._waiting[0][0]
            if due > loop.time():
                self._timer = loop.call_at(due, self._step)
                return
            self._work = self._next()

    def _next(self) -> Iterator[None]:
        """Tell of those that came first."""
        _, numbers, whose = self._waiting.popleft()
        self.numbers.difference_update(numbers)
        for one in whose:
            self._of[one] -= 1
            if not self._of[one]:
                del self._of[one]
        return self._release(numbers)
