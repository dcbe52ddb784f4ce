"""sipstream and tshark find the same messages, in real captures and in traffic made for it (F6)."""

from __future__ import annotations

import gzip
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from itertools import accumulate, groupby
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from captures_wire import Packet, moment, pcap_file
from hostile import differential
from hostile.differential import Comparison, Reading, Seen
from support import SHARED, ethernet, ipv4, ipv6, needs, sip, tcp, udp

REAL = sorted((SHARED / "captures-real").glob("*.pcap*")) or [Path("captures-real")]
UDP, TCP, IN_IPV4, FRAGMENT_HEADER, IN_IPV6 = 17, 6, 4, 44, 41
VLAN, SERVICE_VLAN = 0x8100, 0x88A8
SYN, ACK, PUSH = 2, 16, 8
SEEDS = range(6)
CALLS = 40
BODIES = (
    "",
    "v=0\r\n",
    "a start line:\r\nINVITE sip:x@y SIP/2.0\r\n\r\nCall-ID: no\r\n",
    "x" * 2900,
)


class Sent(NamedTuple):
    """A message of a call: from the caller (`forward`) or to it."""

    forward: bool
    call_id: str
    kind: str
    cseq: str
    raw: bytes


class Ends(NamedTuple):
    """Two hosts, by the last byte of their addresses, and their ports."""

    version: int
    source: int
    destination: int
    source_port: int
    destination_port: int

    def turned(self) -> Ends:
        """Return the ends of what comes back."""
        return Ends(
            self.version,
            self.destination,
            self.source,
            self.destination_port,
            self.source_port,
        )

    def text(self, host: int, port: int) -> str:
        shown = f"10.0.0.{host}" if self.version == 4 else f"2001:db8::{host:x}"
        return f"{ip_address(shown)}.{port}"

    def seen(self, message: Sent, time: int) -> Seen:
        """Return what must be found of a message that is whole at that time."""
        return Seen(
            time,
            message.call_id,
            message.kind,
            message.cseq,
            self.text(self.source, self.source_port),
            self.text(self.destination, self.destination_port),
        )

    def packet(self, payload: bytes, protocol: int, **fragment: int) -> bytes:
        """Return an IP packet; `fragment` is what `support.ipv4` takes."""
        if self.version == 6:
            return ipv6(payload, protocol, self.source, self.destination)
        source, destination = bytes((10, 0, 0, self.source)), bytes((10, 0, 0, self.destination))
        return ipv4(payload, protocol, source, destination, **fragment)


