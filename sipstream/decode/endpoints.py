"""Endpoints (address and port) and tunnels as small numbers, and the flows between two endpoints.

A message in the index holds numbers instead of addresses; the texts are made when someone looks.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from sipstream.limits import FLOWS, OUTERS

if TYPE_CHECKING:
    from sipstream.decode.tcp import Stream


Key: TypeAlias = bytes | str
"""An endpoint: the bytes of its address and port, or where tcpdump printed a name, `host:port`."""

Plain: TypeAlias = tuple[Key, Key, str, bytes, bool]
"""A flow as plain values: source, destination, transport, an interface's index, whether it is cut."""


NOBODY = bytes(6)
"""The endpoint of who has none: address and port are zero."""


def key_of(address: bytes, port: int) -> bytes:
    """Return the key of an IPv4 (4 bytes) or IPv6 (16 bytes) address with a port."""
    return address + port.to_bytes(2, "big")


def key_of_name(host: str, port: int) -> Key:
    """Return the key of a host as tcpdump printed it: an address in text, or a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return key_of(socket.inet_pton(family, host), port)
        except (OSError, ValueError):
            continue
    return f"{host}:{port}"


class Endpoints:
    """The table of endpoints that messages came from or went to; a number never changes."""

    def __init__(self, outers: Outers | None = None) -> None:
        self._ids: dict[Key, int] = {}
        self._keys: list[Key] = []
        self._addresses: list[str | None] = []
        self._free: list[int] = []
        self.outers = outers if outers is not None else Outers()

    def __len__(self) -> int:
        return len(self._ids)

    def intern(self, key: Key) -> int:
        """Return the number of an endpoint, a new one when it is new."""
        number = self._ids.get(key)
        if number is None and self._free:
            number = self._ids[key] = self._free.pop()
            self._keys[number], self._addresses[number] = key, None
        elif number is None:
            number = self._ids[key] = len(self._keys)
            self._keys.append(key)
            self._addresses.append(None)
        return number

    def numbers(self) -> Iterator[int]:
        """Yield the numbers of all endpoints."""
        return iter(self._ids.values())

    def forget_others(self, used: set[int]) -> int:
        """Give up the endpoints that aren't used, return how many are left."""
        for key, number in list(self._ids.items()):
            if number not in used:
                del self._ids[key]
                self._keys[number], self._addresses[number] = b"", None
                self._free.append(number)
        return len(self._ids)

    def key(self, number: int) -> Key:
        """Return the key of an endpoint."""
        return self._keys[number]

    def address(self, number: int) -> str:
        """Return the address as text, `10.20.0.22` or `2001:db8::1`."""
        address = self._addresses[number]
        if address is None:
            address = self._addresses[number] = parts_of(self._keys[number])[0]
        return address

    def port(self, number: int) -> int:
        """Return the port."""
        return parts_of(self._keys[number])[1]

    def text(self, number: int) -> str:
        """Return the endpoint as tcpdump prints it, `10.20.0.22.5060`."""
        return f"{self.address(number)}.{self.port(number)}"

    def uri_text(self, number: int) -> str:
        """Return the endpoint as URIs have it, `10.20.0.22:5060` or `[2001:db8::1]:5060`."""
        address = self.address(number)
        if ":" in address:
            address = f"[{address}]"
        return f"{address}:{self.port(number)}"


def parts_of(key: Key) -> tuple[str, int]:
    """Return an endpoint's address as text, and its port."""
    if isinstance(key, str):
        host, _, port = key.rpartition(":")
        return host, int(port)
    return _ip_text(key[:-2]), int.from_bytes(key[-2:], "big")


class Outers:
    """How packets came: in which tunnels, at which of several interfaces; number 0 says nothing.

    A table beyond OUTERS entries has only `OTHER` for new ones: the messages are kept, how they came
    isn't.
    """

    OTHER = 1

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str, bytes, bytes], int] = {}
        self._parts: list[tuple[int, str, bytes, bytes]] = [(0, "", b"", b"")] * 2
        self._taps: dict[int, str] = {}
        self._agents: set[int] = set()
        self.own: set[Key] = set()
        """Endpoints that this program sends HEP from: what comes of them was here before."""

    def interface(self, index: bytes) -> int:
        """Return the number of an interface's index: it has no text, but tells capture points apart."""
        return self._intern((0, "", index, b""))

    def tunnel(self, around: int, name: str, source: bytes, destination: bytes) -> int:
        """Return the number of a tunnel between two IP addresses, inside the tunnel `around`."""
        return self._intern((around, name, source, destination))

    def agent(self, sender: Key, agent: int, tap: str = "") -> int:
        """Return the number of what a HEP agent sent from the endpoint `sender`.

        `tap` is its capture point. NOBODY as the sender says that it came by another way than HEP.
        """
        address, port = parts_of(sender)
        name = tap or str(agent or "")
        text = f"HEP from {address}.{port}{f', agent {name}' if name else ''}"
        if sender == NOBODY:
            text = f"tap {name}"
        number = self._intern((0, text, b"", b""))
        if number != self.OTHER:
            self._agents.add(number)
            if name:
                self._taps[number] = name
        return number

    def is_agent(self, number: int) -> bool:
        """Tell whether an agent's messages have this number."""
        return number in self._agents

    def tap(self, number: int) -> str:
        """Return the name of the capture point that an agent told, "" for none."""
        return self._taps.get(number, "")

    def index_of(self, number: int) -> bytes:
        """Return the index of the interface of a number, b"" for none."""
        return self._parts[number][2]

    def reverse(self, number: int) -> int:
        """Return the number of the same tunnel's other direction."""
        if number <= self.OTHER:
            return number
        around, name, source, destination = self._parts[number]
        if not destination:
            return number
        return self._intern((self.reverse(around), name, destination, source))

    def text(self, number: int) -> str:
        """Return the tunnels from the outermost on, `GRE 10.0.0.1 > 10.0.0.2`, "" for none."""
        if number == self.OTHER:
            return "another tunnel"
        around, name, source, destination = self._parts[number]
        ends = f" {_ip_text(source)} > {_ip_text(destination)}" if destination else ""
        before = self.text(around) if around else ""
        return f"{before}, {name}{ends}" if before else f"{name}{ends}"

    def _intern(self, parts: tuple[int, str, bytes, bytes]) -> int:
        number = self._numbers.get(parts)
        if number is None:
            if len(self._parts) >= OUTERS:
                return self.OTHER
            number = self._numbers[parts] = len(self._parts)
            self._parts.append(parts)
        return number


