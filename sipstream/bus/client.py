"""The NATS client, made to keep its word on encryption, and to outlive what others send.

nats-py encrypts when the server asks for it: with `tls://` too, a server (or who sits between) that
doesn't ask would get everything in plain text. It asks any server that one names which it was told of in
plain text. What makes no sense ends its reading, or its coming back, for good, and so does a reason that
the server gives when it ends a connection. For one that takes nothing more it waits without end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.errors import Error, ProtocolError, SecureConnRequiredError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

from sipstream.bus.connecting import is_local

if TYPE_CHECKING:
    from nats.aio.msg import Msg

_Came = TypeVar("_Came")

_LONGEST_LINE = 1 << 20
"""Bytes of a line of the protocol: one that names a thousand servers has a thirtieth."""
_LONGEST = 64 << 20
"""Bytes of a message: no server can be told to take longer ones."""
_CLOSE_SECONDS = 2.0
"""What a server has to take the rest when a connection is closed: one that stopped in the middle of TLS
would be waited for without an end."""
_OF_A_SUBJECT = "permissions violation"
"""The error of a server that keeps the connection."""
_SERVERS = 100
"""Servers of a cluster that are asked."""
_KINDS: dict[str, type] = {
    "connect_urls": list,
    "headers": bool,
    "max_payload": int,
    "nonce": str,
    "tls_required": bool,
    "version": str,
}
"""What a server says of itself, of what is looked at."""


class Guarded(Client):
    """Says nothing to a server that doesn't encrypt though `tls://` was asked for.

    `secret` says that credentials are sent: then it says nothing in plain text but to this machine, even
    if a cluster names further servers.
    """

    def __init__(self, *, secret: bool) -> None:
        super().__init__()
        self._secret = secret
        self._ps = _Parser(self)

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await super()._close(status, do_cbs)
        except (Error, OSError, TimeoutError):
            self._abort()

    async def _process_connect_init(self) -> None:
        try:
            await super()._process_connect_init()
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise Error("nats: what answers there is no NATS server") from error

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if not _makes_sense(info):
            self._server_info = {}
            raise ProtocolError
        # At first nothing is encrypted yet: whoever sits between may name servers of his own.
        unsure = initial_connection and "tls" in self.options
        room = 0 if unsure else max(_SERVERS - len(self._server_pool), 0)
        named = [one for one in info.get("connect_urls", ()) if _is_address(one)]
        await super()._process_info(info | {"connect_urls": named[:room]}, initial_connection)

    def _connect_command(self) -> bytes:
        server = self._current_server
        assert server is not None
        encrypted = bool(self._server_info.get("tls_required"))
        local = is_local(server.uri.hostname or "")
        if not encrypted and ("tls" in self.options or (self._secret and not local)):
            raise SecureConnRequiredError
        try:
            return super()._connect_command()
        except Exception as error:
            # What is damaged in a key isn't said: its error may have some of it.
            raise Error("nats: the credentials are damaged") from error

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

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        return await _heeding(super()._flush_pending(force_flush))

    async def request(self, *args: Any, **options: Any) -> Msg:
        """Ask, as `Client.request` does."""
        return await _heeding(super().request(*args, **options))

    async def flush(self, timeout: int = 10) -> None:  # noqa: ASYNC109 - as `Client.flush` has it
        """Wait until the server has what was sent, as `Client.flush` does."""
        await _heeding(super().flush(timeout))

    def _abort(self) -> None:
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()


async def _heeding(work: Awaitable[_Came]) -> _Came:
    """Return what work comes to, unless who waits for it was cancelled meanwhile.

    nats-py forgets that, as does `asyncio.wait_for`, by which it waits, until Python 3.12: who reads for
    ever would do so.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        return await work
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


class _Parser(Parser):
    """Reads what a server sends; what makes no sense, or never ends, ends the connection."""

    async def parse(self, data: bytes = b"") -> None:
        """Take what came.

        Raises:
            ProtocolError: it is no NATS, or too long.
        """
        try:
            await super().parse(data)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            raise ProtocolError from error
        if self.state == AWAITING_CONTROL_LINE:
            too_long = len(self.buf) > _LONGEST_LINE
        else:
            too_long = self.needed > _LONGEST
        if too_long:
            raise ProtocolError


def _makes_sense(info: object) -> bool:
    """Tell whether a server says of itself what servers do."""
    return isinstance(info, dict) and all(
        isinstance(info.get(name, kind()), kind) for name, kind in _KINDS.items()
    )


def _is_address(text: object) -> bool:
    """Tell whether a server's host and port can be asked."""
    try:
        parts = urlsplit(f"nats://{text}")
        return isinstance(text, str) and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
