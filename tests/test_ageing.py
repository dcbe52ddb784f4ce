"""What is kept: by age in packets' time, by bytes, by number, and with a spool's oldest part."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from support import A, Chain, MemoryStore, batch, ethernet, ipv4, sip, tcp, udp

from sipstream.ageing import Ageing, Keep
from sipstream.conversations import Conversations
from sipstream.limits import IN_PROGRESS_STAY
from sipstream.segments import Room
from sipstream.spool import PcapSpool, Spool

SECOND = 10**9
BEGIN = 1_700_000_000
DAY = 86_400


class Aged(Chain):
    """Conversations of which only so much is kept; each feed is a batch of one source."""

    def __init__(self, room: Room | None = None, **keep: int) -> None:
        super().__init__()
        self.gone: list[int] = []
        self.conversations = Conversations(
            self.conversations.index.endpoints, given_up=self.gone.extend
        )
        self.here = 0.0
        self.ageing = Ageing(
            lambda: self.conversations, Keep(**keep), room or Room(), lambda: self.here
        )
        self.store: MemoryStore | Spool = MemoryStore()

    def at(self, second: float, *messages: bytes) -> None:
        """Feed messages of one packet time, then do all that is due."""
        packets = [ethernet(ipv4(udp(message), source=A)) for message in messages]
        times = [int((BEGIN + second) * SECOND) + n for n in range(len(packets))]
        given = batch(packets, times=times)
        if isinstance(self.store, Spool):
            given.base = self.store.append(given.data)
        else:
            given.base = len(self.store.data)
            self.store.data += given.data
        given.store = self.store
        self.ageing.saw(self.feed(given))
        while self.ageing.step():
            pass

    def every(self, seconds: Iterable[int]) -> None:
        """Feed messages of one conversation at these times."""
        for second in seconds:
            self.at(second, sip("OPTIONS sip:a SIP/2.0", "ping", cseq=f"{second % 2**31} OPTIONS"))

    def has(self, call_id: str) -> bool:
        return self.conversations.by_call_id(call_id) is not None


def over(call_id: str) -> list[bytes]:
    return [sip("OPTIONS sip:a SIP/2.0", call_id, cseq="1 OPTIONS"),
            sip("SIP/2.0 200 OK", call_id, cseq="1 OPTIONS")]  # fmt: skip


def answered(call_id: str) -> list[bytes]:
    return [sip(call_id=call_id), sip("SIP/2.0 200 OK", call_id)]


def test_what_is_over_goes_when_it_is_too_old() -> None:
    chain = Aged(age=60 * SECOND)
    chain.at(0, *over("old"), *answered("call"))
    chain.every(range(1, 55))
    assert chain.has("old")
    chain.every(range(55, 70))
    assert not chain.has("old")
    assert chain.has("call")
    assert chain.has("ping")
    assert chain.gone == [0]


def test_a_call_that_never_ends_goes_at_last() -> None:
    chain = Aged(age=60 * SECOND)
    chain.at(0, *answered("call"))
    chain.every(range(5, 60 * IN_PROGRESS_STAY - 10, 5))
    assert chain.has("call")
    chain.every(range(60 * IN_PROGRESS_STAY - 10, 60 * IN_PROGRESS_STAY + 30, 5))
    assert not chain.has("call")


@pytest.mark.parametrize("jump", [DAY, -DAY, 3600, -3600, 1000 * DAY])
def test_a_clock_that_jumps_ages_nothing_at_once(jump: int) -> None:
    """Row L6: nor does it keep anything for ever."""
    chain = Aged(age=60 * SECOND)
    chain.at(0, *over("before"))
    chain.every(range(1, 10))
    chain.at(10 + jump, *over("after"))
    assert chain.has("before")
    assert chain.has("after")
    chain.every(range(11 + jump, 45 + jump))
    assert chain.has("before")
    chain.every(range(45 + jump, 75 + jump))
    assert not chain.has("before")
    assert not chain.has("after")


def test_a_silence_that_really_passed_counts() -> None:
    chain = Aged(age=60 * SECOND)
    chain.at(0, *over("evening"))
    chain.here += 3600
    chain.at(3600, *over("morning"))
    assert not chain.has("evening")
    assert chain.has("morning")


def test_packets_out_of_order_are_no_clock_set_back() -> None:
    chain = Aged(age=600 * SECOND)
    chain.at(0, *over("old"))
    chain.every(second for n in range(30, 400) for second in (n, n - 20))
    assert chain.has("old")


def test_no_more_calls_are_kept_and_the_oldest_go_first() -> None:
    chain = Aged(calls=10)
    chain.at(0, *answered("call"))
    for number in range(50):
        chain.at(1 + number, *over(f"one-{number}"))
    assert len(chain.conversations) == 10
    assert chain.has("call")
    assert chain.has("one-49")
    assert not chain.has("one-0")
    chain = Aged(calls=10)
    chain.at(0, *(message for n in range(50) for message in over(f"one-{n}")))
    assert len(chain.conversations) == 10


def test_calls_in_progress_stay_until_there_are_far_more() -> None:
    chain = Aged(calls=10)
    for number in range(10 * IN_PROGRESS_STAY):
        chain.at(number, *answered(f"call-{number}"))
    assert len(chain.conversations) == 10 * IN_PROGRESS_STAY
    chain.at(10**4, *answered("more"))
    assert len(chain.conversations) < 10 * IN_PROGRESS_STAY


def test_no_more_bytes_of_messages_are_kept() -> None:
    chain = Aged(size=20_000)
    for number in range(200):
        chain.at(number, *over(f"one-{number}"))
    conversations = chain.conversations
    size = sum(len(message.raw) for one in conversations for message in one.messages)
    assert 18_000 < size <= 20_000
    assert conversations.index.bytes == size


def test_conversations_go_with_the_bytes_that_they_lie_in() -> None:
    room = Room(16 << 18)
    chain = Aged(room)
    chain.store = Spool(room=room)
    filler = "x" * 30_000
    for number in range(300):
        chain.at(
            number, sip("OPTIONS sip:a SIP/2.0", f"one-{number}", cseq="1 OPTIONS", body=filler)
        )
    conversations = chain.conversations
    assert 80 < len(conversations) < 150
    assert chain.ageing.lost == 300 - len(conversations) == len(chain.gone)
    assert all(len(message.raw) > 30_000 for one in conversations for message in one.messages)
    assert not chain.has("one-0")
    assert chain.has("one-299")


def test_a_call_in_progress_takes_its_bytes_along() -> None:
    room = Room(16 << 18)
    chain = Aged(room)
    chain.store = Spool(room=room)
    chain.at(0, *answered("call"), *over("over"))
    filler = "x" * 30_000
    for number in range(300):
        chain.at(1 + number, sip("OPTIONS sip:a SIP/2.0", f"one-{number}", body=filler))
    call = chain.conversations.by_call_id("call")
    assert call is not None
    assert [one.start_line for one in call.messages] == ["INVITE sip:2@b SIP/2.0", "SIP/2.0 200 OK"]
    assert not chain.has("over")
    chain.at(400, sip("BYE sip:2@b SIP/2.0", "call", cseq="2 BYE"))
    assert call.state == "ended"


def test_a_flood_of_calls_in_progress_is_written_twice_at_most() -> None:
    room = Room(16 << 18)
    chain = Aged(room)
    spool = chain.store = Spool(room=room)
    for number in range(600):
        chain.at(number, sip(call_id=f"call-{number}", body="x" * 30_000))
    [joined] = chain.conversations._joined.values()
    assert 0 < joined.size() <= spool.size()
    assert room.taken <= 16 << 18
    assert chain.has("call-599")
    assert all(len(message.raw) > 30_000 for one in chain.conversations for message in one.messages)


def test_what_is_written_to_a_named_file_is_joined_within_the_room(tmp_path: Path) -> None:
    """That file was asked for, without limit; what is joined beside it wasn't."""
    room = Room(16 << 18)
    chain = Chain()
    conversations = chain.conversations = Conversations(
        chain.conversations.index.endpoints, room=room
    )
    spools = [PcapSpool(1, tmp_path / "file.pcap"), Spool(room=room), Spool()]
    for number, spool in enumerate(spools):
        message = sip(call_id=f"call-{number}", body="x" * 1000)
        packets = [
            ethernet(ipv4(tcp(part, at, source_port=6000 + number), 6))
            for at, part in ((1, message[:700]), (701, message[700:]))
        ]
        given = batch(packets)
        given.base, given.store = spool.append(given.data), spool
        chain.feed(given)
    stores = [conversations.index.stores[conversations.index.m_store[n]] for n in range(3)]
    assert [store.room is room for store in stores] == [True, True, False]


def test_numbers_of_stores_are_used_again() -> None:
    chain = Aged(calls=3)
    first = chain.store
    chain.at(0, *(message for number in range(100) for message in over(f"first-{number}")))
    for number in range(500):
        chain.store = MemoryStore()
        chain.at(number, *over(f"one-{number}"))
    assert len(chain.conversations.index.stores) < 50
    assert first not in chain.conversations.index.stores
    assert all(message.raw for one in chain.conversations for message in one.messages)


def test_clear_begins_anew() -> None:
    chain = Aged(age=60 * SECOND, calls=5)
    chain.every(range(100))
    chain.conversations = Conversations(chain.conversations.index.endpoints)
    chain.ageing.forget_all()
    chain.at(100, *over("new"))
    chain.every(range(101, 130))
    assert chain.has("new")
