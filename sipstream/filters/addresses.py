"""Addresses of filters: single ones, networks, ranges, host names, endpoints and ports."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from sipstream.errors import FilterError
from sipstream.filters.values import shown

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+)[.:]\d+|\[([^\]]*)\]:\d+")
_ENDPOINT = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]+?))[.:](\d{1,5})", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,5}")
_PORTS = 1 << 16

_ADDRESSES_KEPT = 65_536
"""Addresses whose answer an AddressSet remembers; the table is emptied when full."""


class AddressSet:
    """IPv4 and IPv6 networks, single addresses being the smallest ones, ranges, and host names."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._networks: dict[tuple[int, int], set[int]] = {}
        self._ranges: list[tuple[int, int, int]] = []
        self._known: dict[str, bool] = {}
        for address in addresses:
            if (ends := _range(address)) is not None:
                self._ranges.append(ends)
                continue
            network = _network(address)
            if network is None:
                self._names.add(_host(address))
            else:
                shift = network.max_prefixlen - network.prefixlen
                same_size = self._networks.setdefault((network.version, shift), set())
                same_size.add(int(network.network_address) >> shift)

    def holds(self, address: str) -> bool:
        """Tell whether an endpoint's address or host name is one of these or in one of them."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _ADDRESSES_KEPT:
                self._known.clear()
            known = self._known[address] = self._find(address)
        return known

    def _find(self, address: str) -> bool:
        network = _network(address)
        if network is None:
            return _host(address) in self._names
        number = int(network.network_address)
        return any(
            version == network.version and number >> shift in same_size
            for (version, shift), same_size in self._networks.items()
        ) or any(
            version == network.version and low <= number <= high
            for version, low, high in self._ranges
        )


def address_text(value: str) -> str:
    """Return an address, network, range of addresses or host name in its one spelling.

    Raises:
        FilterError: it is none of these.
    """
    ends = _range(value)
    if ends is not None:
        low, _, high = value.partition("-")
        if ends[1] > ends[2]:
            raise FilterError(f"'{shown(value)}' is empty: the lower address comes first")
        return f"{address_text(low)}-{address_text(high)}"
    network = _network(value)
    if network is not None:
        single = network.prefixlen == network.max_prefixlen
        return str(network.network_address if single else network)
    with_port = _PORT.fullmatch(value)
    if with_port and _network(with_port[1] or with_port[2]) is not None:
        alone = shown(with_port[1] or with_port[2])
        raise FilterError(f"'{shown(value)}' has a port: write the address alone, {alone}")
    host = _host(value)
    labels = host.split(".")
    # A last label of digits only makes a misspelt IPv4 address, never a host name (RFC 1123 2.1).
    if (
        len(host) > 253
        or labels[-1].isdecimal()
        or not all(_LABEL.fullmatch(label) for label in labels)
    ):
        raise FilterError(
            f"'{shown(value)}' is no IPv4 or IPv6 address, network (10.0.0.0/8) or host name"
        )
    return host


def _range(text: str) -> tuple[int, int, int] | None:
    """Return IP version and both ends of `10.0.0.1-10.0.0.20`, None for what is no range."""
    low, dash, high = text.partition("-")
    if not dash or "/" in text:
        return None
    first, last = _network(low), _network(high)
    if first is None or last is None or first.version != last.version:
        return None
    return first.version, int(first.network_address), int(last.network_address)


def endpoint_text(value: str) -> str:
    """Return an endpoint `10.0.0.1:5060` or `[2001:db8::1]:5060` in its one spelling.

    tcpdump's `10.0.0.1.5060` is taken too.

    Raises:
        FilterError: it is none.
    """
    if _network(value) is not None and "/" not in value:
        alone = value.strip("[]")
        whole = f"[{alone}]:5060" if ":" in alone else f"{alone}:5060"
        raise FilterError(
            f"'{shown(value)}' has no port: write `{shown(whole)}`, or `ip {shown(alone)}`"
        )
    host, port = _host_and_port(value)
    if not port or not 0 < int(port) < _PORTS:
        raise FilterError(f"'{shown(value)}' is no endpoint such as 10.0.0.1:5060")
    address = address_text(host)
    if "/" in address or _range(address) is not None:
        raise FilterError(f"'{shown(value)}' is no endpoint such as 10.0.0.1:5060")
    return f"[{address}]:{int(port)}" if ":" in address else f"{address}:{int(port)}"


def _host_and_port(value: str) -> tuple[str, str]:
    """Return the parts of an endpoint, "" for a port that isn't there."""
    match = _ENDPOINT.fullmatch(value)
    return (match[1] or match[2], match[3]) if match else (value, "")


def port_text(value: str) -> str:
    """Return a port or a range of ports in its one spelling.

    Raises:
        FilterError: it is neither.
    """
    low, dash, high = value.partition("-")
    ends = [low, high] if dash else [low]
    if not all(_DIGITS.fullmatch(end) and int(end) < _PORTS for end in ends):
        raise FilterError(f"'{shown(value)}' is no port (5060) or range of ports (5060-5070)")
    if dash and int(low) > int(high):
        raise FilterError(f"'{shown(value)}' is empty: the lower port comes first")
    return "-".join(str(int(end)) for end in ends)


def ports_of(values: Iterable[str]) -> list[range]:
    """Return the ranges that texts of `port_text` name."""
    found = []
    for value in values:
        low, _, high = value.partition("-")
        found.append(range(int(low), int(high or low) + 1))
    return found


def _host(name: str) -> str:
    return name.removesuffix(".").lower()


def _network(text: str) -> IPv4Network | IPv6Network | None:
    """Return an address or network of any spelling, None for what is neither.

    An IPv4 address written as an IPv6 one (::ffff:10.0.0.1, RFC 4291 2.5.5.2) is taken as itself.
    """
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    address, slash, size = text.partition("/")
    # The zone says at which interface of the capturing host, which the traffic can't tell.
    address = address.partition("%")[0]
    try:
        network = ip_network(address + slash + size, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((int(mapped), network.prefixlen - 96))
    return network


class EndpointSet:
    """Addresses or host names, each with a port."""

    def __init__(self, endpoints: Iterable[str]) -> None:
        hosts: dict[int, list[str]] = {}
        for endpoint in endpoints:
            host, port = _host_and_port(endpoint)
            hosts.setdefault(int(port), []).append(host)
        self._addresses = {port: AddressSet(names) for port, names in hosts.items()}

    def holds(self, address: str, port: int) -> bool:
        """Tell whether an endpoint is one of these."""
        addresses = self._addresses.get(port)
        return addresses is not None and addresses.holds(address)
