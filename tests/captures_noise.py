"""Packets that are not SIP, as any capture of a whole interface has them, for make_captures.

Media of the printed call, address resolution, pings, name service and refused datagrams, with the
words that tcpdump prints for each. They are no messages and must not be counted as such.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from captures_wire import (
    ARP,
    BROADCAST,
    ICMP,
    IPV4,
    UDP,
    Endpoint,
    Link,
    Packet,
    address,
    card,
    checksum,
    ethernet,
    ipv4,
    moment,
    udp,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    Framing = Callable[[Link, int], Packet]

_SBC = "10.11.12.13"
_OFFICE = "10.20.0.22"
_RESOLVER = Endpoint("10.11.12.2", 53)
_ANSWERED = moment("2017-06-06 15:49:44.300000")
_MEDIA = (Endpoint(_OFFICE, 57692), Endpoint(_SBC, 28754))
_FRAMES = 24


def noise(rng: random.Random, start: int, end: int) -> list[tuple[int, Framing]]:
    """Return the times of the packets, and for each what frames it on a link."""
    packets = list(_media(rng))
    for turn in range(6):
        at = start + (end - start) * (2 * turn + 1) // 12 + rng.randrange(900_000)
        packets += _name_lookup(at, rng.randrange(65_536), 40_000 + rng.randrange(20_000))
        packets += _resolution(at + 1_234_567, turn)
        packets += _ping(at + 2_345_678, turn)
        packets += _refusal(at + 3_456_789, f"10.30.1.{20 + turn * 5}")
    return packets


def _media(rng: random.Random) -> Iterator[tuple[int, Framing]]:
    """Twenty milliseconds of near silence each, both ways."""
    for way, source in enumerate((0x1D3B_07A5, 0x6E11_42C0)):
        ends = (_MEDIA[way], _MEDIA[1 - way])
        for turn in range(_FRAMES):
            header = struct.pack("!BBHII", 0x80, 8, 1_000 + turn, 160 * turn, source)
            payload = header + bytes(rng.choice(b"\xd5\x55\xd4\x54") for _ in range(160))
            yield (
                _ANSWERED + way * 7_013 + turn * 20_000,
                _datagram(ends, payload, "UDP, length 172"),
            )


def _name_lookup(at: int, ident: int, port: int) -> Iterator[tuple[int, Framing]]:
    """Ask for the carrier's SIP server, and get it."""
    asker = Endpoint(_SBC, port)
    name, target = _name("_sip._udp.voip.example"), _name("sip.voip.example")
    question = name + struct.pack("!HH", 33, 1)
    query = struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + question
    record = struct.pack("!HHHIH", 0xC00C, 33, 1, 3600, 6 + len(target))
    record += struct.pack("!HHH", 10, 50, 5060) + target
    answer = struct.pack("!HHHHHH", ident, 0x8180, 1, 1, 0, 0) + question + record
    asked = f"{ident}+ SRV? _sip._udp.voip.example. ({len(query)})"
    told = f"{ident} 1/0/0 SRV sip.voip.example.:5060 10 50 ({len(answer)})"
    yield at, _datagram((asker, _RESOLVER), query, asked)
    yield at + 1_871, _datagram((_RESOLVER, asker), answer, told)


def _resolution(at: int, turn: int) -> Iterator[tuple[int, Framing]]:
    """Ask who has an address, and be told."""
    host = f"10.11.12.{14 + turn}"
    sbc = card(_SBC) + address(_SBC)
    ask = struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + sbc + bytes(6) + address(host)
    tell = struct.pack("!HHBBH", 1, IPV4, 6, 4, 2) + card(host) + address(host) + sbc
    asked = f"ARP, Request who-has {host} tell {_SBC}, length 28"
    told = f"ARP, Reply {host} is-at {card(host).hex(':')}, length 28"
    yield at, lambda _, at: Packet(at, ethernet(card(_SBC), BROADCAST, ARP, ask), asked, ask)
    yield (
        at + 212,
        lambda _, at: Packet(at, ethernet(card(host), card(_SBC), ARP, tell), told, tell),
    )


def _ping(at: int, turn: int) -> Iterator[tuple[int, Framing]]:
    """Send an echo request, and get the reply."""
    for way, (kind, word) in enumerate(((8, "request"), (0, "reply"))):
        rest = struct.pack("!HH", 4711, turn + 1) + bytes(range(56))
        ends = (_SBC, _OFFICE) if way == 0 else (_OFFICE, _SBC)
        yield at + way * 431, _control(ends, kind, 0, rest, f"echo {word}, id 4711, seq {turn + 1}")


def _refusal(at: int, host: str) -> Iterator[tuple[int, Framing]]:
    """Refuse a datagram to a closed port; only the headers of it come back."""
    lost = udp(Endpoint(_SBC), Endpoint(host), b"\r\n\r\n")
    quoted = ipv4(_SBC, host, UDP, lost, ident=0x2F01, ttl=64)
    yield at, _control((host, _SBC), 3, 3, bytes(4) + quoted, f"{host} udp port 5060 unreachable")


def _datagram(ends: tuple[Endpoint, Endpoint], payload: bytes, words: str) -> Framing:
    return lambda link, at: link.datagram(at, ends, payload, words)


def _control(ends: tuple[str, str], kind: int, code: int, rest: bytes, words: str) -> Framing:
    start = bytes([kind, code])
    data = start + struct.pack("!H", checksum(start + b"\x00\x00" + rest)) + rest
    title = f"IP {ends[0]} > {ends[1]}: ICMP {words}, length {len(data)}"
    return lambda link, at: link.packet(at, ends, ICMP, data, title)


def _name(text: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\x00"
