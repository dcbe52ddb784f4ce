"""The NATS client, made to keep its word on encryption, and to outlive what others send.

nats-py encrypts when the server asks for it: with `tls://` too, a server (or who sits between) that
doesn't ask would get everything in plain text. And it stops reading for good, without a word, after one
message whose subjects or headers it fails on (letters that are no UTF-8, say). It gives a connection up
for good that the server ends with a reason, and waits without end, whoever ends it, for one that takes
nothing more.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from nats.aio.client import Client
from nats.errors import Error, SecureConnRequiredError

from sipstream.bus.connecting import is_local

_CLOSE_SECONDS = 2.0
"""That a server has to take what is still to be sent when the connection is closed."""
_OF_A_SUBJECT = "permissions violation"
"""The error of a server that keeps the connection."""


class Guarded(Client):
    """Says nothing to a server that doesn't encrypt though `tls://` was asked for.

    `secret` says that credentials are sent: then it says nothing in plain text but to this machine, even
    if a cluster names further servers.
    """

    def __init__(self, *, secret: bool) -> None:
        super().__init__()
        self._secret = secret

    def _connect_command(self) -> bytes:
        server = self._current_server
        assert server is not None
        encrypted = bool(self._server_info.get("tls_required"))
        local = is_local(server.uri.hostname or "")
        if not encrypted and ("tls" in self.options or (self._secret and not local)):
            raise SecureConnRequiredError
        return super()._connect_command()

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        with suppress(ValueError, IndexError):
            await super()._process_msg(sid, subject, reply, data, headers)

    async def _process_err(self, err_msg: str) -> None:
        # Behind each error but that of a subject's rights the server ends the connection: for a moment,
        # as when what lets us in was made anew, or for longer.
        if self.is_connected and _OF_A_SUBJECT not in err_msg:
            error = Error(f"nats: {err_msg}")
            await self._error_cb(error)
            await self._process_op_err(error)
        else:
            await super()._process_err(err_msg)

    async def _attempt_reconnect(self) -> None:
        # What wasn't sent goes nowhere: a server that is stopped would be waited for to take it.
        self._abort()
        await super()._attempt_reconnect()

    async def close(self) -> None:
        """Close the connection for good; a server that takes nothing more is left to itself."""
        with suppress(Error, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await super().close()
                return
        self._abort()

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        # nats-py forgets here that who publishes has been cancelled.
        task = asyncio.current_task()
        before = task.cancelling() if task is not None else 0
        done = await super()._flush_pending(force_flush)
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
        return done

    def _abort(self) -> None:
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()
