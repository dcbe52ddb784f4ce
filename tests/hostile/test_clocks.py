"""Clocks that jump while packets come: the packets' own, and the machine's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from support import batch, ethernet, ipv4, sip, udp

from sipstream.follow import Follow
from sipstream.packets import Batch, Tally
from sipstream.session import Session
from sipstream.views import Message

SECOND, HOUR, DAY = 10**9, 3600 * 10**9, 86_400 * 10**9
BEGIN = 1_700_000_000 * SECOND
JUMPS = [0, SECOND, SECOND - HOUR, 2 * SECOND - HOUR, DAY, DAY + 1, 3 * SECOND]
"""Back by an hour, forward by a day, and where it was: of seven messages in a row."""


class Feed:
    """A live source that gives the batches it was made with."""

    live = True

    def __init__(self, batches: list[Batch]) -> None:
        self.name = "feed"
        self.tally = Tally("feed")
        self.notes: list[str] = []
        self._batches = batches

    def progress(self) -> None:
        return None

    async def batches(self) -> AsyncIterator[Batch]:
        for one in self._batches:
            yield one


def frames(times: list[int], *packets: bytes) -> Batch:
    return batch([ethernet(packet) for packet in packets], times=times)


async def follow_all(session: Session, batches: list[Batch]) -> tuple[list[str], Tally]:
    """Return the CSeq of each message that a follow showed, in its order."""
    shown: list[str] = []

    def deliver(follow: Follow, messages: list[Message]) -> None:
        shown.extend(message.header("CSeq") or "" for message in messages)

    session.deliver = deliver
    await session.follow(None)
    source = session.sources.start(Feed(batches))  # type: ignore[arg-type]
    await session.sources.wait_sources()
    return shown, source.tally


@pytest.mark.parametrize("together", [True, False])
async def test_a_follow_shows_what_arrives_as_it_arrives(together: bool) -> None:
    """Row L6: whatever time packets claim, in one batch or in several, of two calls in turn."""
    messages = [
        ipv4(udp(sip(call_id=f"call-{place % 2}", cseq=f"{place} INVITE")))
        for place in range(len(JUMPS))
    ]
    times = [BEGIN + jump for jump in JUMPS]
    batches = [frames([at], one) for at, one in zip(times, messages, strict=True)]
    if together:
        batches = [frames(times, *messages)]
    async with Session() as session:
        shown, _ = await follow_all(session, batches)
        assert shown == [f"{place} INVITE" for place in range(len(JUMPS))]
        assert [one.count for one in session.conversations] == [4, 3]
        # Lists are by the packets' time, as they claim it.
        numbered = [one.header("CSeq") for one in session.conversations[0].messages]
        assert numbered == ["2 INVITE", "0 INVITE", "6 INVITE", "4 INVITE"]


def pieces(call_id: str, identification: int) -> list[bytes]:
    """Return a message's datagram in two fragments."""
    data = udp(sip(call_id=call_id, body="x" * 800))
    return [
        ipv4(data[:800], identification=identification, fragment=0x2000),
        ipv4(data[800:], identification=identification, fragment=100),
    ]


@pytest.mark.parametrize("jump", [-HOUR, DAY, -40 * SECOND])
async def test_fragments_wait_neither_for_ever_nor_not_at_all(jump: int) -> None:
    """Row L6: what was half there when the clock jumped is given up, what comes then is joined.

    The identification is the same: what waited too long would get the wrong other half.
    """
    half, _ = pieces("half", 1)
    async with Session() as session:
        whole = pieces("whole", 1)
        shown, tally = await follow_all(
            session,
            [
                frames([BEGIN], half),
                frames([BEGIN + jump, BEGIN + jump + SECOND], *whole),
            ],
        )
        assert [one.call_id for one in session.conversations] == ["whole"]
    assert shown == ["1 INVITE"]
    assert tally.reasons == {
        "fragment of a datagram": 1,
        "fragment of a datagram that stayed incomplete": 1,
    }


@pytest.mark.parametrize("jump", [-HOUR, DAY])
async def test_the_machines_clock_is_set_while_a_capture_runs(
    jump: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row L6: how long something runs, and how fast, isn't measured by a clock that is set."""
    really, really_ns = time.time, time.time_ns
    async with Session() as session:
        await follow_all(session, [frames([BEGIN], ipv4(udp(sip())))])
        session.status()
        begun = session.sources._clock()
        monkeypatch.setattr(time, "time", lambda: really() + jump / SECOND)
        monkeypatch.setattr(time, "time_ns", lambda: really_ns() + jump)
        await asyncio.sleep(0.6)
        await follow_all(session, [frames([BEGIN + jump], ipv4(udp(sip(cseq="2 INVITE"))))])
        assert 0 < session.status().rate < 5
        assert 0 < session.sources._clock() - begun < 60
