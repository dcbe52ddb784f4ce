"""The kind of a stream is told by its first bytes, in whatever pieces they come."""

import gzip
from datetime import date, datetime, timedelta

import pytest
from support import MemoryStore
from waysin import FORMATS, numbers_of, pcap, pcapng, text, text_packet

from sipstream.errors import SourceError
from sipstream.sources import container
from sipstream.sources.container import AnyReader, Kind, make_reader, sniff
from sipstream.spool import Spool


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xa1\xb2\xc3\xd4\x00\x02", Kind.PCAP),
        (b"\xd4\xc3\xb2\xa1\x02\x00", Kind.PCAP),
        (b"\xa1\xb2\x3c\x4d\x00\x02", Kind.PCAP),
        (b"\x4d\x3c\xb2\xa1\x02\x00", Kind.PCAP),
        (b"\x0a\x0d\x0d\x0a\x1c\x00", Kind.PCAPNG),
        (b"\x1f\x8b", Kind.GZIP),
        (b"12:00:00.000000 IP", Kind.TEXT),
        (b"\n\r\n\r", Kind.TEXT),
        (bytes(4), Kind.TEXT),
        (b"", None),
        (b"\xa1\xb2\xc3", None),
        (b"\x0a\x0d\x0d", None),
        (b"abc", None),
    ],
)
def test_first_bytes_tell_the_kind(head: bytes, kind: Kind | None) -> None:
    assert sniff(head) is kind


@pytest.mark.parametrize("kind", [Kind.PCAP, Kind.PCAPNG, Kind.TEXT])
def test_reader_of_each_kind(kind: Kind) -> None:
    data = b"behind other bytes" + FORMATS[kind.value](range(3))
    reader = make_reader(kind, MemoryStore(data), 18)
    batches = reader.feed(data[18:]) + reader.finish()
    assert [number for batch in batches for number in numbers_of(batch)] == [0, 1, 2]


def any_reader(notes: list[str] | None = None) -> AnyReader:
    return AnyReader(Spool(), notes=[] if notes is None else notes, modified_ns=lambda: 10**18)


@pytest.mark.parametrize("data", [pcap(range(3)), pcapng(range(3)), text(range(3))])
@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_pieces_of_any_size(data: bytes, size: int) -> None:
    reader = any_reader()
    batches = [
        batch
        for place in range(0, len(data), size)
        for batch in reader.keep(data[place : place + size])
    ]
    batches += reader.finish()
    assert [number for batch in batches for number in numbers_of(batch)] == [0, 1, 2]
    assert reader.packets == 3
    assert reader.taken == len(data)


def test_notes_of_the_reader_reach_the_caller() -> None:
    notes: list[str] = []
    reader = any_reader(notes)
    reader.keep(pcap(range(2))[:-1])
    reader.finish()
    (note,) = notes
    assert "cut short at byte" in note


def test_nothing_is_of_no_kind() -> None:
    reader = any_reader()
    assert reader.finish() == []
    assert reader.kind is None
    reader.require_known("F", ended=True)


@pytest.mark.parametrize("data", [b"x", b"hello, world\n", bytes(100), b"\xff" * 5000])
def test_other_text_is_refused_at_its_end(data: bytes) -> None:
    reader = any_reader()
    reader.keep(data)
    reader.require_known("F")
    reader.finish()
    with pytest.raises(SourceError, match="^F: neither a capture file nor text that tcpdump print"):
        reader.require_known("F", ended=True)


def test_endless_text_is_refused_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "TEXT_SEARCH", 1000)
    reader = any_reader()
    reader.keep(bytes(999))
    reader.require_known("F")
    reader.keep(bytes(1))
    with pytest.raises(SourceError, match="neither"):
        reader.require_known("F")


def test_packed_data_gives_its_kind_only() -> None:
    reader = any_reader()
    assert reader.keep(gzip.compress(b"x")) == []
    assert reader.keep(b"more") == []
    assert reader.kind is Kind.GZIP
    with pytest.raises(SourceError, match=r"a \.gz inside the \.gz"):
        reader.require_known("F")


def moment(day: date, time: str) -> int:
    return int(datetime.fromisoformat(f"{day}T{time}").timestamp()) * 10**9


DAY = date(2026, 11, 24)


def first_times(changed: int, *pieces: bytes) -> list[int]:
    """The times of text fed in pieces, changed last at a time (ns)."""
    reader = AnyReader(Spool(), notes=[], modified_ns=lambda: changed)
    batches = [batch for piece in pieces for batch in reader.keep(piece)] + reader.finish()
    return [record[0] for batch in batches for record in batch.records]


@pytest.mark.parametrize("first", [1, 4, 16, 1000])
@pytest.mark.parametrize(
    ("printed", "changed", "day"),
    [
        ("11:59:59.000000", "12:00:00", DAY),
        ("12:00:00.500000", "12:00:00", DAY),
        ("23:59:58.000000", "00:00:01", DAY - timedelta(days=1)),
    ],
)
def test_day_of_the_first_packet(printed: str, changed: str, day: date, first: int) -> None:
    text = b"tcpdump: listening on eth0\n" + text_packet(1, printed)
    [time] = first_times(moment(DAY, changed), text[:first], text[first:])
    assert time // 10**9 == moment(day, printed[:8]) // 10**9


@pytest.mark.parametrize("changed", [1 << 80, 10_413_792_000 * 10**9])
@pytest.mark.parametrize("stamp", ["12:00:00.000000 ", ""])
def test_an_impossible_time_of_change_is_no_error(changed: int, stamp: str) -> None:
    text = text_packet(1).partition(b" ")[2]
    [time] = first_times(changed, stamp.encode() + text)
    assert abs(time) < 2**63
