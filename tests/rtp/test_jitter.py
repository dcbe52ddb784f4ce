"""Interarrival jitter (RFC 3550 section 6.4.1), the longest gap, and silence, computed by hand."""

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
    Call,
    described,
    event,
    one_stream,
    rtp,
)

from sipstream.rtp.values import Stream


def test_jitter_by_hand() -> None:
    # Each packet is 20 ms of 8,000 Hz. Arrivals 0, 20, 48, 60: |D| is 0, 8, 8 ms.
    # J: 0; 0 + 8/16 = 0.5; 0.5 + (8 - 0.5)/16 = 0.96875.
    stream = one_stream(*((at * MS, rtp(n, 160 * n)) for n, at in enumerate((0, 20, 48, 60))))
    assert stream.jitter is not None
    assert stream.jitter.last == pytest.approx(0.96875 * MS)
    assert stream.jitter.most == pytest.approx(0.96875 * MS)
    assert stream.jitter.mean == pytest.approx((0 + 0.5 + 0.96875) / 3 * MS)


def test_timestamps_wrap() -> None:
    stream = one_stream(*((20 * n * MS, rtp(n, 0xFFFFFF60 + 160 * n)) for n in range(4)))
    assert stream.jitter is not None and stream.jitter.most == 0


def test_the_clock_of_a_dynamic_type_is_the_session_description_s() -> None:
    # 960 ticks of opus at 48,000 Hz are 20 ms; the second is 16 ms late: 16/16 = 1 ms.
    packets = [rtp(n, 960 * n, payload_type=96) for n in range(2)]
    stream = one_stream((0, packets[0]), (36 * MS, packets[1]))
    assert stream.jitter is not None and stream.jitter.last == pytest.approx(1 * MS)
    assert (stream.codec, stream.payloads[0].rate) == ("opus", 48000)


def test_a_dynamic_type_that_nothing_names_has_no_jitter() -> None:
    packets = [rtp(n, 960 * n, payload_type=97) for n in range(2)]
    stream = one_stream((0, packets[0]), (36 * MS, packets[1]))
    assert stream.jitter is None and stream.codec == "97"


def test_static_types_have_their_own_clocks() -> None:
    # G.722 counts 8,000 a second whatever it samples (RFC 3551 section 4.5.2); type 6 has 16,000.
    for payload_type, ticks, codec in ((9, 160, "G722"), (6, 320, "DVI4"), (34, 1800, "H263")):
        stream = one_stream(
            *((20 * n * MS, rtp(n, ticks * n, payload_type=payload_type)) for n in range(3))
        )
        assert stream.codec == codec
        assert stream.jitter is not None and stream.jitter.most == 0


def test_events_and_other_clocks_between_tell_nothing_of_jitter() -> None:
    stream = one_stream(
        (0, rtp(0, 0)),
        (20 * MS, rtp(1, 160)),
        (40 * MS, rtp(2, 320, payload_type=101, payload=event(5, 160))),
        (60 * MS, rtp(3, 320, payload_type=101, payload=event(5, 320))),
        (80 * MS, rtp(4, 640)),
        (90 * MS, rtp(5, 99999, payload_type=96)),
        (100 * MS, rtp(6, 800)),
        (120 * MS, rtp(7, 960)),
    )
    assert stream.jitter is not None and stream.jitter.most == 0


def test_a_clock_that_is_set_anew_is_no_jitter() -> None:
    stream = one_stream((0, rtp(0, 10**6)), (20 * MS, rtp(1, 0)), (40 * MS, rtp(2, 160)))
    assert stream.jitter is not None and stream.jitter.most == 0


def test_numbers_and_clock_that_begin_anew_are_no_jitter() -> None:
    stream = one_stream(
        *((20 * n * MS, rtp(n, 160 * n)) for n in range(3)),
        *((20 * n * MS, rtp(30_000 + n, 16_000 + 160 * n)) for n in range(3, 6)),
    )
    assert (stream.restarts, stream.lost) == (1, 0)
    assert stream.jitter is not None and stream.jitter.most == 0


