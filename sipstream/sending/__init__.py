"""Sends messages on as HEP, to HOMER for one: those that a follow of the same filter would show.

What comes live never waits for it: what finds no room in the queue is counted. Files do wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from sipstream import limits
from sipstream.envelopes import Enveloper
from sipstream.escape import escape
from sipstream.sending.wires import Wire

if TYPE_CHECKING:
    from types import TracebackType

    from sipstream.follow import Follow
    from sipstream.session import Session
    from sipstream.views import Message

_TOGETHER = 32
"""Messages that are sent between two looks at what else there is: a receiver with the usual buffer has
room for as many."""


class Sending:
    """Sends a session's messages on as long as this is open. Use it as an async context manager.

    `wire` is how they go, `text` the filter (None for all), `node` the tap of those that have none of
    their own, `key` that of HEP.
    """

    def __init__(
        self, session: Session, wire: Wire, text: str | None, node: str, key: bytes = b""
    ) -> None:
        self.sent = 0
        self.unsent = 0
        """Messages that found no room, fit no packet, or that nobody took."""
        self._session = session
        self._wire = wire
        self._text = text
        self._enveloper = Enveloper(node, key=key, keeps_taps=True)
        self._queue: deque[bytes] = deque()
        self._size = 0
        """Bytes that wait."""
        self._taken = asyncio.Event()
        """Something was taken out of the queue."""
        self._there = asyncio.Event()
        self._under_way = 0
        self.begun = False
        self._follow: Follow | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Sending:
        """Begin.

        Raises:
            SipstreamError: where they go to can't be found.
            FilterError: the filter can't be understood.
        """
        await self._wire.open(self._session.conversations.index.endpoints.outers.own.add)
        name = f"sending to {self._wire.name}"
        self._follow = await self._session.follow_silently(self._text, name, self._take)
        self._session.waits.append(self._wait)
        self._task = asyncio.create_task(self._send_all(), name=name)
        self.begun = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        session = self._session
        session.silent = [one for one in session.silent if one is not self._follow]
        session.waits.remove(self._wait)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self.unsent += len(self._queue) + self._under_way
        self._queue.clear()
        await self._wire.close()

    @property
    def account(self) -> str:
        """What became of it, in words."""
        refused = min(self._wire.refused, self.sent)
        unsent = self.unsent + refused
        lost = f"; {unsent} couldn't be sent" if unsent else ""
        return f"{self.sent - refused} messages sent to {escape(self._wire.name)}{lost}"

    @property
    def all_sent(self) -> bool:
        """Nothing was left out."""
        return not self.unsent and not self._wire.refused

    async def flush(self, patience: float) -> None:
        """Wait until all that came is sent, as long as something goes within so many seconds."""
        while self._queue or self._under_way:
            self._taken.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._taken.wait()
            except TimeoutError:
                return
        await self._wire.settle()

    async def _wait(self) -> None:
        """Have a file wait while much is to be sent."""
        while self._size > limits.SEND_WAITING // 4:
            self._taken.clear()
            await self._taken.wait()

    def _take(self, follow: Follow, messages: list[Message]) -> None:
        """Put messages in envelopes, and these in the queue."""
        index = messages[0].origin
        envelopes = self._enveloper.pack(index, [one.id for one in messages])
        self.unsent += len(messages) - len(envelopes)
        for one in envelopes:
            if self._size + len(one) > limits.SEND_WAITING:
                self.unsent += 1
            else:
                self._queue.append(one)
                self._size += len(one)
        self._there.set()

    async def _send_all(self) -> None:
        """Send what is in the queue, for ever; whatever goes wrong with some, others have their turn."""
        while True:
            await self._there.wait()
            self._there.clear()
            while self._queue:
                count = min(len(self._queue), _TOGETHER)
                envelopes = [self._queue.popleft() for _ in range(count)]
                self._under_way = count
                try:
                    sent = await self._wire.send(envelopes)
                except Exception as error:
                    self._session.faults.note("sending", error)
                    sent = 0
                self._under_way = 0
                self.sent += sent
                self.unsent += count - sent
                self._size -= sum(map(len, envelopes))
                self._taken.set()
                await asyncio.sleep(0)
