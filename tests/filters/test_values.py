"""What values of terms stand for: numbers, addresses, status codes, wildcards."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstream.errors import FilterError
from sipstream.filters.addresses import AddressSet, address_text
from sipstream.filters.moments import moment_of, moment_text
from sipstream.filters.numbers import NumberSet, number_text
from sipstream.filters.texts import TextSet, Wildcard, text_test
from sipstream.filters.values import (
    has_privacy_parameter,
    shown,
    span_of,
    span_text,
    status_codes,
    status_text,
)
from sipstream.plan import Plan, normal_number, use_plan
from sipstream.sip.uri import number_code


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("+3545660066", "3545660066"),
        ("003545660066", "3545660066"),
        ("3545660066", "3545660066"),
        ("+354 566-0066", "3545660066"),
        ("(354) 566.0066", "3545660066"),
        ("000", "000"),
        ("00", "00"),
        ("+", "+"),
        ("0066", "66"),
        ("01", "01"),
        ("*21*5660066#", "*21*5660066#"),
        ("+*", "*"),
        ("00*", "*"),
        ("alice", "alice"),
        ("bob-1", "bob-1"),
        ("+alice", "+alice"),
        ("", ""),
    ],
)
def test_how_numbers_are_compared(written: str, compared: str) -> None:
    assert normal_number(written) == compared


@pytest.mark.parametrize(
    ("value", "user", "held"),
    [
        ("5660066", "5660066", True),
        ("+3545660066", "003545660066", True),
        ("5660066", "566-0066", True),
        ("5660066", "56600661", False),
        ("566*", "5660066", True),
        ("566*", "566", True),
        ("566*", "566x", False),
        ("*66", "+3545660066", True),
        ("*", "5660066", True),
        ("*", "+5660066", True),
        ("*", "alice", False),
        ("*", "*21*5660066", True),
        ("5*6*6", "5660066", True),
        ("5*7*6", "5660066", False),
        ("00354*", "+3545660066", True),
        ("alice", "alice", True),
        ("alice", "Alice", False),
        ("ali*", "alice", True),
        ("ali*", "bob", False),
        ("*", "", False),
    ],
)
def test_numbers_and_names_that_a_value_holds(value: str, user: str, held: bool) -> None:
    assert NumberSet([value]).holds(user) is held


def test_values_are_alternatives() -> None:
    numbers = NumberSet(["100", "alice", "2*", "b*b"])
    assert [user for user in ("100", "alice", "22", "bob", "300") if numbers.holds(user)] == [
        "100",
        "alice",
        "22",
        "bob",
    ]
    texts = TextSet(["a", "b*"])
    assert [text for text in ("a", "b", "bc", "c", "A") if texts.holds(text)] == ["a", "b", "bc"]


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_wildcards_agree_with_regular_expressions(pattern: str, text: str) -> None:
    expected = re.fullmatch(pattern.replace("*", ".*"), text) is not None
    if "*" in pattern:
        assert Wildcard(pattern).matches(text) is expected


@pytest.mark.parametrize(
    ("written", "spelling"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("2001:DB8:0:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("PBX.Example.com.", "pbx.example.com"),
        ("pbx_1", "pbx_1"),
    ],
)
def test_addresses_have_one_spelling(written: str, spelling: str) -> None:
    assert address_text(written) == spelling


@pytest.mark.parametrize(
    "wrong", ["10.0.0.300", "10.0.0", "10.0.0.0/33", "2001:db8::zz", "a b", "", "-x", "a..b", "5"]
)
def test_what_is_no_address(wrong: str) -> None:
    with pytest.raises(FilterError, match="is no IPv4 or IPv6 address"):
        address_text(wrong)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("10.0.0.1:5060", "10.0.0.1"),
        ("10.20.0.22.5060", "10.20.0.22"),
        ("[2001:db8::1]:5060", "2001:db8::1"),
    ],
)
def test_an_address_with_a_port_is_told_apart(written: str, address: str) -> None:
    with pytest.raises(FilterError, match=re.escape(f"write the address alone, {address}")):
        address_text(written)


@pytest.mark.parametrize(
    ("value", "address", "held"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.11", False),
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("0.0.0.0/0", "1.2.3.4", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db8:1::1", True),
        ("2001:0db8::0001", "2001:db8::1", True),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("pbx", "PBX", True),
        ("pbx", "pbx.example.com", False),
        ("10.0.0.1", "pbx", False),
    ],
)
def test_addresses_that_a_value_holds(value: str, address: str, held: bool) -> None:
    addresses = AddressSet([value])
    assert addresses.holds(address) is held
    assert addresses.holds(address) is held, "also from what it remembers"


def test_an_address_set_does_not_grow_with_forged_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipstream.filters.addresses._ADDRESSES_KEPT", 10)
    addresses = AddressSet(["10.0.0.0/30"])
    held = [addresses.holds(f"10.0.0.{last}") for last in range(100)]
    assert held == [True] * 4 + [False] * 96
    assert len(addresses._known) <= 10


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("403", 403, 403), ("4xx", 400, 499), ("48x", 480, 489), ("100-199", 100, 199)],
)
def test_status_codes(text: str, low: int, high: int) -> None:
    codes = status_codes(status_text(text.upper()))
    assert (codes[0], codes[-1]) == (low, high)


@pytest.mark.parametrize("wrong", ["", "40", "4x3", "xxx", "099", "1000", "4xx-5xx", "٤٠٣", "foo"])
def test_what_is_no_status(wrong: str) -> None:
    with pytest.raises(FilterError, match=r"is no status code \(403\)"):
        status_text(wrong)


def test_a_range_of_codes_begins_with_the_lower() -> None:
    with pytest.raises(FilterError, match="the lower status code comes first"):
        status_text("200-100")


@pytest.mark.parametrize(
    ("value", "asks"),
    [
        ("<sip:1@h>;privacy=full", True),
        ("<sip:1@h>;privacy=off", False),
        ("<sip:1@h>;Privacy=OFF", False),
        ('"Name" <sip:1@h>;party=calling; privacy = "uri"', True),
        ('<sip:1@h>;privacy="off";screen="yes"', False),
        ('<sip:1@h>;privacy="off";privacy="full"', True),
        ("<sip:1@h>;privacy", True),
        ("<sip:1@h;privacy=full>", False),
        ('";privacy=full" <sip:1@h>', False),
        ("sip:1@h;privacy=id", True),
        ("<sip:1@h>;privacyx=full", False),
        ("<sip:1@h>;privacy=off, <sip:2@h>;privacy=full", True),
        ("<sip:1@h", False),
        ('"a\\', False),
    ],
)
def test_privacy_parameters(value: str, asks: bool) -> None:
    assert has_privacy_parameter(value) is asks


def test_long_values_are_cut_in_messages() -> None:
    assert shown("a" * 40) == "a" * 40
    assert shown("a" * 41) == "a" * 37 + "..."


@given(st.from_regex(r"\+?[0-9*#]{1,8}", fullmatch=True))
def test_a_number_in_its_one_spelling_stays_as_it_is(number: str) -> None:
    assert normal_number(normal_number(number)) == normal_number(number)


@pytest.mark.parametrize(
    ("plan", "value", "user", "held"),
    [
        (Plan(), "02079460000", "2079460000", True),
        (Plan(), "2079460000", "02079460000", True),
        (Plan(), "0123", "123", False),
        (Plan(), "442079460000", "02079460000", False),
        (Plan("44"), "+442079460000", "02079460000", True),
        (Plan("44"), "02079460000", "00442079460000", True),
        (Plan("44"), "2079460000", "442079460000", True),
        (Plan("44"), "100", "44100", False),
        (Plan("354", ""), "5660066", "+3545660066", True),
        (Plan("354", ""), "5660066", "05660066", False),
        (Plan("354", ""), "566006?", "+3545660066", False),
        (Plan("354", ""), "*566006?", "+3545660066", True),
        (Plan("354", ""), "5660000-5669999", "+3545660066", True),
        (Plan("354", ""), "5660000-5669999", "5670000", False),
    ],
)
def test_a_numbering_plan_says_which_numbers_are_the_same(
    plan: Plan, value: str, user: str, held: bool
) -> None:
    use_plan(plan)
    try:
        numbers = NumberSet([value])
    finally:
        use_plan(Plan())
    assert numbers.holds(user) is held
    codes = numbers.codes
    if codes is not None:
        assert (number_code(user.encode()) in codes) is held


@pytest.mark.parametrize(
    ("value", "user", "held"),
    [
        ("566006?", "5660066", True),
        ("566006?", "566006", False),
        ("566006?", "+5660069", True),
        ("566006?", "566006a", False),
        ("5?6*6?", "5660066", True),
        ("?", "5", True),
        ("al?ce", "alice", True),
        ("al?ce", "alce", False),
        ("5660000-5669999", "5660066", True),
        ("5660000-5669999", "5659999", False),
        ("5660000-5669999", "56600660", False),
        ("+3545660000-+3545669999", "003545660066", True),
        ("566-0066", "5660066", True),
        ("100-199", "150", True),
        ("100-199", "alice", False),
    ],
)
def test_wildcards_for_one_and_ranges(value: str, user: str, held: bool) -> None:
    assert NumberSet([number_text(value)]).holds(user) is held


@pytest.mark.parametrize(
    ("value", "address", "held"),
    [
        ("10.0.0.1-10.0.0.20", "10.0.0.20", True),
        ("10.0.0.1-10.0.0.20", "10.0.0.21", False),
        ("2001:db8::1-2001:db8::ff", "2001:db8::20", True),
        ("2001:db8::1-2001:db8::ff", "10.0.0.1", False),
        ("pbx-1", "pbx-1", True),
    ],
)
def test_ranges_of_addresses(value: str, address: str, held: bool) -> None:
    assert AddressSet([address_text(value)]).holds(address) is held


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("10.0.0.9-10.0.0.1", "is empty: the lower address comes first"),
        ("10.0.0.1-2001:db8::1", "is no IPv4 or IPv6 address"),
    ],
)
def test_ranges_of_addresses_that_make_no_sense(wrong: str, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        address_text(wrong)


@given(st.text("ab*?", max_size=8), st.text("abé", max_size=12))
def test_single_wildcards_agree_with_regular_expressions(pattern: str, text: str) -> None:
    expected = re.fullmatch(pattern.replace("*", ".*").replace("?", "."), text) is not None
    assert TextSet([pattern]).holds(text) is expected


def test_a_byte_that_is_no_character_is_one_all_the_same() -> None:
    assert TextSet(["*\udcff?b*"]).holds("a\udcffxbc")
    assert TextSet(["\udcff*"]).holds("\udcffabc")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^asterisk", "Asterisk PBX", True),
        ("(?-i)^asterisk", "Asterisk PBX", False),
        ("1[38]\\.", "Asterisk 13.1", True),
        ("é", "caf\u00e9", True),
        ("x", "\udcff", False),
    ],
)
def test_regular_expressions(pattern: str, text: str, found: bool) -> None:
    assert text_test("~", [pattern])(text) is found


@pytest.mark.parametrize("wrong", ["a(b", "x{1000}{1000}", "[", "(?<=a)b", "a" * 1001, "\\1"])
def test_regular_expressions_that_re2_refuses(wrong: str) -> None:
    with pytest.raises(FilterError, match="regular expression"):
        text_test("~", [wrong])


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [("200ms", 2 * 10**8), ("1.5h", 5400 * 10**9), ("30S", 30 * 10**9), ("1d", 86400 * 10**9)],
)
def test_durations(written: str, nanoseconds: int) -> None:
    assert span_of(span_text(written)) == nanoseconds


def test_moments_without_a_date_are_of_the_day_of_the_newest_message() -> None:
    newest = moment_of("2018-04-16T18:00", 0)
    assert moment_of("15:40", newest) == newest - (2 * 3600 + 20 * 60) * 10**9
    assert moment_of("15:40:30.5", newest) - moment_of("15:40", newest) == 30_500_000_000
    assert moment_of("2018-04-16", 0) == newest - 18 * 3600 * 10**9
    for wrong in ("25:00", "2018-02-30", "15", "15:4", "2018-04-16T", "1e9", ""):
        with pytest.raises(FilterError, match="is no time"):
            moment_text(wrong)
