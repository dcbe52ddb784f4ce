"""One message that several taps saw is one message, in whatever order the taps tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from sighted import BEGIN, MS, Intake, Line, Seen, taken, told
from support import sip

from sipstream.conversations import Conversations

SECOND = 1000 * MS
THREE = ("sbc1", "sbc2", "sbc3")
PING = sip("OPTIONS sip:2@b SIP/2.0", "ping", cseq="1 OPTIONS")


def sightings(conversations: Conversations) -> list[list[list[tuple[str, float]]]]:
    """Of each conversation's messages: taps, and ms after BEGIN by the tap's clock."""
    return [
        [[(each.tap, (each.time - BEGIN) / MS) for each in one.sightings] for one in all_.messages]
        for all_ in conversations
    ]


@pytest.fixture
def line() -> Line:
    return Line(THREE)


def test_each_message_once(line: Line) -> None:
    conversations = taken(line.call())
    assert conversations.message_count == 7
    assert conversations.seen_again == 14
    (call,) = sightings(conversations)
    assert call[0] == [("sbc1", 0.0), ("sbc2", 0.5), ("sbc3", 1.0)]
    assert call[1] == [("sbc3", 20.0), ("sbc2", 20.5), ("sbc1", 21.0)]
    assert [one.state for one in conversations] == ["ended"]


def test_time_and_tap_are_those_of_the_first_sighting(line: Line) -> None:
    conversations = taken(reversed(line.call()))
    first = conversations[0].first
    assert (first.time, first.tap, first.method) == (BEGIN, "sbc1", "INVITE")
    assert conversations[0].duration == 9040 * MS
    assert conversations[0].time == BEGIN


def test_a_message_of_one_tap_has_one_sighting() -> None:
    conversations = taken(Line(["sbc1"]).call())
    assert sightings(conversations)[0][0] == [("sbc1", 0.0)]


def test_what_a_tap_tells_twice_is_a_duplicate(line: Line) -> None:
    call = line.call()
    conversations = taken([*call, *call])
    assert (conversations.message_count, conversations.duplicates) == (7, 21)
    assert len(conversations[0].first.sightings) == 3


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("ahead", [0, 40 * MS, -1200 * MS, 70 * SECOND])
def test_any_order_gives_the_same(seed: int, ahead: int) -> None:
    """Several calls, retransmissions in them, clocks of which nothing is known at first."""
    random = Random(seed)
    line = Line(THREE, ahead={"sbc2": ahead, "sbc3": -ahead // 3})
    seen: list[Seen] = []
    for number in range(3):
        seen += line.call(f"call-{number}", at=number * 700 * MS, hop=random)
        for wait in (500, 1500, 3500):
            again = sip("INVITE sip:2@b SIP/2.0", f"call-{number}", cseq="1 INVITE")
            seen += line.send((number * 700 + wait) * MS, again, jitter=random)
    expected = told(taken(seen))
    assert [len(one) - 5 for one in expected] == [10, 10, 10]
    random.shuffle(seen)
    assert told(taken(seen, random)) == expected


@pytest.mark.parametrize("seed", range(12))
def test_any_order_gives_the_same_where_taps_miss_some(seed: int) -> None:
    """Once clocks are known what isn't told by one tap leaves no doubt."""
    random = Random(seed)
    line = Line(THREE, ahead={"sbc2": 30 * MS, "sbc3": -6 * SECOND})
    known = line.call("known", at=-60 * SECOND)
    seen = [one for one in line.call(hop=random) if random.random() < 0.7]
    for wait in (500, 1500, 3500, 7500):
        again = sip("INVITE sip:2@b SIP/2.0", cseq="1 INVITE")
        lost = random.sample(THREE, random.randrange(3))
        seen += line.send(wait * MS, again, lost_at=lost, jitter=random)
    expected = told(taken([*known, *seen]))
    random.shuffle(seen)
    assert told(taken([*known, *seen], random)) == expected


