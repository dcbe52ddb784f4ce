"""Colours: stable, readable on black and on white, and off when nobody wants them."""

from __future__ import annotations

import pytest

from sipstream.render import colours
from sipstream.render.colours import CALL_IDS, PLAIN, SGR, Paint, wanted

LEVELS = (0, 95, 135, 175, 215, 255)


def luminance(number: int) -> float:
    """Relative luminance (WCAG 2) of a colour of the 6x6x6 cube of 256-colour terminals."""
    place = number - 16
    parts = [LEVELS[place // 36] / 255, LEVELS[place // 6 % 6] / 255, LEVELS[place % 6] / 255]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


STATUSES = [colours._of_status(code) for code in (100, 200, 302, 404, 503, 603)]


@pytest.mark.parametrize("number", sorted({*CALL_IDS, *STATUSES}))
def test_colours_stand_off_black_and_white(number: int) -> None:
    light = luminance(number)
    assert (light + 0.05) / 0.05 >= 3
    assert 1.05 / (light + 0.05) >= 3


def test_no_call_looks_like_a_status() -> None:
    assert len(set(CALL_IDS)) == len(CALL_IDS)
    assert not set(CALL_IDS) & set(STATUSES)


def test_a_call_id_keeps_its_colour() -> None:
    paint = Paint(True)
    # The very code: another would mean that colours change from one release to the next.
    assert paint.call_id("x", "a@b") == "\x1b[38;5;99mx\x1b[0m"
    assert paint.call_id("y", "a@b") == "\x1b[38;5;99my\x1b[0m"
    used = {paint.call_id("", f"{n}@b") or paint.call_id("x", f"{n}@b") for n in range(500)}
    assert len(used) == len(CALL_IDS)
    assert SGR.sub("", paint.call_id("x", "\udcff\ud800")) == "x"


@pytest.mark.parametrize("kind", ["INVITE", 100, 200, 302, 404, 503, 700, 0])
def test_statuses(kind: int | str) -> None:
    painted = Paint(True).status("text", kind)
    assert SGR.split(painted)[::2] == ["", "text", ""]
    assert PLAIN.status("text", kind) == "text"


def test_without_colours_nothing_is_added() -> None:
    assert PLAIN.call_id("x", "c") == PLAIN.dim("x") == PLAIN.strong("x") == "x"


def test_nothing_is_painted_where_nothing_is() -> None:
    assert Paint(True).dim("") == ""


@pytest.mark.parametrize(
    ("terminal", "environment", "answer"),
    [
        (True, {"TERM": "xterm-256color"}, True),
        (True, {"TERM": "linux", "NO_COLOR": ""}, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (False, {"TERM": "xterm-256color"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "vt100"}, False),
        (True, {}, False),
    ],
)
def test_when_colours_are_wanted(terminal: bool, environment: dict[str, str], answer: bool) -> None:
    assert wanted(terminal, environment) is answer
