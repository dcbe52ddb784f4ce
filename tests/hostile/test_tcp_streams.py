"""TCP streams that lie about their order, never end, or hold very much of one thing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from hostile_costs import LINEAR, LONG, allocating_at_most, growth, passing
from hostile_inputs import segments
from hostile_targets import Stages, look_at, outcome_of, through
from support import A, B, Chain, batch, ipv4, sip, tcp, udp

from sipstream import reasons
from sipstream.decode import streams
from sipstream.limits import STREAM_PENDING
from sipstream.packets import Linktype
from sipstream.sip import scan
from sipstream.sip.bodies import readable

MIB = 1 << 20
SYN, RST, FIN, PUSH = 0x02, 0x04, 0x01, 0x18
ONE, TWO, THREE = (sip(call_id=f"call-{n}", body="v=0\r\n" * n) for n in (1, 2, 3))
STREAM = ONE + TWO + THREE


def segment(payload: bytes, sequence: int, flags: int = PUSH, port: int = 5060) -> bytes:
    return ipv4(tcp(payload, sequence, flags=flags, source_port=port), 6)


def acknowledgement(number: int) -> bytes:
    """What the other side sends: all before `number` has come."""
    return ipv4(tcp(b"", 1, number, destination_port=5060), 6, B, A)


def found(packets: list[bytes]) -> list[bytes]:
    return [raw for *_, raw in outcome_of(packets).messages]


# Order


@pytest.mark.parametrize("place", [0, 20, 100, len(ONE) - 60])
def test_overlap_with_other_content(place: int) -> None:
    """Row N4: of bytes that come twice the first copy wins, in order or early."""
    forged = segment(b"X" * 60, 1000 + place)
    first, second, third = segments(STREAM, (len(ONE), len(TWO)))
    assert found([first, forged, second, third]) == [ONE, TWO, THREE]
    behind = segment(b"X" * 60, 1000 + len(ONE) + place % 50)
    syn = segment(b"", 999, SYN)
    assert found([syn, second, behind, first, third]) == [ONE, TWO, THREE]


def test_random_orders() -> None:
    """Row N4: pieces out of order and again, wherever the sequence numbers begin."""
    chance = random.Random(2)
    for _ in range(200):
        begin = chance.choice(
            (1, 2**32 - chance.randrange(1, len(STREAM)), chance.randrange(2**32))
        )
        pieces, place = [], 0
        while place < len(STREAM):
            size = chance.choice((20, 100, 400))
            pieces.append((place, STREAM[place : place + size]))
            place += size
        pieces += chance.choices(pieces, k=3)
        reach = chance.choice((0, 3, 20))
        late = {n: n + chance.uniform(0, reach) for n in range(len(pieces))}
        order = sorted(range(len(pieces)), key=late.__getitem__)
        packets = [segment(pieces[n][1], begin + pieces[n][0]) for n in order]
        assert found([segment(b"", begin - 1, SYN), *packets]) == [ONE, TWO, THREE]


def test_late_by_ten_thousand_segments() -> None:
    """Row N4: the first segment comes after 10,000 others: these are shown, with or without it."""
    messages = [sip(call_id=str(number)) for number in range(10_001)]
    packets, sequence = [segment(b"", 999, SYN)], 1000
    for message in messages:
        packets.append(segment(message, sequence))
        sequence += len(message)
    packets.append(packets.pop(1))
    assert [one for one in found(packets) if one != messages[0]] == messages[1:]


def test_sequence_numbers_wrap() -> None:
    """Row N4: the sequence number passes 2**32 at every place of a message."""
    for place in range(0, len(ONE), 7):
        begin = 2**32 - place
        assert found(segments(STREAM, (50,) * 20, begin)) == [ONE, TWO, THREE]


@pytest.mark.parametrize("flags", [RST, FIN, RST | 0x10])
def test_ended_and_begun_again(flags: int) -> None:
    """Row N4: RST or FIN, then the same ports with another sequence number."""
    half = ONE[:100]
    end = segment(b"", 1100, flags)
    for begin in (500_000_000, 1100, 900):
        packets = [segment(half, 1000), end, segment(b"", begin - 1, SYN), segment(TWO, begin)]
        assert found(packets)[-1:] == [TWO]


def test_ports_used_again_without_an_end() -> None:
    """Row N4: a SYN in the middle of a message."""
    packets = [segment(ONE[:100], 1000), segment(b"", 7_000_000, SYN), segment(TWO, 7_000_001)]
    assert found(packets) == [ONE[:100], TWO] if b"Call-ID" in ONE[:100] else [TWO]


def test_middle_of_a_stream() -> None:
    """Row N4: no SYN, and the first bytes are a message's middle."""
    for place in range(1, len(ONE), 11):
        assert found([segment(STREAM[place:], 1000 + place)])[-2:] == [TWO, THREE]


