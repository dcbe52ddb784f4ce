"""Where an error is, shown below the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstream.escape import cells, escape
from sipstream.render.pointer import lines


@pytest.mark.parametrize(
    ("text", "column", "width", "shown"),
    [
        ("dstnm 5", 1, 80, ["  dstnm 5", "  ^"]),
        ("dstnum 5 foo", 10, 80, ["  dstnum 5 foo", "           ^"]),
        ("dstnum", 7, 80, ["  dstnum", "        ^"]),
        ("電話 foo", 4, 80, ["  電話 foo", "       ^"]),
        ("\x1b foo", 3, 80, ["  \\x1b foo", "       ^"]),
        ("a" * 60 + " foo", 62, 40, ["  …" + "a" * 16 + " foo", " " * 20 + "^"]),
        ("foo " + "a" * 60, 1, 40, ["  foo " + "a" * 33 + "…", "  ^"]),
    ],
)
def test_the_caret_stands_under_the_place(
    text: str, column: int, width: int, shown: list[str]
) -> None:
    assert lines(text, column, width) == shown


@given(st.text(max_size=300), st.data(), st.integers(1, 200))
def test_both_lines_fit_and_the_caret_is_under_the_right_character(
    text: str, data: st.DataObject, width: int
) -> None:
    column = data.draw(st.integers(1, len(text) + 1))
    shown, below = lines(text, column, width)
    assert max(cells(shown), len(below)) <= max(width, 26)
    assert below.strip() == "^"
    behind = escape(text[column - 1 : column])
    place = len(below) - 1
    # Characters without a cell of their own stand where the next one does.
    there = [shown[i:] for i in range(len(shown)) if cells(shown[:i]) == place]
    if behind and there and len(there[0]) > len(behind):
        assert any(at.startswith(behind) for at in there) or cells(behind) == 0
