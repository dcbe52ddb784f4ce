"""The servers that other tests stand on: what is stored outlives a crash, who may not connect can't."""

from __future__ import annotations

import ssl
from pathlib import Path

import nats_access
import pytest
from nats_servers import nats_server, needs_nats_server

nats = pytest.importorskip("nats")
pytestmark = needs_nats_server


async def _stored(url: str) -> int:
    client = await nats.connect(url)
    try:
        return (await client.jetstream().stream_info("T")).state.messages
    finally:
        await client.close()


async def test_what_was_stored_is_there_after_a_crash(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        client = await nats.connect(server.url)
        await client.jetstream().add_stream(name="T", subjects=["t.>"])
        for _ in range(3):
            await client.jetstream().publish("t.a", b"one")
        await client.close()
        url = server.url
        server.kill()
        server.start()
        assert server.url == url
        assert await _stored(url) == 3


async def test_a_password_is_wanted(tmp_path: Path) -> None:
    with nats_server(tmp_path, access=nats_access.password()) as server:
        await (await nats.connect(server.url)).close()
        with pytest.raises(Exception, match="Authorization"):
            await nats.connect(
                f"nats://127.0.0.1:{server.port}", allow_reconnect=False, max_reconnect_attempts=1
            )


async def test_a_certificate_of_a_known_ca_is_shown(tmp_path: Path) -> None:
    access = nats_access.tls(tmp_path / "keys")
    with nats_server(tmp_path, access=access) as server:
        trusted = ssl.create_default_context(cafile=str(access.ca))
        await (await nats.connect(server.url, tls=trusted)).close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await nats.connect(
                server.url,
                tls=ssl.create_default_context(),
                allow_reconnect=False,
                max_reconnect_attempts=1,
            )


async def test_a_creds_file_is_wanted(tmp_path: Path) -> None:
    pytest.importorskip("nkeys")
    access = nats_access.creds(tmp_path / "keys")
    with nats_server(tmp_path, access=access) as server:
        client = await nats.connect(server.url, user_credentials=str(access.creds))
        await client.jetstream().add_stream(name="T", subjects=["t.>"])
        await client.close()
        with pytest.raises(Exception, match="Authorization"):
            await nats.connect(server.url, allow_reconnect=False, max_reconnect_attempts=1)
