"""Words of our own on terminals of any width: nothing is lost, nothing is broken within a word."""

from __future__ import annotations

import pytest

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.filters import TERMS
from sipstream.render.fold import folded
from sipstream.shell import help as help_texts
from sipstream.shell.registry import COMMANDS

TOPICS = ["", "filters", "|", *TERMS, *{" ".join(one.words) for one in COMMANDS}, "set", "show"]


@pytest.mark.parametrize("width", [40, 80])
def test_all_of_help_fits(width: int) -> None:
    for topic in TOPICS:
        lines = (help_texts.of(topic, "general") or "").split("\n")
        found = list(folded(lines, width))
        assert " ".join(found).split() == " ".join(lines).split()
        assert all(len(line) <= width for line in found if " " in line.strip()), topic


def test_a_paragraph_is_filled_anew() -> None:
    lines = ["one two three four five", "six", "", "seven"]
    assert list(folded(lines, 12)) == ["one two", "three four", "five six", "", "seven"]


def test_a_row_goes_on_below_its_last_column() -> None:
    lines = ["all   of it", "some  of it and some more"]
    assert list(folded(lines, 17)) == [
        "all   of it",
        "some  of it and",
        "      some more",
    ]


def test_rows_without_room_have_their_last_column_below() -> None:
    lines = ["all   <number>  of it", "some  <number>  of it and more"]
    assert list(folded(lines, 20)) == [
        "all   <number>",
        "    of it",
        "some  <number>",
        "    of it and more",
    ]


def test_examples_keep_their_lines() -> None:
    lines = ["Examples:", "", "$ a   table  of", "words of one line"]
    assert list(folded(lines, 15)) == [
        "Examples:",
        "",
        "$ a   table  of",
        "words of one",
        "    line",
    ]


def test_what_fits_stays_as_it_is() -> None:
    lines = ["one", "two", "", "three  four"]
    assert list(folded(lines, 40)) == lines
