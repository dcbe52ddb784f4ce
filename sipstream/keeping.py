"""Ageing as a task: what is too old or too much is given up as long as a session lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sipstream.ageing import Ageing
from sipstream.faults import Faults

_SECONDS = 0.1
"""How often it is looked at what is too old or too much."""


class Keeping:
    """The task, and its steps; `tell` says something to the user, of spools that have `limit` bytes.

    Without a limit nothing is said of what goes.
    """

    def __init__(
        self, ageing: Ageing, faults: Faults, tell: Callable[[str], None], limit: int | None
    ) -> None:
        self._ageing = ageing
        self._faults = faults
        self._tell = tell
        self._limit = limit
        self._goes_on = True
        self._told_lost = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the task."""
        self._task = asyncio.create_task(self._age(), name="ageing")

    async def end(self) -> None:
        """End the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def settle(self) -> None:
        """Give up at once what is too old or too much."""
        more = self._goes_on
        while more:
            more = self._step()
            await asyncio.sleep(0)

    async def _age(self) -> None:
        while self._goes_on:
            more = self._step()
            await asyncio.sleep(0 if more else _SECONDS)

    def _step(self) -> bool:
        """Give some up, return whether there is more to do at once."""
        try:
            more = self._ageing.step()
            self._tell_lost()
        except Exception as error:
            more = False
            if not self._faults.note("ageing", error):
                self._goes_on = False
                self._faults.tell("ageing ended: it failed too often")
        return more

    def _tell_lost(self) -> None:
        """Say, once, that conversations went with bytes of spools."""
        if self._limit is not None and self._ageing.lost and not self._told_lost:
            self._told_lost = True
            self._tell(
                f"the {self._limit >> 20} MiB for spools are used up (--spool-size SIZE"
                " gives more): conversations go with the oldest part"
            )
