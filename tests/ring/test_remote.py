"""`ring://DIR`: what comes from a ring is what would have come of its files, whole and once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from rings import SIZE, Clock, call_ids, packet, packets_in, remote, write_ring
from support import CAPTURES, ethernet, ipv4, sip, tcp

from sipstream.errors import SourceError
from sipstream.export.pcap import Export
from sipstream.ring import remote as ring_remote
from sipstream.ring.files import RingStore
from sipstream.ring.indexer import Indexes
from sipstream.ring.room import LONGEST, Ring
from sipstream.session import Session
from sipstream.sources import stores_of
from sipstream.spool import PcapSpool

QUESTIONS = (
    "",
    "dstnum 5661786",
    "dstnum 566*",
    "srcnum ~ ^4",
    "telnum 4615732 5661786",
    "number *1786",
    "number 566????",
    "number 5660000-5669999",
    "user alice",
    "callid *@10.20.0.22:5060",
    "callid ~ ^[0-7]",
    "ip 10.20.0.0/16",
    "srcip 10.20.0.22",
    "last 30s",
    "last 2m number *6",
    "since 2017-06-06T15:55 until 2017-06-06T15:58",
    "not dstnum 5661786",
    "dstnum 566* and status 4xx",
    "dstnum 5661786 or number *1",
    "(callid *a* or dstnum 566*) and last 5m",
    "each(method INVITE) or last 10s",
    "finding",
)


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ring")
    linktype, packets = packets_in(CAPTURES / "testdata-pt.pcap.gz", folder)
    size = len(packets) // 9
    files = [packets[begin : begin + size] for begin in range(0, len(packets), size)]
    write_ring(folder / "ring", files, linktype=linktype)
    return folder


async def test_a_folder_without_a_ring(tmp_path: Path) -> None:
    async with Session() as session:
        with pytest.raises(
            SourceError, match=f"^ring://{tmp_path}: there is no ring in {tmp_path}$"
        ):
            ring_remote.Ring(tmp_path, session)


@pytest.mark.parametrize("expression", QUESTIONS)
async def test_answers_are_those_of_the_loaded_capture(ring: Path, expression: str) -> None:
    async with Session() as loaded, Session() as session:
        await loaded.sources.load(ring / "plain.pcap")
        remote(session, ring / "ring")
        expected = await call_ids(loaded, expression)
        assert await call_ids(session, expression) == expected
        for call_id in expected[:: max(len(expected) // 20, 1)]:
            ours = session.conversations.by_call_id(call_id)
            theirs = loaded.conversations.by_call_id(call_id)
            assert ours is not None
            assert theirs is not None
            assert [one.raw for one in ours.messages] == [one.raw for one in theirs.messages]
            assert [one.time for one in ours.messages] == [one.time for one in theirs.messages]


async def test_only_what_may_match_enters(ring: Path) -> None:
    async with Session() as session:
        remote(session, ring / "ring")
        assert await call_ids(session, "callid nobody") == []
        assert len(session.conversations) == 0
        found = await call_ids(session, "dstnum 5661786")
        entered = len(session.conversations)
        # Who is who isn't told by a conversation's part.
        assert len(found) < entered == len(await call_ids(session, "telnum 5661786"))


async def test_a_question_asked_again_enters_nothing_twice(ring: Path) -> None:
    async with Session() as session:
        remote(session, ring / "ring")
        await call_ids(session, "dstnum 566*")
        messages = session.conversations.message_count
        packets = session.sources.all[0].tally.packets
        await call_ids(session, "dstnum 566*")
        assert session.conversations.message_count == messages
        assert session.sources.all[0].tally.packets == packets
        session.clear()
        await call_ids(session, "dstnum 566*")
        assert session.conversations.message_count == messages


async def test_exports_have_the_packets(ring: Path) -> None:
    async with Session() as session:
        remote(session, ring / "ring")
        await call_ids(session, "dstnum 5661786")
        assert 0 < len(session.sources.all[0].stores) < 9  # type: ignore[attr-defined]
        export = Export(session.conversations, stores_of(session.sources.all))
        numbers = range(len(session.conversations))
        capture = b"".join(export.pieces(numbers, lambda: False))
        assert export.packets == session.conversations.message_count > 0
        assert export.made == 0
        assert len(capture) > 24


async def told_of(path: Path, expression: str) -> tuple[list[str], list[str]]:
    async with Session() as session:
        told: list[str] = []
        session.sources.notices.tell = told.append
        remote(session, path)
        return await call_ids(session, expression), told


def some(path: Path, files: int = 4) -> list[str]:
    write_ring(path, [[packet(2 * one), packet(2 * one + 1)] for one in range(files)])
    return sorted(f"call-{one}" for one in range(2 * files))


@pytest.mark.parametrize("damage", ["missing", "cut", "bits", "other", "empty", "folder"])
async def test_an_index_that_is_of_no_use_is_made_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "ring"
    expected = some(path)
    index = path / "00000002-eth0.index"
    good = index.read_bytes()
    if damage == "cut":
        index.write_bytes(good[:-9])
    elif damage == "bits":
        index.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    elif damage == "other":
        index.write_bytes((path / "00000003-eth0.index").read_bytes())
    elif damage == "empty":
        index.write_bytes(b"")
    else:
        index.unlink()
        if damage == "folder":
            index.mkdir()
    found, told = await told_of(path, "dstnum 5660066")
    assert found == expected
    anew = "indexes that are missing or damaged are made anew: 00000002-eth0.pcap first"
    assert [anew in one for one in told] == [True]
    if damage != "folder":
        assert await told_of(path, "") == (expected, [])
        assert index.read_bytes() == good


async def test_packets_behind_the_index_are_found(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    expected = some(path)
    newest = path / "00000004-eth0.pcap"
    more = tmp_path / "more"
    write_ring(more, [[packet(90), packet(91, sip(call_id="call-7", start="BYE sip:2@b SIP/2.0"))]])
    async with Session() as session:
        remote(session, path)
        assert await call_ids(session, "") == expected
        with newest.open("ab") as file:
            file.write((more / "00000001-eth0.pcap").read_bytes()[24:])
        assert await call_ids(session, "") == sorted([*expected, "call-90"])
        call = session.conversations.by_call_id("call-7")
        assert call is not None
        assert call.count == 2
        assert await call_ids(session, "last 10s") == ["call-7", "call-90"]


@pytest.mark.parametrize("indexed", [False, True])
async def test_what_came_before_the_next_file_was_begun_is_found(
    tmp_path: Path, indexed: bool
) -> None:
    """A file goes on growing behind what was read of it, then another one is written to."""
    path, clock = tmp_path / "ring", Clock()
    ring = Ring(path, SIZE, clock=clock)
    spool = PcapSpool(1, room=ring, label="eth0")
    spool.append_packets([packet(1)])
    spool.flush()
    async with Session() as session:
        remote(session, path)
        assert await call_ids(session, "") == ["call-1"]
        spool.append_packets([packet(2)])
        spool.flush()
        clock.now += LONGEST
        spool.append_packets([packet(3)])
        spool.close()
        ring.close()
        if indexed:
            Indexes(path).step()
        assert await call_ids(session, "") == ["call-1", "call-2", "call-3"]


async def test_last_counts_from_the_newest_message_of_the_ring(tmp_path: Path) -> None:
    write_ring(
        tmp_path / "ring",
        [
            [packet(1, sip(call_id="old", destination="<sip:1@b>"), at=1000)],
            [packet(2, sip(call_id="new", destination="<sip:2@b>"), at=9000)],
        ],
    )
    async with Session() as session:
        remote(session, tmp_path / "ring")
        assert await call_ids(session, "dstnum 1") == ["old"]
        assert await call_ids(session, "dstnum 1 last 1h") == []
        assert await call_ids(session, "last 1h") == ["new"]


async def test_last_counts_from_now_while_the_ring_is_written(tmp_path: Path) -> None:
    some(tmp_path / "ring")
    (tmp_path / "ring" / "lock").write_text(f"{os.getpid()}\n")
    assert (await told_of(tmp_path / "ring", "last 2h"))[0] == []


async def test_a_conversation_in_several_files_comes_whole(tmp_path: Path) -> None:
    kinds = (
        "INVITE sip:2@b SIP/2.0",
        "SIP/2.0 180 Ringing",
        "SIP/2.0 200 OK",
        "BYE sip:2@b SIP/2.0",
    )
    write_ring(
        tmp_path / "ring",
        [
            [packet(one, sip(kind, "wanted"), at=one * 3000), packet(100 + one, at=one * 3000)]
            for one, kind in enumerate(kinds)
        ],
    )
    async with Session() as session:
        remote(session, tmp_path / "ring")
        assert await call_ids(session, "callid wanted last 10m") == ["wanted"]
        assert [one.kind for one in session.conversations[0].messages] == [
            "INVITE", 180, 200, "BYE",
        ]  # fmt: skip
        assert len(session.conversations) == 1


async def test_messages_of_streams_come_without_others_of_the_connection(tmp_path: Path) -> None:
    first, second = sip(call_id="one", body="x" * 300), sip(call_id="two", body="y" * 300)
    stream = first + second
    cuts = [0, 250, len(first) + 100, len(stream)]
    packets = []
    for number, (begin, end) in enumerate(zip(cuts, cuts[1:], strict=False)):
        frame = ethernet(ipv4(tcp(stream[begin:end], 1000 + begin), 6))
        packets.append((number * 10**9, frame, len(frame)))
    write_ring(tmp_path / "ring", [packets])
    async with Session() as session:
        remote(session, tmp_path / "ring")
        for call_id, raw in (("one", first), ("two", second)):
            assert await call_ids(session, f"callid {call_id}") == [call_id]
            assert session.conversations[len(session.conversations) - 1].messages[0].raw == raw
            assert len(session.conversations) == (1 if raw is first else 2)


async def test_files_that_go_meanwhile_are_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ring"
    expected = some(path)
    async with Session() as session:
        told: list[str] = []
        session.sources.notices.tell = told.append
        remote(session, path)
        assert await call_ids(session, "callid call-7") == ["call-7"]
        read = RingStore.read

        def removing(self: RingStore, offset: int, length: int) -> bytes:
            for name in ("00000001", "00000002"):
                (path / f"{name}-eth0.pcap").unlink(missing_ok=True)
            return read(self, offset, length)

        monkeypatch.setattr(RingStore, "read", removing)
        assert await call_ids(session, "") == expected[4:]
        assert len(told) == 1
        assert "files of the ring went while they were read: 00000001-eth0.pcap first" in told[0]
        assert await call_ids(session, "") == expected[4:]
        assert len(told) == 1


async def test_what_is_more_than_comes_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring_remote, "BROUGHT", 3)
    some(tmp_path / "ring")
    found, told = await told_of(tmp_path / "ring", "")
    assert found == ["call-5", "call-6", "call-7"]
    assert "8 conversations may match, the newest 3 are here" in told[0]


async def test_files_of_others_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    expected = some(path)
    (path / "00000001-eth0.pcap").chmod(0o666)
    target = path / "00000002-eth0.pcap"
    target.rename(tmp_path / "moved")
    target.symlink_to(tmp_path / "moved")
    (path / "00000009-eth0.pcap").write_bytes(b"no pcap at all, but something else")
    found, told = await told_of(path, "")
    assert found == expected[4:]
    assert any("may be written by other users" in one for one in told)


def test_a_file_being_written_is_indexed_when_enough_has_come(tmp_path: Path) -> None:
    write_ring(tmp_path, [[packet(1)], [packet(2)]], indexed=False)
    indexes = Indexes(tmp_path)
    indexes.step()
    assert {one.name for one in tmp_path.glob("*.index")} == {
        "00000001-eth0.index", "00000002-eth0.index",
    }  # fmt: skip
    before = (tmp_path / "00000002-eth0.index").read_bytes()
    with (tmp_path / "00000002-eth0.pcap").open("ab") as file:
        file.write((tmp_path / "00000001-eth0.pcap").read_bytes()[24:])
    indexes.step()
    assert (tmp_path / "00000002-eth0.index").read_bytes() == before
    indexes.step(all_of_it=True)
    assert (tmp_path / "00000002-eth0.index").read_bytes() != before


@pytest.mark.parametrize("name", ["lock", "00000002-eth0.index", "00000002-eth0.index-new"])
async def test_what_is_no_file_is_not_waited_for(tmp_path: Path, name: str) -> None:
    """Row P6: a FIFO in a folder that others made, which nobody writes to."""
    expected = some(tmp_path / "ring")
    place = tmp_path / "ring" / name
    place.unlink(missing_ok=True)
    if name.endswith("-new"):
        (tmp_path / "ring" / "00000002-eth0.index").unlink()
    os.mkfifo(place)
    async with asyncio.timeout(10):
        found, _ = await told_of(tmp_path / "ring", "dstnum 5660066")
    assert found == expected


async def test_an_index_is_no_larger_than_its_capture_may_ask_for(tmp_path: Path) -> None:
    expected = some(tmp_path / "ring")
    index = tmp_path / "ring" / "00000002-eth0.index"
    with index.open("ab") as file:
        file.truncate(100 << 20)
    found, told = await told_of(tmp_path / "ring", "")
    assert found == expected
    assert "it is too large" in told[0]
