"""An agent's connection to its server: there as soon as the server is, and again whenever it was away.

A server that is away is no fault of the capture: it goes on, and one line tells of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from nats import errors
from nats.aio.client import Client

from sipstream.agent.counts import Counts
from sipstream.agent.outlet import Asked
from sipstream.bus.connecting import Server, connect
from sipstream.errors import SourceError
from sipstream.faults import Faults

Use = Callable[[Client], AbstractAsyncContextManager[object]]
"""What is done on a connection as long as it lasts."""

_AGAIN_SECONDS = 2.0
"""Between two connections, where one was refused or ended for good."""
_LOOK_SECONDS = 0.5


class Link:
    """The connection; `tell` gets a line when something changes, `faults` what is ours."""

    def __init__(
        self, server: Server, tell: Callable[[str], None], counts: Counts, faults: Faults
    ) -> None:
        self._server = server
        self._faults = faults
        self._tell = tell
        self._counts = counts
        self._told = ""

    async def hold(self, *uses: Use) -> None:
        """Be connected for ever, and use each connection for all that is given."""
        while True:
            try:
                await self._once(uses)
            except (SourceError, errors.Error, OSError) as error:
                self._complain(str(error))
            except Exception as error:
                # An agent that captures and answers nobody would be of no use.
                self._faults.note("bus", error)
            finally:
                self._counts.connected = False
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _once(self, uses: tuple[Use, ...]) -> None:
        """Connect, and stay so until the client gives the connection up."""
        client = await connect(self._server, self._tell)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(client.close)
            client.msg_class = Asked
            for use in uses:
                await stack.enter_async_context(use(client))
            self._told = ""
            self._tell(f"connected to {self._server.name}")
            before = self._counts.reconnects
            while not client.is_closed:
                self._counts.connected = client.is_connected
                self._counts.reconnects = before + client.stats["reconnects"]
                await asyncio.sleep(_LOOK_SECONDS)
        # The server ended it in a way that nats-py doesn't come back from: its rights are gone, say.
        self._counts.reconnects += 1
        self._complain(f"{self._server.name}: {client.last_error or 'the server ended it'}")

    def _complain(self, text: str) -> None:
        """Say why there is no connection, once as long as it is the same."""
        if text != self._told:
            self._told = text
            self._tell(f"{text}; it is tried again")
