"""Which streams a conversation has, by its session descriptions, and what one tells of another."""

from __future__ import annotations

import pytest
from rtp_made import (
    ANSWER,
    BEGIN,
    CALLEE,
    CALLER,
    MS,
    OFFER,
    SECOND,
    SSRC,
    Call,
    described,
    event,
    rtp,
)

from sipstream import reasons
from sipstream.limits import RTP_SINGLES
from sipstream.rtp import streams as streams_module
from sipstream.rtp.dtmf import event_name


def call(offer: str = OFFER, answer: str = ANSWER) -> Call:
    made = Call()
    made.signal(offer, answer)
    return made


def test_both_directions_and_no_strangers() -> None:
    made = call()
    made.talk(3)
    made.talk(4, source=CALLEE, destination=CALLER, ssrc=2)
    made.talk(5, source=("10.0.0.1", 4002), destination=("10.0.0.2", 5002), ssrc=3)
    found = [(one.source, one.destination, one.ssrc, one.packets) for one in made.of()]
    assert found == [(CALLER, CALLEE, SSRC, 3), (CALLEE, CALLER, 2, 4)]


def test_a_conversation_without_media_has_none() -> None:
    made = Call()
    made.signal("")
    made.talk(3)
    assert made.of() == []


def test_the_same_ports_again_are_another_call_s() -> None:
    made = Call()
    made.signal(OFFER, ANSWER)
    made.put(3 * SECOND, _bye("call-1"), CALLER[:1] + (5060,), CALLEE[:1] + (5060,))
    made.talk(50)
    made.signal(OFFER, ANSWER, call_id="call-2", at=60 * SECOND)
    made.talk(60, at=61 * SECOND, ssrc=2)
    assert [one.ssrc for one in made.of("call-1")] == [SSRC]
    assert [one.ssrc for one in made.of("call-2")] == [2]


def _bye(call_id: str) -> bytes:
    from support import sip

    return sip("BYE sip:2@b SIP/2.0", call_id, cseq="2 BYE")


def test_a_nat_is_told() -> None:
    """The caller offers a private address; what comes of it comes from its router."""
    made = call(described("192.168.1.2", "m=audio 4000 RTP/AVP 8"))
    outside = ("203.0.113.7", 61000)
    made.talk(3, source=outside)
    made.talk(3, source=CALLEE, destination=outside, ssrc=2)
    there, back = made.of()
    assert (there.source_offered, there.destination_offered) == (False, True)
    assert (back.source_offered, back.destination_offered) == (True, False)


def test_an_ssrc_that_goes_on_from_another_port_is_told() -> None:
    made = call()
    made.talk(3)
    made.talk(3, source=("10.0.0.1", 4444), at=2 * SECOND, sequence=103, timestamp=24_000)
    first, second = made.of()
    assert first.source_before is None
    assert (second.source, second.source_before) == (("10.0.0.1", 4444), CALLER)
    assert not second.source_offered and second.ssrc_before is None


def test_a_change_of_ssrc_is_told() -> None:
    made = call()
    made.talk(3)
    made.talk(3, at=2 * SECOND, ssrc=2)
    assert [one.ssrc_before for one in made.of()] == [None, SSRC]


def test_a_copy_is_told_and_counts_for_nothing() -> None:
    made = call()
    made.talk(60)
    made.feed("inside", "outside")
    first, second = made.of()
    assert (first.copy, first.tap, second.copy, second.tap) == (False, "inside", True, "outside")
    assert (first.packets, first.duplicates, first.one_way) == (60, 0, True)
    assert not second.one_way


def test_srtp_is_counted_and_said_so() -> None:
    made = call(described("10.0.0.1", "m=audio 4000 RTP/SAVP 8"))
    made.talk(3)
    (stream,) = made.of()
    assert stream.secure and stream.packets == 3


def test_payload_types_by_name_the_most_used_first() -> None:
    made = call()
    made.talk(2, payload_type=0)
    made.talk(5, payload_type=96, sequence=102, at=SECOND + 40 * MS)
    (stream,) = made.of()
    assert [(one.number, one.name, one.rate, one.packets) for one in stream.payloads] == [
        (96, "opus", 48_000, 5), (0, "PCMU", 8_000, 2),
    ]  # fmt: skip


# DTMF


