"""Endpoints (address and port) as small numbers, and the flows between two of them.

A message in the index holds two numbers instead of two addresses; the texts are made once an
endpoint, when someone looks.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from sipstream.limits import FLOWS

if TYPE_CHECKING:
    from sipstream.decode.tcp import Stream


class Endpoints:
    """The table of endpoints seen; an endpoint's number never changes."""

    def __init__(self) -> None:
        self._ids: dict[bytes | str, int] = {}
        self._addresses: list[str | None] = []
        self._keys: list[bytes | str] = []
        self._ports: list[int] = []

    def __len__(self) -> int:
        return len(self._ports)

    def intern_ip(self, address: bytes, port: int) -> int:
        """Return the number of an IPv4 (4 bytes) or IPv6 (16 bytes) address with a port."""
        return self._intern(address + port.to_bytes(2, "big"), None, port)

    def intern_name(self, host: str, port: int) -> int:
        """Return the number of a host as tcpdump printed it: an address in text, or a name."""
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                return self.intern_ip(socket.inet_pton(family, host), port)
            except (OSError, ValueError):
                continue
        return self._intern(f"{host}:{port}", host, port)

    def _intern(self, key: bytes | str, host: str | None, port: int) -> int:
        number = self._ids.get(key)
        if number is None:
            number = self._ids[key] = len(self._ports)
            self._keys.append(key)
            self._addresses.append(host)
            self._ports.append(port)
        return number

    def address(self, number: int) -> str:
        """Return the address as text, `10.20.0.22` or `2001:db8::1`."""
        address = self._addresses[number]
        if address is None:
            key = self._keys[number]
            assert isinstance(key, bytes)
            family = socket.AF_INET if len(key) == 6 else socket.AF_INET6
            address = self._addresses[number] = socket.inet_ntop(family, key[:-2])
        return address

    def port(self, number: int) -> int:
        """Return the port."""
        return self._ports[number]

    def text(self, number: int) -> str:
        """Return the endpoint as tcpdump prints it, `10.20.0.22.5060`."""
        return f"{self.address(number)}.{self._ports[number]}"

    def uri_text(self, number: int) -> str:
        """Return the endpoint as URIs have it, `10.20.0.22:5060` or `[2001:db8::1]:5060`."""
        address = self.address(number)
        if ":" in address:
            address = f"[{address}]"
        return f"{address}:{self._ports[number]}"


class Flow:
    """One direction between two endpoints over one transport."""

    __slots__ = ("destination", "framer", "source", "stream", "transport", "websocket")

    def __init__(self, source: int, destination: int, transport: str) -> None:
        self.source = source
        self.destination = destination
        self.transport = transport
        self.stream: Stream | None = None
        """The TCP direction's state; kept by `decode.tcp`."""
        self.websocket: Any = None
        """The deframer once the direction has switched to WebSocket; kept by `decode.websocket`."""
        self.framer: Any = None
        """The message framer of a stream; kept by the SIP stage, which decode knows nothing of."""


class Flows:
    """The flows seen by one source. The short table (`by_key`) serves the hot path only."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self.by_key: dict[bytes, Flow] = {}
        """UDP over IPv4: source address, destination address, ports, as they stand in the packet."""
        self._flows: dict[tuple[int, int, str], Flow] = {}

    def udp4(self, key: bytes) -> Flow:
        """Return the flow of 12 bytes as they stand in an IPv4 packet with UDP."""
        intern = self.endpoints.intern_ip
        source = intern(key[:4], int.from_bytes(key[8:10], "big"))
        destination = intern(key[4:8], int.from_bytes(key[10:12], "big"))
        if len(self.by_key) >= FLOWS:
            self.by_key.clear()
        flow = self.by_key[key] = self.between(source, destination, "UDP")
        return flow

    def between(self, source: int, destination: int, transport: str) -> Flow:
        """Return the flow between two endpoints over a transport."""
        key = (source, destination, transport)
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= FLOWS:
                self._flows.clear()
            flow = self._flows[key] = Flow(source, destination, transport)
        return flow

    def reverse(self, flow: Flow) -> Flow:
        """Return the flow in the other direction."""
        return self.between(flow.destination, flow.source, flow.transport)

    def all(self) -> list[Flow]:
        """Return every flow remembered."""
        return list(self._flows.values())
