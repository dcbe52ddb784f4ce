"""Generated captures for benchmarks: calls of seven messages, about 700 bytes each, all different.

    python tests/benchmarks/generate.py udp 1000000 FILE     messages over UDP
    python tests/benchmarks/generate.py mixed 140000 FILE    the same, nine tenths of the bytes are RTP
    python tests/benchmarks/generate.py tcp 100000 FILE      over TCP, one in eight in two segments

Each call has numbers, addresses and ports of its own: a program that joins media to calls would
otherwise find all calls on one stream, and no real capture looks like that.
"""

from __future__ import annotations

import argparse
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

BEGIN_NS = 1_700_000_000 * 10**9
GAP_NS = 50_000
"""Between two messages: 20,000 a second."""
SERVER = bytes((10, 11, 12, 13))
PARALLEL = 200
"""Calls under way at any time."""
STEPS = 7
"""Messages of a call."""
RTP_SHARE = 0.9
"""Of the bytes of a mixed capture."""
_FILE_HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
_WRITTEN = 4096
"""Records joined for one write."""
_ANSWERED, _OVER = 4, 5
"""Steps between which a call has media: its 200 is sent, its BYE isn't."""
_PER_CONNECTION = 50
"""Messages after which a TCP connection ends and the host opens another."""

_SDP = (
    "v=0\r\no=root 1718872612 1718872612 IN IP4 %(media)s\r\ns=Asterisk PBX 13.1.0\r\n"
    "c=IN IP4 %(media)s\r\nt=0 0\r\nm=audio %(port)s RTP/AVP 9 8 0 101\r\na=rtpmap:9 G722/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:150\r\na=sendrecv\r\n"
)
_OFFER = _SDP % {"media": "10.%(net)b", "port": "%(port)b"}
_ANSWER = _SDP % {"media": "172.%(net)b", "port": "%(port)b"}
_REQUEST = "%s sip:%%(callee)b@10.11.12.13:5060 SIP/2.0"
_PLAN = (
    (_REQUEST % "INVITE", "INVITE", True, _OFFER),
    ("SIP/2.0 100 Trying", "INVITE", False, ""),
    ("SIP/2.0 180 Ringing", "INVITE", False, ""),
    ("SIP/2.0 200 OK", "INVITE", False, _ANSWER),
    (_REQUEST % "ACK", "ACK", True, ""),
    (_REQUEST % "BYE", "BYE", True, ""),
    ("SIP/2.0 200 OK", "BYE", False, ""),
)
"""Start line, method of the CSeq, whether the caller sends it, body."""


@dataclass(slots=True)
class Call:
    """One call: what its messages are filled with, and the next of its steps."""

    number: int
    fields: dict[bytes, bytes]
    step: int = 0


def callee(call: int) -> str:
    """Return the called number of a call, one of its own for the first five million."""
    return str(4_000_000 + call * 1_234_577 % 5_000_000)


def caller_host(call: int) -> tuple[int, int, int, int]:
    """Return the address that a call comes from: one of four hundred, whose texts are equally long."""
    return 10, 20, 10 + call % 4, 100 + call // 4 % 100


def _net(call: int) -> tuple[int, int, int]:
    """Return the last three bytes of a call's media addresses, three digits each."""
    return 100 + call // 10_000 % 100, 100 + call // 100 % 100, 100 + call % 100


def _port(call: int) -> int:
    return 10_000 + 2 * (call % 20_000)


def _new(number: int) -> Call:
    """Return a call before its first message; a text of it is as long as any other call's."""
    host = caller_host(number)
    fields = {
        b"id": b"%08x" % number,
        b"caller": b"%d" % (9_000_000 + number * 123_457 % 1_000_000),
        b"callee": callee(number).encode(),
        b"host": b"%d.%d.%d.%d" % host,
        b"source": bytes(host),
        b"net": b"%d.%d.%d" % _net(number),
        b"port": b"%d" % _port(number),
    }
    return Call(number, fields)


_EXAMPLE = _new(0).fields


