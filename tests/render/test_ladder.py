"""Ladders as lines: golden ones at three widths, and none wider than it may be."""

from __future__ import annotations

from functools import cache

import pytest
from ladders import CASES, OTHERS, STYLES, b2bua, drawn, golden, hostile, many_forks, to_itself
from support import SHARED

from sipstream.escape import cells
from sipstream.ladder import Ladder
from sipstream.render.arrows import ASCII, BOX, delta, seconds, shortened, style_of
from sipstream.render.colours import SGR, THEMES, Paint
from sipstream.render.ladder import Drawing, lines

S = 10**9


@cache
def ladder_of(name: str) -> Ladder:
    """Made once for all widths."""
    return (CASES | OTHERS)[name]()


@pytest.mark.parametrize("width", STYLES)
@pytest.mark.parametrize("name", CASES)
def test_golden_ladders(name: str, width: int) -> None:
    assert drawn(ladder_of(name), width) == golden(name, width).read_text(encoding="utf-8")


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the captures in ../shared")
@pytest.mark.parametrize("width", STYLES)
@pytest.mark.parametrize("name", OTHERS)
def test_golden_ladders_of_others(name: str, width: int) -> None:
    assert drawn(ladder_of(name), width) == golden(name, width).read_text(encoding="utf-8")


@pytest.mark.parametrize("made", [b2bua, many_forks, hostile, to_itself])
def test_no_line_is_wider_than_the_terminal(made: type[Ladder]) -> None:
    ladder = made()
    for width in range(8, 200, 3):
        for line in lines(ladder, width, names=["7", "12"], style=BOX):
            for part in line.split("\n"):
                assert cells(part) <= width, (width, part)
                assert part.isprintable()


def test_lifelines_stand_below_one_another_whatever_a_label_is_made_of() -> None:
    ladder = hostile()
    rows = [line for one in lines(ladder, 100, style=BOX) for line in one.split("\n")]
    places = [
        {cells(row[:place]) for place, char in enumerate(row) if char == "│"}
        for row in rows
        if row.startswith("[")
    ]
    everywhere = set.union(*places)
    assert len(everywhere) == len(ladder.columns)
    # An arrow over all columns covers the middle one.
    assert all(len(one) >= 2 and one <= everywhere for one in places)


def test_colours_are_those_of_the_classes_and_change_no_letter() -> None:
    ladder = b2bua()
    paint = Paint(True, THEMES["dark"])
    plain = list(lines(ladder, 80, names=["0", "1"]))
    painted = list(lines(ladder, 80, names=["0", "1"], paint=paint))
    assert [SGR.sub("", line) for line in painted] == plain
    ok = next(line for line in painted if "200 OK" in line)
    assert f"{THEMES['dark'].success}<" in ok
    # Of a request only the label has a weight: an arrow that is underlined looks like two.
    assert any("--\x1b[4m BYE \x1b[0m--" in line for line in painted)
    # Long waits stand out.
    assert any("\x1b[1m+59.910\x1b[0m" in line for line in painted)
    assert any("\x1b[2m+0.4ms\x1b[0m" in line for line in painted)


def test_without_a_terminal_all_labels_are_whole() -> None:
    text = "\n".join(lines(many_forks(), None))
    assert "others" not in text
    assert "…" not in text
    assert text.count("180 Ringing") == 14


def test_what_has_no_column_is_named() -> None:
    text = "\n".join(lines(many_forks(), 60))
    assert "No room for 13 endpoints" in text
    assert "5 more" in text
    for host in (20, 26, 28, 33):
        assert f"to 10.0.0.{host}:5060" in text
        assert f"from 10.0.0.{host}:5060" in text
    # The one that answered has as many arrows as the caller.
    assert "10.0.0.27:5060" in text
    assert "to 10.0.0.27" not in text


def test_box_characters_are_for_terminals_that_have_them() -> None:
    assert style_of(80, "utf-8") is BOX
    assert style_of(80, "ascii") is ASCII
    assert style_of(None, "utf-8") is ASCII
    assert "\n".join(lines(to_itself(), 80, style=ASCII)).isascii()


def test_an_empty_ladder_has_no_lines() -> None:
    assert list(lines(Ladder((), (), ()), 80)) == []


def test_columns_alone_have_names_before_any_arrow() -> None:
    columns = to_itself().columns
    heads = Drawing(columns, 80).lifelines.heads()
    assert all(one.shown in "\n".join(heads) for one in columns)


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("10.20.0.22:5060", 15, "10.20.0.22:5060"),
        ("10.20.0.22:5060", 9, "10.2…5060"),
        ("[2001:db8::1]:5060", 12, "[2001…]:5060"),
        (r"\x1b\x1b\x1b\x1b", 10, r"\x1b…\x1b"),
        ("電話交換機", 6, "電…機"),
        ("pbx", 1, "…"),
    ],
)
def test_names_are_cut_in_the_middle(text: str, width: int, short: str) -> None:
    assert shortened(text, width) == short
    assert cells(shortened(text, width)) <= width


def test_durations() -> None:
    assert [seconds(one) for one in (200_000, S // 2, 31_499_775_000)] == [
        "0.2 ms",
        "0.50 s",
        "31.5 s",
    ]
    times = (0, 9 * 10**6, S // 2, 999 * S, 999_999_999_999, 1000 * S, 10**9 * S)
    assert [delta(one) for one in times] == [
        "+0.0ms", "+9.0ms", "+0.500", "+999.000", "+1000.00", "+16m40s", "+11574d01h",
    ]  # fmt: skip
