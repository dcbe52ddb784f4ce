"""Captures written out: the packets as they were, all that a message was joined of, by time."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path

import pytest
import tls_made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import A, B, Chain, MemoryStore, ethernet, ipv4, ipv6, sip, tcp, udp

from sipstream import pipeline
from sipstream.conversations import Conversations
from sipstream.decode.keylog import Secrets
from sipstream.errors import CommandError
from sipstream.export.pcap import Export, in_order
from sipstream.packets import Linktype
from sipstream.sources import Source, stores_of
from sipstream.sources.file import FileSource

Packet = tuple[int, bytes]
SECOND = 10**9


def capture(
    path: Path, packets: list[Packet], linktype: int = 1, *, nano: bool = False, wire: int = 0
) -> Path:
    """Write a pcap of packets with times in ns; `wire` is how many bytes more there were."""
    scale = 1 if nano else 1000
    data = struct.pack("<IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype)
    for time, packet in packets:
        head = (time // SECOND, time % SECOND // scale, len(packet), len(packet) + wire)
        data += struct.pack("<IIII", *head) + packet
    path.write_bytes(data)
    return path


def packets_of(data: bytes) -> list[Packet]:
    """Return the packets of a pcap file, and their times in ns."""
    scale = 1 if data[:4] == b"\x4d\x3c\xb2\xa1" else 1000
    place, found = 24, []
    while place < len(data):
        seconds, rest, size, _ = struct.unpack_from("<IIII", data, place)
        found.append((seconds * SECOND + rest * scale, data[place + 16 : place + 16 + size]))
        place += 16 + size
    return found


async def export(
    files: Iterable[Path], *call_ids: str, pcapng: bool | None = False
) -> tuple[bytes, Export]:
    """Load files and export the conversations of Call-IDs, without any all."""
    conversations, sources = Conversations(), list[Source]()
    for file in files:
        sources.append(FileSource(file))
        await pipeline.run(pipeline.Intake(sources[-1], conversations), lambda added: None)
    made = Export(conversations, stores_of(sources))
    numbers = [one.id for one in conversations if not call_ids or one.call_id in call_ids]
    return b"".join(made.pieces(numbers, lambda: False, pcapng=pcapng)), made


def frame(payload: bytes) -> bytes:
    return ethernet(ipv4(udp(payload)))


def segment(data: bytes, number: int, *, flags: int = 0x18) -> bytes:
    return ethernet(ipv4(tcp(data, number, flags=flags), 6))


async def test_packets_are_written_as_they_were(tmp_path: Path) -> None:
    wanted = frame(sip(call_id="one"))[:-3] + b"\n\r\n" + b"trailer of Ethernet"
    given = [(5, frame(sip(call_id="two"))), (1 * SECOND + 7, wanted), (9, frame(b"RTP"))]
    data, made = await export([capture(tmp_path / "in", given, nano=True)], "one")
    assert packets_of(data) == [(1 * SECOND + 7, wanted)]
    assert data[:4] == struct.pack("<I", 0xA1B23C4D)
    assert (made.packets, made.messages, made.conversations, made.made) == (1, 1, 1, 0)


async def test_what_a_packet_lost_to_the_snap_length_stays_told(tmp_path: Path) -> None:
    given = capture(tmp_path / "in", [(1000, frame(sip()))], wire=60)
    data, _ = await export([given])
    assert data == given.read_bytes()[:16] + data[16:20] + given.read_bytes()[20:]


async def test_a_capture_of_microseconds_stays_one(tmp_path: Path) -> None:
    data, _ = await export([capture(tmp_path / "in", [(3000, frame(sip()))])])
    assert data[:4] == struct.pack("<I", 0xA1B2C3D4)


async def test_files_that_overlap_are_merged_by_time(tmp_path: Path) -> None:
    frames = [frame(sip(call_id="x", cseq=f"{number} INVITE")) for number in range(6)]
    timed = [(number * SECOND, packet) for number, packet in enumerate(frames)]
    one = capture(tmp_path / "a", [timed[2], timed[0], timed[4]])
    other = capture(tmp_path / "b", [timed[1], timed[5], timed[3]])
    data, _ = await export([one, other])
    assert packets_of(data) == timed


async def test_all_fragments_are_written(tmp_path: Path) -> None:
    whole = udp(sip(call_id="big", body="v" * 1600))
    cut = [
        (0, whole[:800], 0x2000),
        (800, whole[800:1600], 0x2000 | 100),
        (1600, whole[1600:], 200),
    ]
    fragments = [ethernet(ipv4(part, identification=7, fragment=field)) for _, part, field in cut]
    other = ethernet(ipv4(b"x" * 800, identification=8, fragment=0x2000))
    given = [(1, fragments[2]), (2, other), (3, fragments[0]), (4, frame(sip())), (5, fragments[1])]
    data, made = await export([capture(tmp_path / "in", given, nano=True)], "big")
    assert packets_of(data) == [given[0], given[2], given[4]]
    assert (made.messages, made.made) == (1, 0)


async def test_all_segments_of_a_message_are_written_and_no_others(tmp_path: Path) -> None:
    long, short = sip(call_id="long", body="b" * 3000), sip(call_id="short")
    stream = short + long + sip(call_id="next")
    begin, end = len(short), len(short) + len(long)
    pieces = [(0, begin), (begin, begin + 1000), (begin + 1000, begin + 2500), (begin + 2500, end)]
    pieces.append((end, len(stream)))
    given = [
        (place + 1, segment(stream[start:stop], (0xFFFFFF00 + start)))
        for place, (start, stop) in enumerate(pieces)
    ]
    # The second piece comes late: a segment overtook it.
    given[1], given[2] = (2, given[2][1]), (3, given[1][1])
    data, made = await export([capture(tmp_path / "in", given, nano=True)], "long")
    assert packets_of(data) == given[1:4]
    assert (made.messages, made.made) == (1, 0)


async def test_of_websocket_the_whole_connection_is_written(tmp_path: Path) -> None:
    hello = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
    message = sip(call_id="ws")
    framed = b"\x81\x7e" + struct.pack("!H", len(message)) + message
    given = [
        (1, segment(b"", 99, flags=2)),
        (2, segment(hello, 100)),
        (3, segment(framed, 100 + len(hello))),
        (4, frame(sip(call_id="other"))),
    ]
    data, made = await export([capture(tmp_path / "in", given, nano=True)], "ws")
    assert made.messages == 1
    assert packets_of(data) == given[:3]


async def test_link_types_that_differ_take_a_pcapng(tmp_path: Path) -> None:
    one = capture(tmp_path / "a", [(1, frame(sip(call_id="x")))], nano=True)
    raw = ipv4(udp(sip(call_id="x", cseq="2 INVITE")))
    other = capture(tmp_path / "b", [(2, raw)], Linktype.RAW, nano=True)
    with pytest.raises(CommandError, match=r"2 link types \(1, 101\).* in \.pcapng$"):
        await export([one, other])
    data, _ = await export([one, other], pcapng=None)
    (tmp_path / "c").write_bytes(data)
    assert data[:4] == b"\n\r\r\n"
    _, again = await export([tmp_path / "c"], pcapng=True)
    assert (again.packets, again.made) == (2, 0)


async def test_pcapng_keeps_the_names_of_interfaces(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(_pcapng([("eth0", 3, frame(sip())), ("eth1", 4, frame(sip()))]))
    data, made = await export([tmp_path / "a"], pcapng=True)
    assert made.messages == 2
    assert data == _pcapng([("eth0", 3, frame(sip())), ("eth1", 4, frame(sip()))])


def _pcapng(packets: list[tuple[str, int, bytes]]) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        length = struct.pack("<I", len(body) + 12)
        return struct.pack("<I", kind) + length + body + length

    data = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    for name, _, _ in packets:
        options = struct.pack("<HH4sHHB3xHH", 2, 4, name.encode(), 9, 1, 9, 0, 0)
        data += block(1, struct.pack("<HHI", 1, 0, 262144) + options)
    for place, (_, time, packet) in enumerate(packets):
        size = len(packet)
        head = struct.pack("<IIIII", place, 0, time, size, size)
        data += block(6, head + packet + bytes(-size % 4))
    return data


async def test_printed_text_gets_packets(tmp_path: Path) -> None:
    text = "16:41:37.979995 IP 10.0.0.1.5062 > sip.example.net.5060: SIP\n"
    message = sip(call_id="printed", body="v=0\r\no=a\r\n").replace(b"\r\n", b"\n").decode()
    (tmp_path / "in.txt").write_text(text + message + "\n")
    data, made = await export([tmp_path / "in.txt"])
    (tmp_path / "out").write_bytes(data)
    [(_, packet)] = packets_of(data)
    # The CRs that printing took are there again, so lengths are right.
    assert packet.endswith(sip(call_id="printed", body="v=0\r\no=a\r\n"))
    assert packet[26:30] == A
    # For a name an address of RFC 2544 stands there; that packets are made isn't said of text.
    assert packet[30:32] == b"\xc6\x12"
    assert (made.packets, made.made, made.names) == (1, 0, 1)
    _, again = await export([tmp_path / "out"])
    assert again.messages == 1


def checksum_is_right(packet: bytes, protocol: int) -> bool:
    """Tell whether UDP or TCP behind Ethernet and a plain IPv4 or IPv6 header has its checksum."""
    start, addresses = (34, packet[26:34]) if packet[12] == 8 else (54, packet[22:54])
    inner = packet[start:]
    data = addresses + struct.pack("!II", protocol, len(inner)) + inner
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


@pytest.mark.parametrize("over", ["UDP", "TCP"])
@pytest.mark.parametrize("packed", [ipv4, ipv6])
async def test_messages_whose_packets_are_gone_get_others(
    tmp_path: Path, packed: object, over: str
) -> None:
    inner = [udp(sip(call_id="x", cseq=f"{one} INVITE"), 5070) for one in range(2)]
    if over == "TCP":
        size = len(inner[0]) - 8
        inner = [tcp(one[8:], 1 + place * size) for place, one in enumerate(inner)]
    protocol = 17 if over == "UDP" else 6
    ethertype = 0x0800 if packed is ipv4 else 0x86DD
    packets = [ethernet(packed(one, protocol), ethertype) for one in inner]  # type: ignore[operator]
    chain = Chain()
    store = MemoryStore(b"".join(packets))
    place, records = 0, []
    for number, one in enumerate(packets):
        records.append((number + 1, place, place + len(one), len(one)))
        place += len(one)
    from sipstream.packets import Batch

    chain.feed(Batch(store, 0, store.data, 1, records))
    chain.finish()
    # The capture itself is another one by now: only what messages lie in is left.
    empty = MemoryStore(capture(tmp_path / "in", [(1, b"")]).read_bytes())
    made = Export(chain.conversations, [empty])
    numbers = [one.id for one in chain.conversations]
    data = b"".join(made.pieces(numbers, lambda: False))
    written = packets_of(data)
    assert (made.made, made.lost, len(written)) == (2, 0, 2)
    assert [time for time, _ in written] == [1, 2]
    for (_, packet), before in zip(written, packets, strict=True):
        assert (
            packet[26 if packed is ipv4 else 22 : 38] == before[26 if packed is ipv4 else 22 : 38]
        )
        assert checksum_is_right(packet, protocol)
    (tmp_path / "out").write_bytes(data)
    _, again = await export([tmp_path / "out"])
    assert (again.messages, again.made) == (2, 0)


async def test_a_file_that_lost_its_bytes_is_told(tmp_path: Path) -> None:
    path = capture(tmp_path / "in", [(1000, frame(sip())), (2000, frame(sip(cseq="2 BYE")))])
    conversations, source = Conversations(), FileSource(path)
    await pipeline.run(pipeline.Intake(source, conversations), lambda added: None)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 10)
    made = Export(conversations, stores_of([source]))
    data = b"".join(made.pieces([0], lambda: False))
    assert packets_of(data) == [(1000, frame(sip()))]
    assert (made.packets, made.lost) == (1, 1)


async def test_the_loop_has_its_turn(tmp_path: Path) -> None:
    given = [(number, frame(sip(call_id=f"c{number}"))) for number in range(3000)]
    conversations, source = Conversations(), FileSource(capture(tmp_path / "in", given, nano=True))
    await pipeline.run(pipeline.Intake(source, conversations), lambda added: None)
    made = Export(conversations, stores_of([source]))
    numbers = [one.id for one in conversations]
    pieces = list(made.pieces(numbers, lambda: True))
    assert pieces.count(b"") > 3000
    assert max(map(len, pieces)) < 10_000
    assert packets_of(b"".join(pieces)) == given


def test_an_address_of_either_kind_is_written_as_ipv6() -> None:
    from sipstream.decode.endpoints import Endpoints, key_of
    from sipstream.export.made import Maker

    endpoints = Endpoints()
    ends = endpoints.intern(key_of(bytes(15) + b"\x01", 5060)), endpoints.intern(key_of(B, 5061))
    [packet] = Maker(endpoints, Linktype.RAW).packets(*ends, "UDP", sip())
    assert packet[0] >> 4 == 6
    assert packet[24:40] == bytes(10) + b"\xff\xff" + B


def mangled(packets: list[Packet], changes: list[tuple[int, int, int]]) -> list[Packet]:
    """Packets in which bytes were changed; each change is a packet, a place and a byte."""
    found = [bytearray(packet) for _, packet in packets]
    for which, place, byte in changes:
        packet = found[which % len(found)]
        packet[place % len(packet)] = byte
    return [(time, bytes(packet)) for (time, _), packet in zip(packets, found, strict=True)]


LONG = sip(call_id="long", body="b" * 300)
MANY: list[bytes] = [
    frame(sip(call_id="udp")),
    *(
        ethernet(ipv4(udp(sip(call_id="cut", body="c" * 300))[start:stop], fragment=field))
        for start, stop, field in ((0, 200, 0x2000), (200, 400, 0x2019), (400, None, 50))
    ),
    *(segment(LONG[start : start + 150], 1 + start) for start in range(0, len(LONG), 150)),
    segment(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", 9000),
    ethernet(ipv6(udp(sip(call_id="six"))), 0x86DD),
    ethernet(ipv4(ipv4(udp(sip(call_id="tunnel"))), 4)),
]


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 90), st.integers(0, 255))), st.booleans()
)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_in_packets_all_messages_are_written(
    tmp_path: Path, changes: list[tuple[int, int, int]], nano: bool
) -> None:
    async def through() -> None:
        given_packets = mangled([(1000 * one, data) for one, data in enumerate(MANY)], changes)
        data, made = await export([capture(tmp_path / "in", given_packets, nano=nano)], pcapng=None)
        assert made.lost == 0
        kept = [packet for _, packet in packets_of(data)] if data[:1] != b"\n" else []
        others = [packet for packet in kept if packet not in dict(given_packets).values()]
        assert len(others) <= made.made
        assert made.made or not others
        (tmp_path / "out").write_bytes(data)
        _, again = await export([tmp_path / "out"], pcapng=None)
        assert again.messages >= made.messages - made.made

    asyncio.run(through())


async def test_of_tls_the_whole_connection_is_written(tmp_path: Path) -> None:
    connection = tls_made.made(messages=[(True, sip(call_id="in-tls"))])
    given_packets = [(one, data) for one, data in enumerate(tls_made.packets(connection.parts))]
    given_packets.append((99, ipv4(udp(sip(call_id="other")))))
    path = capture(tmp_path / "in", given_packets, Linktype.RAW, nano=True)
    secrets = Secrets()
    secrets.add(connection.keylog())
    conversations, source = Conversations(), FileSource(path)
    await pipeline.run(pipeline.Intake(source, conversations, secrets), lambda added: None)
    made = Export(conversations, stores_of([source]))
    numbers = [one.id for one in conversations if one.call_id == "in-tls"]
    data = b"".join(made.pieces(numbers, lambda: False))
    assert packets_of(data) == given_packets[:-1]


@pytest.mark.parametrize("count", [0, 1, 2048, 2049, 7000])
def test_very_many_are_put_in_order_in_steps(count: int) -> None:
    values = [(number * 7919 % 5000, number) for number in range(count)]
    steps = in_order(values, itemgetter(0))
    taken = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
            break
        taken += 1
    assert found == sorted(values, key=itemgetter(0))
    assert taken >= count // 2048