def _message(step: int, transport: str) -> bytes:
    """Return the template of one step's message."""
    start, method, _, body = _PLAN[step]
    tag = ";tag=bt%(id)b" if step else ""
    content = "Content-Type: application/sdp\r\n" if body else ""
    head = (
        f"{start}\r\n"
        f"Via: SIP/2.0/{transport} %(host)b:5060;branch=z9hG4bK%(id)b;rport\r\n"
        "Max-Forwards: 70\r\n"
        'From: "%(caller)b" <sip:%(caller)b@%(host)b>;tag=as%(id)b\r\n'
        f"To: <sip:%(callee)b@10.11.12.13:5060>{tag}\r\n"
        "Contact: <sip:%(caller)b@%(host)b:5060>\r\n"
        "Call-ID: %(id)b636462357f6f6f25b700844@%(host)b:5060\r\n"
        f"CSeq: 102 {method}\r\n"
        "User-Agent: Asterisk PBX 13.1.0~dfsg-1.1ubuntu4.1\r\n"
        "Date: Tue, 06 Jun 2017 15:49:30 GMT\r\n"
        "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH\r\n"
        "Supported: replaces, timer\r\n"
        f"{content}"
        f"Content-Length: {len(body.encode() % _EXAMPLE)}\r\n\r\n"
    )
    return (head + body).encode()


def _headers(
    length: int, source: bytes, destination: bytes, protocol: int = 17, ports: bytes = b""
) -> bytes:
    """Return Ethernet, IPv4 and, for UDP, its header, in front of `length` bytes."""
    above = struct.pack("!4sHH", ports, 8 + length, 0) if protocol == 17 else b""
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(above) + length, 0, 0x4000, 64, protocol, 0,
        source, destination,
    )  # fmt: skip
    return bytes(12) + b"\x08\x00" + head + above


_SIP_PORTS = struct.pack("!HH", 5060, 5060)


def _record(step: int) -> bytes:
    """Return the template of one step's whole record over UDP, from the lengths in its head on."""
    message = _message(step, "UDP")
    here, there = b"HERE", SERVER
    if not _PLAN[step][2]:
        here, there = there, here
    head = _headers(len(message % _EXAMPLE), here, there, ports=_SIP_PORTS)
    size = len(head) + len(message % _EXAMPLE)
    lengths = struct.pack("<II", size, size)
    return (lengths + head).replace(b"%", b"%%").replace(b"HERE", b"%(source)b") + message


def calls(count: int, seed: int = 1) -> Iterator[tuple[Call, int]]:
    """Yield (call, step) for `count` messages of interleaved calls."""
    draw = random.Random(seed).random
    going: list[Call] = []
    number = 0
    for _ in range(count):
        if len(going) < PARALLEL:
            going.append(_new(number))
            number += 1
        place = int(draw() * len(going))
        call = going[place]
        step = call.step
        call.step += 1
        if call.step == STEPS:
            going[place] = going[-1]
            going.pop()
        yield call, step


