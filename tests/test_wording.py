from __future__ import annotations

import pytest

from sipstream.wording import seconds


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0.0 ms"),
        (240_000, "0.2 ms"),
        (9_900_000, "9.9 ms"),
        (10_000_000, "0.01 s"),
        (740_000_000, "0.74 s"),
        (1_000_000_000, "1.0 s"),
        (31_520_000_000, "31.5 s"),
    ],
)
def test_durations_are_as_exact_as_they_are_short(ns: int, text: str) -> None:
    assert seconds(ns) == text
