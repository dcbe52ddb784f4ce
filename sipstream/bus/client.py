"""The NATS client, made to keep its word on encryption.

nats-py encrypts when the server asks for it: with `tls://` too, a server (or who sits between) that
doesn't ask would get everything in plain text.
"""

from __future__ import annotations

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