@pytest.mark.parametrize("told", [True, False], ids=["acknowledged", "not acknowledged"])
def test_gap(told: bool) -> None:
    """Row N4: a segment that never comes: the next start line is where it goes on."""
    lost = len(ONE) + 100
    packets = [segment(STREAM[:lost], 1000), segment(STREAM[lost + 60 :], 1060 + lost)]
    if told:
        packets.append(acknowledgement(1000 + len(STREAM)))
    messages = found(packets)
    assert (messages[0], messages[-1]) == (ONE, THREE)
    assert TWO not in messages


def test_zero_windows_and_keep_alives() -> None:
    """Row N4: probes of a zero window and keep-alives bring old bytes or none."""
    end = 1000 + len(ONE)
    probes = [
        segment(b"", end - 1),
        segment(b"\0", end - 1),
        acknowledgement(end),
        segment(b"", end),
    ]
    packets = [segment(ONE, 1000), *probes, segment(TWO, end), *probes]
    assert found(packets) == [ONE, TWO]


def test_single_bytes() -> None:
    """Row N4: one byte a segment, whatever the stream holds."""
    assert found(segments(STREAM, (1,) * len(STREAM))) == [ONE, TWO, THREE]

    def work(size: int) -> Callable[[], object]:
        message = sip(body="x" * size)
        packets = segments(message, (1,) * len(message))
        return lambda: outcome_of(packets)

    assert growth(work, 3000) < LINEAR


def test_a_stream_behind_a_hole_is_bounded() -> None:
    """Row N4: 1 MiB of a stream is held at most, then the hole is given up."""
    chain = Chain()
    chain.feed(passing([segment(b"O", 1000)]))
    with allocating_at_most(2 * STREAM_PENDING + MIB):
        for number in range(400):
            place = 2000 + number * 60_000
            chain.feed(passing([segment(b"x" * 50_000, place)]))
    chain.feed(passing([segment(b"", 59_999_999, SYN), segment(ONE, 60_000_000)]))
    chain.finish()
    assert chain.counts() == {"call-1": 1}
    assert chain.adds_up()


def behind_holes(count: int, size: int) -> Iterator[list[bytes]]:
    """The packets of many streams that all wait for their second byte."""
    for port in range(count):
        yield [segment(b"O", 1000, port=port), segment(b"x" * size, 1002, port=port)]


def in_messages(count: int, size: int) -> Iterator[list[bytes]]:
    """The packets of many streams that all wait for a message's end."""
    head = sip().replace(b"Content-Length: 0", b"Content-Length: 900000")
    for port in range(count):
        yield [
            segment(head, 1000, port=port),
            segment(b"x" * size, 1000 + len(head), port=port),
        ]


