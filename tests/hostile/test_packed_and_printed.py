"""Compressed bombs, and text that tcpdump never printed."""

from __future__ import annotations

import asyncio
import gzip
import random
import tracemalloc
from pathlib import Path

import pytest
from hostile_inputs import SECONDS, pcap, printed
from hostile_targets import cuts, loaded, read
from support import ethernet, ipv4, sip, tcp, udp

from sipstream import limits, pipeline
from sipstream.conversations import Conversations
from sipstream.errors import SourceError
from sipstream.sources.file import FileSource

MIB = 1 << 20
CLEAN = [ipv4(udp(sip(call_id=f"call-{number}"))) for number in range(20)]
CAPTURE = pcap([ethernet(packet) for packet in CLEAN])
LARGE = limits.MAX_PACKET


def load(path: Path) -> tuple[FileSource, Conversations]:
    source, conversations = FileSource(path), Conversations()
    intake = pipeline.Intake(source, conversations)
    asyncio.run(pipeline.run(intake, lambda added: None))
    tally = source.tally
    assert tally.packets == tally.with_messages + sum(tally.reasons.values())
    return source, conversations


# Compressed


def bomb(path: Path, size: int) -> None:
    """A .gz of the clean capture and then packets of zeros, `size` bytes in all."""
    record = pcap([bytes(LARGE)])[24:]
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(CAPTURE)
        for _ in range(size // len(record)):
            file.write(record)


def test_bomb(tmp_path: Path) -> None:
    """Row P5: zeros: stopped by the ratio after 64 MiB, with little memory, what came is kept."""
    path = tmp_path / "bomb.pcap.gz"
    bomb(path, 96 * MIB)
    assert path.stat().st_size * limits.GZIP_RATIO < 96 * MIB
    tracemalloc.start()
    source, conversations = load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(conversations) == len(CLEAN)
    assert any("over 200 times the packed size" in note for note in source.notes)
    assert source.tally.bytes < limits.GZIP_RATIO_FROM + MIB
    assert peak < 32 * MIB


def test_total(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row P5: the stated total ends it, whatever the ratio."""
    monkeypatch.setattr(limits, "GZIP_TOTAL", 2 * MIB)
    noise = random.Random(5).randbytes(200_000)
    path = tmp_path / "large.pcap.gz"
    path.write_bytes(gzip.compress(CAPTURE + pcap([noise] * 30)[24:], 1))
    source, conversations = load(path)
    assert len(conversations) == len(CLEAN)
    assert any("the limit for a .gz" in note for note in source.notes)
    assert source.tally.bytes < 3 * MIB


def test_nested(tmp_path: Path) -> None:
    """Row P5: a .gz in a .gz is one layer too many: refused in words."""
    path = tmp_path / "nested.gz"
    path.write_bytes(gzip.compress(gzip.compress(bytes(MIB))))
    with pytest.raises(SourceError, match=r"holds a \.gz inside the \.gz"):
        load(path)


def test_a_thousand_members(tmp_path: Path) -> None:
    """Row P5: members behind each other are one stream, cut at any place."""
    size = len(CAPTURE) // 1000 + 1
    pieces = [CAPTURE[place : place + size] for place in range(0, len(CAPTURE), size)]
    empty = gzip.compress(b"")
    path = tmp_path / "members.gz"
    path.write_bytes(b"".join(gzip.compress(piece) + empty for piece in pieces))
    source, conversations = load(path)
    assert len(conversations) == len(CLEAN)
    assert source.notes == []


@pytest.mark.parametrize("damage", ["checksum", "length", "cut", "middle", "header"])
def test_damaged(damage: str, tmp_path: Path) -> None:
    """Row P5: wrong CRC, wrong length, cut, changed bytes: a note, what came before it is kept."""
    packed = bytearray(gzip.compress(CAPTURE))
    match damage:
        case "checksum":
            packed[-8] ^= 1
        case "length":
            packed[-4] ^= 1
        case "cut":
            del packed[-100:]
        case "middle":
            packed[len(packed) * 3 // 4] ^= 0xFF
        case "header":
            packed[2:3] = b"\x09"
    path = tmp_path / "damaged.gz"
    path.write_bytes(packed)
    source, conversations = load(path)
    whole = {"checksum": len(CLEAN), "length": len(CLEAN), "header": 0}
    assert len(conversations) >= whole.get(damage, 1)
    assert any(".gz is " in note for note in source.notes)


# Printed

TEXT = {
    form: [printed(packet, form, number) for number, packet in enumerate(CLEAN)]
    for form in ("-v", "-A", "-X")
}
_NUMBERS = {b"call-%d" % number: number for number in range(len(CLEAN))}
every_form = pytest.mark.parametrize("form", TEXT)


def numbers(text: bytes, sizes: list[int] | None = None) -> list[int]:
    """The numbers of the clean messages that a text gives, in order; -1 for any other message."""
    found = [call_id for *_, call_id, _ in read(text, sizes or []).messages]
    return [_NUMBERS.get(one, -1) for one in found]


def between(form: str, junk: bytes) -> list[int]:
    """What is found when junk stands before, behind and between the packets."""
    text = junk + b"".join(packet + junk for packet in TEXT[form])
    found = numbers(text)
    chance = random.Random(8)
    assert numbers(text, cuts(chance, min(len(text), 100_000))) == found
    return found


JUNK = {
    "words": b"hello there\n",
    "half a line": b"12:00:\n",
    "half a packet's line": b"12:00:00.000000 IP 10.0.0.1.50\n",
    "NUL bytes": bytes(100) + b"\n",
    "invalid UTF-8": b"\xff\xfe\x80\xc0\xaf\n" * 5,
    "blank lines": b"\n\n\n",
    "a line of 100 KB": b"x" * 100_000 + b"\n",
    "other date formats": b"Apr 16 12:00:00 IP a.1 > b.2: SIP\n16/04/2018 12:00 IP a.1 > b.2: SIP\n"
    b"2018-04-16T12:00:00Z IP a.1 > b.2: SIP\n12:00:00 PM IP a.1 > b.2: SIP\n",
    "tcpdump's own words": b"tcpdump: listening on eth0\n9 packets dropped by kernel\n",
    "ARP": b"12:00:00.000000 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n",
    "a stamp out of range": b"29:69:69.999999 IP 10.0.0.1.5060 > 10.0.0.2.5060: SIP\n",
    "ports out of range": b"12:00:00.000000 IP 10.0.0.1.99999 > 10.0.0.2.70000: SIP, length: 4\n",
    "TCP with long numbers": b"12:00:00.000000 IP 1.1.1.1.1 > 2.2.2.2.2: Flags [P.], seq "
    + b"9" * 10 + b":" + b"9" * 30 + b", ack 99999999999999, length 99999999\nx\n",
}  # fmt: skip


@every_form
@pytest.mark.parametrize("junk", JUNK)
def test_junk_between_packets(form: str, junk: str) -> None:
    """Row P8: half lines, long ones, NUL bytes, other dates: every packet is found all the same."""
    assert between(form, JUNK[junk]) == list(range(len(CLEAN)))


@every_form
def test_line_ends_of_windows(form: str) -> None:
    """Row P8: CRLF."""
    text = b"".join(TEXT[form]).replace(b"\n", b"\r\n")
    assert numbers(text) == list(range(len(CLEAN)))


@every_form
def test_cut_at_every_byte(form: str) -> None:
    """Row P8: text that ends anywhere gives the packets before."""
    text = b"".join(TEXT[form][:3])
    ends = [text.index(packet) + len(packet) for packet in TEXT[form][:3]]
    for cut in range(len(text)):
        found = numbers(text[:cut])
        assert found == list(range(len(found)))
        assert len(found) >= len([end for end in ends if end <= cut])


@every_form
def test_interleaved_packets(form: str) -> None:
    """Row P8: packets of a TCP stream and others between those of a call."""
    stream = [ipv4(tcp(b"GET / HTTP/1.1\r\n\r\n", 1 + 18 * n), 6) for n in range(20)]
    text = b"".join(
        packet + printed(other, form, number)
        for number, (packet, other) in enumerate(zip(TEXT[form], stream, strict=True))
    )
    assert numbers(text) == list(range(len(CLEAN)))


def test_ten_megabytes_in_one_line() -> None:
    """Row P8: a line of 10 MB, of a packet or of none: bounded memory, and the next is found."""
    line = b"12:00:00.000000 IP 10.0.0.1.5060 > 10.0.0.2.5060: SIP" + b"x" * 10 * MIB + b"\n"
    for text in (line, line[20:]):
        given = TEXT["-A"][0] + text + TEXT["-A"][1]
        tracemalloc.start()
        found = numbers(given, [65_536] * (len(given) // 65_536))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found == [0, 1]
        assert peak < 32 * MIB


def _with_offsets(change: dict[bytes, bytes]) -> bytes:
    packet = TEXT["-X"][1]
    for offset, other in change.items():
        assert b"\t0x%b: " % offset in packet
        packet = packet.replace(b"\t0x%b: " % offset, b"\t0x%b: " % other)
    return TEXT["-X"][0] + packet + TEXT["-X"][2]


@pytest.mark.parametrize(
    "change",
    [
        {b"0020": b"0000"},
        {b"0020": b"0010"},
        {b"0030": b"ffff"},
        {b"0030": b"fffff"},
        {b"0010": b"0000", b"0020": b"0000"},
        {b"0000": b"0010"},
    ],
)
def test_hex_offsets_that_jump(change: dict[bytes, bytes]) -> None:
    """Row P8: offsets that jump back, far ahead, or begin late harm that packet alone."""
    found = numbers(_with_offsets(change))
    assert [one for one in found if one != 1] == [0, 2]


def test_odd_hex() -> None:
    """Row P8: digits that are missing, too many, or none."""
    chance = random.Random(3)
    for _ in range(300):
        packet = bytearray(TEXT["-X"][1])
        for _ in range(3):
            place = chance.randrange(60, len(packet))
            packet[place : place + chance.choice((0, 1, 2))] = chance.choice(
                (b"", b"g", b" ", b"0")
            )
        found = numbers(TEXT["-X"][0] + bytes(packet) + TEXT["-X"][2])
        assert (found[0], found[-1]) == (0, 2)


@pytest.mark.parametrize(
    "stamp",
    [
        b"99:99:99.999999 ", b"24:00:00.000000 ", b"0000-00-00 00:00:00.000000 ",
        b"9999-12-31 23:59:59.999999 ", b"2018-02-30 12:00:00.000000 ", b"9999999999.999999 ",
        b"0.000000 ", b" 23:59:59.999999 ", b"-23:59:59.999999 ", b"[Error converting time] ",
    ],
)  # fmt: skip
def test_odd_stamps(stamp: bytes) -> None:
    """Rows P8 and P9: times that no clock shows raise nothing, wherever they stand."""
    first, *rest = (packet.partition(b" ")[2] for packet in TEXT["-A"])
    for text in (stamp + first, TEXT["-A"][0] + stamp + rest[0] + TEXT["-A"][2]):
        for one in loaded(text):
            assert -(2**63) <= one.time < 2**63
    assert numbers(TEXT["-A"][0] + stamp + rest[0] + TEXT["-A"][2])[0] == 0


def test_dates_that_go_back() -> None:
    """Row P9: a clock that is set back: order of arrival and times as printed."""
    stamps = (
        b"2018-04-16 12:00:00.000000 ",
        b"2018-04-16 11:00:00.000000 ",
        b"1969-12-31 23:00:00.0",
    )
    lines = [packet.partition(b" ")[2] for packet in TEXT["-A"]]
    text = stamps[0] + lines[0] + stamps[1] + lines[1] + stamps[0] + lines[2]
    times = [time for time, *_ in read(text).messages]
    assert times[0] - times[1] == 3600 * 10**9
    assert times[0] == times[2] != SECONDS


@every_form
def test_lines_of_no_packet_are_counted(form: str) -> None:
    """Row P8: what stands before the first packet, or behind tcpdump's last words, is told."""
    first, second, *_ = TEXT[form]
    strange = b"Apr 16 12:00:00 a: b\n\n\xff\0\r\n" + b"x" * 5000 + b"\n"
    own = b"tcpdump: listening on eth0\n\n"
    end = b"^C2 packets captured\n2 packets received by filter\n0 packets dropped by kernel\n"
    for text, count in (
        (own + first + second + end, 0),
        (strange + first, 3),
        (own + strange + own + first + end + strange + second + end + strange, 9),
    ):
        whole = read(text)
        notes = [f"{count} lines belong to no packet and are passed over"] if count else []
        assert whole.notes == notes
        assert read(text, [1] * len(text)) == whole
        assert len(whole.messages) == (2 if second in text else 1)


def test_no_time_on_the_first_line() -> None:
    """Row P8: a packet whose time tcpdump couldn't print, before all others: the same in any cut."""
    lines = [packet.partition(b" ")[2] for packet in TEXT["-A"]]
    text = b"[Error converting time] " + lines[0] + b"".join(TEXT["-A"][1:3])
    whole = read(text)
    assert [place for place in range(1, len(text)) if read(text, [place]) != whole] == []