def _ip_text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


class Flow:
    """One direction between two endpoints over one transport, inside the tunnel `outer` or none."""

    __slots__ = (
        "brings_messages",
        "cut",
        "destination",
        "destination_key",
        "framer",
        "generation",
        "in_part",
        "outer",
        "source",
        "source_key",
        "stream",
        "tap",
        "tls",
        "transport",
        "way",
        "websocket",
    )

    def __init__(self, source: Key, destination: Key, transport: str, outer: int) -> None:
        self.source_key = source
        self.destination_key = destination
        self.source = self.destination = -1
        """The endpoints' numbers, once a message has come: most flows never bring one."""
        self.brings_messages = False
        """SIP has come of it: kept by the SIP stage, which decode knows nothing of."""
        self.way = self.tap = 0
        """What the index numbers it by at a capture point, once a message has come."""
        self.generation: object = None
        """What these numbers are of; kept by `ways`."""
        self.transport = transport
        self.outer = outer
        self.cut = False
        """Its datagrams lack their ends: the capture has cut them off."""
        self.in_part = False
        """Its datagrams were printed line by line: what has no Call-ID is taken for a part of one."""
        self.stream: Stream | None = None
        """The TCP direction's state; kept by `decode.streams`."""
        self.tls: Any = None
        """What reads a TLS direction, False when it is none, None until its first bytes have come;
        kept by `decode.streams`."""
        self.websocket: Any = None
        """The deframer once the direction has switched to WebSocket; kept by `decode.streams`."""
        self.framer: Any = None
        """The message framer of a stream; kept by the SIP stage, which decode knows nothing of."""

    def resolve(self, endpoints: Endpoints) -> None:
        """Give the endpoints their numbers."""
        self.source = endpoints.intern(self.source_key)
        self.destination = endpoints.intern(self.destination_key)


class Flows:
    """The flows seen by one source. The short table (`by_key`) serves the hot path only."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.outers = endpoints.outers
        self.by_key: dict[bytes, Flow] = {}
        """UDP over IPv4: addresses and ports as they stand in the packet, and an interface's index."""
        self._flows: dict[tuple[Key, Key, str, int], Flow] = {}
        self._cut: dict[Flow, Flow] = {}
        self._in_part: dict[Flow, Flow] = {}

    def udp4(self, key: bytes) -> Flow:
        """Return the flow of 12 bytes as they stand in an IPv4 packet with UDP.

        Four more name the interface, where several are captured at once.
        """
        if len(self.by_key) >= FLOWS:
            self.by_key.clear()
        outer = self.outers.interface(key[12:]) if len(key) > 12 else 0
        flow = self.by_key[key] = self.between(
            key[:4] + key[8:10], key[4:8] + key[10:12], "UDP", outer
        )
        return flow

    def between(self, source: Key, destination: Key, transport: str, outer: int = 0) -> Flow:
        """Return the flow between two endpoints over a transport, inside the tunnel `outer`."""
        key = (source, destination, transport, outer)
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= FLOWS:
                # Streams are bounded elsewhere: a flood of UDP must not tear them apart.
                self._flows = {key: one for key, one in self._flows.items() if one.stream}
            flow = self._flows[key] = Flow(source, destination, transport, outer)
        return flow

    def plain(self, flow: Flow) -> Plain:
        """Return what a flow outside of all tunnels is, for another process."""
        index = self.outers.index_of(flow.outer) if flow.outer else b""
        return flow.source_key, flow.destination_key, flow.transport, index, flow.cut

    def of_plain(self, plain: Plain) -> Flow:
        """Return the flow that another process has told."""
        source, destination, transport, index, cut = plain
        outer = self.outers.interface(index) if index else 0
        flow = self.between(source, destination, transport, outer)
        return self.cut(flow) if cut else flow

    def cut(self, flow: Flow) -> Flow:
        """Return the flow of the same ends whose datagrams lack their ends."""
        found = self._twin(flow, self._cut)
        found.cut = True
        return found

    def in_part(self, flow: Flow) -> Flow:
        """Return the flow of the same ends of which a datagram without a Call-ID is a part."""
        found = self._twin(flow, self._in_part)
        found.in_part = True
        return found

    def _twin(self, flow: Flow, twins: dict[Flow, Flow]) -> Flow:
        """Return another flow of the same ends, the same one each time."""
        found = twins.get(flow)
        if found is None:
            if len(twins) >= FLOWS:
                twins.clear()
            found = Flow(flow.source_key, flow.destination_key, flow.transport, flow.outer)
            twins[flow] = found
        return found

    def reverse(self, flow: Flow) -> Flow:
        """Return the flow in the other direction."""
        outer = self.outers.reverse(flow.outer) if flow.outer else 0
        return self.between(flow.destination_key, flow.source_key, flow.transport, outer)
