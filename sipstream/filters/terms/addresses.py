"""Where messages came from and went to, over what, at which capture point."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from sipstream.errors import FilterError
from sipstream.filters.addresses import (
    AddressSet,
    EndpointSet,
    address_text,
    endpoint_text,
    port_text,
    ports_of,
)
from sipstream.filters.columns import Addresses
from sipstream.filters.term import MessageTerm, Predicate, Registry, Test
from sipstream.filters.texts import TextSet, has_wildcard
from sipstream.filters.values import shown
from sipstream.filters.whole import Ways
from sipstream.ways import CUT, TRANSPORTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipstream.index import Index

registry = Registry("where")


# Addresses of the first message


class _Addresses(MessageTerm):
    needs = "an address"
    syntax = "<ip> [ip(s)]"
    value_kind = "value-address"
    source: ClassVar[bool] = False
    destination: ClassVar[bool] = False

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        return address_text(value)

    def test(self) -> Test:
        """Compare a message's own addresses."""
        holds = AddressSet(self.values).holds
        source, destination = self.source, self.destination
        return lambda message: (
            (source and holds(message.source_address))
            or (destination and holds(message.destination_address))
        )

    def predicate(self) -> Predicate:
        """Compare the first message's."""
        addresses = AddressSet(self.values)
        return Addresses(addresses, source=self.source, destination=self.destination)


@registry
class SourceAddress(_Addresses):
    """Where the first message came from."""

    name = "srcip"
    help = "<ip> is the source address"
    example = "srcip 10.20.0.22"
    source = True


@registry
class DestinationAddress(_Addresses):
    """Where the first message went."""

    name = "dstip"
    help = "<ip> is the destination address"
    example = "dstip 10.20.0.0/16"
    destination = True


@registry
class EitherAddress(_Addresses):
    """Between whom the first message went."""

    name = "ip"
    help = "<ip> is either the source or the destination address"
    example = "ip 2001:db8::/32"
    source = destination = True


# How any message came


class _Way(MessageTerm):
    """What the way of any message says: each way is judged once."""

    @abstractmethod
    def judge(self) -> Callable[[Index, int], bool]:
        """Return a new function that tells whether a way of an index is wanted."""

    def test(self) -> Test:
        """Ask a message's own ways."""
        judge = self.judge()
        return lambda message: any(
            judge(message.origin, one.way) for one in message.origin.seen(message.id)
        )

    def predicate(self) -> Predicate:
        """Ask the ways of all messages."""
        return Ways(self.judge())


@registry
class Port(_Way):
    """Which port is used."""

    name = "port"
    syntax = "<port> [port(s)]"
    help = "<port> is a message's source or destination port: 5060, 5060-5070"
    needs = "a port"
    example = "port 5060-5070"
    value_kind = "value-port"

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return a port, or a range of them."""
        return port_text(value)

    def judge(self) -> Callable[[Index, int], bool]:
        """Compare both ports."""
        wanted = ports_of(self.values)
        return lambda index, way: any(
            index.endpoints.port(end) in ports for end in index.ways.ends(way) for ports in wanted
        )


@registry
class EndpointTerm(_Way):
    """Which address and port."""

    name = "endpoint"
    syntax = "<ip:port> [ip:port(s)]"
    help = "<ip:port> is where a message came from or went to: 10.0.0.1:5060, [2001:db8::1]:5060"
    needs = "an address with a port"
    example = "endpoint 10.20.0.22:5060"
    value_kind = "value-endpoint"

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return address and port."""
        return endpoint_text(value)

    def judge(self) -> Callable[[Index, int], bool]:
        """Compare both ends."""
        holds = EndpointSet(self.values).holds
        return lambda index, way: any(
            holds(index.endpoints.address(end), index.endpoints.port(end))
            for end in index.ways.ends(way)
        )


@registry
class Transport(_Way):
    """Over what."""

    name = "transport"
    syntax = "<transport> [transport(s)]"
    help = "a message came over <transport>: udp, tcp, tls, ws, wss, sctp"
    needs = "a transport"
    example = "transport tcp tls"
    value_kind = "value-transport"
    choices = {name.lower(): f"SIP over {name}" for name in TRANSPORTS}  # noqa: RUF012

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return the transport in small letters."""
        if value.lower() not in cls.choices:
            raise FilterError(f"'{shown(value)}' is no transport: {', '.join(cls.choices)}")
        return value.lower()

    def judge(self) -> Callable[[Index, int], bool]:
        """Compare the transport."""
        wanted = {TRANSPORTS.index(value.upper()) for value in self.values}
        return lambda index, way: index.ways.transport[way] & ~CUT in wanted


class _Taps(_Way):
    value_kind = "value-tap"

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        has_wildcard(value)
        return value

    def judge(self) -> Callable[[Index, int], bool]:
        """Compare the capture point's name."""
        holds = TextSet(self.values).holds
        return lambda index, way: holds(index.taps[index.ways.tap[way]])


@registry
class Interface(_Taps):
    """At which network interface."""

    name = "interface"
    syntax = "<interface> [interface(s)]"
    help = "a message was captured on <interface>, as --live or a pcapng file names it"
    needs = "an interface"
    example = "interface eth0 eth1"


@registry
class Tap(_Taps):
    """At which capture point."""

    name = "tap"
    syntax = "<tap> [tap(s)]"
    help = "a message was captured at <tap>: an interface, or what a capture calls it"
    needs = "a tap"
    example = "tap eth*"
