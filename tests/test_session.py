"""Sessions: loads, filters that keep working while data comes, follows, clear."""

from __future__ import annotations

import asyncio
import gc
import struct
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support import MemoryStore, batch, ethernet, ipv4, sip, udp

import sipstream
from sipstream import pipeline
from sipstream.conversations import Conversations
from sipstream.errors import CommandError, SourceError
from sipstream.figures import Progress
from sipstream.filters import FilterSet
from sipstream.follow import Follow
from sipstream.matches import Matches
from sipstream.packets import Batch, Tally
from sipstream.session import Session
from sipstream.views import Message


class Feed:
    """A source that gives what the test puts in."""

    live = True

    def __init__(self, *batches: Batch) -> None:
        self.name = "feed"
        self.tally = Tally("feed")
        self.notes: list[str] = []
        self._batches = batches

    def progress(self) -> None:
        return None

    async def batches(self) -> AsyncIterator[Batch]:
        for one in self._batches:
            yield one


def packets(*messages: bytes, begin: int = 10**9) -> Batch:
    times = [begin + n * 10**6 for n in range(len(messages))]
    return batch([ethernet(ipv4(udp(message))) for message in messages], times=times)


def write(path: Path, *messages: bytes) -> Path:
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for n, message in enumerate(messages):
        frame = ethernet(ipv4(udp(message)))
        data += struct.pack("<IIII", n, 0, len(frame), len(frame)) + frame
    path.write_bytes(data)
    return path