class Wire:
    """Frames in the order they were sent, and the messages that must be found in them."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.frames: list[Packet] = []
        self.expected: Counter[Seen] = Counter()
        self.tags: tuple[int, ...] = ()
        """The VLAN tags of what is sent now."""
        self._clock = moment("2026-01-02 03:04:05.0")

    def send(self, packet: bytes, version: int) -> int:
        """Frame an IP packet, return its time in ns."""
        self._clock += self.random.randrange(1, 900)
        ethertype = 0x0800 if version == 4 else 0x86DD
        self.frames.append(Packet(self._clock, ethernet(packet, ethertype, self.tags), "", b""))
        return self._clock * 1000

    def write(self, path: Path) -> Path:
        data = pcap_file(self.frames)
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path


def call(random: Random, number: int, spell: Callable[[bytes], bytes]) -> list[Sent]:
    """Return the messages of an answered call, with different bodies."""
    steps = [
        (True, "INVITE", "1 INVITE"),
        (False, "100", "1 INVITE"),
        (False, "180", "1 INVITE"),
        (False, "200", "1 INVITE"),
        (True, "ACK", "1 ACK"),
        (True, "BYE", "2 BYE"),
        (False, "200", "2 BYE"),
    ]
    call_id = f"{number}-{random.getrandbits(64):x}@10.0.0.1"
    messages = []
    for forward, kind, cseq in steps:
        start = f"SIP/2.0 {kind} Fine" if kind.isdigit() else f"{kind} sip:2@b SIP/2.0"
        extra = f"User-Agent: made {random.getrandbits(32):x}\r\n"
        message = sip(start, call_id, cseq=cseq, extra=extra, body=random.choice(BODIES))
        messages.append(Sent(forward, call_id, kind, cseq, spell(message)))
    return messages


def as_it_is(message: bytes) -> bytes:
    return message


def renamed(message: bytes, names: dict[bytes, bytes]) -> bytes:
    for old, new in names.items():
        message = message.replace(b"\r\n" + old, b"\r\n" + new, 1)
    return message


def compact(message: bytes) -> bytes:
    """Use short names (RFC 3261 section 7.3.3)."""
    return renamed(message, {b"Call-ID:": b"i:", b"From:": b"f :", b"Via:": b"v:", b"To:": b"t\t:"})


def compact_length(message: bytes) -> bytes:
    """Use the short name of Content-Length."""
    return renamed(message, {b"Content-Length:": b"l :"})


def folded(message: bytes) -> bytes:
    """Continue two headers on the next line (RFC 3261 section 7.3.1)."""
    return renamed(message, {b"Call-ID:": b"call-id:\r\n", b"CSeq:": b"CSEQ:\r\n\t"})


def with_many_headers(message: bytes) -> bytes:
    head, _, rest = message.partition(b"\r\n")
    many = b"".join(b"X-Header-%d: %d\r\n" % (number, number) for number in range(100))
    return head + b"\r\n" + many + rest


SPELLINGS = (as_it_is, compact, folded, with_many_headers)


def datagrams(wire: Wire, ends: Ends, messages: list[Sent]) -> None:
    """Send each message in a UDP datagram of its own."""
    for message in messages:
        way = ends if message.forward else ends.turned()
        datagram = udp(message.raw, way.source_port, way.destination_port)
        time = wire.send(way.packet(datagram, UDP), way.version)
        wire.expected[way.seen(message, time)] += 1


def tunnelled(wire: Wire, ends: Ends, messages: list[Sent]) -> None:
    """Send each message in a UDP datagram within IP in IP."""
    for message in messages:
        way = ends if message.forward else ends.turned()
        datagram = udp(message.raw, way.source_port, way.destination_port)
        protocol = IN_IPV4 if way.version == 4 else IN_IPV6
        outer = Ends(4, 200, 201, 0, 0)
        time = wire.send(outer.packet(way.packet(datagram, UDP), protocol), 4)
        wire.expected[way.seen(message, time)] += 1


def fragments(wire: Wire, ends: Ends, messages: list[Sent]) -> None:
    """Send each message in a UDP datagram cut into fragments, which arrive in any order."""
    for message in messages:
        way = ends if message.forward else ends.turned()
        datagram = udp(message.raw, way.source_port, way.destination_port)
        size = 8 * wire.random.randrange(20, 60)
        starts = list(range(0, len(datagram), size))
        wire.random.shuffle(starts)
        identification = wire.random.getrandbits(16)
        time = 0
        for start in starts:
            piece, more = datagram[start : start + size], start + size < len(datagram)
            packet = fragment(way, piece, start, more, identification)
            time = wire.send(packet, way.version)
        wire.expected[way.seen(message, time)] += 1


def fragment(way: Ends, piece: bytes, start: int, more: bool, identification: int) -> bytes:
    """Return one fragment of a UDP datagram."""
    if way.version == 4:
        field = start // 8 | (0x2000 if more else 0)
        return way.packet(piece, UDP, identification=identification, fragment=field)
    header = struct.pack("!BBHI", UDP, 0, start | more, identification)
    return way.packet(header + piece, FRAGMENT_HEADER)


def stream(wire: Wire, ends: Ends, messages: list[Sent]) -> None:
    """Send a call over TCP: what goes one way in a row shares segments, or is cut over several."""
    back = ends.turned()
    numbers = {ends: wire.random.getrandbits(32), back: wire.random.getrandbits(32)}
    from_the_start = wire.random.random() < 0.5
    if from_the_start:
        for way in (ends, back):
            segment(wire, way, b"", numbers[way], numbers[way.turned()], SYN)
            numbers[way] += 1
    for way, in_a_row in runs(ends, messages):
        data = b"".join(message.raw for message in in_a_row)
        place = numbers[way], numbers[way.turned()]
        whole_at = send_cut(wire, way, data, *place, in_order=not from_the_start)
        numbers[way] += len(data)
        end = 0
        for message in in_a_row:
            end += len(message.raw)
            time = next(time for upto, time in whole_at if upto >= end)
            wire.expected[way.seen(message, time)] += 1


def runs(ends: Ends, messages: list[Sent]) -> Iterator[tuple[Ends, list[Sent]]]:
    """Yield the messages that follow each other the same way."""
    for forward, row in groupby(messages, lambda message: message.forward):
        yield (ends if forward else ends.turned()), list(row)


def send_cut(
    wire: Wire, way: Ends, data: bytes, sequence: int, acknowledged: int, *, in_order: bool
) -> list[tuple[int, int]]:
    """Send data in segments, some of them twice; return up to where it is whole at which time."""
    cuts = sorted(wire.random.sample(range(1, len(data)), k=wire.random.randrange(6)))
    pieces = list(zip([0, *cuts], [*cuts, len(data)], strict=True))
    sent = pieces if in_order else wire.random.sample(pieces, k=len(pieces))
    times = {}
    for start, end in sent:
        what = data[start:end], sequence + start, acknowledged
        times[end] = segment(wire, way, *what)
        if wire.random.random() < 0.1:
            segment(wire, way, *what)
    ends = [end for _, end in pieces]
    return list(zip(ends, accumulate((times[end] for end in ends), max), strict=True))


def segment(
    wire: Wire,
    way: Ends,
    data: bytes,
    sequence: int,
    acknowledged: int,
    flags: int = ACK | PUSH,
) -> int:
    header_and_data = tcp(
        data, sequence, acknowledged, flags, way.source_port, way.destination_port
    )
    return wire.send(way.packet(header_and_data, TCP), way.version)


CARRIERS = (datagrams, tunnelled, fragments, stream)


def traffic(seed: int, *more: Callable[[bytes], bytes]) -> Wire:
    """Return calls one after the other, carried and spelled in all ways; `more` are spellings."""
    wire = Wire(seed)
    for number in range(CALLS):
        version = wire.random.choice((4, 6))
        ends = Ends(version, wire.random.randrange(1, 99), 100, 10000 + number, 5060)
        messages = call(wire.random, number, wire.random.choice(SPELLINGS + more))
        wire.tags = wire.random.choice([(), (VLAN,), (SERVICE_VLAN, VLAN)])
        CARRIERS[number % len(CARRIERS)](wire, ends, messages)
    return wire


@pytest.mark.parametrize("seed", SEEDS)
def test_sipstream_finds_what_was_sent(seed: int, tmp_path: Path) -> None:
    # tshark 4.0 doesn't know Content-Length by its short name where it cuts a stream.
    wire = traffic(seed, compact_length)
    found = differential.by_sipstream(wire.write(tmp_path / "made.pcap"))
    assert found.messages == wire.expected


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=needs("tshark")) for seed in SEEDS])
@pytest.mark.parametrize("name", ["made.pcap", "made.pcap.gz"])
def test_no_difference_in_made_traffic(name: str, seed: int, tmp_path: Path) -> None:
    wire = traffic(seed)
    both = differential.compare(wire.write(tmp_path / name))
    assert [str(one) for one in differential.differences(both)] == []
    assert both.theirs.messages == wire.expected


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=needs("tshark", shared=True), id=path.name) for path in REAL]
)
def test_nothing_unexplained_in_real_captures(path: Path) -> None:
    found = differential.differences(differential.compare(path))
    assert [str(one) for one in found if not one.reason] == []


ONE = Seen(10**9, "call-1", "INVITE", "1 INVITE", "10.0.0.1.5060", "10.0.0.2.5060")
LATER = ONE._replace(time=2 * 10**9)
NAMELESS = ONE._replace(call_id="")


@pytest.mark.parametrize(
    ("ours", "left_out", "theirs", "unexplained"),
    [
        ([ONE], 0, [ONE], []),
        ([ONE], 1, [ONE, ONE], [False]),
        ([ONE], 0, [ONE, ONE], [True]),
        ([ONE], 1, [ONE, ONE, ONE], [True, True]),
        ([ONE], 1, [ONE, LATER], [True]),
        ([ONE], 0, [LATER], [True]),
        ([], 0, [NAMELESS], [False]),
        ([ONE, ONE], 0, [ONE], [True]),
        ([], 0, [ONE, LATER], [True, True]),
    ],
)
def test_what_is_explained(
    ours: list[Seen], left_out: int, theirs: list[Seen], unexplained: list[bool]
) -> None:
    both = Comparison("name", Reading(Counter(ours), left_out=left_out), Reading(Counter(theirs)))
    assert [not one.reason for one in differential.differences(both)] == unexplained
    lines = list(differential.report(both))
    assert lines[0].endswith(f"{len(unexplained)} differences, {sum(unexplained)} unexplained")
    assert ["UNEXPLAINED" in line for line in lines[1:]] == unexplained


@pytest.mark.parametrize("agrees", [True, False])
def test_exit_status(agrees: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = traffic(0)
    wire.write(tmp_path / "made.pcap")
    theirs = Reading(wire.expected if agrees else Counter())
    monkeypatch.setattr(differential, "by_tshark", lambda path: theirs)
    monkeypatch.setattr("shutil.which", lambda program: program)
    monkeypatch.setattr("sys.argv", ["differential.py", str(tmp_path)])
    assert differential.main() == (0 if agrees else 1)
