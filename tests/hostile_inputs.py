"""What attackers send: valid packets, messages and files as seeds, and edits that damage them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

from support import A, B, ethernet, ipv4, ipv6, sip, tcp, udp

from sipstream.packets import Linktype

SECONDS = 1_700_000_000
LONGEST_SEED = 3000
"""Bytes of a seed: long ones cost time and get fewer edits for each byte."""
_C, _D = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))


# Messages

INVITE = sip(
    call_id="a84b4c76e66710@pc33",
    extra="Contact: <sip:4151500@10.0.0.1>\r\nDiversion: <sip:1502@a>;reason=unknown\r\n"
    'P-Asserted-Identity: "a" <tel:+354-415-1500>\r\nPrivacy: id\r\n',
    body="v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 8\r\n",
)
RESPONSE = sip("SIP/2.0 200 OK", call_id="call-2", cseq="1 INVITE")
COMPACT = (
    b"MESSAGE sip:2@b SIP/2.0\r\nv: SIP/2.0/UDP a\r\nf: <sip:1@a>;tag=1\r\nt:\r\n <sip:2@b>\r\n"
    b"i : compact-3\r\nCSEQ: 7\r\n\tMESSAGE\r\nc: text/plain\r\nl: 5\r\n\r\nhello"
)
SEVERAL_PARTS = sip(
    call_id="parts",
    extra='Content-Type: multipart/mixed;boundary="x"\r\n',
    body="--x\r\nContent-Type: application/isup\r\n\r\n\0\1\2\r\n--x\r\nContent-Encoding: gzip\r\n"
    "\r\n\x1f\r\n--x\r\n\r\nplain\r\n--x--\r\n",
)
MESSAGES = (INVITE, RESPONSE, COMPACT, sip("OPTIONS sip:2@b SIP/2.0", "4", cseq="1 OPTIONS"))


# Packets that carry them


def segments(stream: bytes, sizes: Sequence[int], begin: int = 1000) -> list[bytes]:
    """IPv4 packets with the stream cut into TCP segments of these sizes and a rest."""
    packets, place = [], 0
    for size in (*sizes, len(stream)):
        if place < len(stream):
            packets.append(ipv4(tcp(stream[place : place + size], begin + place), 6))
        place += size
    return packets


def fragments(payload: bytes, size: int = 80, identification: int = 9) -> list[bytes]:
    """IPv4 fragments of a UDP datagram, `size` bytes each (a multiple of 8)."""
    places = range(0, len(payload), size)
    return [
        ipv4(
            payload[place : place + size],
            identification=identification,
            fragment=place // 8 | (0x2000 if place + size < len(payload) else 0),
        )
        for place in places
    ]


def ipv6_fragment(payload: bytes, offset: int, more: int, identification: int = 77) -> bytes:
    """One IPv6 fragment of a UDP datagram."""
    return ipv6(struct.pack("!BBHI", 17, 0, offset | more, identification) + payload, 44)


def sctp(*chunks: tuple[int, int, bytes]) -> bytes:
    """An SCTP packet of DATA chunks: flags, sequence number, bytes."""
    return struct.pack("!HHII", 5060, 5060, 1, 0) + b"".join(
        struct.pack("!BBHIHHI", 0, flags, 16 + len(data), number, 0, 0, 0)
        + data
        + bytes(-len(data) % 4)
        for flags, number, data in chunks
    )


def websocket_frame(payload: bytes, mask: bytes = b"") -> bytes:
    """A WebSocket text frame of 126 to 65,535 bytes."""
    masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload)) if mask else payload
    return struct.pack("!BBH", 0x81, 126 | bool(mask) << 7, len(payload)) + mask + masked


def hep3(payload: bytes, *chunks: tuple[int, bytes], total: int | None = None) -> bytes:
    """A HEP3 packet; `chunks` are added to the usual ones, before the payload."""
    usual = (
        (1, b"\2"), (2, b"\x11"), (3, A), (4, B), (7, b"\x13\xc4"), (8, b"\x13\xc4"),
        (9, SECONDS.to_bytes(4, "big")), (10, bytes(4)), (11, b"\1"), (12, b"\0\0\7\xd1"),
    )  # fmt: skip
    body = b"".join(
        struct.pack("!HHH", 0, kind, 6 + len(value)) + value
        for kind, value in (*usual, *chunks, (15, payload))
    )
    return b"HEP3" + struct.pack("!H", 6 + len(body) if total is None else total) + body


def hep2(payload: bytes) -> bytes:
    """A packet of HEP version 2."""
    head = struct.pack("!BBBBHH4s4s", 2, 16, 2, 17, 5060, 5060, A, B)
    return head + struct.pack("<IIHxx", SECONDS, 5, 2001) + payload


def outer(payload: bytes, protocol: int = 17) -> bytes:
    """A frame whose payload goes between two other addresses, as tunnels and agents do."""
    return ethernet(ipv4(payload, protocol, _C, _D))


def vxlan(frame: bytes) -> bytes:
    """A frame in VXLAN."""
    return outer(udp(struct.pack("!II", 0x08000000, 5 << 8) + frame, 44000, 4789))


def geneve(frame: bytes) -> bytes:
    """A frame in Geneve, with an option."""
    head = struct.pack("!BBHII", 1, 0, 0x6558, 5 << 8, 0)
    return outer(udp(head + frame, 44000, 6081))


def gre(packet: bytes, protocol: int = 0x0800) -> bytes:
    """What GRE carries, behind a header with a key."""
    return struct.pack("!HHI", 0x2000, protocol, 7) + packet


def _tunnels() -> list[bytes]:
    inner = ipv4(udp(INVITE))
    frame = ethernet(inner)
    erspan = struct.pack("!HHIII", 0x1000, 0x88BE, 1, 0x10000000, 0)
    session = struct.pack("!BBHHH", 0x11, 0, 9, 2 + len(inner), 0x21)
    gtp = struct.pack("!BBHIHBB", 0x34, 0xFF, 8 + len(inner), 1, 0, 0, 0x85) + bytes((1, 0, 0, 0))
    return [
        ethernet(inner, tags=(0x88A8, 0x8100)),
        ethernet(struct.pack("!IBBH", 0x00010000, 0, 1, 0x0140) + inner, 0x8847),
        ethernet(b"\0\1\1\x40" + inner, 0x8847),
        ethernet(session + inner, 0x8864),
        outer(inner, 4),
        outer(ipv6(udp(INVITE)), 41),
        outer(gre(inner), 47),
        outer(erspan + frame, 47),
        vxlan(frame),
        geneve(frame),
        outer(udp(gtp + inner, 2152, 2152)),
        outer(udp(hep3(INVITE), 51000, 9060)),
        outer(udp(hep2(RESPONSE), 51000, 9060)),
    ]


def _conversations() -> list[list[bytes]]:
    """Packets that belong together, as IPv4: streams, fragments, SCTP, WebSocket."""
    datagram = udp(INVITE)
    upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
    frames = websocket_frame(INVITE) + websocket_frame(RESPONSE, b"abcd")
    early, late, *rest = segments(INVITE + RESPONSE + COMPACT, (100, 200, 300))
    syn = ipv4(tcp(b"", 999, flags=2), 6)
    acknowledgement = ipv4(tcp(b"", 1, 1900, source_port=5060), 6, B, A)
    return [
        [syn, early, *rest, late, early, acknowledgement],
        fragments(datagram)[::-1],
        [ipv4(sctp((2, 1, INVITE[:99]), (1, 2, INVITE[99:])), 132), ipv4(sctp((3, 3, COMPACT)), 132)],
        segments(upgrade + frames, (len(upgrade), 300)),
        segments(b"middle" + frames, (6, 300)),
        [ipv6_fragment(datagram[96:], 96, 0), ipv6_fragment(datagram[:96], 0, 1)],
    ]  # fmt: skip


def _on_links() -> list[tuple[int, list[bytes]]]:
    packet = ipv4(udp(RESPONSE))
    six = ipv6(struct.pack("!BB6xBB14x", 60, 0, 17, 1) + udp(RESPONSE), 0)
    attribute = struct.pack("<HH", 4 + len(packet), 9)
    return [
        (Linktype.RAW, [packet, six]),
        (Linktype.NULL, [b"\2\0\0\0" + packet, b"\x1e\0\0\0" + six]),
        (Linktype.LINUX_SLL, [bytes(14) + b"\x08\0" + packet]),
        (Linktype.LINUX_SLL2, [b"\x08\0" + bytes(18) + packet]),
        (Linktype.PPP_SERIAL, [b"\xff\3\0\x21" + packet]),
        (Linktype.NFLOG, [b"\2\0\0\0" + struct.pack("<HHI", 8, 10, 5) + attribute + packet]),
    ]


CAPTURES_MADE: list[tuple[int, list[bytes]]] = [
    (Linktype.ETHERNET, [ethernet(ipv4(udp(INVITE))), ethernet(ipv4(udp(COMPACT)))]),
    *((Linktype.ETHERNET, [frame]) for frame in _tunnels()),
    *((Linktype.RAW, packets) for packets in _conversations()),
    *_on_links(),
]
"""Link types and frames of every kind that is decoded."""


# Files that hold them


def pcap(
    packets: Sequence[bytes],
    linktype: int = Linktype.ETHERNET,
    *,
    order: str = "<",
    nano: bool = False,
    times: Sequence[tuple[int, int]] = (),
    wires: Sequence[int] = (),
) -> bytes:
    """A pcap file; `times` are the two fields of each record, `wires` the sizes on the wire."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    pieces = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, linktype)]
    for number, packet in enumerate(packets):
        time = times[number] if times else (SECONDS + number, 0)
        wire = wires[number] if wires else len(packet)
        pieces.append(struct.pack(order + "4I", *time, len(packet), wire) + packet)
    return b"".join(pieces)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """An option of a pcapng block."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    """A section header block."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    linktype: int = Linktype.ETHERNET, options: bytes = b"", order: str = "<", snaplen: int = 0
) -> bytes:
    """An interface description block."""
    return block(1, struct.pack(order + "HHI", linktype, 0, snaplen) + options, order)


