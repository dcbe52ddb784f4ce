"""Capture files that are cut, lie about lengths, or hold impossible times."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_costs import allocating_at_most
from hostile_inputs import (
    SECONDS,
    block,
    enhanced,
    interface,
    option,
    pcap,
    pcapng,
    section,
)
from hostile_targets import Outcome, loaded, look_at, read, through
from support import SHARED, MemoryStore, batch, ethernet, ipv4, needs, sip, udp

import sipstream
from sipstream.limits import MAX_PACKET
from sipstream.packets import Batch, Linktype
from sipstream.render import times as rendered_times
from sipstream.sources.pcap import PcapReader

FRAMES = [ethernet(ipv4(udp(sip(call_id=f"call-{number}")))) for number in range(3)]
CLEAN = ethernet(ipv4(udp(sip(call_id="clean"))))
KIB, MIB = 1 << 10, 1 << 20

FILES = {
    f"pcap {order} {'nano' if nano else 'micro'}": pcap(FRAMES, order=order, nano=nano)
    for order in "<>"
    for nano in (False, True)
} | {f"pcapng {order}": pcapng(FRAMES, order=order) for order in "<>"}


def call_ids(outcome: Outcome) -> list[str]:
    return [call_id.decode() for _, _, call_id, _ in outcome.messages]


# Cut


@pytest.mark.parametrize("name", FILES)
def test_cut_at_every_byte(name: str, record_property: Callable[[str, object], None]) -> None:
    """Row P1: whole records before the cut are all there, and one note says where it was cut."""
    data = FILES[name]
    record_property("tried", len(data) - 4)
    ends = record_ends(name, data)
    for cut in range(4, len(data)):
        outcome = read(data[:cut])
        whole = [end for end in ends if end <= cut]
        place = max(whole, default=0)
        packets = len([end for end in whole if end > ends[-len(FRAMES) - 1]])
        assert call_ids(outcome) == [f"call-{number}" for number in range(packets)]
        if place == cut:
            assert outcome.notes == []
        else:
            [note] = outcome.notes
            assert note.startswith(f"cut short at byte {place}: the last {cut - place} bytes")


def record_ends(name: str, data: bytes) -> list[int]:
    """Where the file's head and each record end."""
    order, ends = name.split()[1], []
    while not ends or ends[-1] < len(data):
        place = ends[-1] if ends else 0
        if name.startswith("pcapng"):
            size = struct.unpack_from(order + "I", data, place + 4)[0]
        else:
            size = 16 + struct.unpack_from(order + "I", data, place + 8)[0] if place else 24
        ends.append(place + size)
    return ends


def test_cut_files_are_loaded(tmp_path: Path) -> None:
    """Row P1: the same through the way that users take."""
    path = tmp_path / "cut.pcap"
    for data in FILES.values():
        for missing, whole in ((0, 3), (1, 2), (len(FRAMES[0]), 2), (len(FRAMES[0]) + 40, 1)):
            path.write_bytes(data[: len(data) - missing])
            assert len(sipstream.load(path)) == whole


@pytest.mark.parametrize("size", [1, 2, 3])
def test_too_short_to_be_a_capture(size: int, tmp_path: Path) -> None:
    """Row P1: a file of less bytes than tell what it is; an empty one holds nothing."""
    path = tmp_path / "short.pcap"
    path.write_bytes(FILES["pcap < micro"][:size])
    with pytest.raises(sipstream.SourceError):
        sipstream.load(path)
    path.write_bytes(b"")
    assert len(sipstream.load(path)) == 0


# Lengths


def with_record(captured: int, wire: int, packet: bytes = b"") -> bytes:
    """A pcap of a clean packet, a record with these lengths, and a clean packet."""
    record = struct.pack("<4I", SECONDS, 0, captured, wire) + packet
    return pcap([FRAMES[0]]) + record + pcap([CLEAN])[24:]


