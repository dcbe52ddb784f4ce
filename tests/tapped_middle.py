"""What stands between two SIP hosts, as programs of a network namespace.

    python tapped_middle.py proxy HERE THERE TARGET PORT... [--late SECONDS]
        a stateless SIP proxy (RFC 3261 section 16.11): what comes to HERE goes on from THERE to TARGET
        with one Via more, responses the way back
    python tapped_middle.py hold TUN SECONDS
        gives back each packet of a tun device after a time: a router that takes longer

They write a line when they are ready.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import hashlib
import os
import re
import struct
from collections import deque
from typing import cast

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_BRANCH = re.compile(rb"\r\nVia:[^\r\n]*?branch=([^;,\s]+)")
_VIA = re.compile(rb"\r\nVia: *(SIP/2.0/UDP ([^;:\s]+):(\d+)[^,\r\n]*)(?:, *|\r\nVia: *|)")
"""The first Via and what parts it from the next."""

Address = tuple[str, int]


class _Leg(asyncio.DatagramProtocol):
    """One socket of the proxy; what it takes is sent by the other."""

    def __init__(self, own: Address, target: Address, late: float) -> None:
        self.own, self._target, self._late = own, target, late
        self.other: _Leg | None = None
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's transport of datagrams isn't a DatagramTransport.
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, _: Address) -> None:
        assert self.other is not None
        response = data.startswith(b"SIP/2.0 ")
        going = self._back(data) if response else self._on(data)
        if going is not None:
            asyncio.get_running_loop().call_later(self._late, self.other.send, *going)

    def _on(self, data: bytes) -> tuple[bytes, Address] | None:
        """Return a request with the proxy's Via, whose branch says the same of the same request."""
        assert self.other is not None
        if (top := _BRANCH.search(data)) is None:
            return None
        branch = hashlib.sha256(top[1]).hexdigest()[:16].encode()
        host, port = self.other.own
        via = b"\r\nVia: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s" % (host.encode(), port, branch)
        place = data.index(b"\r\n")
        return data[:place] + via + data[place:], self._target

    @staticmethod
    def _back(data: bytes) -> tuple[bytes, Address] | None:
        """Return a response without its first Via, and where the second says it goes."""
        # Values may stand on lines of their own or be joined by commas (RFC 3261 section 7.3.1).
        if (top := _VIA.search(data)) is None:
            return None
        back = data[: top.start(1)] + data[top.end() :]
        if (going := _VIA.search(back)) is None:
            return None
        return back, (going[2].decode(), int(going[3]))

    def send(self, data: bytes, address: Address) -> None:
        assert self.transport is not None
        self.transport.sendto(data, address)


async def proxy(here: str, there: str, target: str, ports: list[int], late: float) -> None:
    """Pass messages on until ended; requests keep the port that they came to."""
    loop = asyncio.get_running_loop()
    for port in ports:
        legs = [
            (await loop.create_datagram_endpoint(
                lambda own=own, port=port: _Leg((own, port), (target, port), late),
                local_addr=(own, port),
            ))[1]
            for own in (here, there)
        ]  # fmt: skip
        legs[0].other, legs[1].other = legs[1], legs[0]
    print("ready", flush=True)
    await asyncio.Event().wait()


async def hold(name: str, seconds: float) -> None:
    """Give packets back in their order, each `seconds` after it came."""
    loop = asyncio.get_running_loop()
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    held: deque[bytes] = deque()

    def take() -> None:
        while True:
            try:
                held.append(os.read(device, 65536))
            except BlockingIOError:
                return
            loop.call_later(seconds, give)

    def give() -> None:
        os.write(device, held.popleft())

    loop.add_reader(device, take)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("proxy")
    one.add_argument("here")
    one.add_argument("there")
    one.add_argument("target")
    one.add_argument("ports", type=int, nargs="+")
    one.add_argument("--late", type=float, default=0)
    other = kinds.add_parser("hold")
    other.add_argument("name")
    other.add_argument("seconds", type=float)
    given = parser.parse_args()
    if given.kind == "proxy":
        asyncio.run(proxy(given.here, given.there, given.target, given.ports, given.late))
    else:
        asyncio.run(hold(given.name, given.seconds))