def enhanced(packet: bytes, number: int = 0, order: str = "<", *, units: int = 0) -> bytes:
    """An enhanced packet block of the interface with this number; units are of its clock."""
    units = units or SECONDS * 1_000_000
    size = len(packet)
    head = struct.pack(order + "5I", number, units >> 32, units & 0xFFFFFFFF, size, size)
    return block(6, head + packet, order)


def pcapng(packets: Sequence[bytes], linktype: int = Linktype.ETHERNET, order: str = "<") -> bytes:
    """A pcapng file of one section with one named interface."""
    head = section(order) + interface(linktype, option(2, b"eth0", order), order)
    return head + b"".join(enhanced(packet, 0, order) for packet in packets)


def commented(packets: Sequence[bytes]) -> bytes:
    """A pcapng file that says something of itself and of each packet."""
    pieces = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + option(1, b"of all"))]
    pieces.append(interface(options=option(2, b"eth0") + option(3, b"what") + option(11, b"\0udp")))
    for packet in packets:
        padded = enhanced(packet)[8:-4]
        pieces.append(block(6, padded + option(1, b"one") + option(1, b"two") + option(0, b"")))
    return b"".join(pieces)


def broken(text: bytes, width: int = 80) -> bytes:
    """Printed text as a terminal breaks it."""
    lines = (line.expandtabs(8) for line in text.split(b"\n"))
    return b"\n".join(
        b"\n".join(line[at : at + width] for at in range(0, max(len(line), 1), width))
        for line in lines
    )