@pytest.mark.parametrize("length", [MAX_PACKET + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_impossible_record_lengths(length: int) -> None:
    """Row P2: nothing of that size is allocated; the note says where reading stopped."""
    data = with_record(length, length)
    # What is imported with the first capture is no allocation of this one.
    read(pcap([CLEAN]))
    with allocating_at_most(MAX_PACKET + 64 * KIB):
        outcome = read(data)
    assert call_ids(outcome) == ["call-0"]
    [note] = outcome.notes
    assert note.startswith(f"damaged at byte {24 + 16 + len(FRAMES[0])}: a packet of {length}")


@pytest.mark.parametrize(
    ("captured", "wire", "packet"),
    [
        (0, 0, b""),
        (0, 0xFFFFFFFF, b""),
        (len(FRAMES[1]), 10, FRAMES[1]),
        (len(FRAMES[1]), 0, FRAMES[1]),
        (70_000, 70_000, FRAMES[1] + bytes(70_000 - len(FRAMES[1]))),
    ],
    ids=["empty", "empty of 4 GiB", "longer than on the wire", "of none on the wire", "long"],
)
def test_odd_record_lengths(captured: int, wire: int, packet: bytes) -> None:
    """Row P2: caplen 0, over len, over snaplen: the packets behind it are read."""
    for snaplen in (262_144, 64, 0, 0xFFFFFFFF):
        data = bytearray(with_record(captured, wire, packet))
        data[16:20] = struct.pack("<I", snaplen)
        outcome = read(bytes(data))
        assert call_ids(outcome) == ["call-0", *(["call-1"] if packet else []), "clean"]
        assert outcome.notes == []


# pcapng

HEAD = section() + interface(options=option(2, b"eth0"))
EPB = enhanced(FRAMES[0])
BEHIND = enhanced(CLEAN)


def resized(whole: bytes, length: int) -> bytes:
    """A block whose lengths are changed, its bytes left."""
    field = struct.pack("<I", length)
    return whole[:4] + field + whole[8:-4] + field


@pytest.mark.parametrize("length", [0, 8, 11, 0x7FFFFFFF, 0xFFFFFFFF, len(EPB) + 1, len(EPB) - 3])
def test_impossible_block_lengths(length: int) -> None:
    """Row P3: block length 0, 8, 11, huge, no multiple of 4: stop, and say where."""
    data = HEAD + EPB + resized(EPB, length) + BEHIND
    with allocating_at_most(MIB):
        outcome = read(data)
    assert call_ids(outcome) == ["call-0"]
    [note] = outcome.notes
    assert note.startswith(f"damaged at byte {len(HEAD + EPB)}: a block of {length} bytes")


def _bad_capture_length(size: int) -> bytes:
    changed = bytearray(EPB)
    changed[20:24] = struct.pack("<I", size)
    return bytes(changed)


SKIPPED = {
    "EPB of 12 bytes": (block(6, b""), "a block of type 6"),
    "EPB of 28 bytes": (block(6, bytes(16)), "a block of type 6"),
    "caplen over the block": (_bad_capture_length(len(FRAMES[0]) + 5), "a packet of"),
    "caplen of 4 GiB": (_bad_capture_length(0xFFFFFFFF), "a packet of"),
    "unknown interface": (enhanced(FRAMES[0], 1), "a packet of interface 1"),
    "unknown interface, largest": (enhanced(FRAMES[0], 0xFFFFFFFF), "a packet of interface"),
    "short interface": (block(1, b""), "a block of type 1"),
    "short simple packet": (block(3, b""), "a block of type 3"),
    "old packet, unknown interface": (block(2, b"\7\0" + bytes(18)), "a packet of interface 7"),
}


@pytest.mark.parametrize("name", SKIPPED)
def test_damaged_blocks_are_passed_over(name: str) -> None:
    """Row P3: what a block's own length can be trusted for; the note says where."""
    damaged, words = SKIPPED[name]
    outcome = read(HEAD + EPB + damaged + BEHIND)
    assert call_ids(outcome) == ["call-0", "clean"]
    [note] = outcome.notes
    assert note.startswith(f"damaged at byte {len(HEAD + EPB)}: {words}")


def _swapped_tail(whole: bytes) -> bytes:
    return whole[:-4] + b"\1\2\3\4"


HARMLESS = {
    "trailing length differs": _swapped_tail(EPB),
    "unknown block": block(0x0BADCAFE, b"abcdefg"),
    "custom blocks": block(0xBAD, b"\1\2\3\4data") + block(0x40000BAD, b"\1\2\3\4data"),
    "statistics": block(5, bytes(12)),
    "empty simple packet": block(3, bytes(4)),
    "option over the block": interface(options=struct.pack("<HH", 2, 0xFFFF) + b"eth1"),
    "option of no bytes": interface(options=option(9, b"") + option(14, b"") + option(2, b"")),
    "options that don't end": interface(options=option(1, b"x") * 5000),
    "empty section": section(),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_blocks(name: str) -> None:
    """Row P3: unknown and custom blocks, odd options, a trailing length that differs."""
    outcome = read(HEAD + EPB + HARMLESS[name] + HEAD + BEHIND)
    assert sorted(set(call_ids(outcome))) == ["call-0", "clean"]
    assert outcome.notes == []


def test_section_in_the_other_byte_order() -> None:
    """Row P3: the second section has the other byte order, its interfaces are its own."""
    other = section(">") + interface(order=">") + enhanced(FRAMES[1], order=">")
    outcome = read(HEAD + EPB + other + HEAD + BEHIND)
    assert call_ids(outcome) == ["call-0", "call-1", "clean"]
    assert outcome.notes == []


@pytest.mark.parametrize("resolution", range(256))
def test_every_time_resolution(resolution: int) -> None:
    """Row P3: if_tsresol of any value, with time stamps of any size, and offsets."""
    for units in (1, 2**32, 2**63, 2**64 - 1):
        for offset in (0, 2**63 - 1, -(2**63)):
            options = option(9, bytes([resolution])) + option(14, struct.pack("<q", offset))
            data = section() + interface(options=options) + enhanced(CLEAN, units=units)
            outcome = read(data)
            assert call_ids(outcome) == ["clean"]
            assert -(2**63) <= outcome.messages[0][0] < 2**63


def test_very_many_interfaces() -> None:
    """Row P3: 100,000 interfaces; those that are kept work, the rest are refused with a note."""
    data = section() + interface() * 1000 + enhanced(CLEAN, 999)
    assert call_ids(read(data)) == ["clean"]
    many = section() + interface() * 60_000 + BEHIND + interface() * 40_000 + BEHIND
    with allocating_at_most(64 * MIB):
        outcome = read(many)
    assert call_ids(outcome)[0] == "clean"
    assert len(outcome.notes) == 1


def test_very_many_capture_points() -> None:
    """Row P3: a packet from each of 70,000 named interfaces."""
    data = [section()]
    for number in range(70_000):
        if number % 35_000 == 0:
            data.append(section())
        data.append(interface(options=option(2, b"%d" % number)))
        data.append(enhanced(CLEAN, number % 35_000, units=(SECONDS + number) * 1_000_000))
    assert loaded(b"".join(data)).message_count == 70_000


# Cut by the capture's snapshot length

LONG = sip(
    call_id="call-of-a-customer@10.0.0.1",
    extra="X-Long: " + "x" * 300 + "\r\n",
    body="v=0\r\n" * 20,
)


def test_cut_at_every_snapshot_length() -> None:
    """Row P4: grouped when the Call-ID lies within, shown as cut, never as whole.

    Under a part of its Call-ID it would be another call's.
    """
    frame = ethernet(ipv4(udp(LONG)))
    line_end = frame.index(b"\r\nCSeq")
    for snaplen in range(14, len(frame)):
        conversations = loaded(pcap([frame[:snaplen]], wires=[len(frame)]))
        found = [one.call_id for one in conversations]
        if snaplen < line_end:
            assert found == [], snaplen
        elif snaplen >= line_end + 2:
            assert found == ["call-of-a-customer@10.0.0.1"]
        assert all(one.first.cut for one in conversations)
        look_at(conversations)


@pytest.mark.parametrize("read_as", [pcap, pcapng], ids=["pcap", "pcapng"])
@pytest.mark.parametrize("snaplen", [64, 96, 200])
def test_snapshot_lengths_in_use(
    snaplen: int, read_as: Callable[[list[bytes]], bytes], tmp_path: Path
) -> None:
    """Row P4: real calls cut by the snapshot lengths in use; every packet is accounted for."""
    messages = [sip(call_id=str(number), extra="X: " + "x" * 300 + "\r\n") for number in range(50)]
    path = tmp_path / "cut"
    path.write_bytes(read_as([ethernet(ipv4(udp(one)))[:snaplen] for one in messages]))
    conversations = sipstream.load(path)
    assert len(conversations) == (50 if snaplen == 200 else 0)
    assert all(conversation.first.cut for conversation in conversations)
    look_at(conversations)


# Times

TIMES = [
    (0, 0), (2**31 - 1, 999_999), (2**31, 0), (2**32 - 1, 999_999), (SECONDS, 9_999_999),
    (SECONDS, 2**32 - 1), (2**32 - 1, 2**32 - 1), (SECONDS, 0), (SECONDS - 5, 3), (1, 1),
]  # fmt: skip


@pytest.mark.parametrize("nano", [False, True], ids=["micro", "nano"])
def test_impossible_times(nano: bool) -> None:
    """Row P9: 0, 2038, 2106, too many microseconds, steps back: all shown, in a stable order."""
    frames = [ethernet(ipv4(udp(sip(call_id=str(number % 3))))) for number in range(len(TIMES))]
    scale = 1 if nano else 1000
    wanted = [seconds * 10**9 + fraction * scale for seconds, fraction in TIMES]
    conversations = loaded(pcap(frames, times=TIMES, nano=nano))
    assert [conversations.message(n).time for n in range(len(TIMES))] == wanted
    order = conversations.in_time_order()
    assert order == sorted(range(3), key=lambda n: min(wanted[n::3]))
    for conversation in conversations:
        shown = [message.time for message in conversation.messages]
        assert shown == sorted(shown)
    look_at(conversations)


def test_equal_times_keep_their_order() -> None:
    """Row P9: of messages with one time the order of arrival counts."""
    packets = [ipv4(udp(sip(call_id="one", cseq=f"{n} INVITE"))) for n in range(50)]
    stages = through([batch(packets, Linktype.RAW, times=[7] * 50)])
    stages.finish()
    [conversation] = stages.conversations
    assert [one.cseq for one in conversation.messages] == [f"{n} INVITE" for n in range(50)]


@pytest.mark.parametrize("time", [-(2**63), -1, 0, 2**31 * 10**9, 2**32 * 10**9, 2**63 - 1])
def test_any_time_can_be_shown(time: int) -> None:
    """Row P9: no OverflowError."""
    texts = [rendered_times.clock(time), rendered_times.date(time), rendered_times.iso(time)]
    assert all(text.isprintable() for text in texts)
    packet = ipv4(udp(sip()))
    stages = through([Batch(MemoryStore(packet), 0, packet, 101, [(time, 0, len(packet), 9)])])
    stages.finish()
    look_at(stages.conversations)


@pytest.mark.parametrize(
    "path",
    sorted(SHARED.glob("torture/tcpdump-pcaps/time*"))
    or [pytest.param(None, marks=needs(shared=True))],
    ids=lambda path: path.name if path else "none",
)
def test_impossible_times_of_tcpdumps_own_tests(path: Path) -> None:
    """Row P9: tcpdump's time_* and timestamp_invalid_* captures, with a message put into each."""
    outcome = read(path.read_bytes())
    assert outcome.packets
    times = [time for time, *_ in outcome.packets]
    assert all(-(2**63) <= time < 2**63 for time in times)
    packets = [ipv4(udp(sip(call_id=str(n)))) for n in range(len(times))]
    stages = through([batch(packets, Linktype.RAW, times=times)])
    stages.finish()
    look_at(stages.conversations)


def test_records_wait_without_being_looked_at_again() -> None:
    """Row P2: a packet fed byte by byte is taken up once, not with every byte."""
    data = pcap([CLEAN + bytes(60_000)])
    reader = PcapReader(MemoryStore(data))
    calls = []
    walk = reader._walk
    reader._walk = lambda *given: calls.append(0) or walk(*given)  # type: ignore[method-assign]
    batches = [one for place in range(len(data)) for one in reader.feed(data[place : place + 1])]
    assert len(batches) == 1
    assert len(calls) < 100