class Shown:
    """What a session shows and says."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.messages: list[tuple[int, str, int | str]] = []
        self.session = Session()
        self.session.sources.notices.tell = self.words.append
        self.session.deliver = self._deliver

    def _deliver(self, follow: Follow, messages: list[Message]) -> None:
        for message in messages:
            call_id = message.header("Call-ID") or ""
            self.messages.append((follow.number, call_id, message.kind))

    async def feed(self, *messages: bytes, begin: int = 10**9) -> None:
        self.session.sources.start(Feed(packets(*messages, begin=begin)))  # type: ignore[arg-type]
        await self.session.sources.wait_sources()


A1 = sip(call_id="a")
B1 = sip(call_id="b", destination="<sip:111@b>")
B2 = sip("SIP/2.0 486 Busy Here", "b", destination="<sip:111@b>")


async def test_load_counts_what_it_added(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pcap", A1, B1, B2)
    async with Shown().session as session:
        seen: list[Progress] = []
        loaded = await session.sources.load(path, seen.append)
        assert (loaded.conversations, loaded.messages, loaded.interrupted) == (2, 3, False)
        again = await session.sources.load(path)
        assert (again.conversations, again.messages) == (0, 0)
        assert seen[-1].done == seen[-1].total == path.stat().st_size


async def test_an_interrupted_load_keeps_what_came_in(tmp_path: Path) -> None:
    messages = [sip(call_id=str(n)) for n in range(5000)]
    path = write(tmp_path / "x.pcap", *messages)
    async with Shown().session as session:
        loaded = await session.sources.load(
            path, lambda progress: session.sources.interrupt() and None
        )
        assert loaded.interrupted
        assert 0 < loaded.messages < 5000
        assert len(session.conversations) == loaded.messages
        assert not session.sources.interrupt()


async def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    async with Shown().session as session:
        with pytest.raises(SourceError, match="no such file"):
            await session.sources.load(tmp_path / "none")


async def test_filters_keep_working_while_data_comes() -> None:
    shown = Shown()
    async with shown.session as session:
        await shown.feed(A1)
        assert await session.change_filter(lambda filters: filters.add("dstnum 111")) == 0
        await shown.feed(B1, B2)
        assert session.matching_count == 1
        assert [session.conversations[n].call_id for n in session.matching()] == ["b"]
        assert session.status().matching == 1


async def test_the_counts_of_an_empty_filter() -> None:
    shown = Shown()
    async with shown.session as session:
        await shown.feed(A1, B1)
        assert await session.change_filter(lambda filters: filters.set_condition("or")) == 0
        assert await session.change_filter(lambda filters: filters.set_condition("and")) == 2
        assert len(session.matching()) == 2


async def test_a_follow_shows_what_comes_and_no_other() -> None:
    shown = Shown()
    async with shown.session as session:
        await session.follow("dstnum 111")
        await shown.feed(A1, B1, B2)
        assert shown.messages == [(1, "b", "INVITE"), (1, "b", 486)]


async def test_earlier_messages_come_first_when_a_conversation_matches_late() -> None:
    shown = Shown()
    async with shown.session as session:
        await session.follow("status 486")
        await shown.feed(B1)
        assert shown.messages == []
        await shown.feed(B2, begin=2 * 10**9)
        assert shown.messages == [(1, "b", "INVITE"), (1, "b", 486)]


def _options(call_id: str, number: int) -> bytes:
    return sip("OPTIONS sip:2@b SIP/2.0", call_id, cseq=f"{number} OPTIONS")


async def test_many_messages_at_once_are_followed_in_turns_and_in_order() -> None:
    shown = Shown()
    turns: list[list[str]] = []
    async with shown.session as session:
        session.deliver = lambda follow, messages: turns.append([one.cseq for one in messages])
        await session.follow("method OPTIONS")
        # One matches by its last message only; the others have several each.
        some = [_options(f"call-{number % 30}", number) for number in range(60)]
        await shown.feed(sip(call_id="late", cseq="900 INVITE"), *some[:20])
        await shown.feed(*some[20:], _options("late", 901), begin=2 * 10**9)
    told = [int(cseq.split()[0]) for turn in turns for cseq in turn]
    assert [one for one in told if one < 900] == list(range(60))
    assert told[-1] == 901 and sorted(told) == [*range(60), 900, 901]
    assert max(map(len, turns)) <= 17


async def test_what_is_cleared_between_two_turns_is_not_told() -> None:
    shown = Shown()
    async with shown.session as session:
        await session.follow("method OPTIONS")
        given = packets(*[_options(f"call-{number}", number) for number in range(40)])
        intake = session.sources.intake(Feed())  # type: ignore[arg-type]
        pieces = session.publishing.publish(intake.feed(given))
        next(pieces)
        session.clear()
        assert list(pieces) == []
    assert [call_id for _, call_id, _ in shown.messages] == [f"call-{one}" for one in range(16)]


async def test_what_matched_before_the_follow_is_not_shown_again() -> None:
    shown = Shown()
    async with shown.session as session:
        await shown.feed(A1, B1)
        await session.follow("dstnum 111")
        await shown.feed(B2, begin=2 * 10**9)
        assert shown.messages == [(1, "b", 486)]


async def test_follows_are_numbered_and_end_one_by_one() -> None:
    shown = Shown()
    async with shown.session as session:
        await session.follow("dstnum 111")
        await session.follow(None)
        await session.change_filter(lambda filters: filters.add("dstnum 5660066"))
        third = await session.follow(None, whole=True)
        assert (third.number, third.text, third.whole) == (3, "dstnum 5660066", True)
        await shown.feed(A1, B1)
        assert sorted(shown.messages) == [
            (1, "b", "INVITE"),
            (2, "a", "INVITE"),
            (2, "b", "INVITE"),
            (3, "a", "INVITE"),
        ]
        assert [one.number for one in session.unfollow(2)] == [2]
        with pytest.raises(CommandError):
            session.unfollow(2)
        assert len(session.unfollow()) == 2


async def test_clear_forgets_conversations_and_keeps_the_filter() -> None:
    shown = Shown()
    async with shown.session as session:
        await session.change_filter(lambda filters: filters.add("dstnum 111"))
        await session.follow("dstnum 111")
        await shown.feed(B1)
        session.clear()
        assert (len(session.conversations), session.matching_count) == (0, 0)
        await shown.feed(B2)
        assert session.matching_count == 1
        assert len(shown.messages) == 2


async def test_a_script_streams_a_filtered_file(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pcap", A1, B1, B2)
    found = [m.kind async for m in sipstream.stream(path, "dstnum 111")]
    assert found == ["INVITE", 486]


def test_a_script_loads_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pcap", A1, B1, B2)
    conversations = sipstream.load(path)
    assert [(one.call_id, one.count) for one in conversations] == [("a", 1), ("b", 2)]


async def test_a_filter_change_that_is_interrupted_leaves_the_filter_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sipstream.pace.TURN_SECONDS", 0)
    shown = Shown()
    async with shown.session as session:
        await shown.feed(*(sip(call_id=str(n)) for n in range(2000)))
        await session.change_filter(lambda filters: filters.add("callid 1*"))
        before = session.matching_count
        change = session.change_filter(lambda filters: filters.add("not callid 7"))
        task = asyncio.ensure_future(change)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert session.filters.lines() == ["condition or", "callid 1*"]
        assert session.matching_count == len(session.matching()) == before


async def test_what_comes_while_a_filter_is_applied_is_judged_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sipstream.pace.TURN_SECONDS", 0)
    shown = Shown()
    async with shown.session as session:
        await shown.feed(*(sip(call_id=str(n)) for n in range(2000)))
        change = session.change_filter(lambda filters: filters.add("has pai"))
        task = asyncio.ensure_future(change)
        await asyncio.sleep(0)
        late = sip(call_id="0", extra="P-Asserted-Identity: <sip:1@a>\r\n")
        await shown.feed(late, begin=9 * 10**9)
        await task
        assert session.matching_count == 1


async def test_a_file_is_watched_once_and_no_longer(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pcap", A1)
    shown = Shown()
    async with shown.session as session:
        session.sources.tail(path)
        await session.sources.wait_caught_up()
        assert len(session.conversations) == 1
        with pytest.raises(CommandError, match="is watched already"):
            session.sources.tail(path)
        assert await session.sources.untail() == [str(path)]
        with pytest.raises(CommandError, match="no file is watched"):
            await session.sources.untail()
        session.sources.tail(path)


async def test_a_fault_in_one_source_leaves_all_else_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shown = Shown()
    complaints: list[str] = []
    async with shown.session as session:
        session.sources.notices.complain = complaints.append
        await shown.feed(A1)

        class Failing(Feed):
            async def batches(self) -> AsyncIterator[Batch]:
                raise ZeroDivisionError("no")
                yield

        session.sources.start(Failing())  # type: ignore[arg-type]
        await session.sources.wait_sources()
        await shown.feed(B1)
        assert len(session.conversations) == 2
    [complaint] = complaints
    faults = tmp_path / "state" / "sipstream" / "faults.txt"
    assert complaint == (
        f"feed: a fault in sipstream ended it (ZeroDivisionError); what happened is in {faults}"
    )
    assert "ZeroDivisionError: no" in faults.read_text()
    assert faults.stat().st_mode & 0o777 == 0o600


async def test_packets_that_a_stage_fails_on_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sipstream.decode.link.network", fail)
    tagged = [ethernet(ipv4(udp(one)), tags=(0x8100,)) for one in (A1, B1)]
    shown = Shown()
    complaints: list[str] = []
    async with shown.session as session:
        session.sources.notices.complain = complaints.append
        for _ in range(2):
            session.sources.start(Feed(batch(tagged)))  # type: ignore[arg-type]
            await session.sources.wait_sources()
    kept = tmp_path / "state" / "sipstream" / "suspects-1.pcap"
    assert (
        complaints
        == [f"feed: sipstream failed on some packets and goes on, they are kept in {kept}"] * 2
    )
    monkeypatch.undo()
    found = [message.header("Call-ID") async for message in sipstream.stream(kept)]
    # The same bytes of the same time are one message.
    assert sorted(map(str, found)) == ["a", "b"]
    assert kept.stat().st_size == 24 + 4 * 16 + 2 * sum(map(len, tagged))


async def test_waiting_for_a_watched_file_can_be_interrupted(tmp_path: Path) -> None:
    async with Shown().session as session:
        session.sources.tail(write(tmp_path / "x.pcap", A1))
        waiting = asyncio.ensure_future(session.sources.wait_caught_up())
        await asyncio.sleep(0)
        waiting.cancel()
    assert len(session.sources.running) == 0


async def test_a_slow_way_of_packets_leaves_the_loop_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long packets take, few go through together; comments stay with their packets."""
    packets = [ethernet(ipv4(udp(sip(call_id=f"call-{n}")))) for n in range(600)]
    given = batch(packets)
    given.comments = {n: f"about {n}" for n in range(0, 600, 50)}
    sizes: list[int] = []
    whole = pipeline.Intake.feed
    clock = iter(range(10_000))

    def feed(self: pipeline.Intake, part: Batch) -> list[int]:
        sizes.append(len(part.records))
        return whole(self, part)

    monkeypatch.setattr(pipeline.Intake, "feed", feed)
    monkeypatch.setattr(pipeline.time, "perf_counter", lambda: float(next(clock)))
    intake = pipeline.Intake(Feed(given), conversations := Conversations())
    await pipeline.run(intake, lambda added: None)
    assert sum(sizes) == 600
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1 == sizes[-1]
    comments = {one.call_id: one.first.comment for one in conversations if one.first.comment}
    assert comments == {f"call-{n}": f"about {n}" for n in range(0, 600, 50)}


