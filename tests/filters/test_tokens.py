"""Words of a filter's text: kinds, places, quotes, limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstream.filters.tokens import FilterTextError, nearest, quote, scan, unfinished
from sipstream.limits import FILTER_DEPTH, FILTER_TEXT


def kinds(text: str) -> str:
    return " ".join(token.kind for token in scan(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("srcnum 1 2", "LIST WORD WORD"),
        ("SrcNum 1 AND nOt(Has PAI)", "LIST WORD AND NOT OPEN NAMED NAME CLOSE"),
        ("has diversion diversion 1", "NAMED NAME LIST WORD"),
        ("has has has header", "NAMED NAME NAMED NAME"),
        ('header has "or" or "has"', "NAMED_LIST NAME WORD OR WORD"),
        ("has and", "NAMED AND"),
        ("foo\u00a0bar\tbaz\r\n", "WORD WORD WORD"),
        ('"srcnum" srcnumx', "WORD WORD"),
    ],
)
def test_what_a_word_is_depends_on_the_one_before(text: str, expected: str) -> None:
    assert kinds(text) == expected


def test_quotes_hold_anything_and_backslashes_protect_quotes_only() -> None:
    [_, value] = scan(r'callid "a \"b\" (c) \\ \d and"')
    assert value.text == r'a "b" (c) \ \d and'
    assert value.start == 7


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("srcnum 1\0", r"the control character \\x00 at column 9 can't stand in a filter", 9),
        ("srcnum \x9b1", r"the control character \\x9b at column 8 ", 8),
        ('callid "abc', "the quote at column 8 is never closed", 8),
        ('callid "abc\\"', "the quote at column 8 is never closed", 8),
        ('callid ab"c"', "a quote within a word at column 10", 10),
        ('callid "ab"c', "a quote within a word at column 12", 12),
        ('callid "a\nb"', "stands on one line", 8),
        ("srcnum 1)", r"no parenthesis is open for `\)` at column 9", 9),
        ("srcnum 1 && dstnum 2", "write `and` for '&&'", 10),
        ("(srcnum 1) || dstnum 2", r"write `or` for '\|\|' \(column 12\)", 12),
        ("srcnum 1, 2", "'1,': values stand apart by blanks, without commas", 8),
        (
            "srcnum 1 dstnmu 2",
            "'dstnmu' is no term, did you mean dstnum, or \"dstnmu\" as a name",
            10,
        ),
        ("srcip pbx dtsip 1", "did you mean dstip", 11),
        ("a" * (FILTER_TEXT + 1), "a filter may have 16384 characters, this one has 16385", 16384),
    ],
)
def test_characters_that_cannot_stand_where_they_do(text: str, message: str, column: int) -> None:
    with pytest.raises(FilterTextError, match=message) as caught:
        scan(text)
    assert caught.value.column == column
    assert caught.value.message == str(caught.value)


@pytest.mark.parametrize(
    "nest",
    [
        lambda depth: "(" * depth + "ip 1.1.1.1" + ")" * depth,
        lambda depth: "not " * depth + "ip 1.1.1.1",
        lambda depth: "not (" * (depth // 2) + "ip 1.1.1.1" + ")" * (depth // 2),
        lambda depth: "(" * (depth - 1) + "not ip 1.1.1.1" + ")" * (depth - 1),
    ],
)
def test_depth_is_limited_however_it_is_made(nest: object) -> None:
    assert callable(nest)
    scan(nest(FILTER_DEPTH) + " or not not ip 1.1.1.1")
    with pytest.raises(FilterTextError, match=f"more than {FILTER_DEPTH} parentheses and `not`"):
        scan(nest(FILTER_DEPTH + 2))


def test_hostile_sizes_are_refused() -> None:
    for text in ("(" * 10_000, "not " * 4000, "a" * 1_000_000, "\0" * 100, '"' * 9999):
        with pytest.raises(FilterTextError):
            scan(text)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12))
def test_quoted_values_come_back(value: str) -> None:
    assert [token.text for token in scan(f"callid {quote(value)}")] == ["callid", value]
    assert [token.text for token in scan(f"srcnum 1 {quote(value)}")][2:] == [value]


def test_quotes_stand_only_where_they_are_needed() -> None:
    written = ["5660066", "a b", "and", "srcnum", "dstnmu", "a(b", "a,", "&&", "", 'a"', "a\\b"]
    assert [quote(value) for value in written] == [
        "5660066",
        '"a b"',
        '"and"',
        '"srcnum"',
        '"dstnmu"',
        '"a(b"',
        '"a,"',
        '"&&"',
        '""',
        '"a\\""',
        "a\\b",
    ]
    assert quote("diversion", subject=True) == "diversion"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", ""),
        ("src", "src"),
        ("srcnum ", ""),
        ("srcnum 41", "41"),
        ("not(sr", "sr"),
        ("not (", ""),
        ('callid "a b', '"a b'),
        ('callid "a b"', '"a b"'),
        ('callid "a b" ', ""),
        ("duration >", ""),
        ("duration>3", "3"),
        ("ua ~ab", "ab"),
        ("callid a=b", "a=b"),
    ],
)
def test_the_word_at_the_cursor(text: str, word: str) -> None:
    assert unfinished(text) == word


def test_the_nearest_term() -> None:
    assert nearest("dstnmu") == "dstnum"
    assert nearest("zebra") is None
    assert nearest("a" * 1000) is None