# What tcpdump prints of them


def printed(packet: bytes, form: str, number: int = 0) -> bytes:
    """An IPv4 packet of UDP or TCP without options as `tcpdump -nn` prints it with -v, -A or -X."""
    transport = packet[20:]
    source, destination = struct.unpack_from("!HH", transport)
    ends = "{}.{}.{}.{}.{} > {}.{}.{}.{}.{}".format(
        *packet[12:16], source, *packet[16:20], destination
    )
    if packet[9] == 6:
        (sequence,) = struct.unpack_from("!I", transport, 4)
        payload = transport[20:]
        says = f"Flags [P.], seq {sequence}:{sequence + len(payload)}, ack 1, win 8192, "
    else:
        payload = transport[8:]
        says = "SIP, "
    line = f"12:{number // 60 % 60:02}:{number % 60:02}.000000 IP "
    if form == "-v":
        line += f"(tos 0x0, ttl 64, id 1, offset 0, flags [none], length {len(packet)})\n    "
    return f"{line}{ends}: {says}length {len(payload)}\n".encode() + _FORMS[form](packet, payload)


def _indented(packet: bytes, payload: bytes) -> bytes:
    lines = payload.replace(b"\r\n", b"\n").split(b"\n")
    return b"".join(b"\t" + line + b"\n" for line in lines) if packet[9] == 17 else b""


def _as_text(packet: bytes, payload: bytes) -> bytes:
    kept = packet.replace(b"\r\n", b"\n")
    return bytes(one if one in b"\t\n" or 32 <= one < 127 else 46 for one in kept) + b"\n"


