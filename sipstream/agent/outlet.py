"""The way out of an agent: to inboxes of whoever asked, and no further.

A request names the subject that its answer goes to. An agent may write where whoever asks may not, to
a stream or to JetStream itself, so it answers to inboxes only. And it never waits long for a server
that takes too little: what can't be sent is given up, not kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from sipstream.agent.counts import Counts
from sipstream.bus.coding import KIND, MISSED, PART, dump

INBOX = "_INBOX"
"""What subjects of inboxes begin with, those with a prefix of their own (`_INBOX_name`) too."""
_PENDING = 1 << 20
"""Bytes that wait for the server beyond which no further ones are added."""
_RECHECK_SECONDS = 0.02
_PATIENCE = 10.0
"""Seconds that an answer waits for the server to take more."""

Pause = Callable[[float], Awaitable[None]]
"""Lets others go on for so many seconds."""


class Asked(Msg):
    """A message from the bus that is answered to an inbox only, whoever of nats-py answers it."""

    async def respond(self, data: bytes) -> None:
        """Answer; nothing of the request goes back."""
        if is_inbox(self.reply):
            await self._client.publish(self.reply, data)


class Outlet:
    """Answers one request."""

    def __init__(self, client: Client, reply: str, counts: Counts) -> None:
        self._client = client
        self._reply = reply
        self._counts = counts

    async def tell(self, what: str, fields: dict[str, Any]) -> bool:
        """Send a JSON object; return whether it could be sent."""
        return await self._publish(dump(fields), {KIND: what})

    async def part(self, data: bytes, missed: int = 0) -> bool:
        """Send packed envelopes if there is room; return whether they could be sent."""
        headers = {KIND: PART}
        if missed:
            headers[MISSED] = str(missed)
        return await self._publish(data, headers)

    async def part_of_answer(self, data: bytes, pause: Pause) -> bool:
        """Send packed envelopes, wait for room for a while; return whether they could be sent."""
        waited = 0.0
        while not self._has_room:
            if waited >= _PATIENCE:
                return False
            await pause(_RECHECK_SECONDS)
            waited += _RECHECK_SECONDS
        return await self.part(data)

    @property
    def _has_room(self) -> bool:
        return self._client.is_connected and self._client.pending_data_size < _PENDING

    async def _publish(self, data: bytes, headers: dict[str, str]) -> bool:
        if not self._has_room:
            return False
        try:
            await self._client.publish(self._reply, data, headers=headers)
        except (errors.Error, OSError):
            # The connection has just ended, or the server takes shorter messages only.
            return False
        self._counts.bytes += len(data)
        return True


def is_inbox(subject: str) -> bool:
    """Tell whether a subject is where somebody waits for answers."""
    return subject.startswith(INBOX)
