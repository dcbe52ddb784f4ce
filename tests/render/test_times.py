"""Times: in the local zone, cheap, and never an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstream.render import times

T = 1_523_896_897_979_995_123
"""16 April 2018, 16:41:37.979995123 UTC"""


@pytest.mark.parametrize(
    ("name", "clock", "iso"),
    [
        ("UTC", "16:41:37.979995", "2018-04-16T16:41:37.979995+00:00"),
        ("Asia/Kolkata", "22:11:37.979995", "2018-04-16T22:11:37.979995+05:30"),
        ("America/New_York", "12:41:37.979995", "2018-04-16T12:41:37.979995-04:00"),
        ("XYZ-14", "06:41:37.979995", "2018-04-17T06:41:37.979995+14:00"),
    ],
)
def test_the_local_zone(zone: Callable[[str], None], name: str, clock: str, iso: str) -> None:
    zone(name)
    assert times.clock(T) == clock
    assert times.iso(T) == iso


def test_summer_time_begins_within_a_capture(zone: Callable[[str], None]) -> None:
    zone("CET-1CEST,M3.5.0,M10.5.0/3")
    before = 1_521_939_599  # 25 March 2018, 00:59:59 UTC
    assert times.clock(before * 10**9) == "01:59:59.000000"
    assert times.clock((before + 1) * 10**9) == "03:00:00.000000"
    assert times.iso((before + 1) * 10**9) == "2018-03-25T03:00:00.000000+02:00"


def test_before_1970_and_far_away(zone: Callable[[str], None]) -> None:
    zone("UTC")
    assert times.clock(-1) == "23:59:59.999999?"
    assert times.iso(-1) == "1969-12-31T23:59:59.999999+00:00"
    assert times.iso(0) == "1970-01-01T00:00:00.000000+00:00"
    assert times.iso(253_402_300_800 * 10**9) == "+10000-01-01T00:00:00.000000+00:00"
    assert times.iso(-62_167_219_200 * 10**9) == "0000-01-01T00:00:00.000000+00:00"
    assert times.iso(-62_167_219_201 * 10**9) == "-0001-12-31T23:59:59.000000+00:00"


@given(st.integers() | st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-(10**40), 10**40))
def test_any_number_gives_a_time(ns: int) -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{6}\??", times.clock(ns))
    assert re.fullmatch(
        r"[+-]?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d(:\d\d)?", times.iso(ns)
    )


@given(st.integers(0, 4 * 10**18))
def test_iso_reads_back(ns: int) -> None:
    moment = datetime.fromisoformat(times.iso(ns))
    assert moment.tzinfo is not None
    assert int(moment.timestamp()) == ns // 10**9
    assert moment.microsecond == ns // 1000 % 10**6
    assert moment.astimezone().strftime("%H:%M:%S.%f") == times.clock(ns).removesuffix("?")