def heard(*packets: tuple[int, bytes]) -> list[tuple[str, int, int, bool]]:
    """The events of payloads with their timestamps: name, time, duration (ms), ended."""
    made = call()
    for number, (timestamp, payload) in enumerate(packets):
        packet = rtp(number, timestamp, payload_type=101, payload=payload)
        made.put(number * 20 * MS, packet, CALLER, CALLEE)
    (stream,) = made.of()
    return [
        (one.name, (one.time - BEGIN) // MS, one.duration // MS, one.ended) for one in stream.events
    ]


def test_each_event_once_with_its_duration() -> None:
    # The last packet of an event comes three times (RFC 4733 section 2.5.1.4).
    five = [(1000, event(5, 160)), (1000, event(5, 320)), *[(1000, event(5, 480, True))] * 3]
    assert heard(*five, (5000, event(11, 160)), (5000, event(11, 800, True))) == [
        ("5", 0, 60, True), ("#", 100, 100, True),
    ]  # fmt: skip


def test_the_same_digit_twice() -> None:
    twice = [(1000, event(7, 480, True)), (3000, event(7, 480, True))]
    assert [one[0] for one in heard(*twice)] == ["7", "7"]


def test_two_keys_at_once() -> None:
    assert [one[0] for one in heard((1000, event(7, 480, True)), (1000, event(8, 480, True)))] == [
        "7", "8",
    ]  # fmt: skip


def test_an_event_whose_end_is_lost_or_late() -> None:
    assert heard((1000, event(1, 160))) == [("1", 0, 20, False)]
    late = [(1000, event(1, 160)), (3000, event(2, 160)), (1000, event(1, 240, True))]
    assert heard(*late) == [("1", 0, 30, True), ("2", 20, 20, False)]


def test_a_long_event_in_segments() -> None:
    # RFC 4733 section 2.5.1.3: the next segment begins where the one before reached 0xffff.
    long = [(1000, event(3, 0xFFFF)), (1000 + 0xFFFF, event(3, 8001, True))]
    assert heard(*long) == [("3", 0, (0xFFFF + 8001) // 8, True)]


def test_what_is_no_whole_event_is_none() -> None:
    assert heard((1000, b""), (1000, b"\x05"), (1000, event(5, 160)[:3])) == []


def test_four_bytes_of_another_payload_type_are_no_event() -> None:
    made = call()
    made.put(0, rtp(1, 0, payload_type=96, payload=event(5, 160, True)), CALLER, CALLEE)
    (stream,) = made.of()
    assert stream.events == ()


def test_events_have_names() -> None:
    names = [event_name(code) for code in range(18)]
    assert names == [*"0123456789*#ABCD", "flash", "event 17"]


# Bounds and accounting


def test_packets_are_counted_by_reason() -> None:
    made = call()
    made.talk(3)
    made.put(0, b"\x80\xc9\x00\x01\x00\x00\x00\x01", ("10.0.0.1", 4001), ("10.0.0.2", 5001))
    made.put(0, rtp(1, 1), ("10.0.0.1", 53), ("10.0.0.2", 5001))
    made.put(0, rtp(1, 1, payload_type=72), CALLER, CALLEE)
    made.put(0, rtp(1, 1)[:11], CALLER, CALLEE)
    made.put(0, rtp(1, 1, first=0x8F, payload=b"short"), CALLER, CALLEE)
    made.put(0, rtp(1, 1, first=0x40), CALLER, CALLEE)
    made.feed()
    assert made.tally.reasons[reasons.RTP] == 3
    assert made.tally.reasons[reasons.RTCP] == 1
    assert made.tally.reasons[reasons.NOT_SIP] == 5
    assert made.tally.unaccounted == 0
    assert made.tally.packets == 3 + 1 + 5 + 2


def test_what_only_looks_like_rtp_drives_out_nothing() -> None:
    made = call()
    made.talk(2)
    for number in range(RTP_SINGLES + 500):
        made.put(2 * SECOND, rtp(1, 1, ssrc=number, payload=b""), ("10.9.9.9", 4000), CALLEE)
    made.feed()
    assert len(made.streams) == RTP_SINGLES + 1
    assert made.streams.given_up == 0
    assert SSRC in [one.ssrc for one in made.of()]


def test_the_longest_idle_streams_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "RTP_STREAMS", 2)
    made = call()
    for number in range(4):
        made.talk(2, ssrc=number, at=SECOND * number)
    assert [one.ssrc for one in made.of()] == [2, 3]
    assert made.streams.given_up == 2
    assert made.tally.reasons[reasons.RTP] == 8


def test_a_stream_that_goes_on_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "RTP_STREAMS", 2)
    made = call()
    made.talk(2, ssrc=1)
    made.talk(2, ssrc=2, at=2 * SECOND)
    made.put(3 * SECOND, rtp(102, 0, ssrc=1), CALLER, CALLEE)
    made.talk(2, ssrc=3, at=4 * SECOND)
    assert [one.ssrc for one in made.of()] == [1, 3]


def test_a_direction_that_was_given_up_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "RTP_SINGLES", 1)
    made = call()
    other = ("10.0.0.9", 4000)
    for number in range(6):
        made.put(number * MS, rtp(number, 0, ssrc=number), (CALLER, other)[number % 2], CALLEE)
    assert [(one.source, one.ssrc) for one in made.of()] == [(other, 5)]
    made.talk(3, ssrc=7)
    assert [(one.source, one.packets) for one in made.of()] == [(CALLER, 3)]


def test_events_and_payload_types_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "RTP_EVENTS", 3)
    made = call()
    for number in range(5):
        packet = rtp(number, number * 1000, payload_type=101, payload=event(1, 160, True))
        made.put(number * MS, packet, CALLER, CALLEE)
    for number in range(5, 40):
        made.put(number * MS, rtp(number, 0, payload_type=number + 80), CALLER, CALLEE)
    (stream,) = made.of()
    assert (len(stream.events), stream.events_left_out) == (3, 2)
    assert stream.payloads[0].number == -1
    assert sum(one.packets for one in stream.payloads) == stream.packets


def test_clear_forgets_them() -> None:
    made = call()
    made.talk(3)
    made.feed()
    made.streams.clear()
    assert made.of() == [] and len(made.streams) == 0
