"""HEP as agents send it: chunks in the order, and with the oddities, of each."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sipstream.session import Session
from sipstream.sources.hep import HepSource
from sipstream.sources.hep_gate import Network
from sipstream.sources.hep_socket import Bound, bind

SECONDS = 1_700_000_000
MICROSECONDS = 123_456
SOURCE, DESTINATION = "192.0.2.7", "198.51.100.9"
SOURCE6, DESTINATION6 = "2001:db8::7", "2001:db8::9"
KEY = b"myHep"


def chunk(kind: int, value: bytes, vendor: int = 0) -> bytes:
    """A chunk of HEP 3."""
    return struct.pack("!HHH", vendor, kind, 6 + len(value)) + value


def whole(*chunks: bytes) -> bytes:
    """A packet of HEP 3."""
    body = b"".join(chunks)
    return b"HEP3" + struct.pack("!H", 6 + len(body)) + body


FAMILY, PROTOCOL = chunk(1, b"\2"), chunk(2, b"\x11")
ENDS = chunk(3, socket.inet_aton(SOURCE)) + chunk(4, socket.inet_aton(DESTINATION))
ENDS6 = chunk(5, socket.inet_pton(socket.AF_INET6, SOURCE6)) + chunk(
    6, socket.inet_pton(socket.AF_INET6, DESTINATION6)
)
PORTS = chunk(7, struct.pack("!H", 5060)) + chunk(8, struct.pack("!H", 5070))
TIMES = chunk(9, struct.pack("!I", SECONDS)) + chunk(10, struct.pack("!I", MICROSECONDS))
SIP, AGENT = chunk(11, b"\1"), chunk(12, struct.pack("!I", 2001))


def agents(payload: bytes, call_id: bytes = b"call") -> dict[str, tuple[bytes, str]]:
    """A packet of each agent around a message, and the tap that it must give."""
    body, key, call = chunk(15, payload), chunk(14, KEY), chunk(17, call_id)
    return {
        "kamailio": (
            whole(FAMILY, PROTOCOL, ENDS, PORTS, TIMES, SIP, AGENT, key, call, body), "2001"
        ),
        "opensips": (
            whole(FAMILY, PROTOCOL, ENDS, PORTS, TIMES, SIP, AGENT, body, call), "2001"
        ),
        "asterisk": (
            whole(FAMILY, PROTOCOL, PORTS, TIMES, SIP, AGENT, ENDS, key, call, body), "2001"
        ),
        "freeswitch": (
            whole(FAMILY, PROTOCOL, PORTS, TIMES, SIP, AGENT, ENDS, chunk(14, b""), body), "2001"
        ),
        "captagent": (
            whole(FAMILY, PROTOCOL, PORTS, TIMES, SIP, AGENT, ENDS, key, body, chunk(19, b"sbc\0")),
            "sbc",
        ),
        "heplify": (
            whole(
                FAMILY, PROTOCOL, ENDS, PORTS, TIMES, SIP, AGENT, key, body, call,
                chunk(18, b"\0\0"), chunk(19, b"node-7"),
            ),
            "node-7",
        ),
        "sngrep": (
            whole(FAMILY, PROTOCOL, PORTS, TIMES, SIP, chunk(12, bytes(4)), ENDS, body), "hep"
        ),
        "vendor": (
            whole(chunk(1, b"x" * 40, 0x9999), FAMILY, PROTOCOL, ENDS, PORTS, TIMES, SIP, AGENT,
                  chunk(19, b""), chunk(0x0B, b"", 3), body), "2001"
        ),
        "ipv6": (
            whole(chunk(1, b"\n"), PROTOCOL, ENDS6, PORTS, TIMES, SIP, AGENT, body), "2001"
        ),
        "version 2": (
            struct.pack("!BBBBHH", 2, 16, 2, 17, 5060, 5070) + socket.inet_aton(SOURCE)
            + socket.inet_aton(DESTINATION) + struct.pack("<IIHxx", SECONDS, MICROSECONDS, 2001)
            + payload, "2001"
        ),
        "version 1": (
            struct.pack("!BBBBHH", 1, 16, 2, 17, 5060, 5070) + socket.inet_aton(SOURCE)
            + socket.inet_aton(DESTINATION) + payload, "hep"
        ),
    }  # fmt: skip


class Listener:
    """A session that listens for HEP, and what it has to say."""

    def __init__(self, session: Session, source: HepSource, bound: Bound) -> None:
        self.session = session
        self.source = source
        self.tally = source.tally
        self.bound = bound
        self.notes: list[str] = []
        host, port = bound.udp.getsockname()[:2]
        self.where = host, port
        session.sources.notices.tell = self.notes.append

    def udp(self, source: str = "") -> socket.socket:
        """A socket that sends to it, from an address."""
        made = socket.socket(self.bound.udp.family, socket.SOCK_DGRAM)
        if source:
            made.bind((source, 0))
        made.connect(self.where)
        return made

    def send(self, *packets: bytes, source: str = "") -> None:
        """Send datagrams."""
        with self.udp(source) as one:
            for packet in packets:
                one.send(packet)

    def connection(self, source: str = "") -> socket.socket:
        """A TCP connection to it."""
        made = socket.socket(self.bound.tcp.family, socket.SOCK_STREAM)
        if source:
            made.bind((source, 0))
        made.settimeout(20)
        made.connect(self.where)
        return made

    async def came(self, packets: int) -> None:
        """Wait until so many packets were counted."""
        await self.until(lambda: self.tally.packets >= packets)
        assert self.tally.packets == packets

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(30):
            while not is_so():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    @property
    def call_ids(self) -> list[str]:
        """The Call-IDs of what came."""
        return [one.call_id for one in self.session.conversations]

    def adds_up(self) -> bool:
        """Tell whether each packet was counted once."""
        return self.tally.unaccounted == 0


@asynccontextmanager
async def listening(
    *networks: Network, key: bytes = b"", host: str = "127.0.0.1", buffer: int = 1 << 22
) -> AsyncIterator[Listener]:
    """A session that listens for HEP at an address that the system chooses."""
    bound = bind(host, 0, buffer)
    async with Session() as session:
        source = HepSource(bound, networks, key, session.sources.room)
        made = Listener(session, source, bound)
        session.sources.start(source)
        yield made
