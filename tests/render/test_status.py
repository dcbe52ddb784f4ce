"""The bottom line and the progress of a load, in the room there is."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from sipstream.escape import cells
from sipstream.render import status


@dataclass
class Figures:
    sources: list[str] = field(default_factory=lambda: ["eth0"])
    rate: float = 512.4
    messages: int = 6496
    conversations: int = 1083
    given_up: int = 0
    matching: int | None = 2
    drops: int = 7
    follows: int = 1


@dataclass
class Progress:
    done: int = 25
    total: int = 100
    messages: int = 3000
    seconds: float = 2.0


WHOLE = (
    "eth0 | 512 messages/s | messages 6496 | conversations 1083 | matching 2 | drops 7 | follows 1"
)


def test_with_room_for_all() -> None:
    assert status.line(Figures(), 200) == WHOLE
    assert status.line(Figures(), len(WHOLE)) == WHOLE


def test_the_least_important_goes_first() -> None:
    assert status.line(Figures(), len(WHOLE) - 1) == WHOLE.removesuffix(" | follows 1")
    assert (
        status.line(Figures(), 70)
        == "eth0 | messages 6496 | conversations 1083 | matching 2 | drops 7"
    )
    assert status.line(Figures(), 25) == "matching 2 | drops 7"
    assert status.line(Figures(), 10) == "drops 7"
    assert status.line(Figures(), 3) == "dr…"


@pytest.mark.parametrize("width", range(0, 140, 7))
def test_it_fits(width: int) -> None:
    names = ["電話" * 20, "x\x1b[2J.pcap", "y", "z"]
    assert cells(status.line(Figures(sources=names), width)) <= width
    assert cells(status.progress(Progress(), width)) <= width


def test_what_there_is_nothing_of() -> None:
    line = status.line(Figures(sources=[], rate=0, matching=None, follows=0, drops=0), 200)
    assert line == "no source | 0 messages/s | messages 6496 | conversations 1083 | drops 0"


def test_names_of_sources() -> None:
    many = Figures(sources=["eth0", "\x1b]0;x\x07", "b", "c"])
    assert status.line(many, 200).startswith(r"eth0, \x1b]0;x\x07 and 2 more | ")
    long = Figures(sources=["/var/log/very/long/path/to/a/capture.pcap"])
    assert status.line(long, 200).startswith("/var/log/very/long/path… | ")


def test_slow_rates_have_a_decimal() -> None:
    assert "| 0.4 messages/s |" in status.line(Figures(rate=0.42), 200)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (Progress(), "25% | 3000 messages | 1500 messages/s | 6 s left"),
        (Progress(done=100), "100% | 3000 messages | 1500 messages/s | 0 s left"),
        (Progress(done=120), "100% | 3000 messages | 1500 messages/s | 0 s left"),
        (Progress(0, 100, 0, 0.0), "0% | 0 messages | 0 messages/s"),
        (Progress(5, 0, 10, 4.0), "10 messages | 2.5 messages/s"),
        (Progress(1, 100, 10, 2.0), "1% | 10 messages | 5.0 messages/s | 3 min 18 s left"),
        (Progress(1, 10_000, 20, 2.0), "0% | 20 messages | 10 messages/s | 5 h 33 min left"),
    ],
)
def test_progress(state: Progress, text: str) -> None:
    assert status.progress(state, 80) == text
