"""Serves figures to Prometheus over HTTP, on loopback unless another address was named.

One answer to one request, then the connection ends. Who connects gets little: so many bytes and
seconds for a request, so many connections at a time, and figures that are worked out at most once a
second. There is no TLS and no password: what is served names nobody, and holds no address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sipstream import errors
from sipstream.errors import SipstreamError
from sipstream.index import UNUSED
from sipstream.metrics import Measuring
from sipstream.metrics.exposition import CONTENT_TYPE, Snapshot, text
from sipstream.pace import Pace
from sipstream.usage import memory

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from sipstream.session import Session

_MOST_CLIENTS = 16
"""Connections at a time: two Prometheuses need two."""
_MOST_BYTES = 8192
"""Bytes of a request: Prometheus sends some 300."""
_PIECES_BEHIND = 8
"""Pieces of that size that are read behind it, at most."""
_PATIENCE = 5.0
"""Seconds that a client has to send its request, and again to read the answer."""
_FRESH = 1.0
"""Seconds for which figures are served again without being worked out anew."""
_BACKLOG = 16
_REQUEST = re.compile(rb"(GET|HEAD) (\S+) HTTP/1\.[01]")
_METHOD = re.compile(rb"[A-Z]+ \S+ HTTP/1\.[01]")
_PATH = b"/metrics"
_USED = bytes(state != UNUSED for state in range(256))


def listening(host: str, port: int) -> socket.socket:
    """Return a socket at an address; to be called while there are rights to take a low port.

    Raises:
        SipstreamError: the address can't be had.
    """
    version = ipaddress.ip_address(host).version
    made = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise SipstreamError(f"--prometheus {host} port {port}: {errors.words(error)}") from error
    # Processes that read a file for us have no business with it, and must not keep the port.
    os.register_at_fork(after_in_child=made.close)
    return made


def where(bound: socket.socket) -> str:
    """Return where figures are read, as one says it."""
    host, port = bound.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    told = "" if ipaddress.ip_address(host).is_loopback else " (to everyone who reaches it)"
    return f"Serving figures at http://{shown}:{port}{_PATH.decode()}{told}"


class Serving:
    """Figures of a session, served as long as this is open. Use it as an async context manager.

    `more` returns further figures of who runs the session.
    """

    def __init__(
        self,
        session: Session,
        bound: socket.socket,
        more: Callable[[], Iterable[Metric]] = tuple,
    ) -> None:
        self._session = session
        self._bound = bound
        self._more = more
        self._codes: Counter[int] = Counter()
        self._measuring = Measuring()
        self._answer = b""
        self._made = float("-inf")
        self._lock = asyncio.Lock()
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Serving:
        self._session.watchers.append(self._saw)
        self._server = await asyncio.start_server(
            self._accepted, sock=self._bound, limit=_MOST_BYTES
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        self._session.watchers.remove(self._saw)
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.cancel()
        if self._clients:
            await asyncio.wait(self._clients)

    def _saw(self, added: list[int]) -> None:
        """Count messages that came: what is given up later stays counted."""
        codes = self._session.conversations.index.m_code
        self._codes.update(map(codes.__getitem__, added))

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= _MOST_CLIENTS:
            writer.transport.abort()
            return
        client = asyncio.create_task(self._serve(reader, writer), name="prometheus")
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; whatever goes wrong costs this connection only."""
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await self._answered(reader)
            writer.write(answer)
            writer.write_eof()
            async with asyncio.timeout(_PATIENCE):
                await writer.drain()
                # What a client still sends is read: with bytes left unread TCP would reset the answer.
                for _ in range(_PIECES_BEHIND):
                    if not await reader.read(_MOST_BYTES):
                        break
        except (OSError, TimeoutError):
            pass
        except Exception as error:
            self._session.faults.note("prometheus", error)
        finally:
            # Nothing waits for a client that doesn't read.
            writer.transport.abort()

    async def _answered(self, reader: asyncio.StreamReader) -> bytes:
        """Return the answer to a request."""
        try:
            request = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _response(431, b"Request Header Fields Too Large")
        except asyncio.IncompleteReadError:
            return b""
        line = request.partition(b"\r\n")[0]
        found = _REQUEST.fullmatch(line)
        if found is None:
            if _METHOD.fullmatch(line):
                return _response(405, b"Method Not Allowed", more=b"Allow: GET, HEAD\r\n")
            return _response(400, b"Bad Request")
        if found[2].partition(b"?")[0] != _PATH:
            return _response(404, b"Not Found", b"figures are at /metrics\n")
        body = await self._figures()
        return _response(200, b"OK", body, head=found[1] == b"HEAD")

    async def _figures(self) -> bytes:
        """Return figures that are at most a second old."""
        async with self._lock:
            if time.monotonic() - self._made >= _FRESH:
                self._answer = text(await self._snapshot(), self._more())
                self._made = time.monotonic()
            return self._answer

    async def _snapshot(self) -> Snapshot:
        conversations, pace = self._session.conversations, Pace()
        chosen = bytes(conversations.index.c_state).translate(_USED)
        await pace.through(self._measuring.measure(conversations, chosen, pace.due))
        tallies = [source.tally for source in self._session.sources.all]
        reasons: Counter[str] = Counter()
        for tally in tallies:
            reasons.update(tally.reasons)
        return Snapshot(
            codes=self._codes,
            states=conversations.counts_by_state(),
            given_up=conversations.given_up,
            packets=sum(tally.packets for tally in tallies),
            reasons=reasons,
            drops=sum(tally.drops for tally in tallies),
            memory=memory(),
            metrics=self._measuring.metrics,
        )


def _response(
    status: int, reason: bytes, body: bytes | None = None, *, head: bool = False, more: bytes = b""
) -> bytes:
    body = reason + b"\n" if body is None else body
    kind = CONTENT_TYPE if status == 200 else "text/plain; charset=utf-8"
    return (
        b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%bConnection: close\r\n\r\n"
        % (status, reason, kind.encode(), len(body), more)
    ) + (b"" if head else body)