def test_retransmissions_are_messages_of_their_own(line: Line) -> None:
    seen = [one for wait in (0, 500, 1500) for one in line.send(wait * MS, PING)]
    assert sightings(taken(seen)) == [
        [[("sbc1", at), ("sbc2", at + 0.5), ("sbc3", at + 1.0)] for at in (0.0, 500.0, 1500.0)]
    ]


def test_the_kth_at_one_tap_is_the_kth_at_the_other() -> None:
    """Clocks half a second apart, as far as a retransmission, and nothing to tell that by."""
    line = Line(["sbc1", "sbc2"], ahead={"sbc2": 500 * MS})
    first, second = line.send(0, PING), line.send(500 * MS, PING)
    for seen in ([*first, *second], [first[1], second[1], first[0], second[0]], [*second, *first]):
        found = sightings(taken(seen))[0]
        assert found == [[("sbc1", 0.0), ("sbc2", 500.5)], [("sbc1", 500.0), ("sbc2", 1000.5)]]


def test_known_clocks_tell_which_sending_was_lost() -> None:
    """One tap lacks the first of three, the other the last."""
    line = Line(["sbc1", "sbc2"])
    seen = line.send(0, PING, lost_at=["sbc2"])
    seen += line.send(500 * MS, PING)
    seen += line.send(1500 * MS, PING, lost_at=["sbc1"])
    expected = [[("sbc1", 0.0)], [("sbc1", 500.0), ("sbc2", 500.5)], [("sbc2", 1500.5)]]
    known = line.call(at=-20 * SECOND)
    assert sightings(taken([*known, *seen]))[1] == expected
    assert sightings(taken([*known, *reversed(seen)]))[1] == expected


def test_even_clocks_are_tried_first() -> None:
    """Nothing is known of them, but all that one tap saw lies beside what the other did."""
    line = Line(["sbc1", "sbc2"])
    seen = line.send(0, PING, lost_at=["sbc2"]) + line.send(500 * MS, PING)
    expected = [[("sbc1", 0.0)], [("sbc1", 500.0), ("sbc2", 500.5)]]
    assert sightings(taken(seen))[0] == expected
    assert sightings(taken(reversed(seen)))[0] == expected


def test_a_retransmission_is_no_sighting_once_clocks_are_known() -> None:
    line = Line(["sbc1", "sbc2"], ahead={"sbc2": 2 * SECOND})
    lost = line.send(0, PING, lost_at=["sbc2"]) + line.send(500 * MS, PING, lost_at=["sbc1"])
    unknown = sightings(taken(lost))[0]
    assert unknown == [[("sbc1", 0.0), ("sbc2", 2500.5)]]
    known = taken([*line.call(at=-20 * SECOND), *lost])
    assert sightings(known)[1] == [[("sbc1", 0.0)], [("sbc2", 2500.5)]]


def test_a_clock_that_is_set_is_learnt_anew() -> None:
    before = Line(["sbc1", "sbc2"], ahead={"sbc2": 5 * SECOND})
    after = Line(["sbc1", "sbc2"], ahead={"sbc2": 0})
    seen = [one for at in range(5) for one in before.call(f"a{at}", at=at * 20 * SECOND)]
    seen += [one for at in range(5, 12) for one in after.call(f"b{at}", at=at * 20 * SECOND)]
    conversations = taken(seen)
    assert conversations[0].count == conversations[11].count == 7
    assert 7 < conversations[5].count <= 14, "as long as the clock seems to be five seconds ahead"


def test_other_endpoints_are_another_message(line: Line) -> None:
    there, back = line.send(0, PING), line.send(MS, PING, back=True)
    assert len(sightings(taken([*there, *back]))[0]) == 2


def test_a_ping_of_an_hour_later_is_another_one() -> None:
    line = Line(["sbc1", "sbc2"])
    first = line.send(0, PING, lost_at=["sbc2"])
    later = line.send(2 * 3600 * SECOND, PING, lost_at=["sbc1"])
    assert len(sightings(taken([*first, *later]))[0]) == 2


def test_what_no_tap_told_is_compared_with_nothing() -> None:
    """Copies at several interfaces of a capture are marked as such and stay."""
    nobody, named = Line([""]).send(0, PING), Line(["sbc1"]).send(MS, PING)
    conversations = taken([*nobody, *named])
    assert conversations.message_count == 2
    assert [one.copy_of for one in conversations[0].messages] == [None, 0]


