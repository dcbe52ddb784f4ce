"""RTCP: what receivers say of streams, round trips, VoIP metrics; and what is damaged or cut."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtp_made import (
    ANSWER,
    CALLEE,
    CALLER,
    MS,
    OFFER,
    SECOND,
    SSRC,
    Call,
    block,
    described,
    receiver_report,
    rtp,
    sender_report,
    voip_metrics,
)

from sipstream.limits import RTCP_BLOCKS
from sipstream.rtp import rtcp
from sipstream.rtp import streams as streams_module
from sipstream.rtp.rtcp import Reporter, SentReports

NTP = 0xAAAA_1234_5678_BBBB
LSR = 0x1234_5678
"""The middle of it (RFC 3550 section 6.4.1)."""
CALLER_RTCP, CALLEE_RTCP = ("10.0.0.1", 4001), ("10.0.0.2", 5001)


def call() -> Call:
    made = Call()
    made.signal(OFFER, ANSWER)
    made.talk(3)
    return made


def test_a_receiver_report_by_hand() -> None:
    # RFC 3550 6.4.1: 64/256 lost since the last; jitter in ticks, 80 of 8,000 Hz are 10 ms.
    # Sent at 2.0 s, answered at 2.25 s by who had waited 0.1 s (6553.6/65536): 150 ms.
    made = call()
    made.put(2 * SECOND, sender_report(SSRC, NTP, 3), CALLER_RTCP, CALLEE_RTCP)
    words = block(SSRC, fraction=64, lost=7, jitter=80, lsr=LSR, dlsr=65536 // 10)
    made.put(2 * SECOND + 250 * MS, receiver_report(2, words), CALLEE_RTCP, CALLER_RTCP)
    words = block(SSRC, fraction=0, lost=7, jitter=40, lsr=LSR, dlsr=65536)
    made.put(3 * SECOND + 250 * MS, receiver_report(2, words), CALLEE_RTCP, CALLER_RTCP)
    (stream,) = made.of()
    (report,) = stream.reports
    assert stream.sent == 3
    assert (report.source, report.reporter, report.count) == (CALLEE_RTCP, 2, 2)
    assert (report.fraction_lost, report.worst_fraction_lost, report.lost) == (0, 0.25, 7)
    assert (report.jitter, report.worst_jitter) == (5 * MS, 10 * MS)
    assert report.round_trip == 250 * MS
    assert report.worst_round_trip == 250 * MS


def test_round_trip_alone() -> None:
    sent = SentReports()
    sent.note(SSRC, NTP, 2 * SECOND)
    assert sent.round_trip(SSRC, LSR, 32768, 3 * SECOND) == 500 * MS
    # Of another report, of none, and one that was answered before it was seen.
    assert sent.round_trip(SSRC, LSR + 1, 0, 3 * SECOND) is None
    assert sent.round_trip(SSRC, 0, 0, 3 * SECOND) is None
    assert sent.round_trip(SSRC, LSR, 65536, 2 * SECOND) is None
    # Seen again at another capture point.
    sent.note(SSRC, NTP, 3 * SECOND)
    assert sent.round_trip(SSRC, LSR, 0, 3 * SECOND) == SECOND


def test_lost_may_be_below_nothing() -> None:
    made = call()
    made.put(2 * SECOND, receiver_report(2, block(SSRC, lost=-3)), CALLEE_RTCP, CALLER_RTCP)
    assert made.of()[0].reports[0].lost == -3


def test_voip_metrics() -> None:
    made = call()
    compound = receiver_report(2, block(SSRC)) + voip_metrics(2, SSRC)
    made.put(2 * SECOND, compound, CALLEE_RTCP, CALLER_RTCP)
    metrics = made.of()[0].reports[0].metrics
    assert metrics is not None
    assert (metrics.loss, metrics.discarded, metrics.round_trip_ms) == (5, 3, 40)
    assert (metrics.r_factor, metrics.mos_listening, metrics.mos_conversation) == (93, 4.4, None)


def test_one_port_for_both() -> None:
    offers = [text + "a=rtcp-mux\r\n" for text in (OFFER, ANSWER)]
    made = Call()
    made.signal(*offers)
    made.talk(3)
    made.put(2 * SECOND, receiver_report(2, block(SSRC, lost=1)), CALLEE, CALLER)
    (stream,) = made.of()
    assert stream.reports[0].lost == 1


def test_reports_about_what_was_not_captured() -> None:
    made = Call()
    made.signal(OFFER, ANSWER)
    made.put(2 * SECOND, receiver_report(2, block(9, lost=1), block(0)), CALLEE_RTCP, CALLER_RTCP)
    media = made.media()
    assert media.streams == ()
    (report,) = media.reports
    assert (report.about, report.lost, report.jitter) == (9, 1, None)


def test_reports_of_srtp_are_encrypted() -> None:
    made = Call()
    made.signal(described("10.0.0.1", "m=audio 4000 RTP/SAVP 8"), ANSWER)
    made.talk(3)
    made.put(2 * SECOND, receiver_report(2, block(SSRC, lost=1)), CALLEE_RTCP, CALLER_RTCP)
    media = made.media()
    assert (media.reports, media.encrypted_reports) == ((), 1)
    assert media.streams[0].reports == ()


def test_what_is_cut_short_tells_what_is_there() -> None:
    whole = receiver_report(2, block(SSRC, lost=1), block(3, lost=2))
    for length in range(8, len(whole) + 1):
        made = call()
        made.put(2 * SECOND, whole[:length], CALLEE_RTCP, CALLER_RTCP)
        assert len(made.media().reports) == (2 if length == len(whole) else 0)
    # A count of more blocks than there are.
    made = call()
    made.put(2 * SECOND, b"\x9f" + whole[1:], CALLEE_RTCP, CALLER_RTCP)
    assert len(made.media().reports) == 2


def test_sources_told_of_are_bounded() -> None:
    made = call()
    for ssrc in range(1, 100):
        made.put(2 * SECOND, receiver_report(2, block(ssrc)), CALLEE_RTCP, CALLER_RTCP)
    assert len(made.media().reports) == RTCP_BLOCKS


def test_reporters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "RTCP_REPORTERS", 3)
    made = call()
    for ssrc in range(1, 100):
        made.put(2 * SECOND, receiver_report(ssrc, block(9)), CALLEE_RTCP, CALLER_RTCP)
    assert [one.reporter for one in made.media().reports] == [97, 98, 99]


@given(st.binary(min_size=8, max_size=400))
def test_any_bytes(data: bytes) -> None:
    rtcp.take(Reporter(1, 0, 0), SentReports(), 0, data, 0, len(data))


@given(st.binary(min_size=4, max_size=120), st.sampled_from((200, 201, 203, 207)))
def test_any_bytes_behind_a_header(data: bytes, kind: int) -> None:
    packet = bytes((0x9F, kind)) + (len(data) // 4).to_bytes(2, "big") + data
    rtcp.take(Reporter(1, 0, 0), SentReports(), 0, packet, 0, len(packet))


def test_random_datagrams_are_all_counted() -> None:
    chosen = random.Random(6)
    made = call()
    for number in range(3000):
        size = chosen.randrange(80)
        data = bytes([0x80 | chosen.randrange(64), chosen.randrange(256)]) + chosen.randbytes(size)
        made.put(number * MS, data[: chosen.randrange(len(data) + 1)], CALLER, CALLEE)
        made.put(
            number * MS, rtp(chosen.randrange(65536), chosen.randrange(1 << 32)), CALLER, CALLEE
        )
    made.media()
    assert made.tally.unaccounted == 0
    assert not made.tally.suspects
