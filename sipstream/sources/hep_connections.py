"""HEP over TCP: connections of agents, of which each holds little, and envelopes cut out of them.

HEP 3 alone says how long a packet is; a connection that brings anything else, or a length that can't be,
has lost its way and is closed: agents connect anew. What isn't taken out of a connection isn't read
from it either, so that TCP has the agent wait.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from sipstream import limits, reasons
from sipstream.decode import hep

_HEAD = 6
"""Bytes before the first chunk: the magic and the length of all."""
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 3))
"""An agent whose machine went away is noticed after two minutes."""


class Connection(asyncio.Protocol):
    """One agent's connection: bytes that came, and envelopes of them when they are asked for."""

    def __init__(self, connections: Connections) -> None:
        self.address = ""
        self.port = 0
        self.heard = monotonic()
        """When bytes came last."""
        self.in_part = False
        """What it holds is no whole envelope."""
        self.wrong = ""
        """Why it is to be closed."""
        self._connections = connections
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, where its other end may send."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        if not peer:
            # It is gone already.
            transport.abort()
            return
        self.address, self.port = peer[:2]
        sock = transport.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
        self._connections.came(self)

    def data_received(self, data: bytes) -> None:
        """Keep what came until it is asked for."""
        self.heard = monotonic()
        self._data += data
        if len(self._data) >= limits.HEP_CONNECTION and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True
        self._connections.ready()

    def connection_lost(self, error: Exception | None) -> None:
        """The other end closed it, or we did: what came whole is still taken out."""
        self._transport = None
        self._connections.ready()

    @property
    def is_over(self) -> bool:
        """Nothing more comes of it."""
        return self._transport is None and not self._data

    def take(self, most: int, is_full: Callable[[str], bool]) -> list[bytes]:
        """Return envelopes that are whole, so many at most, and as many as this sender may send now."""
        data = self._data
        taken: list[bytes] = []
        place, self.in_part = 0, False
        while place < len(data):
            head = bytes(data[place : place + _HEAD])
            length = int.from_bytes(head[4:], "big")
            if head[:4] != hep.MAGIC[: len(head)] or (len(head) == _HEAD and length < _HEAD):
                self.wrong = reasons.NOT_HEP
                break
            if len(head) < _HEAD or len(data) - place < length:
                self.in_part = True
                if self._transport is None:
                    self.wrong = reasons.BAD_HEP
                break
            if len(taken) == most or is_full(self.address):
                break
            taken.append(bytes(data[place : place + length]))
            place += length
        del data[:place]
        if self._paused and len(data) < limits.HEP_CONNECTION and self._transport is not None:
            self._transport.resume_reading()
            self._paused = False
        return taken

    def close(self) -> None:
        """End it; what was held is gone."""
        self._data.clear()
        if self._transport is not None:
            self._transport.abort()


class Connections:
    """All connections at one address. `ready` is called when one has something to say."""

    def __init__(self, may: Callable[[str], bool], ready: Callable[[], None]) -> None:
        self.ready = ready
        self._may = may
        self._open: list[Connection] = []
        self._refused: list[str] = []

    def __len__(self) -> int:
        return len(self._open)

    def connection(self) -> Connection:
        """Return what takes a new connection."""
        return Connection(self)

    def came(self, connection: Connection) -> None:
        """Take a connection, or close it; the longest idle one goes where there are too many."""
        if not self._may(connection.address):
            if len(self._refused) < limits.HEP_CONNECTIONS:
                self._refused.append(connection.address)
            connection.close()
            self.ready()
            return
        if len(self._open) >= limits.HEP_CONNECTIONS:
            self.close(min(self._open, key=lambda one: one.heard))
        self._open.append(connection)

    def take_refused(self) -> list[str]:
        """Return the addresses that weren't let in since the last call."""
        refused, self._refused = self._refused, []
        return refused

    def in_turn(self) -> list[Connection]:
        """Return all of them, each time another one first: none is always served last."""
        self._open = [one for one in self._open if not one.is_over]
        self._open = self._open[1:] + self._open[:1]
        return list(self._open)

    def close(self, connection: Connection) -> None:
        """End one of them."""
        connection.close()
        self._open.remove(connection)

    def close_idle(self) -> list[str]:
        """End those that were silent for too long; return the addresses of those within an envelope."""
        now = monotonic()
        within = []
        for one in list(self._open):
            most = limits.HEP_PART_SECONDS if one.in_part else limits.HEP_IDLE_SECONDS
            if now - one.heard > most:
                if one.in_part:
                    within.append(one.address)
                self.close(one)
        return within

    def close_all(self) -> None:
        """End all."""
        for one in list(self._open):
            self.close(one)