def test_given_up_with_their_conversation(line: Line) -> None:
    intake = Intake()
    intake.take(line.call())
    index = intake.conversations.index
    assert len(index.sightings) == 7
    intake.conversations.give_up([0])
    assert not index.sightings
    intake.take(line.call())
    assert len(index.sightings) == 7
    assert intake.conversations.message_count == 7


def test_a_conversation_without_end_keeps_its_sightings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is thinned out is given up with its sightings, what comes later finds what is left."""
    monkeypatch.setattr("sipstream.conversations.MAX_MESSAGES", 40)
    monkeypatch.setattr("sipstream.conversations.KEPT_FIRST", 4)
    intake, line = Intake(), Line(["sbc1", "sbc2"])
    intake.conversations.memory = 1 << 30
    for at in range(100):
        payload = sip("OPTIONS sip:2@b SIP/2.0", "ping", cseq=f"{at} OPTIONS")
        intake.take(line.send(at * SECOND, payload))
    conversations = intake.conversations
    assert conversations[0].count < 45
    assert len(conversations.index.sightings) == conversations[0].count
    intake.take(line.send(99 * SECOND, payload))
    assert conversations.duplicates == 2


def test_what_is_left_of_a_conversation_without_end_is_not_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sipstream.conversations.MAX_MESSAGES", 400)
    intake, line = Intake(), Line(["sbc1", "sbc2"])
    intake.conversations.memory = 1 << 30
    index = intake.conversations.index
    read, raw = [0], index.raw

    def counted(message: int) -> bytes:
        read[0] += 1
        return raw(message)

    monkeypatch.setattr(index, "raw", counted)
    for at in range(500):
        payload = sip("OPTIONS sip:2@b SIP/2.0", "ping", cseq=f"{at} OPTIONS")
        read[0] = 0
        intake.take(line.send(at * SECOND, payload))
        assert read[0] < 10
    assert index.c_left_out[0] > 0


def test_a_conversation_is_not_gone_through_for_each_message_that_gets_another_time() -> None:
    """A tap that tells of all a moment later, by a clock that is behind."""
    intake, line = Intake(), Line(["sbc1", "sbc2"], ahead={"sbc2": -3 * MS})
    index = intake.conversations.index
    looked, arrived = [0], index.arrived

    def counted(conversation: int, after: int = -1) -> Iterator[int]:
        for message in arrived(conversation, after):
            looked[0] += 1
            yield message

    index.arrived = counted  # type: ignore[method-assign]
    for at in range(300):
        payload = sip("OPTIONS sip:2@b SIP/2.0", "ping", cseq=f"{at} OPTIONS")
        for seen in line.send(at * SECOND, payload):
            intake.take([seen])
    assert looked[0] < 3 * 300
    (one,) = intake.conversations
    assert (one.time, one.duration) == (BEGIN - 3 * MS + MS // 2, 299 * SECOND)


def test_each_sighting_counts_as_memory() -> None:
    sizes = []
    for taps in (2, 60):
        intake = Intake()
        for number in range(taps):
            intake.take(Line([f"tap{number}"]).send(number * 1000, PING))
        sizes.append(intake.conversations._singly.size)
        intake.conversations.give_up([0])
        assert intake.conversations._singly.size == 0
    assert sizes[1] > sizes[0] + 58 * 60


def test_bounded_for_taps_without_number() -> None:
    """A sender that claims ever more names makes a message no larger than taps there may be."""
    intake = Intake()
    for number in range(100):
        intake.take(Line([f"tap{number}"]).send(number * 1000, PING))
    assert len(intake.conversations[0].first.sightings) == 64
    assert intake.conversations.message_count == 1


def test_bounded_for_the_same_bytes_again_and_again() -> None:
    intake, line = Intake(), Line(["sbc1", "sbc2"])
    for at in range(60):
        intake.take(line.send(at * SECOND, PING))
    assert [len(one) for one in sightings(intake.conversations)[0]] == [2] * 60
