"""Endpoints as tcpdump prints them, `10.0.0.1.5060 > host.example.sip`."""

from __future__ import annotations

import re
import socket
from functools import lru_cache
from typing import TypeAlias

from sipstream.limits import FLOWS

Ends: TypeAlias = tuple[str, int, str, int]
"""Source host and port, destination host and port."""

_WITH_PORTS = re.compile(rb"([^\s]{1,255})\.([\w.-]{1,63}) > ([^\s]{1,255})\.([\w-]{1,63})")
_PORTS = {b"sip": 5060, b"sips": 5061, b"sip-tls": 5061}
_LONGEST_ENDS = 2 * (255 + 64) + 3
"""Two host names with ports, and what stands between: nothing longer is remembered."""


def with_ports(text: bytes) -> Ends | None:
    """Return the endpoints of `10.0.0.1.5060 > host.example.sip`, None where ports are missing."""
    return _read_ends(text) if len(text) <= _LONGEST_ENDS else None


@lru_cache(maxsize=FLOWS >> 2)
def _read_ends(text: bytes) -> Ends | None:
    match = _WITH_PORTS.fullmatch(text)
    if match is None:
        return None
    source, source_port, destination, destination_port = match.groups()
    if b":" not in source and source.count(b".") < 3 and source.replace(b".", b"").isdigit():
        return None
    return (
        source.decode("ascii", "backslashreplace"),
        _port(source_port),
        destination.decode("ascii", "backslashreplace"),
        _port(destination_port),
    )


@lru_cache(maxsize=4096)
def _port(text: bytes) -> int:
    """Return a port, printed as its number or as a service's name; 0 for an unknown name."""
    if text.isdigit():
        return min(int(text), 0xFFFF)
    known = _PORTS.get(text)
    if known is not None:
        return known
    try:
        return socket.getservbyname(text.decode("ascii", "replace"))
    except (OSError, ValueError):
        return 0
