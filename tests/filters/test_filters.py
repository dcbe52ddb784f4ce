"""Filters and the filter context's set of terms, also against a naive evaluator."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from filter_fakes import FakeConversation, FakeMessage
from hypothesis import given, settings
from hypothesis import strategies as st

from sipstream.conversations import Conversations
from sipstream.errors import FilterError
from sipstream.filters import TERMS, Filter, FilterSet
from sipstream.limits import FILTER_DEPTH

# A naive evaluator: expressions are nested lists, each term is judged from scratch on all messages.

SIMPLE = {
    "srcnum": ["4151500", "+4151500", "004151500", "415*", "alice", "1"],
    "dstnum": ["5660066", "*66", "1"],
    "telnum": ["4151500", "5660066", "*"],
    "srcip": ["10.20.0.22", "10.0.0.0/8", "2001:db8::/32"],
    "ip": ["10.11.12.13", "pbx", "::ffff:10.20.0.22"],
    "diversion": ["1502", "15*", "+1502"],
    "pai": ["1502", "2"],
    "method": ["INVITE", "bye"],
    "status": ["403", "4xx", "180-200"],
    "callid": ["call-1", "call*", "*2", "CALL-1"],
    "has diversion": [],
    "has pai": [],
    "header Via": ["udp", "TCP"],
}


def number_fits(pattern: str, user: str) -> bool:
    if pattern == "alice" or not user:
        return user == pattern
    digits = re.escape(re.sub(r"^(\+|00)", "", pattern)).replace(r"\*", "[0-9]*")
    return re.fullmatch(rf"(\+|00)?{digits}", user) is not None


def address_fits(pattern: str, address: str) -> bool:
    if pattern == "10.0.0.0/8":
        return address.startswith("10.")
    if pattern == "2001:db8::/32":
        return address.startswith("2001:db8:")
    return address == pattern.removeprefix("::ffff:")


def status_fits(pattern: str, message: FakeMessage) -> bool:
    low, high = {"403": (403, 403), "4xx": (400, 499), "180-200": (180, 200)}[pattern]
    return message.status is not None and low <= message.status <= high


def carried(conversation: FakeConversation, header: str, method: str | None) -> list[str]:
    return [
        value
        for message in conversation.messages
        if method in (None, message.method)
        for name, value in message.fields
        if name == header
    ]


def one_fits(name: str, value: str, it: FakeConversation) -> bool:
    users = {"srcnum": [it.src_user], "dstnum": [it.dst_user], "telnum": [it.src_user, it.dst_user]}
    addresses = {"srcip": [it.source], "ip": [it.source, it.destination]}
    if name in users:
        return any(number_fits(value, user) for user in users[name])
    if name in addresses:
        return any(address_fits(value, address) for address in addresses[name])
    if name in ("diversion", "pai"):
        header = {"diversion": "Diversion", "pai": "P-Asserted-Identity"}[name]
        found = carried(it, header, "INVITE")
        return any(number_fits(value, re.split("[:@>]", one)[1]) for one in found)
    if name == "method":
        return any(message.method == value.upper() for message in it.messages)
    if name == "status":
        return any(status_fits(value, message) for message in it.messages)
    if name == "callid":
        return re.fullmatch(re.escape(value).replace(r"\*", ".*"), it.call_id) is not None
    return any(value.lower() in via.lower() for via in carried(it, "Via", None))


def naive(tree: list, it: FakeConversation) -> bool:
    head, *rest = tree
    if head == "not":
        return not naive(rest[0], it)
    if head in ("and", "or"):
        results = [naive(part, it) for part in rest]
        return all(results) if head == "and" else any(results)
    if head.startswith("has "):
        header = {"has diversion": "Diversion", "has pai": "P-Asserted-Identity"}[head]
        return bool(carried(it, header, "INVITE"))
    return any(one_fits(head, value, it) for value in rest)


def written(tree: list, draw: Callable) -> str:
    """The tree as somebody might type it."""
    head, *rest = tree

    def inner(part: list) -> str:
        text = written(part, draw)
        return f"({text})" if part[0] in ("and", "or") or draw(st.booleans()) else text

    if head == "not":
        return f"{draw(st.sampled_from(['not', 'NOT']))} {inner(rest[0])}"
    if head in ("and", "or"):
        joints = [" and ", " AND ", "  "] if head == "and" else [" or ", "\tOr "]
        text = inner(rest[0])
        for part in rest[1:]:
            text += draw(st.sampled_from(joints)) + inner(part)
        return text
    name = draw(st.sampled_from([head, head.upper()])) if "header" not in head else head
    quotes = [draw(st.booleans()) for _ in rest]
    return " ".join([name, *(f'"{v}"' if q else v for v, q in zip(rest, quotes, strict=True))])


@st.composite
def terms(draw: Callable) -> list:
    name = draw(st.sampled_from(sorted(SIMPLE)))
    pool = SIMPLE[name]
    return (
        [name, *draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))] if pool else [name]
    )


trees = st.recursive(
    terms(),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner).map(list),
        st.builds(
            lambda joint, parts: [joint, *parts],
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=2, max_size=4),
        ),
    ),
    max_leaves=12,
)


@st.composite
def messages(draw: Callable) -> FakeMessage:
    kind = draw(st.sampled_from(["INVITE", "INVITE", "BYE", "OPTIONS", 180, 200, 403, 486]))
    pool = [
        ("Diversion", "<sip:1502@a>"),
        ("Diversion", "<tel:+1502>"),
        ("P-Asserted-Identity", "<sip:2@a>"),
        ("Via", "SIP/2.0/UDP a"),
        ("Via", "SIP/2.0/TCP a"),
    ]
    return FakeMessage(kind, *draw(st.lists(st.sampled_from(pool), max_size=2)))


@st.composite
def conversations(
    draw: Callable, call_id: str = "", among: Conversations | None = None
) -> FakeConversation:
    return FakeConversation(
        *draw(st.lists(messages(), min_size=1, max_size=4)),
        call_id=call_id or draw(st.sampled_from(["call-1", "call-2", "x"])),
        among=among,
        src_user=draw(st.sampled_from(["4151500", "+4151500", "004151500", "alice", "", "1"])),
        dst_user=draw(st.sampled_from(["5660066", "+66", "1", "bob"])),
        source=draw(st.sampled_from(["10.20.0.22", "2001:db8::1", "pbx", "11.1.1.1"])),
        destination=draw(st.sampled_from(["10.11.12.13", "pbx"])),
    )


@settings(max_examples=300)
@given(st.data(), trees)
def test_random_expressions_agree_with_a_naive_evaluator(data: st.DataObject, tree: list) -> None:
    text = written(tree, data.draw)
    given_filter = Filter.parse(text)
    assert Filter.parse(str(given_filter)) == given_filter
    assert hash(Filter.parse(str(given_filter))) == hash(given_filter)
    conversation = data.draw(conversations())
    for _ in range(3):
        assert given_filter.matches(conversation) is naive(tree, conversation), text
        conversation.messages.append(data.draw(messages()))


@given(st.data(), trees)
def test_many_at_once_are_judged_as_each_by_itself(data: st.DataObject, tree: list) -> None:
    shared = Conversations()
    several = [
        data.draw(conversations(call_id=f"call-{place}", among=shared)) for place in range(5)
    ]
    for one in several:
        one.arrive()
    wanted = Filter.parse(written(tree, data.draw))
    expected = [naive(tree, one) for one in several]
    assert list(wanted.judge(shared.index, range(5))) == expected, str(wanted)
    assert list(wanted.judge(shared.index, [4, 1, 3])) == [expected[place] for place in (4, 1, 3)]


@given(st.data(), st.lists(trees, min_size=1, max_size=4), st.sampled_from(["and", "or"]))
def test_a_set_of_terms_agrees_with_its_one_expression(
    data: st.DataObject, parts: list[list], condition: str
) -> None:
    filters = FilterSet()
    filters.set_condition(condition)
    added = []
    for tree in parts:
        try:
            filters.add(written(tree, data.draw))
        except FilterError as error:
            assert "is there already" in str(error)
        else:
            added.append(tree)
    whole = Filter.parse(filters.expression())
    conversation = data.draw(conversations())
    assert filters.matches(conversation) is whole.matches(conversation)
    merged = [tree[0] for tree in added]
    if condition == "or" or len(set(merged)) == len(merged):
        assert filters.matches(conversation) is naive([condition, *added], conversation)


# Filters


def test_live_evaluation_looks_at_each_message_once() -> None:
    wanted = Filter.parse("has diversion or (diversion 1 and header Via x) or not has privacy")
    assert wanted.scans
    wanted = Filter.parse("has diversion or header Via tcp")
    conversation = FakeConversation()
    for _ in range(300):
        conversation.messages.append(FakeMessage("INVITE", ("Via", "SIP/2.0/UDP a")))
        assert not wanted.matches(conversation)
    assert {message.looks for message in conversation.messages} == {2}, "once for each term"
    conversation.messages.append(FakeMessage("ACK", ("Via", "SIP/2.0/TCP a")))
    assert wanted.matches(conversation)


def test_what_the_index_answers_is_asked_first() -> None:
    wanted = Filter.parse("has diversion and (has pai or header Via x) and srcnum 1")
    conversation = FakeConversation()
    assert not wanted.matches(conversation)
    assert conversation.messages[0].looks == 0
    assert not Filter.parse("srcnum 1 or method BYE").scans


def test_equality_is_of_meaningful_parts() -> None:
    assert Filter.parse("srcnum +3541 AND (dstnum 2)") == Filter.parse("srcnum 003541 dstnum 2")
    assert Filter.parse("srcnum 1") != Filter.parse("dstnum 1")
    assert Filter.parse("has pai") != "has pai"
    assert repr(Filter.parse("has pai")) == "<Filter has pai>"


def test_the_deepest_filter_still_works() -> None:
    depth = FILTER_DEPTH
    text = "(srcnum 1 or has pai and " * depth + "dstnum 5660066" + ")" * depth
    wanted = Filter.parse(text)
    assert Filter.parse(str(wanted)) == wanted
    assert not wanted.matches(FakeConversation())


def test_a_wrong_filter_is_an_error_for_the_user() -> None:
    with pytest.raises(FilterError, match="unknown term"):
        Filter.parse("nothing")


# The filter context


def built(*texts: str, condition: str = "or") -> FilterSet:
    filters = FilterSet()
    filters.set_condition(condition)
    for text in texts:
        filters.add(text)
    return filters


def test_an_empty_set_matches_everything() -> None:
    filters = FilterSet()
    assert filters.condition == "or"
    assert not filters.active
    assert not filters.marked
    assert filters.matches(FakeConversation())
    assert (filters.expression(), filters.lines()) == ("", ["condition or"])


def test_the_asterisk_stands_from_the_first_change_on() -> None:
    filters = FilterSet()
    filters.set_condition("or")
    assert filters.marked, "fig08"
    assert not filters.active
    filters.reset()
    assert not filters.marked
    filters.add("has diversion")
    assert filters.marked, "fig25"
    filters.remove("has diversion")
    assert not filters.marked


def test_the_condition_joins_the_terms() -> None:
    filters = built("srcnum 4151500", "dstnum 1")
    assert filters.matches(FakeConversation())
    filters.set_condition(" AND ")
    assert not filters.matches(FakeConversation())
    assert filters.lines() == ["condition and", "srcnum 4151500", "dstnum 1"]
    assert filters.expression() == "srcnum 4151500 and dstnum 1"


def test_more_values_of_a_term_are_alternatives_also_under_and() -> None:
    filters = built("srcnum 4151509", "dstnum 5660066", "srcnum 4151500 4151501", condition="and")
    assert filters.lines()[1:] == ["srcnum 4151509 4151500 4151501", "dstnum 5660066"]
    assert filters.matches(FakeConversation())


def test_headers_are_terms_of_their_own() -> None:
    filters = built("has diversion pai", "has privacy", condition="and")
    assert filters.lines()[1:] == ["has diversion", "has pai", "has privacy"]
    assert not filters.matches(FakeConversation(FakeMessage("INVITE", ("Diversion", "x"))))


def test_texts_of_one_header_are_alternatives() -> None:
    filters = built("header User-Agent a", "header Server b", "header user-agent c")
    assert filters.lines()[1:] == ["header user-agent a c", "header server b"]


def test_an_expression_is_one_item() -> None:
    filters = built("dstnum 1 or (srcnum 2 and has pai)", "not status 2xx", condition="and")
    assert filters.lines()[1:] == ["dstnum 1 or srcnum 2 and has pai", "not status 2xx"]
    assert filters.expression() == "(dstnum 1 or srcnum 2 and has pai) and not status 2xx"
    assert built("srcnum 1 dstnum 2", "has pai").expression() == "srcnum 1 and dstnum 2 or has pai"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing argument: add takes a term, as in `add dstnum 5660066`"),
        ("srcnum", "missing argument: srcnum needs a number, as in `srcnum 4151500`"),
        ("has", "missing argument: has needs a header, as in `has diversion`"),
        ("srcnmu 1", "unknown term 'srcnmu', did you mean srcnum?"),
        ("has diverison", "'diverison' is no header, did you mean Diversion"),
        ("has pai diverison", "`has` stands before each name: `has pai has diverison`"),
        ("has pai and", "a term must follow `and` (column 12)"),
        ("ip 10.0.0.300", "'10.0.0.300' is no IPv4 or IPv6 address"),
        ("srcnum +4151500", "srcnum 4151500 is there already"),
        ("has diversion", "has diversion is there already"),
        ("not status 2xx", "not status 2xx is there already"),
    ],
)
def test_an_addition_that_makes_no_sense_changes_nothing(text: str, message: str) -> None:
    filters = built("srcnum 4151500", "has diversion", "not status 2xx")
    before = filters.lines()
    with pytest.raises(FilterError, match=re.escape(message)):
        filters.add(text)
    assert filters.lines() == before


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("srcnum", "has diversion|has pai|not status 2xx|header via a b|header from c"),
        ("srcnum 1", "srcnum 2|has diversion|has pai|not status 2xx|header via a b|header from c"),
        ("SRCNUM +2 1", "has diversion|has pai|not status 2xx|header via a b|header from c"),
        ("has", "srcnum 1 2|not status 2xx|header via a b|header from c"),
        ("has pai", "srcnum 1 2|has diversion|not status 2xx|header via a b|header from c"),
        ("has pai diversion", "srcnum 1 2|not status 2xx|header via a b|header from c"),
        ("not status 2XX", "srcnum 1 2|has diversion|has pai|header via a b|header from c"),
        ("header", "srcnum 1 2|has diversion|has pai|not status 2xx"),
        ("header v", "srcnum 1 2|has diversion|has pai|not status 2xx|header from c"),
        (
            "header Via b",
            "srcnum 1 2|has diversion|has pai|not status 2xx|header via a|header from c",
        ),
    ],
)
def test_removing(text: str, left: str) -> None:
    filters = built(
        "srcnum 1 2", "has diversion pai", "not status 2xx", "header Via a b", "header From c"
    )
    filters.remove(text)
    assert filters.lines()[1:] == left.split("|")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" ", "missing argument: del takes a term, as in `del dstnum`"),
        ("dstnum", "nothing to remove: dstnum isn't set"),
        ("srcnum 1 3", "nothing to remove: srcnum 3 isn't set"),
        ("dstnum 1", "nothing to remove: dstnum 1 isn't set"),
        ("has pai", "nothing to remove: has pai isn't set"),
        ("has foo", "nothing to remove: has foo isn't set"),
        ("has f(o", "unknown term 'o', here may stand not, ( or a term"),
        ("header Via", "nothing to remove: header via isn't set"),
        ("header Via x", "nothing to remove: header via x isn't set"),
        ("status 2xx", "nothing to remove: status 2xx isn't set"),
        ("srcnum 1 or srcnum 2", "nothing to remove: srcnum 1 or srcnum 2 isn't set"),
        ("foo", "unknown term 'foo'"),
        ("ip 10.0.0.300", "is no IPv4 or IPv6 address"),
    ],
)
def test_a_removal_that_makes_no_sense_changes_nothing(text: str, message: str) -> None:
    filters = built("srcnum 1 2", "has diversion", "not status 2xx")
    before = filters.lines()
    with pytest.raises(FilterError, match=re.escape(message)):
        filters.remove(text)
    assert filters.lines() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing argument: the condition"),
        ("xor", "unknown condition 'xor': it is `and` or `or`"),
    ],
)
def test_conditions_are_and_and_or(text: str, message: str) -> None:
    filters = FilterSet()
    with pytest.raises(FilterError, match=message):
        filters.set_condition(text)
    assert not filters.marked


def test_reset_removes_all() -> None:
    filters = built("srcnum 1", condition="and")
    filters.reset()
    assert (filters.lines(), filters.active) == (["condition or"], False)


def test_a_set_never_outgrows_what_can_be_parsed() -> None:
    filters = FilterSet()
    filters.add("srcnum " + " ".join(str(number) for number in range(100_000, 101_000)))
    with pytest.raises(FilterError, match="a filter may have 16384 characters"):
        filters.add("srcnum " + " ".join(str(number) for number in range(200_000, 202_000)))


def test_a_set_never_nests_deeper_than_what_can_be_parsed() -> None:
    text = "has pai"
    for _ in range(FILTER_DEPTH // 2):
        text = f"not ({text} or srcnum 1)"
    filters = built("has diversion", text)
    with pytest.raises(FilterError, match="inside each other"):
        filters.add(f"{text} or srcnum 2")  # fits by itself, and under `or`; not under `and`
    assert Filter.parse(f"{text} or srcnum 2")
    for condition in ("and", "or"):
        filters.set_condition(condition)
        assert Filter.parse(filters.expression())


def test_terms_that_stay_keep_what_they_found() -> None:
    filters = built("has diversion")
    conversation = FakeConversation()
    assert not filters.matches(conversation)
    filters.add("has pai")
    assert not filters.matches(conversation)
    assert conversation.messages[0].looks == 2, "once for each term"


def test_what_can_be_removed_is_offered() -> None:
    filters = built("srcnum 1 2", "has diversion", "header Via a", "not status 2xx")

    def offered(text: str) -> list[str]:
        return [suggestion.text for suggestion in filters.suggest_removal(text)]

    assert offered("") == ["srcnum", "has", "header", "not status 2xx"]
    assert offered("sr") == offered("")
    assert offered("srcnum ") == ["1", "2"]
    assert offered("srcnum 1 ") == ["2"]
    assert offered("has di") == ["diversion"]
    assert offered("header ") == ["via"]
    assert offered("header v ") == ["a"]
    assert offered("dstnum ") == []
    assert offered(") ") == []


def test_the_words_of_the_language() -> None:
    assert list(TERMS)[:3] == ["body", "callid", "codec"]
