"""A ring's task while it is captured: what is too old goes, what there is to say is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from sipstream.escape import escape
from sipstream.ring.room import Ring

_SECONDS = 2.0
"""How often it is looked for what is too old, and for what indexes take."""


class RingKeeping:
    """Use it as an async context manager; `tell` says something to the user."""

    def __init__(self, ring: Ring, tell: Callable[[str], None]) -> None:
        self._ring = ring
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> RingKeeping:
        self._task = asyncio.create_task(self._keep(), name="ring")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep(self) -> None:
        told = False
        while True:
            for note in self._ring.notes:
                self._tell(f"{escape(self._ring.name)}: {note}")
            self._ring.notes.clear()
            if not told and not self._ring.is_indexed:
                told = True
                self._tell(
                    f"{escape(self._ring.name)}: nothing writes its indexes any more; questions to it"
                    " take longer until sipstream is started again"
                )
            self._ring.worker.do(self._ring.look)
            await asyncio.sleep(_SECONDS)
