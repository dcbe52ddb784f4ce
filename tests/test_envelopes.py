"""Messages in HEP envelopes, and out of them again into a session."""

from __future__ import annotations

import pytest
from support import CAPTURES, sip

from sipstream.decode import hep
from sipstream.decode.endpoints import key_of
from sipstream.envelopes import Enveloper, envelope
from sipstream.session import Session

CAPTURE = CAPTURES / "timeout.pcap"


def facts(session: Session) -> list[tuple[object, ...]]:
    return sorted(
        (one.time, one.source, one.destination, one.transport, one.raw, one.cut_off)
        for conversation in session.conversations
        for one in conversation.messages
    )


async def entered(*envelopes: bytes) -> Session:
    async with Session() as session:
        await session.sources.entry("test").take(envelopes)
        return session


@pytest.mark.parametrize("name", ["timeout.pcap", "media.pcap.gz", "diversion-problem.txt"])
async def test_all_comes_back(name: str) -> None:
    """Time in ns, endpoints, transport and bytes of each message are what they were."""
    path = CAPTURES / name
    async with Session() as session:
        await session.sources.load(path)
        index = session.conversations.index
        packed = Enveloper("sbc1").pack(index, range(session.conversations.message_count))
        async with Session() as other:
            await other.sources.entry("test").take(packed)
            assert facts(other) == facts(session)
            assert {one.first.tap for one in other.conversations} == {"sbc1"}


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS", "WS", "WSS", "SCTP"])
@pytest.mark.parametrize("size", [4, 16])
async def test_one(transport: str, size: int) -> None:
    ends = key_of(bytes(range(size)), 5060), key_of(bytes(range(1, size + 1)), 5070)
    one = envelope(
        1_700_000_000_123_456_789, *ends, transport, sip(call_id="a"), node="é1", agent=7,
        key=b"secret", correlation=b"whole", cut=True,
    )  # fmt: skip
    assert one is not None
    captured = hep.parse(one, 0, len(one))
    assert captured is not None
    assert (captured.key, captured.correlation, captured.agent) == (b"secret", b"whole", 7)
    async with Session() as session:
        await session.sources.entry("test").take([one])
        message = session.conversations[0].first
        assert message.time == 1_700_000_000_123_456_789
        assert (message.transport, message.tap, message.cut_off) == (transport, "é1", True)
        assert message.raw == sip(call_id="a")


async def test_capture_id_is_the_tap_where_no_node_is_named() -> None:
    ends = key_of(bytes(4), 1), key_of(bytes(4), 2)
    one = envelope(5, *ends, "UDP", sip(call_id="a"), agent=2001)
    assert one is not None
    async with Session() as session:
        await session.sources.entry("test").take([one])
        assert session.conversations[0].first.tap == "2001"


def test_too_long() -> None:
    ends = key_of(bytes(4), 1), key_of(bytes(4), 2)
    assert envelope(5, *ends, "UDP", bytes(65_500)) is None


def test_split() -> None:
    ends = key_of(bytes(4), 1), key_of(bytes(4), 2)
    several = [envelope(5, *ends, "UDP", bytes([one]) * one) or b"" for one in range(1, 9)]
    whole = b"".join(several)
    assert hep.split(whole) == several
    assert hep.split(whole[:-1]) == several[:-1]
    assert hep.split(b"HEP3\0\0" + whole) == []


async def test_what_is_of_before_isnt_followed() -> None:
    ends = key_of(bytes(4), 1), key_of(bytes(4), 2)
    first, second = (envelope(time, *ends, "UDP", sip(call_id="a")) for time in (1, 2))
    assert first and second
    shown = []
    async with Session() as session:
        session.deliver = lambda follow, messages: shown.extend(messages)
        await session.follow("callid a")
        entry = session.sources.entry("test")
        assert len(await entry.take([first], former=True)) == 1
        assert shown == []
        assert len(await entry.take([first, second])) == 1
        assert [one.time for one in shown] == [2]
