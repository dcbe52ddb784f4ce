"""Loss, order and duplicates by sequence numbers (RFC 3550 A.1 and A.3), computed by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rtp_made import MS, one_stream, rtp

from sipstream.rtp.running import Running
from sipstream.rtp.values import Stream


def heard(*sequences: int) -> Stream:
    """The stream of packets with these numbers, one each 20 ms."""
    return one_stream(
        *((20 * MS * place, rtp(number, 160 * place)) for place, number in enumerate(sequences))
    )


def counts(stream: Stream) -> dict[str, int]:
    names = ("packets", "expected", "lost", "out_of_order", "duplicates", "strays", "restarts")
    return {name: getattr(stream, name) for name in names if getattr(stream, name)}


def test_nothing_lost() -> None:
    assert counts(heard(7, 8, 9)) == {"packets": 3, "expected": 3}


def test_one_packet() -> None:
    stream = heard(7)
    assert counts(stream) == {"packets": 1, "expected": 1}
    assert stream.jitter is None and stream.gap == 0


def test_lost_across_the_wrap() -> None:
    # 65534, 65535, 0, 1, 2: of five two are missing.
    stream = heard(65534, 0, 2)
    assert counts(stream) == {"packets": 3, "expected": 5, "lost": 2}
    assert stream.loss == 0.4


def test_late_is_not_lost() -> None:
    assert counts(heard(1, 2, 4, 3, 5)) == {"packets": 5, "expected": 5, "out_of_order": 1}


def test_late_across_the_wrap() -> None:
    assert counts(heard(65534, 0, 65535, 1)) == {"packets": 4, "expected": 4, "out_of_order": 1}


def test_a_packet_before_the_first_one_seen() -> None:
    assert counts(heard(11, 10, 12)) == {"packets": 3, "expected": 3, "out_of_order": 1}


def test_a_duplicate_makes_up_for_no_loss() -> None:
    # RFC 3550 A.3 counts 1, 2, 2, 4 as nothing lost; of 1 to 4 the third is missing.
    assert counts(heard(1, 2, 2, 4)) == {
        "packets": 4, "expected": 4, "lost": 1, "duplicates": 1,
    }  # fmt: skip
    assert counts(heard(1, 2, 3, 1)) == {"packets": 4, "expected": 3, "duplicates": 1}


def test_a_long_hole_is_loss_and_a_longer_one_another_count() -> None:
    # MAX_DROPOUT of RFC 3550 A.1 is 3000.
    assert counts(heard(1, 3000)) == {"packets": 2, "expected": 3000, "lost": 2998}
    assert counts(heard(1, 3001)) == {"packets": 2, "expected": 1, "strays": 1}
    stray = heard(1, 2, 3003, 3, 4)
    assert counts(stray) == {"packets": 5, "expected": 4, "strays": 1}
    anew = heard(1, 2, 40000, 40001, 40003)
    assert counts(anew) == {"packets": 5, "expected": 6, "lost": 1, "restarts": 1}


def test_a_number_far_behind_fits_nowhere() -> None:
    # MAX_MISORDER of RFC 3550 A.1 is 100: 99 behind is late, 100 behind isn't.
    assert counts(heard(200, 101)) == {
        "packets": 2, "expected": 100, "lost": 98, "out_of_order": 1,
    }  # fmt: skip
    assert counts(heard(200, 100)) == {"packets": 2, "expected": 1, "strays": 1}


@given(st.lists(st.integers(0, 60), min_size=1, max_size=120), st.integers(0, 65535))
def test_any_order_within_the_window(places: list[int], first: int) -> None:
    running = Running(0, 1, (first + places[0]) & 0xFFFF)
    for time, place in enumerate(places):
        running.take(time, 8, (first + place) & 0xFFFF, 0, b"", 0, 0)
    there = set(places)
    assert running.packets == len(places)
    assert running.duplicates == len(places) - len(there)
    assert running.expected == max(there) - min(there) + 1
    assert running.lost == running.expected - len(there)


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=60))
def test_any_numbers_at_all(sequences: list[int]) -> None:
    running = Running(0, 1, sequences[0])
    for time, sequence in enumerate(sequences):
        running.take(time, 8, sequence, 0, b"", 0, 0)
    assert running.packets == len(sequences)
    assert 0 <= running.lost < running.expected
    assert 0 <= running.strays <= running.packets
