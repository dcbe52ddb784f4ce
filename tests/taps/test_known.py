"""Who is there: what agents say of themselves is believed within limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sipstream.bus.names import request_subject
from sipstream.taps import known
from sipstream.taps.known import DISCOVERY_SECONDS, GONE_SECONDS, Known


def info(tap: object = "sbc1", run: str = "A", **others: Any) -> bytes:
    """What an agent answers when it is asked who is there."""
    subject = request_subject(tap, "find") if isinstance(tap, str) else ""
    return json.dumps(
        {
            "name": "sipstream",
            "id": run,
            "version": "1.2.3",
            "metadata": {"tap": tap, "host": "h"},
            "endpoints": [{"name": "find", "subject": subject}],
        }
        | others
    ).encode()


def test_a_tap_is_new_once() -> None:
    there = Known(print)
    tap = there.take(info(), 1.0)
    assert tap is not None
    assert (tap.name, tap.host, tap.version) == ("sbc1", "h", "1.2.3")
    assert there.take(info(), 2.0) is None
    assert there.there == [tap]


def test_a_tap_is_gone_and_back() -> None:
    there = Known(print)
    tap = there.take(info(), 0.0)
    assert there.settle(GONE_SECONDS) == []
    assert there.settle(GONE_SECONDS + 0.1) == [tap]
    assert (there.there, there.all) == ([], [tap])
    assert there.settle(GONE_SECONDS + 9) == []
    assert there.take(info(), GONE_SECONDS + 10) is tap
    assert there.there == [tap]


def test_nobody_is_gone_because_the_bus_was_away() -> None:
    there = Known(print)
    tap = there.take(info(), 1.0)
    assert tap is not None
    there.excuse(60.0)
    assert there.settle(60.0 + GONE_SECONDS) == []
    # When it was heard is shown: that it couldn't be changes nothing.
    assert tap.heard == 1.0
    assert there.settle(60.1 + GONE_SECONDS) == [tap]


def test_one_that_was_started_anew_is_told_so_that_it_is_followed_again() -> None:
    there = Known(print)
    tap = there.take(info(run="A"), 0.0)
    assert there.take(info(run="B"), 3.0) is tap
    assert there.take(info(run="B"), 3.0 + DISCOVERY_SECONDS) is None


def test_two_of_one_name_are_told_once() -> None:
    told: list[str] = []
    there = Known(told.append)
    for round_ in range(4):
        there.take(info(run="A"), round_ * DISCOVERY_SECONDS)
        there.take(info(run="B"), round_ * DISCOVERY_SECONDS + 0.01)
    assert told == ["two agents call themselves sbc1: start one of them with another --tap"]


def test_names_stand_in_their_order() -> None:
    there = Known(print)
    for name in ("sbc10", "sbc2", "pbx", "sbc1", "7", "sbc2b"):
        there.take(info(name), 0.0)
    assert [tap.name for tap in there.all] == ["7", "pbx", "sbc1", "sbc2", "sbc2b", "sbc10"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xff", "is no agent of sipstream"),
        (b"[" * 100_000, "is no agent of sipstream"),
        (b"[1]", "is no agent of sipstream"),
        (info(name="other"), "is no agent of sipstream"),
        (info(metadata=[]), "is no agent of sipstream"),
        (info(7), "is no agent of sipstream"),
        (info(""), "names no tap of at most 64 bytes"),
        (info("x" * 65), "names no tap of at most 64 bytes"),
        (info(metadata={"tap": "\ud800"}), "names no tap of at most 64 bytes"),
        (
            info(endpoints=[{"subject": "sip.sbc1.0"}]),
            "isn't asked at the subjects of its tap's name",
        ),
        (info(endpoints="x"), "isn't asked at the subjects of its tap's name"),
        (info(endpoints=[7, {"subject": ["x"]}]), "isn't asked at the subjects of its tap's name"),
    ],
)
def test_what_makes_no_sense_is_left_out(data: bytes, why: str) -> None:
    told: list[str] = []
    there = Known(told.append)
    assert there.take(data, 0.0) is None
    assert there.take(data, 0.0) is None
    assert there.all == []
    assert there.refused == {why: 2}
    assert told == [f"left out: what answers as an agent but {why}"]


def test_there_is_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST", 3)
    told: list[str] = []
    there = Known(told.append)
    for number in range(5):
        there.take(info(f"sbc{number}"), 0.0)
    assert [tap.name for tap in there.all] == ["sbc0", "sbc1", "sbc2"]
    assert told == ["left out: what answers as an agent but is one more than 3 taps"]
    there.settle(GONE_SECONDS + 1)
    assert there.take(info("new"), GONE_SECONDS + 1) is not None
    assert [tap.name for tap in there.there] == ["new"]


def test_texts_have_a_length() -> None:
    there = Known(print)
    tap = there.take(info(metadata={"tap": "sbc1", "host": "h" * 1000}, version=[1]), 0.0)
    assert tap is not None
    assert (len(tap.host), tap.version) == (64, "")
