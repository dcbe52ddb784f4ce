"""A follow shows each message of several taps once, with the taps that saw it within a moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sighted import MS, Line, Seen
from support import CAPTURES, sip

from sipstream.conversations import Conversations
from sipstream.entry import Entry
from sipstream.session import Session
from sipstream.views import Message

PING = sip("OPTIONS sip:2@b SIP/2.0", "ping", cseq="1 OPTIONS")


class Following:
    """A session with a follow, and what that showed: messages with the taps known by then."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.shown: list[tuple[int, list[str]]] = []
        self.entry: Entry = session.sources.entry("taps")
        self.any = asyncio.Event()
        session.deliver = lambda _, messages: self._show(messages)

    async def take(self, seen: list[Seen]) -> None:
        await self.entry.take([one.envelope for one in seen])

    async def settled(self) -> list[list[str]]:
        await self.session.publishing.holding.settle()
        return [taps for _, taps in self.shown]

    def _show(self, messages: list[Message]) -> None:
        self.shown += map(self._told, messages)
        self.any.set()

    def _told(self, message: Message) -> tuple[int, list[str]]:
        return message.id, [one.tap for one in message.sightings]


@pytest.fixture
async def following() -> AsyncIterator[Following]:
    async with Session() as session:
        yield Following(session)


async def test_once_with_all_sightings(following: Following) -> None:
    await following.session.follow("callid ping")
    seen = Line(["sbc1", "sbc2", "sbc3"]).send(0, PING)
    for one in reversed(seen):
        await following.take([one])
    assert following.shown == [], "others may tell of it yet"
    assert await following.settled() == [["sbc1", "sbc2", "sbc3"]]


async def test_after_a_moment_by_itself(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.holding.WAIT", 0.01)
    await following.session.follow("callid ping")
    seen = Line(["sbc1", "sbc2"]).send(0, PING)
    await following.take(seen[:1])
    await asyncio.wait_for(following.any.wait(), 20)
    await following.take(seen[1:])
    assert await following.settled() == [["sbc1"]], "what comes later isn't shown again"
    first = following.session.conversations[0].first
    assert [one.tap for one in first.sightings] == ["sbc1", "sbc2"]


async def test_in_order_of_arrival(following: Following) -> None:
    """What comes behind a held message of its conversation waits for that, whatever it came from."""
    await following.session.follow("callid ping")
    named, plain = Line(["sbc1"]), Line([""])
    answer = sip("SIP/2.0 200 OK", "ping", cseq="1 OPTIONS")
    await following.take(named.send(0, PING))
    await following.take(plain.send(20 * MS, answer, back=True))
    assert following.shown == []
    assert await following.settled() == [["sbc1"], [""]]
    assert [number for number, _ in following.shown] == [0, 1]


async def test_others_dont_wait(following: Following) -> None:
    await following.session.follow("callid ping")
    await following.take(Line([""]).send(0, PING))
    assert len(following.shown) == 1


async def test_a_file_is_shown_when_it_is_loaded(following: Following) -> None:
    await following.session.follow(None)
    await following.session.sources.load(CAPTURES / "taps.pcap")
    assert len(following.shown) == following.session.conversations.message_count > 0


async def test_a_further_sighting_may_make_it_match(following: Following) -> None:
    """Of a conversation that matches by a later sighting all messages are shown."""
    await following.session.follow("tap sbc2")
    seen = Line(["sbc1", "sbc2"]).send(0, PING)
    await following.take(seen[:1])
    assert await following.settled() == []
    await following.take(seen[1:])
    assert await following.settled() == [["sbc1", "sbc2"]]


async def test_the_filter_holds_for_any_sighting(following: Following) -> None:
    session = following.session
    await session.change_filter(lambda filters: filters.add("tap sbc2"))
    first, second = Line(["sbc1", "sbc2"]).send(0, PING)
    await following.take([first])
    assert session.matching_count == 0
    await following.take([second])
    assert session.matching_count == 1
    await session.change_filter(lambda filters: filters.add("tap sbc1"))
    assert session.matching_count == 1


async def test_filters_are_asked_about_few_conversations_at_a_time(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when very many of them get sightings together."""
    session, asked = following.session, list[int]()
    follow = await session.follow("callid ping-*")
    feed = follow.feed

    def counted(conversations: Conversations, touched: list[int], *rest: Any) -> None:
        asked.append(len(touched))
        feed(conversations, touched, *rest)

    monkeypatch.setattr(follow, "feed", counted)
    line = Line(["sbc1", "sbc2"])
    pings = [sip("OPTIONS sip:2@b SIP/2.0", f"ping-{one}", cseq="1 OPTIONS") for one in range(300)]
    seen = [line.send(MS * place, ping) for place, ping in enumerate(pings)]
    source = following.entry.source
    intake = session.sources.intake(source)
    for place in range(2):
        batch = source.spool.batch(each[place].envelope for each in seen)
        for _ in session.publishing.publish(intake.feed(batch)):
            pass
    assert sum(asked) >= 300
    assert max(asked) <= 64
    assert await following.settled() == [["sbc1", "sbc2"]] * 300


async def test_what_was_before_comes_meanwhile(following: Following) -> None:
    """Earlier messages of the conversation are brought while one is held: it is shown, they aren't."""
    await following.session.follow("callid ping")
    line = Line(["sbc1"])
    await following.take(line.send(900 * MS, sip("SIP/2.0 200 OK", "ping", cseq="1 OPTIONS")))
    before = [one.envelope for one in line.send(0, PING)]
    assert await following.entry.take(before, former=True) == [1]
    assert await following.settled() == [["sbc1"]]
    assert [number for number, _ in following.shown] == [0]


async def test_clocks_are_told_of_while_messages_come(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("sipstream.clocks._SECONDS", 0)
    following.session.sources.notices.tell = told.append
    for one in Line(["sbc1", "sbc2"], ahead={"sbc2": -2000 * MS}).call():
        await following.take([one])
    assert told == [
        "the clock of sbc2 is 2.0 s behind sbc1's:"
        " 'set correct_clocks on' corrects the times that are shown"
    ]


async def test_cleared_meanwhile(following: Following) -> None:
    await following.session.follow(None)
    await following.take(Line(["sbc1"]).send(0, PING))
    following.session.clear()
    assert await following.settled() == []


async def test_ended_with_the_session() -> None:
    """What is held when all ends is shown before."""
    async with Session() as session:
        following = Following(session)
        await session.follow(None)
        await following.take(Line(["sbc1"]).send(0, PING))
    assert len(following.shown) == 1
