"""Addresses as rules compare them: private ones, public ones, and where a URI says to send to."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

from sipstream.sip import via
from sipstream.sip.headers import split_values
from sipstream.sip.uri import Uri, uri_in
from sipstream.sip.via import Via

if TYPE_CHECKING:
    from sipstream.views import Message

End: TypeAlias = tuple[str, int]
"""Address and port."""

_PRIVATE = tuple(
    ip_network(text)
    # RFC 1918 section 3, RFC 6598 section 7, RFC 4193 section 3.1
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
_LONGEST = 64
"""Letters of a text that may be an address."""
_LONGEST_CONTACT = 1024
"""Letters of all Contacts of a message."""
SIP_PORT, SIPS_PORT = 5060, 5061
"""RFC 3261 19.1.2: where none is said."""
_PORT = re.compile(r":(\d{1,5})\Z")
_SECURE = re.compile(r"\s*sips:", re.IGNORECASE)
_TLS = re.compile(r";\s*transport\s*=\s*(?:tls|wss)\b", re.IGNORECASE)


@lru_cache(maxsize=4096)
def private_block(address: str) -> int | None:
    """Return the number of the private network that an address is of, None for any other text."""
    parsed = _parsed(address)
    if parsed is None:
        return None
    return next((n for n, one in enumerate(_PRIVATE) if parsed in one), None)


@lru_cache(maxsize=4096)
def is_public(address: str) -> bool:
    """Tell whether an address is one of the internet: neither private nor of this host or link."""
    parsed = _parsed(address)
    if parsed is None or private_block(address) is not None:
        return False
    # `is_private` would also be true of addresses for documentation.
    return not (
        parsed.is_loopback or parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified
    )


def is_inside(address: str) -> bool:
    """Tell whether an address is none that the internet routes: private, of this host or link."""
    parsed = _parsed(address)
    if parsed is None:
        return False
    return private_block(address) is not None or parsed.is_loopback or parsed.is_link_local


def same(address: str) -> str:
    """Return an address in the one way of writing it, any other text in lower case."""
    parsed = _parsed(address)
    return address.lower() if parsed is None else str(parsed)


def is_address(text: str) -> bool:
    """Tell whether a host is written as an address."""
    return _parsed(text) is not None


def source(message: Message) -> End:
    """Return where a message came from."""
    return _end(message.source_address, message.source_uri)


def destination(message: Message) -> End:
    """Return where it went."""
    return _end(message.destination_address, message.destination_uri)


def contacts(message: Message) -> list[str]:
    """Return the values of Contact; [] where they are longer than any that are meant."""
    values = message.headers("Contact")
    if sum(map(len, values)) > _LONGEST_CONTACT:
        return []
    return [part for value in values for part in split_values(value)]


def contact(message: Message) -> Uri | None:
    """Return the URI of a message's only Contact, None where it has none or several."""
    values = contacts(message)
    found = uri_in(values[0]) if len(values) == 1 else None
    return found if found is not None and found.host else None


def only_hop(message: Message) -> Via | None:
    """Return the only Via of a message, None where it has several: a proxy was on the way."""
    values = message.headers("Via")
    return via.top(values[0]) if len(values) == 1 and "," not in values[0] else None


def target(value: str) -> End:
    """Return host and port that a URI, or a header's value with one, says; ("", 0) without any."""
    uri = uri_in(value)
    if not uri.host:
        return "", 0
    match = _PORT.search(uri.text)
    secure = _SECURE.match(uri.text) or _TLS.search(value)
    return same(uri.host), int(match[1]) if match else SIPS_PORT if secure else SIP_PORT


def shown(end: End) -> str:
    """Return an address and port as sentences have them."""
    address, port = end
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@lru_cache(maxsize=4096)
def _end(address: str, text: str) -> End:
    port = text.rpartition(":")[2]
    return same(address), int(port) if port.isdecimal() else 0


@lru_cache(maxsize=4096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    if len(text) > _LONGEST:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None
