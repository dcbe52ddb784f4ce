"""The language of filters: what texts mean, what is wrong with others, what may come next."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstream.filters import FilterError, FilterSet
from sipstream.filters.grammar import AllOf, AnyOf, Not, parse, text_of
from sipstream.filters.suggest import suggest
from sipstream.filters.terms import TERMS
from sipstream.filters.tokens import FilterTextError
from sipstream.limits import FILTER_TEXT


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("srcnum 4151500 4151502", "srcnum 4151500 4151502"),
        ("srcnum 1 dstnum 2", "srcnum 1 and dstnum 2"),
        ("SRCNUM 1 And DstNum 2", "srcnum 1 and dstnum 2"),
        ("srcnum 1 or dstnum 2 telnum 3", "srcnum 1 or dstnum 2 and telnum 3"),
        ("(srcnum 1 or dstnum 2) telnum 3", "(srcnum 1 or dstnum 2) and telnum 3"),
        ("((srcnum 1))", "srcnum 1"),
        ("srcnum 1 and (dstnum 2 and telnum 3)", "srcnum 1 and dstnum 2 and telnum 3"),
        ("not not srcnum 1", "not not srcnum 1"),
        ("not srcnum 1 dstnum 2", "not srcnum 1 and dstnum 2"),
        ("not (srcnum 1 dstnum 2)", "not (srcnum 1 and dstnum 2)"),
        ("has Diversion has privacy", "has diversion and has privacy"),
        ("has diversion diversion 1", "has diversion and diversion 1"),
        ("status 4XX 100-199 403", "status 4xx 100-199 403"),
        ("method invite Options", "method INVITE OPTIONS"),
        ('header f "a b"', 'header from "a b"'),
        ("header User-Agent: asterisk", "header user-agent asterisk"),
        ("srcnum +3545660066 003545660066", "srcnum 3545660066"),
        ("ip 2001:DB8::0:1 10.1.1.1/8", "ip 2001:db8::1 10.0.0.0/8"),
        ('callid "and" "a(b"', 'callid "and" "a(b"'),
        ('srcnum 1 "dstnmu"', 'srcnum 1 "dstnmu"'),
        ("not(status 2xx)or(status 403)", "not status 2xx or status 403"),
        (
            "dstnum 5660066 and not (status 2xx or method OPTIONS)",
            "dstnum 5660066 and not (status 2xx or method OPTIONS)",
        ),
    ],
)
def test_texts_have_one_spelling_that_means_the_same(text: str, canonical: str) -> None:
    node = parse(text)
    assert text_of(node) == canonical
    assert parse(canonical) == node


def test_the_tree() -> None:
    a, b, c = (TERMS["srcnum"]((number,)) for number in "123")
    assert parse("srcnum 1 srcnum 2 or not srcnum 3") == AnyOf((AllOf((a, b)), Not(c)))


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("", "a filter needs a term, such as `dstnum 5660066`", 1),
        ("or srcnum 1", "a filter needs a term before `or`, such as `dstnum 5660066`", 1),
        ("srcnum", "missing argument: srcnum needs a number, as in `srcnum 4151500`", 7),
        (
            "srcnum and 1",
            "missing argument: srcnum needs a number, as in `srcnum 4151500`; "
            "to mean the word, put 'and' in quotes",
            8,
        ),
        (
            "srcip (ip 1.1.1.1)",
            "missing argument: srcip needs an address, as in `srcip 10.20.0.22`",
            7,
        ),
        ("has", "missing argument: has needs a header, as in `has diversion`", 4),
        (
            "ip 1.1.1.1 header",
            "missing argument: header needs a header's name, "
            "as in `header User-Agent asterisk` (column 18)",
            18,
        ),
        ("srcnmu 1", "unknown term 'srcnmu', did you mean srcnum?", 1),
        ("srcnum 1 and dst 1", "unknown term 'dst', did you mean dstip? (column 14)", 14),
        (
            "zebra",
            "unknown term 'zebra', here may stand not, ( or a term (`help filters` lists them)",
            1,
        ),
        ("has f/o", "'f/o' is no header name such as User-Agent", 5),
        (
            "has Diverison",
            "'Diverison' is no header, did you mean Diversion, or \"Diverison\" as it is?",
            5,
        ),
        ("has pai rpid", "`has` stands before each name: `has pai has rpid`", 9),
        ("(srcnum 1", "the parenthesis at column 1 is never closed", 1),
        ("srcnum 1 and (", "a term must follow `(` (column 15)", 15),
        ("()", "a term must follow `(`, not `)` (column 2)", 2),
        ("srcnum 1 and", "a term must follow `and` (column 13)", 13),
        ("srcnum 1 or or srcnum 2", "a term must follow `or`, not `or` (column 13)", 13),
        (
            "ip 1.2.3.4 10.0.0.300",
            "'10.0.0.300' is no IPv4 or IPv6 address, network (10.0.0.0/8) or host name",
            12,
        ),
        (
            "has pai and status foo",
            "'foo' is no status code (403), class of them (4xx) or range (100-199) (column 20)",
            20,
        ),
        (
            "srcnum sip:alice@example.com",
            "'sip:alice@example.com' is a URI, a number alone is compared: write 'alice'",
            8,
        ),
        ('dstnum ""', "'' is no number", 8),
        (
            "dstnum 5660066,5660067",
            "'5660066,5660067' is no number; write '5660066 5660067', without commas",
            8,
        ),
        ('method "a b"', "'a b' is no method such as INVITE or OPTIONS", 8),
        ("header (x) y", None, 8),
        ('header "a b" y', "'a b' is no header name such as User-Agent", 8),
    ],
)
def test_errors_say_what_is_wrong_and_where(text: str, message: str | None, column: int) -> None:
    with pytest.raises(FilterTextError) as caught:
        parse(text)
    if message is not None:
        assert str(caught.value) == message
    assert caught.value.column == column


def test_a_filter_whose_one_spelling_is_too_long_is_refused() -> None:
    text = "(method a)" * (FILTER_TEXT // 10)
    with pytest.raises(FilterTextError, match="more than 16384 characters"):
        parse(text)


def test_regular_expressions_are_counted() -> None:
    parse(" ".join(["ua ~", *(f"a{number}" for number in range(32))]))
    with pytest.raises(FilterTextError, match="at most 32 regular expressions, this one 33"):
        parse("callid ~ x or " + " ".join(["ua ~", *(f"a{number}" for number in range(32))]))


@pytest.mark.parametrize(
    "text",
    [
        "__class__",
        "().__class__",
        "srcnum {1+1}",
        "ip __import__('os').system('id')",
        "header ${x} %s",
        "callid \udcff",
        "((((",
        "not " * 4096,
        "(" * 10_000,
    ],
)
def test_no_text_runs_anything(text: str) -> None:
    try:
        node = parse(text)
    except FilterTextError:
        return
    assert parse(text_of(node)) == node


WORDS = [
    *TERMS,
    *("and", "or", "not", "(", ")", "each(", "any(", "first", '"', "\\", "*", "?", "1", "2xx", "é"),
    *("10.0.0.0/8", "10.0.0.1:5060", "5660000-5669999", "pai", "INVITE", "15:40", "30s", "A"),
    *("=", "~", ">=", "<", "==", "!=", "&&", "!", ",", "x=y", "duration>30s", "reason=x", "nad"),
    *("\ud800", "\udcff", "\u0130", "\u2028", "(a|b)", "^a", '"(a"', "User-Agent", "Diverison"),
]


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS)).map(" ".join)))
def test_any_text_gives_a_filter_or_a_clear_error(text: str) -> None:
    try:
        node = parse(text)
    except FilterTextError as error:
        assert str(error)
        assert 1 <= error.column <= len(text) + 1
        assert not re.search(r"[\x00-\x08\x0b-\x1f]", str(error))
    else:
        assert parse(text_of(node)) == node
    for one in suggest(text):
        assert one.help


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), max_size=4), st.data())
def test_any_change_of_a_set_is_made_whole_or_refused(
    texts: list[str], data: st.DataObject
) -> None:
    filters = FilterSet()
    for text in texts:
        before = filters.lines()
        change = data.draw(st.sampled_from([filters.add, filters.add, filters.remove]))
        try:
            change(text)
        except FilterError:
            assert filters.lines() == before
        else:
            assert filters.lines() != before
            assert not filters.active or parse(filters.expression())
        filters.suggest_removal(text)
        filters.suggest_removal(f"header {text}")


# What may come next


def offered(text: str) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for suggestion in suggest(text):
        assert suggestion.help
        kinds.setdefault(suggestion.kind, []).append(suggestion.text)
    return kinds


BEGINNING = {
    "keyword": ["not", "("],
    "quantifier": ["each(", "any(", "first("],
    "term": list(TERMS),
}


@pytest.mark.parametrize("text", ["", "sr", "srcnum", "srcnum 1 and ", "not ", "(", "has pai or s"])
def test_terms_may_stand_at_the_beginning_and_behind_keywords(text: str) -> None:
    assert offered(text) == BEGINNING


def test_what_may_follow_a_complete_term() -> None:
    assert offered("srcnum 1 ") == {
        "value-number": [""],
        "keyword": ["and", "or", "not", "("],
        "quantifier": ["each(", "any(", "first("],
        "term": list(TERMS),
    }
    assert offered("(has pai ")["keyword"] == ["and", "or", "not", "(", ")"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("srcnum ", "value-number"),
        ("telnum 41", "value-number"),
        ("pai ", "value-number"),
        ("ip 10.", "value-address"),
        ("callid ", "call-id"),
        ('callid "a', "call-id"),
        ("header From ~", "text"),
    ],
)
def test_values_that_the_capture_supplies(text: str, kind: str) -> None:
    found = offered(text)
    assert found.pop(kind) == [""]
    assert set(found) <= {"operator"}


def test_values_that_terms_know_themselves() -> None:
    assert offered("has ")["header"][:5] == ["diversion", "pai", "ppi", "rpid", "privacy"]
    assert offered("status ") == {
        "operator": [">", ">=", "<", "<=", "="],
        "status": ["1xx", "2xx", "3xx", "4xx", "5xx", "6xx", ""],
    }
    assert offered("duration ") == {"operator": [">", ">=", "<", "<="]}
    assert offered("method ")["method"][:3] == ["INVITE", "ACK", "BYE"]
    assert "User-Agent" in offered("header ")["header-name"]


@pytest.mark.parametrize("text", ["foo ", "srcnum and ", "ip 10.0.0.300 and ", ") ", "\0 "])
def test_nothing_follows_what_is_wrong(text: str) -> None:
    assert suggest(text) == []