def _times(gap: int = GAP_NS) -> Iterator[bytes]:
    """Yield the times of records, packed."""
    pack, time = struct.Struct("<II").pack, BEGIN_NS
    while True:
        time += gap
        seconds, rest = divmod(time, 10**9)
        yield pack(seconds, rest // 1000)


def _write(path: Path, records: Iterator[bytes]) -> None:
    """Write a little-endian pcap with microseconds."""
    with path.open("wb", buffering=0) as file:
        file.write(_FILE_HEAD)
        waiting: list[bytes] = []
        for record in records:
            waiting.append(record)
            if len(waiting) >= _WRITTEN:
                file.write(b"".join(waiting))
                waiting.clear()
        file.write(b"".join(waiting))


def _udp(count: int) -> Iterator[bytes]:
    templates = [_record(step) for step in range(STEPS)]
    times = _times()
    for call, step in calls(count):
        yield next(times) + templates[step] % call.fields


def write_pcap(path: Path, count: int) -> None:
    """Write `count` messages over UDP."""
    _write(path, _udp(count))


class _Media:
    """RTP both ways between a call's media addresses, 160 bytes a packet."""

    __slots__ = ("_heads", "_sequence", "_source")
    _pack = struct.Struct("!BBHI4s").pack
    _payloads = tuple(random.Random(7).randbytes(160) for _ in range(64))

    def __init__(self, call: int) -> None:
        here, there = bytes((10, *_net(call))), bytes((172, *_net(call)))
        ports = struct.pack("!HH", _port(call), _port(call))
        heads = (_headers(172, a, b, ports=ports) for a, b in ((here, there), (there, here)))
        self._heads = [struct.pack("<II", 214, 214) + head for head in heads]
        self._source = struct.pack("!I", call)
        self._sequence = 0

    def packet(self) -> bytes:
        """Return the next record without its time."""
        count = self._sequence
        self._sequence += 1
        return (
            self._heads[count & 1]
            + self._pack(0x80, 8, count >> 1 & 0xFFFF, (count >> 1) * 160, self._source)
            + self._payloads[count & 63]
        )


def _mixed(count: int) -> Iterator[bytes]:
    """Yield messages, and RTP of the answered calls wherever it is behind its share."""
    templates = [_record(step) for step in range(STEPS)]
    times = _times(GAP_NS // 20)
    answered: dict[int, _Media] = {}
    going: list[_Media] = []
    owed, turn = 0.0, 0
    for call, step in calls(count):
        record = next(times) + templates[step] % call.fields
        yield record
        if step + 1 == _ANSWERED:
            answered[call.number] = _Media(call.number)
            going.append(answered[call.number])
        elif step == _OVER:
            going.remove(answered.pop(call.number))
        owed += len(record) * RTP_SHARE / (1 - RTP_SHARE)
        while owed > 0 and going:
            turn += 1
            packet = next(times) + going[turn % len(going)].packet()
            owed -= len(packet)
            yield packet


def write_mixed(path: Path, count: int) -> None:
    """Write `count` messages over UDP amid RTP: nine tenths of the bytes."""
    _write(path, _mixed(count))


class _Connection:
    """A TCP connection of a host to the server: records of its segments, without their times."""

    def __init__(self, host: bytes, port: int) -> None:
        self._ends = ((host, port), (SERVER, 5060))
        self._next = [port * 1000, port * 2000]
        self.messages = 0

    def segment(self, side: int, flags: int, data: bytes = b"") -> bytes:
        """Return the record of one segment from side 0, the host, or 1, the server."""
        (source, port), (destination, other) = self._ends[side], self._ends[1 - side]
        head = struct.pack(
            "!HHIIBBHHH", port, other, self._next[side], self._next[1 - side], 0x50, flags, 65535, 0, 0
        )  # fmt: skip
        self._next[side] += len(data) + (1 if flags & 3 else 0)
        frame = _headers(len(head) + len(data), source, destination, protocol=6) + head + data
        return struct.pack("<II", len(frame), len(frame)) + frame


_FIN, _SYN, _SYN_ACK, _ACK, _PUSH = 0x11, 0x02, 0x12, 0x10, 0x18


def _segments(count: int) -> Iterator[bytes]:
    templates = [_message(step, "TCP") for step in range(STEPS)]
    draw = random.Random(2).random
    open_now: dict[bytes, _Connection] = {}
    port = 20_000
    for call, step in calls(count):
        host = call.fields[b"source"]
        if (connection := open_now.get(host)) is None:
            port = 20_000 + (port - 19_999) % 40_000
            connection = open_now[host] = _Connection(host, port)
            for side, flags in ((0, _SYN), (1, _SYN_ACK), (0, _ACK)):
                yield connection.segment(side, flags)
        side, message = 0 if _PLAN[step][2] else 1, templates[step] % call.fields
        if draw() < 1 / 8:
            cut = int(draw() * (len(message) - 1)) + 1
            yield connection.segment(side, _ACK, message[:cut])
            message = message[cut:]
        yield connection.segment(side, _PUSH, message)
        connection.messages += 1
        if connection.messages == _PER_CONNECTION:
            del open_now[host]
            for side, flags in ((0, _FIN), (1, _FIN), (0, _ACK)):
                yield connection.segment(side, flags)


def write_tcp(path: Path, count: int) -> None:
    """Write `count` messages over TCP, fifty a connection."""
    times = _times()
    _write(path, (next(times) + record for record in _segments(count)))


KINDS: dict[str, Callable[[Path, int], None]] = {
    "udp": write_pcap,
    "mixed": write_mixed,
    "tcp": write_tcp,
}


def cached(folder: Path, name: str, write: Callable[[Path], None]) -> Path:
    """Return a file of a folder, written unless this very generator has written it before."""
    stem, _, suffix = name.rpartition(".")
    path = folder / f"{stem}-{zlib.crc32(Path(__file__).read_bytes()):08x}.{suffix}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        write(unfinished)
        unfinished.rename(path)
    return path


def capture(folder: Path, kind: str, count: int) -> Path:
    """Return a capture of a folder, generated when it isn't there."""
    return cached(folder, f"{kind}-{count}.pcap", lambda path: KINDS[kind](path, count))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("messages", type=int)
    parser.add_argument("path", type=Path)
    options = parser.parse_args()
    KINDS[options.kind](options.path, options.messages)
