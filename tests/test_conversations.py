"""The aggregator: order, first messages, states, duplicates, copies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import A, B, Chain, batch, ethernet, ipv4, sip, udp

from sipstream.limits import MAX_KINDS, MAX_USER

MS = 10**6


def packet(message: bytes, *, back: bool = False) -> bytes:
    source, destination = (B, A) if back else (A, B)
    return ethernet(ipv4(udp(message), source=source, destination=destination))


def load(*timed: tuple[int, bytes], chain: Chain | None = None, tap: str = "") -> Chain:
    chain = chain or Chain()
    chain.feed(batch([packet(m) for _, m in timed], times=[time for time, _ in timed], tap=tap))
    return chain


def test_messages_of_one_call_id_are_one_conversation() -> None:
    chain = load((1, sip(call_id="a")), (2, sip(call_id="b")), (3, sip("SIP/2.0 200 OK", "a")))
    assert chain.counts() == {"a": 2, "b": 1}
    assert chain.conversations.by_call_id("b").id == 1  # type: ignore[union-attr]
    assert chain.conversations.by_call_id("c") is None


def test_numbers_and_endpoints_are_the_first_messages() -> None:
    chain = Chain()
    bye = sip("BYE sip:x SIP/2.0", source="<sip:2@b>", destination="<sip:1@a>", cseq="2 BYE")
    invite = sip(source="<sip:1@a>", destination="<sip:2@b>")
    chain.feed(batch([packet(bye, back=True)], times=[20]))
    chain.feed(batch([packet(invite)], times=[10]))
    [conversation] = chain.conversations
    assert (conversation.src_num, conversation.dst_num) == ("1", "2")
    assert (conversation.source, conversation.destination) == ("10.0.0.1", "10.0.0.2")
    assert [message.method for message in conversation.messages] == ["INVITE", "BYE"]


def test_without_a_number_the_whole_value_is_shown() -> None:
    chain = load((1, sip(source='"Al" <sip:alice@a>;tag=1', destination="<sip:a@b>")))
    [conversation] = chain.conversations
    assert conversation.src_num == '"Al" <sip:alice@a>;tag=1'
    assert conversation.src_user == "alice"


def test_equal_times_keep_the_order_of_arrival() -> None:
    chain = load(*((5, sip(cseq=f"{n} INVITE")) for n in range(10)))
    assert [m.cseq for m in chain.conversations[0].messages] == [f"{n} INVITE" for n in range(10)]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_any_order_of_arrival_gives_the_order_of_time(times: list[int]) -> None:
    chain = load(
        *((time, sip(call_id=str(n % 5), cseq=f"{n} INVITE")) for n, time in enumerate(times))
    )
    for conversation in chain.conversations:
        found = [message.time for message in conversation.messages]
        assert found == sorted(found)
        assert conversation.time == found[0]
        assert [message.index for message in conversation.messages] == list(range(len(found)))
    firsts = [conversation.time for conversation in chain.conversations]
    assert firsts == sorted(firsts)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20))
def test_the_order_is_right_whenever_it_is_asked_for(times: list[int]) -> None:
    chain = Chain()
    for number, time in enumerate(times):
        load((time, sip(call_id=str(number))), chain=chain)
        assert [one.time for one in chain.conversations] == sorted(times[: number + 1])


def test_exact_duplicates_appear_once() -> None:
    messages = [(n, sip(call_id="a", cseq=f"{n} INVITE")) for n in range(5)]
    chain = load(*messages)
    load(*messages, chain=chain)
    load(*reversed(messages), chain=chain)
    assert chain.counts() == {"a": 5}
    assert chain.conversations.duplicates == 10


def test_the_same_bytes_at_another_time_are_a_message_of_their_own() -> None:
    chain = load((0, sip()), (500 * MS, sip()), (0, sip()))
    assert chain.counts() == {"call-1": 2}


def test_copies_of_two_capture_points_stay_and_are_marked() -> None:
    chain = load((0, sip()), tap="eth0")
    load((0, sip()), tap="eth1", chain=chain)
    load((3000, sip()), tap="eth1", chain=chain)
    load((500 * MS, sip()), tap="eth0", chain=chain)
    [conversation] = chain.conversations
    assert [message.copy_of for message in conversation.messages] == [None, 0, 1, None]


INVITE, OK = sip(), sip("SIP/2.0 200 OK")
RINGING = sip("SIP/2.0 180 Ringing")
CANCEL = sip("CANCEL sip:a SIP/2.0", cseq="1 CANCEL")
BYE = sip("BYE sip:a SIP/2.0", cseq="2 BYE")
REGISTER = sip("REGISTER sip:a SIP/2.0", cseq="1 REGISTER")


@pytest.mark.parametrize(
    ("messages", "state"),
    [
        ([INVITE], "calling"),
        ([INVITE, sip("SIP/2.0 100 Trying")], "calling"),
        ([INVITE, RINGING], "ringing"),
        ([INVITE, RINGING, sip("SIP/2.0 200 OK", cseq="2 PRACK")], "ringing"),
        ([INVITE, OK], "answered"),
        ([INVITE, OK, BYE], "ended"),
        ([INVITE, OK, BYE, sip("SIP/2.0 200 OK", cseq="2 BYE")], "ended"),
        ([INVITE, RINGING, CANCEL, sip("SIP/2.0 487 Terminated")], "cancelled"),
        ([INVITE, sip("SIP/2.0 486 Busy")], "failed"),
        ([INVITE, sip("SIP/2.0 407 Proxy"), INVITE], "calling"),
        ([REGISTER, sip("SIP/2.0 401 No", cseq="1 REGISTER")], "registering"),
        ([REGISTER, sip("SIP/2.0 200 OK", cseq="1 REGISTER")], "registered"),
        ([REGISTER, sip("SIP/2.0 403 No", cseq="1 REGISTER")], "failed"),
        ([sip("OPTIONS sip:a SIP/2.0", cseq="1 OPTIONS")], "open"),
        ([sip("SIP/2.0 200 OK", cseq="1 OPTIONS")], "done"),
        ([sip("SIP/2.0 200 OK")], "answered"),
    ],
)
def test_states(messages: list[bytes], state: str) -> None:
    chain = load(*((n * MS * 100, message) for n, message in enumerate(messages)))
    assert chain.conversations[0].state == state
    assert chain.conversations.counts_by_state() == {state: 1}


def test_kinds() -> None:
    chain = load((1, INVITE), (2, RINGING), (3, OK), (4, INVITE))
    assert chain.conversations[0].kinds == {"INVITE", 180, 200}


def test_arrived_goes_on_behind_a_message() -> None:
    chain = load((3, INVITE), (2, RINGING), (1, OK))
    conversation = chain.conversations[0]
    assert [message.kind for message in conversation.arrived()] == ["INVITE", 180, 200]
    assert [message.kind for message in conversation.arrived(0)] == [180, 200]
    assert conversation.arrived(conversation.last_arrived) == []


def test_the_newest_messages_know_their_places() -> None:
    some = [(number, sip(cseq=f"{number} INVITE")) for number in range(5)]
    (call,) = load(*some).conversations
    assert [(one.index, one.cseq) for one in call.newest(2)] == [(3, "3 INVITE"), (4, "4 INVITE")]
    assert [one.id for one in call.newest(9)] == [one.id for one in call.messages]


def test_a_long_call_id_is_kept_short_and_distinct() -> None:
    one, other = "x" * 60_000 + "1", "x" * 60_000 + "2"
    chain = load((1, sip(call_id=one)), (2, sip(call_id=other)))
    assert len(chain.conversations) == 2
    assert all(len(call_id) < 300 for call_id in chain.counts())


def test_a_message_view_tells_all() -> None:
    chain = load((7, sip("SIP/2.0 404 Not  here", extra="P-X: 1\r\nP-X: 2\r\n", body="v=0\r\n")))
    message = chain.conversations.message(0)
    assert (message.status, message.method, message.reason) == (404, None, "Not  here")
    assert message.start_line == "SIP/2.0 404 Not  here"
    assert message.headers("p-x") == ["1", "2"]
    assert message.header("Nothing") is None
    assert message.body == b"v=0\r\n"
    assert message.cseq == "1 INVITE"
    assert (message.src_num, message.dst_num) == ("4151500", "5660066")
    assert not message.cut


@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8), min_size=1, max_size=8))
def test_order_and_places_are_right_after_every_batch(batches: list[list[int]]) -> None:
    chain, number = Chain(), 0
    for times in batches:
        load(
            *((time, sip(cseq=f"{number + n} INVITE")) for n, time in enumerate(times)), chain=chain
        )
        number += len(times)
        index = chain.conversations.index
        arrived = list(index.arrived(0))
        order = sorted(arrived, key=index.m_time.__getitem__)
        assert index.in_time_order(0) == order
        assert [chain.conversations.message(one).index for one in order] == list(range(len(order)))


def test_batches_are_counted_for_weeks() -> None:
    """A thousand a second are more than 32 bits hold after seven weeks."""
    chain = load((1, sip(call_id="before")))
    chain.conversations.index.batch = 2**32 - 1
    for second in range(2, 5):
        load((second, sip(call_id=f"call-{second}")), chain=chain)
        load((second, sip("SIP/2.0 200 OK", "before")), chain=chain)
    assert len(chain.conversations) == 4
    before = chain.conversations.by_call_id("before")
    assert before is not None
    assert not before.gone


def test_many_messages_of_one_time_are_each_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain()
    reads = 0
    read = chain.conversations.index.raw

    def counted(message: int) -> bytes:
        nonlocal reads
        reads += 1
        return read(message)

    monkeypatch.setattr(chain.conversations.index, "raw", counted)
    load(*((5, sip(cseq=f"{n:06d} INVITE")) for n in range(500)), chain=chain)
    assert chain.conversations.message_count == 500
    assert reads < 1500


def test_a_conversation_with_very_many_kinds_is_still_filtered_right() -> None:
    chain = load(*((n, sip(f"SIP/2.0 {n} X")) for n in range(100, 700)))
    assert chain.conversations[0].kinds == frozenset(range(100, 700))
    shapes = chain.conversations.index.shapes.by_number
    assert max(len(shape.kinds or ()) for shape in shapes) <= MAX_KINDS


def test_endless_user_parts_are_kept_in_part() -> None:
    chain = load((1, sip(source=f"<sip:{'9' * 30_000}@a>")))
    assert len(chain.conversations[0].src_user) == MAX_USER


def test_more_capture_points_than_can_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipstream.index.TAPS", 3)
    chain = Chain()
    for n in range(10):
        load((n, sip(call_id=str(n))), chain=chain, tap=f"if{n}")
    assert len(chain.conversations) == 10


def test_columns_grow_wide_with_what_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengths beyond those of datagrams, and very many ways, cost what they need and lose nothing."""
    monkeypatch.setattr("sipstream.index.MOST_NARROW", 700)
    monkeypatch.setattr("sipstream.sip.found.MOST_NARROW", 700)
    chain = Chain()
    messages = [sip(call_id=f"call-{n}", body="x" * (n * 10)) for n in range(100)]
    packets = [
        ethernet(ipv4(udp(message), source=bytes([10, 1, n // 7, n])))
        for n, message in enumerate(messages)
    ]
    chain.feed(batch(packets[:30]))
    narrow = chain.conversations.index.message_size
    chain.feed(batch(packets[30:]))
    assert chain.conversations.index.message_size == narrow + 2
    found = {one.call_id: one.first.raw for one in chain.conversations}
    assert found == {f"call-{n}": message for n, message in enumerate(messages)}
    monkeypatch.setattr("sipstream.index.MOST_NARROW", 100)
    chain.feed(batch([packets[n].replace(b"call-", b"last-") for n in range(5)]))
    more = [ethernet(ipv4(udp(sip(call_id=f"more-{n}")), source=bytes([10, 2, 0, n])))
            for n in range(9)]  # fmt: skip
    chain.feed(batch(more))
    assert chain.conversations.index.message_size == narrow + 4
    sources = {one.call_id: one.source for one in chain.conversations}
    assert sources["call-99"] == "10.1.14.99"
    assert sources["more-8"] == "10.2.0.8"
