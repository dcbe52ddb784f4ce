"""The NATS client, made to keep its word on encryption, and to outlive what others send.

nats-py encrypts when the server asks for it: with `tls://` too, a server (or who sits between) that
doesn't ask would get everything in plain text. And it stops reading for good, without a word, after one
message whose subjects or headers it fails on (letters that are no UTF-8, say).
"""

from __future__ import annotations

from contextlib import suppress

from nats.aio.client import Client
from nats.errors import SecureConnRequiredError

from sipstream.bus.connecting import is_local


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