async def test_what_was_found_in_messages_is_known_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that is taken away and comes again, or in a follow, reads nothing twice."""
    shown = Shown()
    async with shown.session as session:
        await shown.feed(A1, B1, B2)
        reads = 0
        read = MemoryStore.read

        def counted(store: MemoryStore, offset: int, length: int) -> bytes:
            nonlocal reads
            reads += 1
            return read(store, offset, length)

        monkeypatch.setattr(MemoryStore, "read", counted)
        add = "header Subject nothing"
        assert await session.change_filter(lambda filters: filters.add(add)) == 0
        assert reads > 0
        reads = 0
        await session.change_filter(FilterSet.reset)
        assert await session.change_filter(lambda filters: filters.add(add)) == 0
        assert (await session.select(f"{add} and dstnum 111")).count == 0
        await session.follow(add)
        assert (await session.select(add)).count == 0
        assert reads == 1, "the conversation that another expression asks about"
        session.clear()
        await shown.feed(sip(call_id="a", extra="Subject: Nothing\r\n"))
        assert session.matching_count == 1


@pytest.mark.parametrize("what", ["select", "filter", "follow"])
async def test_what_is_cleared_while_it_is_judged_is_forgotten(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.pace.TURN_SECONDS", 0)
    shown = Shown()
    async with shown.session as session:
        await shown.feed(*(sip(call_id=str(n)) for n in range(2000)))
        work: asyncio.Future[object] = asyncio.ensure_future(
            {
                "select": lambda: session.select("method INVITE"),
                "filter": lambda: session.change_filter(lambda one: one.add("method INVITE")),
                "follow": lambda: session.follow("method INVITE"),
            }[what]()
        )
        for _ in range(4):
            await asyncio.sleep(0)
        assert not work.done()
        session.clear()
        await shown.feed(A1, sip("OPTIONS sip:a SIP/2.0", "b"))
        found = await work
        if what == "select":
            assert isinstance(found, Matches)
            assert (found.count, found.kept([0, 1])) == (1, bytes([1, 0]))
        elif what == "filter":
            assert found == session.matching_count == len(session.matching()) == 1
        else:
            await shown.feed(sip("SIP/2.0 200 OK", "a"), B1, begin=9 * 10**9)
            # That of b comes late: what it had before is shown with it, what a had is not.
            later = [("b", "OPTIONS"), ("a", 200), ("b", "INVITE")]
            assert [(call, kind) for _, call, kind in shown.messages] == later


async def test_what_is_cleared_takes_no_memory_any_more() -> None:
    """No filter keeps what it was asked about."""
    shown = Shown()
    async with shown.session as session:
        await shown.feed(A1, B1, B2)
        text = "header Subject x or srcip 10.9.9.9 or status 3xx or srcnum 1* or callid x"
        await session.change_filter(lambda filters: filters.add(text))
        await session.follow(text)
        await session.select(f"not ({text})")
        index = weakref.ref(session.conversations.index)
        session.clear()
        gc.collect()
        assert index() is None
