"""Indexes: what they say is what was found, and damaged ones are told from whole ones."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from rings import packet, write_ring
from sighted import MS, Line, pcap
from support import sip

from sipstream.ring.contents import Contents, ContentsError, key_of, keys_of, preface_of, unpack
from sipstream.ring.gathering import users_in
from sipstream.ring.indexing import Indexing
from sipstream.spool import FileStore


def contents(tmp_path: Path) -> Contents:
    write_ring(
        tmp_path / "ring",
        [
            [
                packet(1),
                packet(2, sip(call_id="call-1", start="SIP/2.0 200 OK")),
                packet(3, sip(call_id="other", destination="<sip:alice@b>", source='"x" <tel:12>')),
            ]
        ],
        indexed=False,
    )
    store = FileStore(tmp_path / "ring" / "00000001-eth0.pcap")
    indexing = Indexing(store)
    for _ in indexing.advance(store.size()):
        pass
    return indexing.contents()


def test_what_was_found_is_what_is_read_back(tmp_path: Path) -> None:
    made = contents(tmp_path)
    read = unpack(made.pack())
    place = read.place(key_of(b"call-1"))
    assert read.call_ids[place] == "call-1"
    assert (read.begins[place], read.ends[place]) == (10**9, 2 * 10**9)
    assert len(read.places.of(place)) == 2
    assert read.places.of(place)[0] == 24
    words = {read.words[one] for one in read.parties.of(read.place(key_of(b"other")))}
    assert words == {"alice", "12"}
    assert {read.addresses[one] for one in read.hosts.of(place)} == {"10.0.0.1", "10.0.0.2"}
    assert read.preface.begin == 10**9
    assert read.preface.end == 3 * 10**9
    assert read.place(key_of(b"nobody")) == -1


def test_nothing_is_kept_of_what_agents_say_belongs_together(tmp_path: Path) -> None:
    """HEP in a capture: all of it would add up as long as the file is written."""
    path = tmp_path / "hep.pcap"
    line = Line(["sbc1"], correlation=b"5f1c-77aa-90be")
    path.write_bytes(pcap(one for at in range(9) for one in line.call(f"call-{at}", at=at * MS)))
    store = FileStore(path)
    indexing = Indexing(store)
    for _ in indexing.advance(store.size()):
        pass
    assert len(indexing.contents()) == 9
    assert indexing._decoder.correlations == []


def test_keys_are_read_without_the_rest(tmp_path: Path) -> None:
    data = contents(tmp_path).pack()
    preface = preface_of(data)
    assert list(keys_of(data[:-1], preface)) == sorted([key_of(b"call-1"), key_of(b"other")])


def test_damage_anywhere_is_seen(tmp_path: Path) -> None:
    data = contents(tmp_path).pack()
    # Time, size and head of the file are compared with the file itself.
    free = range(8, 32), range(40, 80)
    for place in range(len(data)):
        if any(place in one for one in free):
            continue
        damaged = bytearray(data)
        damaged[place] ^= 0x41
        with pytest.raises(ContentsError):
            unpack(bytes(damaged))
    for length in range(0, len(data), 3):
        with pytest.raises(ContentsError):
            unpack(data[:length])


def test_parts_that_make_no_sense_raise_nothing_else(tmp_path: Path) -> None:
    made = contents(tmp_path)
    chance = random.Random(7)
    columns = [
        made.begins, made.places.values, made.places._starts, made.parties.values, made.hosts._starts,
        made.call_ids._ends, made.words._ends, made.named.values,
    ]  # fmt: skip
    for _ in range(300):
        column = chance.choice(columns)
        place = chance.randrange(len(column))
        before = column[place]
        column[place] = chance.choice([0, 1, 7, 1000, 2**31])
        try:
            read = unpack(made.pack())
            for number in range(len(read)):
                [read.words[one] for one in read.named.of(number)]
                read.call_ids[number]
        except ContentsError:
            pass
        column[place] = before


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("INVITE sip:1@a SIP/2.0\r\nTo: <sip:1@a>\r\nFrom: <SIP:2@b>\r\n", {b"1", b"2"}),
        ("To: <tel:+354-566(00)66>\r\n", {b"+3545660066"}),
        ("To: <sip:%31%32@a>;tag=1\r\nContact: <sip:10.0.0.1:5060>\r\n", {b"12", b""}),
        ("To: <sips:bob@b>\r\nFrom: sip:a-b.c@x\r\n", {b"bob", b"a-b.c"}),
        ("To: <sip:555-12@b>\r\n", {b"55512"}),
        ("To: sip:a<sip:77@b>\r\n", {b"a<sip", b"77"}),
        ('To: <sip:1"2@b>\r\n', {None}),
        ("To: <sip:" + "1" * 300 + "@b>\r\n", {None}),
    ],
)
def test_users_of_all_uris(text: str, users: set[bytes | None]) -> None:
    assert set(users_in(text.encode())) == users
