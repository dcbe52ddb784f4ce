"""Packets that the default kernel filter has to let through, and packets that it has to keep out."""

from __future__ import annotations

import struct

from support import ipv4, ipv6, sip, tcp, udp

STARTS = (
    "SIP/", "INVI", "ACK ", "BYE ", "CANC", "OPTI", "REGI", "PRAC", "SUBS", "NOTI", "PUBL", "INFO",
    "REFE", "MESS", "UPDA",
)  # fmt: skip
ODD = (40000, 40002)
"""Ports that nobody would look for SIP on."""

RTP = struct.pack("!BBHII", 0x80, 0, 7, 160, 99) + bytes(160)
DNS = bytes.fromhex("1a2b01000001000000000000") + b"\x07example\x03org\x00\x00\x01\x00\x01"
STUN = bytes.fromhex("000100002112a442") + bytes(12)

Packets = dict[str, tuple[int, bytes]]
"""By name: ethertype, and the packet from its network header on."""


def v4(payload: bytes, protocol: int = 17, **fields: int) -> tuple[int, bytes]:
    return 0x0800, ipv4(payload, protocol, **fields)


def v6(payload: bytes, protocol: int = 17) -> tuple[int, bytes]:
    return 0x86DD, ipv6(payload, protocol)


def with_options(packet: bytes) -> bytes:
    """The IPv4 packet with eight bytes of options (no operation) in its header."""
    length = int.from_bytes(packet[2:4], "big") + 8
    return (
        b"\x47" + packet[1:2] + length.to_bytes(2, "big") + packet[4:20] + b"\x01" * 8 + packet[20:]
    )


def tcp_with_options(payload: bytes) -> bytes:
    """A TCP segment between odd ports with twelve bytes of options (a time stamp, usually)."""
    segment = bytearray(tcp(payload, 1, source_port=ODD[0], destination_port=ODD[1]))
    segment[12] = 0x80
    segment[20:20] = b"\x01" * 12
    return bytes(segment)


def sctp(payload: bytes, port: int) -> bytes:
    """An SCTP packet with one DATA chunk."""
    chunk = struct.pack("!BBHIHHI", 0, 3, 16 + len(payload), 1, 0, 0, 0) + payload
    return struct.pack("!HHII", port, port, 0, 0) + chunk


def extension(following: int, payload: bytes, length: int = 8) -> bytes:
    """An IPv6 extension header of `length` bytes before `payload`."""
    return bytes([following, length // 8 - 1]) + bytes(length - 2) + payload


WANTED: Packets = {
    "UDP 5060 to 5060": v4(udp(sip())),
    "source port 5060": v4(udp(sip(), 5060, ODD[1])),
    "destination port 5060": v4(udp(sip(), ODD[0], 5060)),
    "port 5061": v4(udp(b"\x16\x03\x01", ODD[0], 5061)),
    "keep-alive to 5060": v4(udp(b"\r\n\r\n")),
    "nothing to 5060": v4(udp(b"")),
    "TCP SYN to 5060": v4(tcp(b"", 1, flags=2), 6),
    "the middle of a message on TCP 5060": v4(tcp(b"lag: fork\r\n", 9), 6),
    "TCP start on an odd port": v4(tcp(sip(), 1, source_port=ODD[0], destination_port=ODD[1]), 6),
    "TCP start behind options": v4(tcp_with_options(sip()), 6),
    "SCTP 5060": v4(sctp(sip(), 5060), 132),
    "first fragment": v4(udp(sip(), *ODD)[:32], fragment=0x2000),
    "later fragment": v4(sip()[600:], fragment=0x00B9),
    "last fragment but one": v4(bytes(64), fragment=0x2001),
    "IPv4 options, port 5060": (0x0800, with_options(ipv4(udp(sip())))),
    "IPv4 options, odd port": (0x0800, with_options(ipv4(udp(sip(), *ODD)))),
    "IPv6 UDP 5060": v6(udp(sip())),
    "IPv6 UDP odd port": v6(udp(sip(), *ODD)),
    "IPv6 TCP 5061": v6(tcp(b"", 1, destination_port=5061), 6),
    "IPv6 TCP start on an odd port": v6(tcp_with_options(sip()), 6),
    "IPv6 fragment": v6(struct.pack("!BBHI", 17, 0, 1, 5) + udp(sip())[:24], 44),
    "IPv6 hop-by-hop options": v6(extension(17, udp(sip(), *ODD)), 0),
    "IPv6 long destination options": v6(extension(17, udp(sip(), *ODD), 24), 60),
    "IPv6 fragment behind options": v6(extension(44, struct.pack("!BBHI", 17, 0, 9, 5)), 60),
    "IPv6 two extension headers": v6(extension(60, extension(17, udp(sip(), *ODD))), 0),
    **{f"{start!r} on an odd port": v4(udp(start.encode() + b"...", *ODD)) for start in STARTS},
}

UNWANTED: Packets = {
    "RTP": v4(udp(RTP, *ODD)),
    "RTP over IPv6": v6(udp(RTP, *ODD)),
    "RTP behind IPv4 options": (0x0800, with_options(ipv4(udp(RTP, *ODD)))),
    "RTP behind an IPv6 extension header": v6(extension(17, udp(RTP, *ODD)), 60),
    "RTP with don't-fragment": v4(udp(RTP, *ODD), fragment=0x4000),
    "RTCP": v4(udp(b"\x80\xc8" + bytes(26), *ODD)),
    "DNS query": v4(udp(DNS, 53124, 53)),
    "DNS answer": v4(udp(DNS, 53, 53124)),
    "STUN": v4(udp(STUN, *ODD)),
    "text that isn't SIP": v4(udp(b"hello, world", *ODD)),
    "a method in lower case": v4(udp(b"invite sip:a SIP/2.0", *ODD)),
    "UDP without payload": v4(udp(b"", *ODD)),
    "UDP with three bytes": v4(udp(b"INV", *ODD)),
    "HTTP": v4(tcp(b"GET / HTTP/1.1\r\n", 1, source_port=ODD[0], destination_port=80), 6),
    "TCP acknowledgement": v4(tcp(b"", 1, source_port=ODD[0], destination_port=80), 6),
    "ping": v4(b"\x08\x00" + b"INVITE" * 5, 1),
    "ICMPv6": v6(b"\x80\x00" + b"INVITE" * 5, 58),
    "multicast listener report": v6(extension(58, bytes(24)), 0),
    "SCTP on an odd port": v4(sctp(sip(), ODD[0]), 132),
    "ARP": (0x0806, bytes.fromhex("0001080006040001") + bytes(20)),
    "spanning tree": (0x0026, bytes.fromhex("424203000000") + bytes(40)),
    "MPLS": (0x8847, bytes.fromhex("00010140") + ipv4(udp(sip()))),
}
