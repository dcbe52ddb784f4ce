"""What is said of NATS servers that can't be reached says why."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nats")

from nats_servers import nats_server, needs_nats_server  # noqa: E402

from sipstream.bus.connecting import Server, connect  # noqa: E402
from sipstream.errors import SourceError  # noqa: E402


@needs_nats_server
async def test_a_server_that_does_not_encrypt(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        url = server.url.replace("nats://", "tls://")
        with pytest.raises(
            SourceError, match="no server answers: it doesn't encrypt, and nothing is"
        ):
            await connect(Server(url), print)


async def test_a_host_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("asyncio.open_connection", unknown)
    with pytest.raises(SourceError, match="no server answers: name or service not known"):
        await connect(Server("nats://nosuch.example.net:4222"), print)
