"""Spools of earlier runs: read up to the last whole packet, each packet once, with where it was seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import ethernet, ipv4, sip, udp

from sipstream.errors import SourceError
from sipstream.export.pcap import Export
from sipstream.limits import MOST_SEGMENTS, SEGMENT_LEAST, SEGMENTS
from sipstream.segments import Folder, Room
from sipstream.session import Session
from sipstream.sources import stores_of
from sipstream.sources.resume import ResumedSource
from sipstream.spool import PcapSpool

LIMIT = SEGMENTS * SEGMENT_LEAST


def packet(number: int, size: int = 0) -> tuple[int, bytes, int]:
    frame = ethernet(ipv4(udp(sip(call_id=f"call-{number}", body="x" * size))))
    return number * 10**9, frame, len(frame)


def write(path: Path, count: int, size: int = 0, label: str = "eth0") -> None:
    folder = Folder(path)
    spool = PcapSpool(1, room=Room(LIMIT, folder), label=label)
    for number in range(count):
        spool.append_packets([packet(number, size)])
    spool.close()
    folder.close()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Resumed:
    """A session with a spool of an earlier run, once all of it is there."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.room = Room(limit, Folder(path))
        self.session = Session(room=self.room)
        self.told: list[str] = []
        self.session.sources.notices.tell = self.told.append

    async def __aenter__(self) -> Resumed:
        await self.session.__aenter__()
        self.source = self.session.sources.resume()
        await self.session.sources.wait_sources()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.__aexit__(None, None, None)

    def calls(self) -> list[str]:
        return [one.call_id for one in self.session.conversations]


async def test_what_an_earlier_run_kept_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    write(path, 10, label="any")
    async with Resumed(path) as run:
        assert run.calls() == [f"call-{n}" for n in range(10)]
        [first, *_] = run.session.conversations
        assert first.first.tap == "any"
        assert first.first.raw.startswith(b"INVITE")
    assert run.told == [f"{path} resumed: 10 conversations (10 SIP messages) extracted"]


async def test_an_empty_folder_is_nothing_to_resume(tmp_path: Path) -> None:
    async with Resumed(tmp_path / "spool") as run:
        assert run.source is None
    assert not run.told


async def test_it_is_read_again_and_again_with_what_came_since(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    for count in range(1, 4):
        async with Resumed(path) as run:
            assert len(run.calls()) == count - 1
            spool = PcapSpool(1, room=run.room, label="eth0")
            spool.append_packets([packet(count)])
            spool.close()
    assert len(list(path.glob("*.pcap"))) == 3


@pytest.mark.parametrize("cut", [1, 15, 16, 100])
async def test_a_packet_that_is_not_whole_is_cut_off(tmp_path: Path, cut: int) -> None:
    """Row R7: whoever reads the file then has whole packets."""
    path = tmp_path / "spool"
    write(path, 10)
    [file] = path.glob("*.pcap")
    whole = file.read_bytes()
    last = 16 + len(packet(9)[1])
    file.write_bytes(whole[:-cut])
    async with Resumed(path) as run:
        assert run.calls() == [f"call-{n}" for n in range(9)]
        assert file.read_bytes() == whole[:-last]
    cut_off = f"{path}: the last {last - cut} bytes of {file.name} are no whole packet: cut off"
    assert cut_off in run.told
    assert not run.session.sources.partial


@pytest.mark.parametrize("size", [0, 3, 23, 24])
async def test_a_segment_of_a_head_at_most_is_nothing(tmp_path: Path, size: int) -> None:
    path = tmp_path / "spool"
    write(path, 1)
    [file] = path.glob("*.pcap")
    file.write_bytes(file.read_bytes()[:size])
    async with Resumed(path) as run:
        assert run.calls() == []


async def test_what_is_no_capture_is_refused(tmp_path: Path) -> None:
    """Row R8: it may be of a version to come."""
    path = tmp_path / "spool"
    write(path, 1)
    [file] = path.glob("*.pcap")
    file.write_bytes(b"something else, of later times")
    with pytest.raises(SourceError, match=r"00000001-eth0\.pcap: is no segment of a spool$"):
        ResumedSource(Room(folder=Folder(path)))


async def test_more_than_there_is_room_for_goes(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    write(path, 100, 30_000)
    async with Resumed(path, LIMIT // 2) as run:
        kept = len(run.calls())
        assert 40 < kept < 75
        assert run.calls() == [f"call-{n}" for n in range(100 - kept, 100)]
        assert all(one.first.raw for one in run.session.conversations)
    assert sum(file.stat().st_size for file in path.glob("*.pcap")) <= LIMIT // 2


async def test_a_service_that_is_started_again_and_again_can_be_started(tmp_path: Path) -> None:
    """Each run leaves a segment, however short: there are never more than descriptors for them."""
    path = tmp_path / "spool"
    write(path, 1)
    whole = (path / "00000001-eth0.pcap").read_bytes()
    for number in range(2, 1500):
        # Some brought no packet.
        one = path / f"{number:08}-eth0.pcap"
        one.write_bytes(whole if number % 3 else whole[:24])
        one.chmod(0o600)
    before = open_descriptors()
    async with Resumed(path) as run:
        assert run.source is not None
        assert run.source.tally.packets == MOST_SEGMENTS
        assert open_descriptors() - before < MOST_SEGMENTS + 20
    assert len(list(path.glob("*.pcap"))) == MOST_SEGMENTS
    assert (path / "00001499-eth0.pcap").exists()


async def test_follows_begin_behind_what_an_earlier_run_has_shown(tmp_path: Path) -> None:
    """A service with a follow that is started again doesn't print all of it once more."""
    path = tmp_path / "spool"
    write(path, 20)
    shown: list[int | str] = []
    async with Session(room=Room(LIMIT, Folder(path))) as session:
        session.deliver = lambda follow, messages: shown.extend(one.kind for one in messages)
        await session.follow("dstnum 5660066")
        await session.change_filter(lambda filters: filters.add("dstnum 5660066"))
        session.sources.resume()
        await session.sources.wait_sources()
        assert shown == []
        assert session.matching_count == len(session.conversations) == 20
        answer = ethernet(ipv4(udp(sip("SIP/2.0 200 OK", "call-7"))))
        after = PcapSpool(1, tmp_path / "after.pcap")
        after.append_packets([(100 * 10**9, answer, len(answer))])
        await session.sources.load(tmp_path / "after.pcap")
        assert shown == [200]


async def test_an_export_has_the_packets_as_they_were_kept(tmp_path: Path) -> None:
    write(tmp_path / "kept", 3)
    write(tmp_path / "kept", 2, label="eth1")
    async with Resumed(tmp_path / "kept") as resumed:
        conversations = resumed.session.conversations
        export = Export(conversations, stores_of(resumed.session.sources.all))
        numbers = list(range(len(conversations)))
        data = b"".join(export.pieces(numbers, lambda: False))
    kept = [packet(number)[1] for number in range(3)]
    assert [data.count(frame) for frame in kept] == [2, 2, 1]
    assert export.packets == 5
