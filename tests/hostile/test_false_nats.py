"""A false NATS server, or who sits between it and us: nothing that it says ends anything."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("nats")

from agents import until  # noqa: E402

from sipstream.bus import connecting  # noqa: E402
from sipstream.bus.connecting import Server, connect  # noqa: E402
from sipstream.errors import SourceError  # noqa: E402

ABOUT = {"server_id": "x", "version": "2.9.10", "proto": 1, "headers": True, "max_payload": 1 << 20}


def info(**more: object) -> bytes:
    return b"INFO " + json.dumps(ABOUT | more).encode() + b"\r\n"


class FalseServer:
    """Says of itself what `first` has for each connection, then a server's own; `later` after that."""

    def __init__(self) -> None:
        self.first: list[bytes] = []
        self.later = b""
        self.connections = 0
        self.heard: list[bytes] = []
        self.port = 0
        self.hangs_up = False
        """Closes each connection when it has said what it is."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            writer.write(self.first.pop(0) if self.first else info())
            while not self.hangs_up and (line := await reader.readline()):
                self.heard.append(line)
                if line.startswith(b"PING"):
                    writer.write(b"PONG\r\n")
                    later, self.later = self.later, b""
                    writer.write(later)
                    await writer.drain()
        except (OSError, ValueError):
            pass
        finally:
            writer.close()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"


@asynccontextmanager
async def false_server() -> AsyncIterator[FalseServer]:
    false = FalseServer()
    server = await asyncio.start_server(false.serve, "127.0.0.1", 0)
    false.port = server.sockets[0].getsockname()[1]
    try:
        yield false
    finally:
        server.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "_WAIT", 0.02)
    monkeypatch.setattr("sipstream.bus.client._CLOSE_SECONDS", 0.2)


FIRST = {
    "no JSON": b"INFO {garbage\r\n",
    "a list": b"INFO []\r\n",
    "a number": b"INFO 5\r\n",
    "deep": b"INFO " + b"[" * 20_000 + b"\r\n",
    "servers": info(connect_urls=5),
    "odd servers": info(connect_urls=["[::", 7, "\x1b[31m", ""]),
    "size": info(max_payload="\x1b]0;owned\x07"),
    "endless": b"INFO " + b"x" * (1 << 17),
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no UTF-8": b"INFO \xff\r\n",
}


@pytest.mark.parametrize("what", FIRST)
async def test_what_a_server_says_first(what: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it is, the next connection is tried; nothing but one kind of error is raised."""
    async with false_server() as false:
        false.first = [FIRST[what]] * 2
        client = await connect(Server(false.url), pytest.fail)
        await client.flush()
        await client.close()
        false.first = [FIRST[what]] * 10_000
        if what != "odd servers":
            with pytest.raises(SourceError) as caught:
                await connect(Server(false.url), pytest.fail)
            assert str(caught.value).isprintable()
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


LATER = {
    "no JSON": b"INFO {garbage\r\n",
    "a list": b"INFO []\r\n",
    "no UTF-8": b"-ERR '\xff\x1b[31m'\r\n",
    "too long": b"MSG a 1 99999999999\r\n",
    "a long number": b"MSG a 1 " + b"9" * 5000 + b"\r\n",
    "endless": b"x" * (3 << 20),
    "unknown": b"HELLO\r\n",
}


@pytest.mark.parametrize("what", LATER)
async def test_what_a_server_says_later(what: str, caplog: pytest.LogCaptureFixture) -> None:
    """The connection is made anew, on which messages come; nothing is kept of what never ends."""
    said: list[str] = []
    async with false_server() as false:
        false.later = LATER[what]
        client = await connect(Server(false.url), said.append)
        await until(lambda: false.connections == 2 and len(said) == 2)
        assert said[0].endswith("the server is gone; it is asked for again")
        assert "there again" in said[1]
        assert len(client._ps.buf) < 1 << 16
        await client.flush()
        await client.close()
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


async def test_one_that_comes_and_goes_is_told_of_once() -> None:
    """Each second it goes and is back: that fills no journal."""
    said: list[str] = []
    async with false_server() as false:
        client = await connect(Server(false.url), said.append)
        for number in range(2, 12):
            false.later = b"-ERR 'Stale Connection'\r\n"
            await client.flush()
            await until(lambda number=number: false.connections == number)
            await until(lambda: client.is_connected)
        assert len(said) == 2, said
        await client.close()


async def test_servers_named_in_plain_text_are_not_asked(tmp_path: Path) -> None:
    """With tls:// who sits between names a server of his own: it would get credentials."""
    async with false_server() as evil, false_server() as false:
        false.first = [info(connect_urls=[f"127.0.0.1:{evil.port}"], tls_required=True)] * 10_000
        false.hangs_up = True
        server = Server(f"tls://127.0.0.1:{false.port}")
        assert isinstance(connecting._security(server)["tls"], ssl.SSLContext)
        with pytest.raises(SourceError):
            await connect(server, pytest.fail)
        assert false.connections > 1
        assert evil.connections == 0


async def test_servers_that_are_named_are_few() -> None:
    async with false_server() as false:
        client = await connect(Server(false.url), pytest.fail)
        false.later = info(connect_urls=[f"host-{number}:1" for number in range(5000)])
        await client.flush()
        await until(lambda: len(client._server_pool) > 1)
        assert len(client._server_pool) == 100
        await client.close()


@pytest.mark.parametrize("seed", ["", "SUAXXXX\n"])
async def test_damaged_credentials_are_told_in_a_line(tmp_path: Path, seed: str) -> None:
    pytest.importorskip("nkeys")
    creds = tmp_path / "creds"
    creds.write_text(
        "-----BEGIN NATS USER JWT-----\nabc\n------END NATS USER JWT------\n"
        + f"-----BEGIN USER NKEY SEED-----\n{seed}------END USER NKEY SEED------\n" * bool(seed)
    )
    creds.chmod(0o600)
    async with false_server() as false:
        false.first = [info(nonce="abc")] * 10_000
        with pytest.raises(SourceError, match="the credentials are damaged"):
            await connect(Server(false.url, creds=creds), pytest.fail)
        assert not false.heard


async def test_one_that_stops_in_the_middle_of_tls() -> None:
    """Half-open: it is given up in time, when the program ends too."""
    async with false_server() as false:
        false.first = [info(tls_required=True)] * 10_000
        async with asyncio.timeout(10):
            with pytest.raises(SourceError):
                await connect(Server(f"tls://127.0.0.1:{false.port}"), pytest.fail)


async def test_one_that_stops_in_the_middle_is_asked_again() -> None:
    said: list[str] = []
    async with false_server() as false:
        client = await connect(Server(false.url), said.append)
        false.first = [info(tls_required=True), b"INFO ", b""]
        false.later = b"-ERR 'Stale Connection'\r\n"
        await client.flush()
        await until(lambda: false.connections == 5 and client.is_connected)
        await client.flush()
        await client.close()
