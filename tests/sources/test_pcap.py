"""pcap and pcapng: byte orders, precisions, every cut, damaged lengths."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import MemoryStore

from sipstream.limits import FURTHEST
from sipstream.packets import Batch
from sipstream.sources.pcap import PcapReader
from sipstream.sources.pcapng import PcapngReader

PACKETS = [(1_700_000_000_123_456_000 + n * 1000, bytes([n]) * (20 + n)) for n in range(5)]


def pcap(order: str = "<", nano: bool = False, linktype: int = 1) -> bytes:
    data = struct.pack(
        order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype
    )
    for time, packet in PACKETS:
        seconds, rest = divmod(time, 10**9)
        fraction = rest if nano else rest // 1000
        data += struct.pack(order + "IIII", seconds, fraction, len(packet), len(packet)) + packet
    return data


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, linktype: int = 1, options: bytes = b"") -> bytes:
    return block(order, 1, struct.pack(order + "HHI", linktype, 0, 0) + options)


def enhanced(order: str, number: int, units: int, packet: bytes) -> bytes:
    head = struct.pack(
        order + "5I", number, units >> 32, units & 0xFFFFFFFF, len(packet), len(packet)
    )
    return block(order, 6, head + packet)


def pcapng(order: str = "<") -> bytes:
    data = section(order) + interface(order, options=option(order, 2, b"eth0"))
    for time, packet in PACKETS:
        data += enhanced(order, 0, time // 1000, packet)
    return data


def packets(batches: list[Batch]) -> list[tuple[int, bytes]]:
    return [(time, one.data[start:end]) for one in batches for time, start, end, _ in one.records]


FILES: list[tuple[Callable[..., PcapReader | PcapngReader], bytes]] = [
    (PcapReader, pcap("<")),
    (PcapReader, pcap(">")),
    (PcapReader, pcap("<", nano=True)),
    (PcapReader, pcap(">", nano=True)),
    (PcapngReader, pcapng("<")),
    (PcapngReader, pcapng(">")),
]


@pytest.mark.parametrize(("reader", "data"), FILES)
def test_all_packets_with_times_and_places(
    reader: Callable[..., PcapReader | PcapngReader], data: bytes
) -> None:
    batches = reader(MemoryStore(data)).feed(data)
    assert packets(batches) == PACKETS
    for one in batches:
        for _, start, end, _ in one.records:
            assert data[one.base + start : one.base + end] == one.data[start:end]


@pytest.mark.parametrize(("reader", "data"), FILES)
def test_byte_by_byte(reader: Callable[..., PcapReader | PcapngReader], data: bytes) -> None:
    one = reader(MemoryStore(data), 100)
    batches = [given for n in range(len(data)) for given in one.feed(data[n : n + 1])]
    assert packets(batches) == PACKETS
    places = [given.base + record[1] - 100 for given in batches for record in given.records]
    assert [data[place : place + 20] for place in places] == [packet[:20] for _, packet in PACKETS]
    assert one.finish() == []
    assert one.notes == []


@pytest.mark.parametrize(("reader", "data"), FILES)
def test_cut_at_every_byte(reader: Callable[..., PcapReader | PcapngReader], data: bytes) -> None:
    ends = {place for place in range(len(data) + 1) if not _notes(reader, data[:place])}
    assert len(data) in ends
    for place in range(len(data)):
        one = reader(MemoryStore(data))
        found = packets(one.feed(data[:place]))
        one.finish()
        assert found == PACKETS[: len(found)]
        if place not in ends:
            assert one.notes[0].startswith("cut short at byte ")


def _notes(reader: Callable[..., PcapReader | PcapngReader], data: bytes) -> list[str]:
    one = reader(MemoryStore(data))
    one.feed(data)
    one.finish()
    return one.notes


@pytest.mark.parametrize("length", [262_145, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_unbelievable_length_stops_with_its_place(length: int) -> None:
    data = pcap() + struct.pack("<IIII", 1, 1, length, length) + bytes(100)
    reader = PcapReader(MemoryStore(data))
    assert packets(reader.feed(data)) == PACKETS
    assert reader.notes == [
        f"damaged at byte {len(pcap())}: a packet of {length} bytes; what follows is not read"
    ]


@pytest.mark.parametrize("size", [0, 8, 11, 13, 1 << 30])
def test_a_pcapng_block_of_impossible_length(size: int) -> None:
    data = pcapng() + struct.pack("<II", 6, size) + bytes(64)
    reader = PcapngReader(MemoryStore(data))
    assert packets(reader.feed(data)) == PACKETS
    assert "damaged at byte" in reader.notes[0]


def test_time_resolution_and_offset_options() -> None:
    options = option("<", 9, b"\x09") + option("<", 14, struct.pack("<q", 100))
    binary = option("<", 9, b"\x94")
    data = (
        section("<")
        + interface("<", options=options)
        + interface("<", linktype=101, options=binary)
        + enhanced("<", 0, 5_000_000_001, b"a")
        + enhanced("<", 1, 3 << 19, b"b")
    )
    batches = PcapngReader(MemoryStore(data)).feed(data)
    assert packets(batches) == [(105_000_000_001, b"a"), (1_500_000_000, b"b")]
    assert [(one.linktype, one.tap) for one in batches] == [(1, ""), (101, "interface 1")]


def test_a_second_section_of_the_other_byte_order() -> None:
    data = pcapng("<") + pcapng(">")
    batches = PcapngReader(MemoryStore(data)).feed(data)
    assert packets(batches) == PACKETS * 2
    assert {one.tap for one in batches} == {"eth0"}


def test_an_undeclared_interface_and_a_packet_over_its_block() -> None:
    for bad in (
        enhanced("<", 7, 1, b"x"),
        block("<", 6, struct.pack("<5I", 0, 0, 0, 99, 99) + b"x"),
    ):
        reader = PcapngReader(MemoryStore(b""))
        assert packets(reader.feed(pcapng() + bad)) == PACKETS
        assert len(reader.notes) == 1


@given(st.sampled_from([PcapReader, PcapngReader]), st.data())
def test_changed_bytes_raise_nothing(
    reader: Callable[..., PcapReader | PcapngReader], data: st.DataObject
) -> None:
    mutable = bytearray(pcap() if reader is PcapReader else pcapng())
    for _ in range(data.draw(st.integers(1, 6))):
        mutable[data.draw(st.integers(4, len(mutable) - 1))] = data.draw(st.integers(0, 255))
    one = reader(MemoryStore(bytes(mutable)))
    for given_batch in one.feed(bytes(mutable)):
        for _, start, end, _ in given_batch.records:
            assert 0 <= start <= end <= len(given_batch.data)
    one.finish()


@pytest.mark.parametrize("units", [(1 << 64) - 1, 1 << 60])
def test_times_beyond_all_calendars_are_kept_within_bounds(units: int) -> None:
    resolution = option("<", 9, b"\x00")
    data = section("<") + interface("<", options=resolution) + enhanced("<", 0, units, b"abcd")
    [batch] = PcapngReader(MemoryStore()).feed(data)
    assert batch.records[0][0] == FURTHEST


def test_a_damaged_packet_block_is_passed_over() -> None:
    head = section("<") + interface("<")
    damaged = bytearray(enhanced("<", 0, 1, b"first"))
    damaged[20:24] = struct.pack("<I", 1_000_000)
    too_short = block("<", 6, b"12345678")
    reader = PcapngReader(MemoryStore())
    batches = reader.feed(head + bytes(damaged) + too_short + enhanced("<", 0, 1, b"second"))
    assert [packet for _, packet in packets(batches)] == [b"second"]
    assert reader.notes == [
        f"damaged at byte {len(head)}: a packet of 1000000 bytes in a block with room for 8;"
        " it is passed over",
        f"damaged at byte {len(head) + len(damaged)}: a block of type 6 with 20 bytes;"
        " it is passed over",
    ]


def test_a_large_block_in_small_pieces_is_joined_once() -> None:
    data = section("<") + block("<", 0x0BAD, bytes(1 << 20))
    reader = PcapngReader(MemoryStore())
    read = 0
    for place in range(0, len(data), 1024):
        read += len(reader._rest) + 1024 >= reader._need
        reader.feed(data[place : place + 1024])
    assert read <= 3
    assert reader.finish() == []
    assert reader.notes == []