@pytest.mark.parametrize("waiting", [behind_holes, in_messages])
def test_all_streams_are_bounded(
    waiting: Callable[[int, int], Iterator[list[bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row N4: of all streams together no more is held than the limit, which is 4 MiB here."""
    monkeypatch.setattr(streams, "STREAMS_PENDING", 4 * MIB)
    monkeypatch.setattr(scan, "STREAMS_PENDING", 4 * MIB)
    chain = Chain()
    with allocating_at_most(8 * MIB):
        for packets in waiting(500, 50_000):
            chain.feed(passing(packets))
    chain.finish()
    assert chain.adds_up()


# Without an end

ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "no Content-Length": (sip().replace(b"Content-Length: 0\r\n", b""), b"a=b\r\n"),
    "no line end": (b"INVITE sip:", b"x"),
    "no line end, no SIP": (b"", b"x"),
    "headers that never end": (b"INVITE sip:2@b SIP/2.0\r\nCall-ID: long\r\n", b"X-Y: z\r\n"),
    "a header that never ends": (b"INVITE sip:2@b SIP/2.0\r\nCall-ID: long\r\nX: ", b"y"),
    "folds that never end": (b"INVITE sip:2@b SIP/2.0\r\nCall-ID: long\r\nX: a", b"\r\n y"),
    "blank lines": (b"", b"\r\n"),
    "Content-Length of 2 GiB": (sip().replace(b"Length: 0", b"Length: 2147483648"), b"x" * 50),
    "Content-Length of -1": (sip().replace(b"Length: 0", b"Length: -1"), b"x\r\n"),
    "two Content-Lengths": (sip(extra="Content-Length: 999999999\r\n"), b"x\r\n"),
    "start lines alone": (b"", b"INVITE sip:2@b SIP/2.0\r\n"),
    "almost start lines": (b"", b"INVITE sip:2@b SIP/2.X\r\n"),
    "WebSocket frames": (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", b"\x01\x04" + b"x" * 4),
}


def endless(name: str, size: int) -> list[bytes]:
    """The packets of a stream of that kind, `size` bytes long."""
    head, again = ENDLESS[name]
    return segments(head + again * (size // len(again)), (1400,) * (size // 1400))


def feed(packets: list[bytes], then: bytes = b"") -> Chain:
    chain = Chain()
    for place in range(0, len(packets), 100):
        chain.feed(passing(packets[place : place + 100]))
    if then:
        behind = 1000 + sum(len(packet) - 40 for packet in packets)
        chain.feed(passing(segments(then, (100, 100), behind)))
    chain.finish()
    assert chain.adds_up()
    return chain


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_stream(name: str) -> None:
    """Row N5: bounded memory; what is clean behind it, in a stream of its own or there, is shown."""
    packets = endless(name, (100 if LONG else 2) * MIB)
    with allocating_at_most(8 * MIB):
        chain = feed(packets, b"\r\n\r\n" + sip(call_id="resumed"))
    assert "resumed" in chain.counts() or name == "WebSocket frames"


@pytest.mark.parametrize("name", ENDLESS)
def test_work_on_an_endless_stream(name: str) -> None:
    """Row N5: the work grows in proportion, from where the limits have been reached."""
    begin = 3 * MIB // 2 if "Content-Length" in name else MIB // 2

    def work(size: int) -> Callable[[], object]:
        packets = endless(name, size)
        return lambda: feed(packets)

    assert growth(work, begin) < LINEAR


# Very much of one thing

START = "INVITE sip:2@b SIP/2.0\r\nCall-ID: much\r\nFrom: <sip:1@a>\r\nTo: <sip:2@b>\r\n"


def many_parts(size: int) -> str:
    return 'Content-Type: multipart/mixed;boundary="x"\r\n\r\n' + "--x\r\n\r\n1\r\n" * (size // 10)


MUCH: dict[str, Callable[[int], str]] = {
    "headers": lambda size: "A:b\r\n" * (size // 5) + "\r\n",
    "one header line": lambda size: "X: " + "y" * size + "\r\n\r\n",
    "folds": lambda size: "X: a" + "\r\n b" * (size // 4) + "\r\n\r\n",
    "blank folds": lambda size: "X: a" + "\r\n \t" * (size // 4) + "b\r\n\r\n",
    "copies of a header": lambda size: "Via: SIP/2.0/UDP a\r\n" * (size // 20) + "\r\n",
    "copies of From": lambda size: "f: <sip:1@a>\r\n" * (size // 14) + "\r\n",
    "values of Via": lambda size: "Via: " + "SIP/2.0/UDP a," * (size // 14) + "\r\n\r\n",
    "blanks in a value": lambda size: "Diversion: a" + " " * size + "b\r\n\r\n",
    "quotes": lambda size: "Diversion: " + '"\\' * (size // 2) + "\r\n\r\n",
    "brackets": lambda size: "P-Asserted-Identity: " + "<sip:" * (size // 5) + "\r\n\r\n",
    "percent signs": lambda size: "Diversion: <sip:" + "%41" * (size // 3) + "@a>\r\n\r\n",
    "MIME parts": many_parts,
    "line ends": lambda size: "Content-Length: 0\r\n\r\n" + "\r\n" * (size // 2),
    "colons": lambda size: ":\r\n" * (size // 3) + "\r\n",
}


@pytest.mark.parametrize("name", MUCH)
def test_much_in_a_datagram(name: str) -> None:
    """Row N6: up to 60 KB in one datagram: the work of all views grows in proportion."""

    def work(size: int) -> Callable[[], object]:
        packet = ipv4(udp((START + MUCH[name](size)).encode()))

        def run() -> None:
            stages = through([batch([packet], Linktype.RAW)])
            stages.finish()
            assert len(stages.conversations) == 1
            look_at(stages.conversations)

        return run

    assert growth(work, 15_000) < LINEAR


@pytest.mark.parametrize("name", MUCH)
def test_much_in_a_stream(name: str) -> None:
    """Row N6: 1 MB in one message over TCP: in proportion, bounded, and shown once."""

    def packets(size: int) -> list[bytes]:
        return segments((START + MUCH[name](size)).encode(), (1400,) * (size // 1400))

    def work(size: int) -> Callable[[], object]:
        given = packets(size)
        return lambda: feed(given)

    assert growth(work, MIB // 2) < LINEAR
    stages = Stages()
    stages.feed(batch(packets(MIB), Linktype.RAW))
    stages.finish()
    assert [one.call_id for one in stages.conversations] == ["much"]
    assert reasons.NO_CALL_ID not in stages.tally.reasons


def test_very_many_parts() -> None:
    """Row N6: a body of 100,000 MIME parts is shown with work in proportion."""

    def work(count: int) -> Callable[[], object]:
        raw = (START + 'c: multipart/mixed;boundary="x"\r\n\r\n').encode() + (
            b"--x\r\nContent-Type: a/b\r\n\r\n\0\r\n" * count + b"--x--\r\n"
        )
        return lambda: readable(raw).count(b"(a/b body, 1 bytes)") == count or pytest.fail("lost")

    assert growth(work, 25_000) < LINEAR


def test_a_million_headers() -> None:
    """Row N6: a million headers in one message: bounded, and what follows is shown."""
    start = (START + "A:b\r\n" * 1_000_000 + "Content-Length: 0\r\n\r\n").encode()
    packets = segments(start, (1400,) * (len(start) // 1400))
    with allocating_at_most(8 * MIB):
        chain = feed(packets, sip(call_id="resumed"))
    assert chain.counts() == {"much": 1, "resumed": 1}
