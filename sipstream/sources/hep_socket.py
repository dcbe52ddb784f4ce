"""Sockets that HEP comes in by: UDP and TCP at one address, and what of it the kernel dropped.

Opened at the start, while there are rights for a low port and a large buffer; knows nothing of what is
inside a packet.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

from sipstream.errors import SourceError, words
from sipstream.sources.packet_socket import grow

BUFFER = 16 << 20
"""Bytes asked for as the kernel's receive buffer: room for a burst of some 7,000 datagrams."""
_BACKLOG = 64
# asm-generic/socket.h, linux/sock_diag.h: nine counters, drops the last one.
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")
_DROPS = 8
_WRAPS = 1 << 32


@dataclass(slots=True)
class Bound:
    """UDP and TCP at one address."""

    udp: socket.socket
    tcp: socket.socket
    buffer: int
    """Bytes of the receive buffer of UDP, as the kernel gave it."""
    dropped: int = 0
    """Datagrams that found no room so far, modulo 2^32 as the kernel counts."""

    @property
    def address(self) -> str:
        """Where it is, `127.0.0.1:9060` or `[::1]:9060`."""
        host, port = self.udp.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def take_drops(self) -> int:
        """Return how many datagrams the kernel dropped since the last call; 0 where it doesn't tell."""
        with suppress(OSError, struct.error):
            told = self.udp.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            before, self.dropped = self.dropped, _MEMINFO.unpack(told)[_DROPS]
            return (self.dropped - before) % _WRAPS
        return 0

    def close(self) -> None:
        """Give the address back."""
        self.udp.close()
        self.tcp.close()


def bind(host: str, port: int, buffer: int = BUFFER) -> Bound:
    """Return sockets at an address; without a port both are at one that the system chooses.

    Raises:
        SourceError: the address can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    tcp = socket.socket(family, socket.SOCK_STREAM)
    bound = Bound(udp, tcp, 0)
    try:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for sock in (tcp, udp):
            if family == socket.AF_INET6:
                # An address of IPv4 is another one: it is to be asked for by itself.
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setblocking(False)
        tcp.bind((host, port))
        udp.bind((host, tcp.getsockname()[1]))
        tcp.listen(_BACKLOG)
        bound.buffer = grow(udp, buffer)
    except OSError as error:
        bound.close()
        raise SourceError(f"--hep {host} port {port}: {words(error)}") from error
    # Processes that read a file for us have no business with them, and must not keep the port.
    os.register_at_fork(after_in_child=bound.close)
    return bound
