"""Connections to a server outlive what it does to them, and end when they are asked to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

pytest.importorskip("nats")

from nats.aio.client import Client  # noqa: E402
from nats.errors import Error  # noqa: E402

from sipstream.bus import client as client_module  # noqa: E402
from sipstream.bus import connecting  # noqa: E402
from sipstream.bus.connecting import Server, connect  # noqa: E402
from sipstream.errors import SourceError  # noqa: E402

INFO = b'INFO {"server_id":"x","version":"2.9.10","max_payload":1048576,"headers":true}\r\n'


class Feigned:
    """A server that says little.

    `refusal` is what it answers to whoever connects; `reads` says that it goes on with others.
    """

    def __init__(self) -> None:
        self.connections: list[asyncio.StreamWriter] = []
        self.refusal = b""
        self.reads = False
        self.is_silent = False
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_silent:
            self.connections.append(writer)
            return
        writer.write(INFO)
        await reader.readuntil(b"PING\r\n")
        writer.write(self.refusal or b"PONG\r\n")
        if self.refusal:
            writer.close()
            return
        self.connections.append(writer)
        # Where it reads no more, what it is sent stays where buffers have no room.
        while self.reads and (came := await reader.read(1 << 16)):
            if b"PING\r\n" in came:
                writer.write(b"PONG\r\n")


@asynccontextmanager
async def feigned() -> AsyncIterator[Feigned]:
    one = Feigned()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
    finally:
        server.close()
        for writer in one.connections:
            writer.transport.abort()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "_WAIT", 0.05)
    monkeypatch.setattr(client_module, "_CLOSE_SECONDS", 0.2)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - it is done elsewhere
            await asyncio.sleep(0.01)


async def fill(client: Client) -> None:
    """Send more than is taken."""
    with suppress(Error, TimeoutError):
        async with asyncio.timeout(0.3):
            for _ in range(100):
                await client.publish("x", bytes(500_000))


async def test_a_server_that_ends_it_with_a_reason_is_asked_again() -> None:
    told: list[str] = []
    async with feigned() as server:
        client = await connect(Server(server.url), told.append)
        await fill(client)
        server.refusal = b"-ERR 'Authorization Violation'\r\n"
        server.connections[0].write(b"-ERR 'User Authentication Expired'\r\n")
        gone = f"{server.url}: the server is gone; it is asked for again"
        refused = f"{server.url}: the server lets us in no more: Authorization Violation"
        await eventually(lambda: refused in told)
        server.refusal, server.reads = b"", True
        await eventually(lambda: client.is_connected and len(server.connections) == 2)
        await eventually(lambda: len(told) == 3)
        assert told[:2] == [gone, refused]
        assert told[2].startswith(f"{server.url}: the server is there again after ")
        await client.close()


async def test_a_server_that_says_nothing_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "PATIENCE", 2.2)
    async with feigned() as server:
        server.is_silent = True
        with pytest.raises(SourceError) as told:
            await connect(Server(server.url), lambda text: None)
        assert str(told.value) == f"{server.url}: no server answers"


async def test_a_server_that_takes_nothing_holds_no_end_up() -> None:
    async with feigned() as server:
        client = await connect(Server(server.url), lambda text: None)
        await fill(client)
        async with asyncio.timeout(5):
            await client.close()
        assert client.is_closed


@pytest.mark.parametrize("what", ["request", "flush", "_flush_pending"])
async def test_who_is_cancelled_is_told(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """nats-py takes an answer that comes at the same moment for one, and who asked goes on for ever."""

    async def forgetful(*arguments: object) -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "an answer"

    monkeypatch.setattr(Client, what, forgetful)
    asking = asyncio.create_task(getattr(client_module.Guarded(secret=False), what)())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
