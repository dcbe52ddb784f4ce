"""What broken filters are answered, word by word, and where the caret stands: mistakes.txt has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipstream.filters import Filter, FilterTextError
from sipstream.limits import FILTER_DEPTH, FILTER_TEXT

LINES = [
    line
    for line in (Path(__file__).parent / "mistakes.txt").read_text().splitlines()
    if line and not line.startswith("# ")
]
MISTAKES = list(zip(LINES[::2], LINES[1::2], strict=True))
"""A filter, and below it the caret and what is said of it."""


def told(text: str) -> str:
    """The caret in its place and the error, as a terminal shows them below the text."""
    with pytest.raises(FilterTextError) as caught:
        Filter.parse(text)
    assert caught.value.text == text
    return f"{' ' * (caught.value.column - 1)}^ {caught.value}"


@pytest.mark.parametrize(("text", "answer"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_mistake(text: str, answer: str) -> None:
    assert told(text) == answer


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "a filter needs a term, such as `dstnum 5660066`"),
        ("  ", 3, "a filter needs a term, such as `dstnum 5660066`"),
        ("callid a\0b", 9, "the control character \\x00 at column 9 can't stand in a filter"),
        ("callid a\x1bb", 9, "the control character \\x1b at column 9 can't stand in a filter"),
        ("user a\ud800", 7, "the half character U+D800 at column 7 can't stand in a filter"),
        ('callid "a\nb"', 8, "a value in quotes stands on one line, without tabs"),
        (
            "callid " + "a" * FILTER_TEXT,
            FILTER_TEXT,
            f"a filter may have {FILTER_TEXT} characters, this one has {FILTER_TEXT + 7}",
        ),
        (
            "(" * (FILTER_DEPTH + 1),
            FILTER_DEPTH + 1,
            f"more than {FILTER_DEPTH} parentheses and `not` inside each other (column 65)",
        ),
        (
            "not " * (FILTER_DEPTH + 1) + "srcnum 1",
            4 * FILTER_DEPTH + 1,
            f"more than {FILTER_DEPTH} parentheses and `not` inside each other (column 257)",
        ),
        (
            "ua ~ " + "a" * 1001,
            6,
            "a regular expression has at most 1000 characters, this one 1001",
        ),
        ("user " + "?" * 33, 6, "a value has at most 32 `?`, this one has 33"),
        (
            r'ua ~ "(?:a?b?){500}"',
            6,
            "'(?:a?b?){500}' repeats too much: it would take long on long texts",
        ),
        (
            "user *" + "a" * 200 + "?*",
            6,
            "a value with `?` has at most 200 characters, this one 203",
        ),
    ],
)
def test_mistake_of_odd_text(text: str, column: int, message: str) -> None:
    assert told(text) == f"{' ' * (column - 1)}^ {message}"


def test_what_is_meant_otherwise_is_taken_in_quotes() -> None:
    """Each error that names a remedy names one that works."""
    for text in (
        'header Diversion "reason=user-busy"',
        "header Diversion x and reason = user-busy",
        'srcnum alice "nad"',
        'srcnum 1 "dstnmu"',
        'has "Diverison"',
        'ua ~ "(asterisk|kamailio)"',
        "not srcnum 1",
        "has diversion has pai",
        'port 5060 and user ">"',
    ):
        wanted = Filter.parse(text)
        assert Filter.parse(str(wanted)) == wanted
