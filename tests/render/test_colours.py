"""Colours: stable, readable on black and white and by the colour-blind, off when not wanted."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from sipstream.render.colours import (
    PLAIN,
    SGR,
    THEMES,
    Paint,
    Theme,
    cut_painted,
    theme_of,
    wanted,
)

LEVELS = (0, 95, 135, 175, 215, 255)
Colour = tuple[float, float, float]
CLASSES = ("provisional", "success", "redirection", "failure")
COLOURED = [name for name in THEMES if name != "mono"]
# What is left of linear RGB when one kind of cones is missing (Machado, Oliveira, Fernandes 2009).
BLINDNESS: dict[str, tuple[Colour, Colour, Colour]] = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}


def linear(code: str) -> Colour:
    """Linear RGB of a code for a colour of the 6x6x6 cube of 256-colour terminals."""
    place = int(re.findall(r"38;5;(\d+)m", code)[0]) - 16
    parts = (LEVELS[place // 36], LEVELS[place // 6 % 6], LEVELS[place % 6])
    red, green, blue = (
        p / 255 / 12.92 if p / 255 <= 0.04045 else ((p / 255 + 0.055) / 1.055) ** 2.4 for p in parts
    )
    return red, green, blue


def luminance(code: str) -> float:
    """Relative luminance (WCAG 2)."""
    red, green, blue = linear(code)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def seen(code: str, blindness: str) -> Colour:
    """A colour as it is seen, in CIE L*a*b* (D65)."""
    colour = linear(code)
    red, green, blue = (
        min(max(sum(a * b for a, b in zip(row, colour, strict=True)), 0), 1)
        for row in BLINDNESS[blindness]
    )
    x, y, z = (
        t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116
        for t in (
            (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047,
            0.2126729 * red + 0.7151522 * green + 0.0721750 * blue,
            (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883,
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def statuses(theme: Theme) -> list[str]:
    return [getattr(theme, name) for name in CLASSES]


@pytest.mark.parametrize(
    ("name", "on_black", "on_white"), [("dark", 4.5, 1), ("light", 1, 4.5), ("both", 3, 3)]
)
def test_colours_stand_off_their_background(name: str, on_black: float, on_white: float) -> None:
    theme = THEMES[name]
    syntax = (theme.name, theme.party, theme.media, theme.removed, theme.added)
    for code in {*theme.call_ids, *statuses(theme), *syntax}:
        assert contrast(luminance(code), 0) >= on_black, code
        assert contrast(luminance(code), 1) >= on_white, code


@pytest.mark.parametrize("name", COLOURED)
@pytest.mark.parametrize("blindness", BLINDNESS)
def test_classes_of_statuses_stay_apart_for_everybody(name: str, blindness: str) -> None:
    for one, other in combinations(statuses(THEMES[name]), 2):
        pair = zip(seen(one, blindness), seen(other, blindness), strict=True)
        assert sum((a - b) ** 2 for a, b in pair) ** 0.5 >= 24, (one, other)


@pytest.mark.parametrize(("name", "ratio"), [("dark", 1.5), ("light", 1.5), ("both", 1.2)])
def test_success_and_failure_differ_in_lightness_too(name: str, ratio: float) -> None:
    theme = THEMES[name]
    assert contrast(luminance(theme.success), luminance(theme.failure)) >= ratio
    if ratio < 1.5:
        # What fits any background can't differ more in lightness: the weight helps.
        assert theme.failure.startswith("\x1b[1;")


def test_mono_has_no_colour_and_tells_classes_apart() -> None:
    codes = statuses(THEMES["mono"])
    assert len(set(codes)) == len(codes)
    assert not any("38;5" in code for code in (*codes, *THEMES["mono"].call_ids))
    assert Paint(True, THEMES["mono"]).call_id("x", "a@b") == "x"


@pytest.mark.parametrize("name", COLOURED)
def test_no_call_looks_like_a_status(name: str) -> None:
    calls = THEMES[name].call_ids
    assert len(set(calls)) == len(calls) == 12
    numbers = {code.replace("[1;", "[") for code in statuses(THEMES[name])}
    assert not set(calls) & numbers


@pytest.mark.parametrize(
    ("name", "environment", "theme"),
    [
        ("auto", {}, "both"),
        ("auto", {"COLORFGBG": "15;0"}, "dark"),
        ("auto", {"COLORFGBG": "12;8"}, "dark"),
        ("auto", {"COLORFGBG": "0;default;15"}, "light"),
        ("auto", {"COLORFGBG": "0;7"}, "light"),
        ("auto", {"COLORFGBG": "default"}, "both"),
        ("dark", {"COLORFGBG": "0;15"}, "dark"),
        ("mono", {}, "mono"),
    ],
)
def test_the_terminal_tells_which_theme_fits(
    name: str, environment: dict[str, str], theme: str
) -> None:
    assert theme_of(name, environment) is THEMES[theme]


def test_a_call_id_keeps_its_colour() -> None:
    paint = Paint(True)
    # The very code: another would mean that colours change from one release to the next.
    assert paint.call_id("x", "a@b") == "\x1b[38;5;99mx\x1b[0m"
    assert paint.call_id("y", "a@b") == "\x1b[38;5;99my\x1b[0m"
    used = {paint.call_id("", f"{n}@b") or paint.call_id("x", f"{n}@b") for n in range(500)}
    assert len(used) == len(paint.theme.call_ids)
    assert SGR.sub("", paint.call_id("x", "\udcff\ud800")) == "x"


@pytest.mark.parametrize("name", THEMES)
def test_only_codes_of_the_pattern_are_made(name: str) -> None:
    paint = Paint(True, THEMES[name])
    kinds = (100, 200, 302, 404, 503, 700, 0, "INVITE", "BYE", "REGISTER", "OPTIONS", "FOO")
    painted = [paint.status("text", kind) for kind in kinds]
    painted += [paint.call_id("text", f"{n}@b") for n in range(50)]
    painted += [paint.dim("text"), paint.strong("text"), paint.name("text"), paint.media("text")]
    painted += [paint.party("text"), paint.removed("text"), paint.added("text")]
    assert {SGR.sub("", one) for one in painted} == {"text"}


def test_methods_have_weights() -> None:
    paint = Paint(True)
    assert paint.status("x", "INVITE") == paint.status("x", "UPDATE") == "\x1b[1mx\x1b[0m"
    assert paint.status("x", "BYE") == "\x1b[4mx\x1b[0m"
    assert paint.status("x", "REGISTER") == "x"
    assert paint.status("x", "OPTIONS") == "\x1b[2mx\x1b[0m"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (9, "\x1b[1mab\x1b[0m cd \x1b[2m日…\x1b[0m"),
        (10, "\x1b[1mab\x1b[0m cd \x1b[2m日本\x1b[0m"),
        (8, "\x1b[1mab\x1b[0m cd \x1b[2m…\x1b[0m"),
        (2, "\x1b[1ma…\x1b[0m\x1b[2m\x1b[0m"),
        (0, "\x1b[1m\x1b[0m\x1b[2m\x1b[0m"),
    ],
)
def test_painted_text_is_cut_by_its_cells(width: int, shown: str) -> None:
    assert cut_painted("\x1b[1mab\x1b[0m cd \x1b[2m日本\x1b[0m", width) == shown


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