def _as_hex(packet: bytes, payload: bytes) -> bytes:
    lines = []
    for place in range(0, len(packet), 16):
        row = packet[place : place + 16]
        words = " ".join(row[at : at + 2].hex() for at in range(0, len(row), 2))
        letters = "".join(chr(one) if 32 < one < 127 else "." for one in row)
        lines.append(f"\t0x{place:04x}:  {words:<39}  {letters}\n")
    return "".join(lines).encode()


_FORMS = {"-v": _indented, "-A": _as_text, "-X": _as_hex}


# Damage

Edit = Callable[[random.Random, bytearray, int, Sequence[bytes]], None]

_NUMBERS = tuple(
    bytes.fromhex(text)
    for text in "00000000 ffffffff 7fffffff ffffff7f 00000100 08000000 0b000000 00000008".split()
)
_TOKENS = tuple(
    token.encode("utf-8", "surrogateescape")
    for token in (
        "\r\n", "\n", "\n\n", "\r\n\r\n", "\0", " ", "\t", "\n\t", "\n    ", ":", '"', "\\", "<", ">",
        ";", ",", "@", "%00", "sip:", "tel:", "SIP/2.0", "SIP/2.0 200 ", "INVITE ", "\nCall-ID:",
        "\ni:", "Content-Length: -1\r\n", "l: 99999999999999\r\n", "Content-Length: 4294967295\r\n",
        "CSeq:\r\n", "²", "１", "\u202e", "\x1b[2J", "\udc9b", "\udcff", "length ", "Flags [", "seq ",
        "ack ", "IP ", "IP6 ", " > ", ": ", "\t0x0000:  ", "options [", "12:00:00.000000 ", "sack 1",
        "2018-01-01 00:00:00.000000 ", "9999999999.999999 ", " 23:59:59.999999 ",
        "-00:00:00.000001 ", "[Error converting time] ", "tcpdump: ", " (bad cksum",
    )
)  # fmt: skip


def _set_byte(chance: random.Random, data: bytearray, place: int, others: Sequence[bytes]) -> None:
    data[place] = chance.randrange(256)


def _flip_bit(chance: random.Random, data: bytearray, place: int, others: Sequence[bytes]) -> None:
    data[place] ^= 1 << chance.randrange(8)


def _set_number(
    chance: random.Random, data: bytearray, place: int, others: Sequence[bytes]
) -> None:
    data[place : place + 4] = chance.choice(_NUMBERS)


def _insert_token(
    chance: random.Random, data: bytearray, place: int, others: Sequence[bytes]
) -> None:
    data[place:place] = chance.choice(_TOKENS)


def _put_token(chance: random.Random, data: bytearray, place: int, others: Sequence[bytes]) -> None:
    token = chance.choice(_TOKENS)
    data[place : place + len(token)] = token


def _delete(chance: random.Random, data: bytearray, place: int, others: Sequence[bytes]) -> None:
    del data[place : place + chance.choice((1, 2, 4, 16, 100, 1000))]


def _splice(chance: random.Random, data: bytearray, place: int, others: Sequence[bytes]) -> None:
    other = chance.choice(others)
    begin = chance.randrange(len(other))
    piece = other[begin : begin + chance.choice((10, 100, 1000))]
    data[place : place + chance.choice((0, 10, 100))] = piece


def _repeat(chance: random.Random, data: bytearray, place: int, others: Sequence[bytes]) -> None:
    begin = chance.randrange(len(data))
    data[place:place] = data[begin : begin + chance.choice((4, 16, 60, 200))]


def _put_digits(
    chance: random.Random, data: bytearray, place: int, others: Sequence[bytes]
) -> None:
    data[place : place + 1] = chance.choice((b"0", b"1", b"9", b"9" * 5, b"9" * 11, b"9" * 30))


def _cut(chance: random.Random, data: bytearray, place: int, others: Sequence[bytes]) -> None:
    del data[place:]


_EDITS: dict[Edit, int] = {
    _set_byte: 25, _flip_bit: 10, _set_number: 10, _insert_token: 15, _put_token: 8, _delete: 10,
    _splice: 8, _repeat: 6, _put_digits: 5, _cut: 3,
}  # fmt: skip
"""Edits, and how often each is made."""


def mutate(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds with 1 to 20 edits."""
    data = bytearray(chance.choice(seeds))
    count = chance.choice((1, 1, 2, 4, 8, 20))
    for edit in chance.choices(list(_EDITS), list(_EDITS.values()), k=count):
        if data:
            edit(chance, data, chance.randrange(len(data)), seeds)
    return bytes(data)
