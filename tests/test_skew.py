"""How far clocks of taps are apart, from what they saw in both directions."""

from __future__ import annotations

from random import Random

import pytest

from sipstream.skew import FEWEST, MISSES, PAIRS, SAMPLES, Apart, Skew, Skews

US, MS = 1000, 10**6
THERE, BACK = (1, 2), (2, 1)


def measured(
    skews: Skews,
    ahead: int,
    *,
    taps: tuple[int, int] = (0, 1),
    count: int = 40,
    way: int = 300 * US,
) -> None:
    """Messages there and back between two taps, the second tap's clock being ahead; `way` at least."""
    random = Random(ahead)
    for number in range(count):
        took = way + random.randrange(2 * MS)
        back = number % 2
        skews.saw(*taps, BACK if back else THERE, ahead - took if back else ahead + took)


def apart(skews: Skews, tap: int) -> Apart:
    for _ in skews.settle():
        pass
    skew = skews.of(tap)
    assert skew is not None
    return skew.apart


@pytest.mark.parametrize("ahead", [0, 1200 * MS, -1200 * MS, -70_000 * MS, 20 * US])
def test_both_ways(ahead: int) -> None:
    skews = Skews()
    measured(skews, ahead)
    found = apart(skews, 1)
    assert found.within is not None
    assert abs(found.offset - ahead) <= found.within < MS
    assert found.sightings == 40
    assert skews.of(0) == Skew(0, Apart(0, 0, 0))


def test_the_other_way_round() -> None:
    """It doesn't matter which of two was named first, nor at which end of the way a tap is."""
    one, other = Skews(), Skews()
    for direction, time in ((THERE, 5 * MS), (BACK, 3 * MS)) * 5:
        one.saw(0, 1, direction, time)
        other.saw(1, 0, direction[::-1], -time)  # type: ignore[arg-type]
    assert apart(one, 1) == apart(other, 1) == Apart(4 * MS, MS, 10)


def test_one_way_is_no_bound() -> None:
    skews = Skews()
    for _ in range(10):
        skews.saw(0, 1, THERE, 7 * MS)
    assert apart(skews, 1) == Apart(7 * MS, None, 10)


def test_ends_that_are_nearest_count() -> None:
    """Of endpoints behind a slow network it isn't known as well as of those in the same room."""
    skews = Skews()
    for slow in (True, False):
        for number in range(10):
            took = 80 * MS if slow else 100 * US
            ends = (5, 6) if slow else THERE
            skews.saw(
                0, 1, ends[:: -1 if number % 2 else 1], 9 * MS + (-took if number % 2 else took)
            )
    assert apart(skews, 1) == Apart(9 * MS, 100 * US, 20)


def test_not_before_some_agree() -> None:
    skews = Skews()
    for _ in range(FEWEST - 1):
        skews.saw(0, 1, THERE, MS)
    assert skews.of(1) is None
    skews.saw(0, 1, BACK, MS)
    assert skews.of(1) is not None


def test_nothing_is_known_of_what_doesnt_agree() -> None:
    skews = Skews()
    for number in range(40):
        skews.saw(0, 1, THERE, number * 500 * MS)
    assert skews.of(1) is None


def test_few_mistakes_do_no_harm() -> None:
    skews = Skews()
    for _ in range(4):
        measured(skews, 1200 * MS, count=10)
        skews.saw(0, 1, THERE, 1200 * MS - 500 * MS)
        skews.saw(0, 1, BACK, 1200 * MS + 500 * MS)
    found = apart(skews, 1)
    assert found.within is not None
    assert abs(found.offset - 1200 * MS) <= found.within < MS
    assert found.sightings == 40


def test_by_way_of_others() -> None:
    """0 and 3 never saw the same message; the way of least doubt is taken."""
    skews = Skews()
    measured(skews, 10 * MS, taps=(0, 1))
    measured(skews, 20 * MS, taps=(1, 3))
    measured(skews, 90 * MS, taps=(0, 2), way=50 * MS)
    measured(skews, -60 * MS, taps=(2, 3), way=50 * MS)
    found = apart(skews, 3)
    assert found.within is not None
    assert abs(found.offset - 30 * MS) <= found.within < 3 * MS


def test_groups_without_common_messages_have_references_of_their_own() -> None:
    skews = Skews()
    measured(skews, 10 * MS, taps=(0, 1))
    measured(skews, 20 * MS, taps=(4, 2))
    assert [skew and skew.reference for skew in map(skews.of, range(5))] == [0, 0, 2, None, 2]


def test_a_drifting_clock_is_measured_by_the_newest() -> None:
    skews = Skews()
    measured(skews, 0, count=SAMPLES)
    measured(skews, 40 * MS, count=SAMPLES)
    assert abs(apart(skews, 1).offset - 40 * MS) < MS


def test_a_clock_that_was_set() -> None:
    skews = Skews()
    measured(skews, 0)
    for _ in range(MISSES - 1):
        skews.missed(1, 0)
    measured(skews, 0, count=1)
    for _ in range(MISSES - 1):
        skews.missed(0, 1)
    assert skews.of(1) is not None
    skews.missed(0, 1)
    assert skews.of(1) is None
    measured(skews, 5000 * MS)
    assert abs(apart(skews, 1).offset - 5000 * MS) < MS


def test_bounded() -> None:
    skews = Skews()
    for tap in range(1, PAIRS + 100):
        measured(skews, 0, taps=(0, tap), count=FEWEST)
    assert len(skews) == PAIRS
    assert skews.of(PAIRS) is not None