def test_duplicates_tell_nothing_of_jitter() -> None:
    stream = one_stream((0, rtp(0, 0)), (MS, rtp(0, 0)), (20 * MS, rtp(1, 160)))
    assert stream.jitter is not None and stream.jitter.most == 0


def test_the_longest_gap() -> None:
    stream = one_stream(*((at * MS, rtp(n, 160 * n)) for n, at in enumerate((0, 20, 190, 200))))
    assert stream.gap == 170 * MS
    assert stream.gap_at == BEGIN + 20 * MS


def test_a_pause_without_packets_is_silence_and_a_hole_is_not() -> None:
    stream = one_stream(
        (0, rtp(0, 0)),
        (500 * MS, rtp(1, 4000, marker=True)),
        (520 * MS, rtp(2, 4160)),
        (1020 * MS, rtp(27, 8160)),
    )
    assert (stream.silence, stream.pauses, stream.markers) == (500 * MS, 1, 1)
    assert (stream.lost, stream.gap) == (24, 500 * MS)


def test_comfort_noise_is_silence() -> None:
    # RFC 3389: nothing is to be heard from the noise packet to the next one of speech.
    stream = one_stream(
        (0, rtp(0, 0)),
        (20 * MS, rtp(1, 160, payload_type=13, payload=b"\x40")),
        (120 * MS, rtp(2, 960, marker=True)),
    )
    assert (stream.silence, stream.comfort_noise, stream.pauses) == (100 * MS, 1, 0)
    assert [one.name for one in stream.payloads] == ["PCMA", "CN"]


def test_g711_of_equal_bytes_is_silence() -> None:
    def silent(payload_type: int, payload: bytes) -> int:
        packets = [rtp(n, 160 * n, payload_type=payload_type, payload=payload) for n in range(3)]
        return one_stream(*((20 * n * MS, one) for n, one in enumerate(packets))).silence

    assert silent(8, b"\xd5" * 160) == 40 * MS
    assert silent(0, b"\xff" * 160) == 40 * MS
    assert silent(0, b"\xff" * 159 + b"\xfe") == 0
    assert silent(9, b"\xff" * 160) == 0
    assert silent(8, b"") == 0


def test_padding_extension_and_sources_are_no_payload() -> None:
    # One CSRC, an extension of one word, two bytes of padding around silence.
    payload = b"abcd" + b"\xbe\xde\x00\x01efgh" + b"\xd5" * 20 + b"\x00\x02"
    packets = [rtp(n, 160 * n, payload=payload, first=0x80 | 0x20 | 0x10 | 1) for n in range(2)]
    stream = one_stream((0, packets[0]), (20 * MS, packets[1]))
    assert stream.silence == 20 * MS


def test_ipv6() -> None:
    ends = ("2001:db8::1", 4000), ("2001:db8::2", 5000)
    call = Call()
    call.signal(*(described(one[0], f"m=audio {one[1]} RTP/AVP 8") for one in ends))
    call.talk(3, source=ends[0], destination=ends[1])
    (stream,) = call.of()
    assert (stream.source, stream.destination, stream.packets) == (*ends, 3)


def _two(call: Call) -> list[Stream]:
    call.signal(OFFER, ANSWER)
    return call.of()


def test_one_way() -> None:
    call = Call()
    call.talk(100)
    (stream,) = _two(call)
    assert stream.one_way
    call = Call()
    call.talk(100)
    call.talk(10, source=CALLEE, destination=CALLER, ssrc=2)
    assert [one.one_way for one in _two(call)] == [False, False]
    call = Call()
    call.talk(101)
    call.talk(10, source=CALLEE, destination=CALLER, ssrc=2)
    assert [one.one_way for one in _two(call)] == [True, False]
    call = Call()
    call.talk(49)
    assert [one.one_way for one in _two(call)] == [False]


def test_what_comes_back_from_another_port_comes_back() -> None:
    call = Call()
    call.talk(100)
    call.talk(100, source=("10.0.0.2", 6000), destination=CALLER, ssrc=2, at=SECOND + 1)
    assert [one.one_way for one in _two(call)] == [False, False]
