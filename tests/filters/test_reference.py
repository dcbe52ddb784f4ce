"""Random expressions against a reference evaluator that says in the plainest way what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from filter_calls import Feeder, arrivals, calls, newest
from filter_reference import AMONG, BOTH, EITHER, NEITHER, TERM, holds
from hypothesis import given, settings
from hypothesis import strategies as st

from sipstream.filters import TERMS, Filter, FilterError, FilterSet
from sipstream.filters.term import MessageTerm
from sipstream.findings import FINDINGS, Severity, diagnose

CALLS = calls(seed=5, count=40)
NEWEST = newest(one for call in CALLS for one in call.messages)
CODES, SPANS, AMOUNTS = (
    ["100", "200", "404", "4xx", "40x", "180-200", "6xx", "400-699", "5XX"],
    ["30s", "400ms", "20ms", "0.5s", "1.5m", "31.4s", "2h"],
    ["0", "1", "2", "3", "5", "9", "999999999"],
)
NUMBERS = """4151500 +4151500 004151500 04151500 4151501 415150? 415* *66 566*66 566-0066 alice Alice ali*
a?ice 5660000-5669999 4151501-4151509 8969669 1502 1819 354* *72# *72? 000 00 0 5660066
05660066 +3545660066 3545660066 3541819 4151509 anonymous.invalid bob * ? 4151508 56600660 999
777 x dora carol""".split()
USERS = [
    "alice",
    "Alice",
    "%61lice",
    "566.00.66",
    "+354-566-0066",
    "*66",
    "bob",
    "a*",
    "A?ice",
    "x",
]
ADDRESSES = """10.20.0.22 10.20.0.0/16 10.0.0.0/8 10.20.0.22-10.20.0.31 10.20.0.23 2001:db8::/32
2001:DB8:0::1 2001:db8::1-2001:db8::9 ::ffff:10.11.12.13 10.30.1.30 192.0.2.0/24""".split()
BOTH_ORDERS = ["=", "<", "<=", ">", ">="]
POOLS: dict[str, list[tuple[list[str], list[str], list[str]]]] = {
    # name: (subjects, operators, values)
    **dict.fromkeys(
        ["srcnum", "dstnum", "telnum", "number", "diversion", "pai", "ppi"],
        [
            ([""], [""], NUMBERS),
            ([""], ["~"], ["^415", "66$", "566.*66", "ALICE", "[0-9]{10}", "^\\+", "^(1|b)", "x"]),
        ],
    ),
    "user": [([""], [""], USERS), ([""], ["~"], ["^al", "66", "ICE$", "\\."])],
    "domain": [
        ([""], [""], ["*.example.com", "EXAMPLE.com", "pbx", "10.*", "2001:db8::22", "p?x", "b"]),
        ([""], ["~"], ["^p", "com$", "^[0-9.]+$"]),
    ],
    "uri": [
        ([""], [""], ["sip:*@example.com", "tel:*", "sip:000@pbx", "*:5061", "SIPS:*", "sip:bob@pbx"]),
        ([""], ["~"], ["^tel", "@.*:506[0-9]$", "%61"]),
    ],
    **dict.fromkeys(["srcip", "dstip", "ip"], [([""], [""], ADDRESSES)]),
    "port": [([""], [""], ["5060", "5061", "5060-5070", "35831-40000", "0", "5062-35830"])],
    "endpoint": [
        ([""], [""], ["10.20.0.22:5060", "10.20.0.22:5061", "[2001:DB8::22]:5061", "10.30.1.30:35831"])
    ],
    "transport": [([""], [""], ["udp", "TCP", "tls"])],
    "tap": [([""], [""], ["eth0", "eth?", "e*", "ens 5", "eth", "*"])],
    "interface": [([""], [""], ["eth1", "eth7"])],
    "callid": [
        ([""], [""], ["*@10.20.0.22", "a*", "x*", "?0?-call*", "*2001:db8::1", "*"]),
        ([""], ["~"], ["^[ab]", "CALL@1", "0[0-5]-"]),
    ],
    "method": [([""], [""], ["INVITE", "invite", "ACK", "Foo", "BYE", "REGISTER", "CANCEL"])],
    **dict.fromkeys(
        ["status", "final"],
        [([""], ["", "="], CODES), ([""], BOTH_ORDERS[1:], ["180", "200", "400", "487", "999"])],
    ),
    "state": [([""], [""], [*TERMS["state"].choices])],
    "messages": [([""], BOTH_ORDERS, AMOUNTS)],
    "retransmissions": [([""], BOTH_ORDERS, AMOUNTS)],
    "duration": [([""], BOTH_ORDERS[1:], SPANS)],
    "setup": [([""], BOTH_ORDERS[1:], SPANS)],
    "last": [([""], [""], ["1s", "60s", "2m", "2h", "0s"])],
    **dict.fromkeys(
        ["since", "until"],
        [([""], [""], ["15:42", "15:42:30.5", "2018-04-16", "2018-04-16T15:43:10", "00:00", "23:59"])],
    ),
    "has": [
        (
            ["diversion", "pai", "ppi", "rpid", "privacy", "P-Asserted-Identity", "History-Info"]
            + ["User-Agent", "x-tenant", "Reason", "k", "Supported", "s", "X-Nobody", "Content-Type"],
            [""],
            [],
        )
    ],
    "header": [
        (["User-Agent", "s", "Subject", "X-Tenant", "Contact", "To", "Nobody"], [""], []),
        (
            ["User-Agent", "X-Tenant", "Subject", "From", "v", "Reason", "Expires"],
            ["", "="],
            ["asterisk pbx 13.1.0", "LUNCH at", "*", "blue \\*1", "blue *1", "3600", "*alice*"]
            + ["Yealink SIP-T42G 29.80.0.95", "á", "sip/2.0/udp*", "?????????????????", '"Alice, \\']
            + ["k", "i", "S\u0130P", "sip"],
        ),
        (["User-Agent", "Subject", "To"], ["~"], ["^a", "t42g.*95$", "[0-9]{7}", "á", "noon|kamailio"]),
        (["Max-Forwards", "Expires", "Session-Expires"], BOTH_ORDERS[1:], ["9", "70", "1800", "3600"]),
    ],
    "ua": [
        ([""], ["", "="], ["asterisk", "FreeSWITCH*", "kamailio (4.4.4 (x86_64/linux))", "T42G 29", "x"]),
        ([""], ["~"], ["^(asterisk|kamailio)", "[0-9]$", "\\(x86"]),
    ],
    "reason": [
        ([""], ["", "="], ["ringing", "Busy*", "OK", "Some Reason", "cause=16", "*", "Normal call"]),
        ([""], ["~"], ["^o", "cause=(16|200)", "^$"]),
    ],
    "body": [
        ([""], [""], ["telephone-event", "SIGNAL", "m=image", "8 0 18", "b1--", "zebra"]),
        ([""], ["~"], ["(?m)^s=", "m=audio [0-9]{2} ", "rtpmap:1[01]1"]),
    ],
    "codec": [
        ([""], [""], ["PCMA", "g729", "opus", "G7*", "ulaw", "G.729", "telephone-event", "H26?"]),
        ([""], [""], ["GSM", "t38", "96", "*"]),
    ],
    "media": [
        ([""], [""], ["10.20.0.22", "18000", "18002", "10.20.0.22:18000", "2001:db8::22", "10.0.0.0/8"])
        ,([""], [""], ["[2001:db8::22]:30000", "10.5.5.5", "0", "10.9.9.9:20002", "10.7.7.7", "1"]),
    ],
    "stir": [([""], [""], []), ([""], [""], ["A", "b", "C"])],
}  # fmt: skip
ONE_VALUE = {"messages", "retransmissions", "duration", "setup", "last", "since", "until"}
WHOLE = {"state", "final", "messages", "retransmissions", "duration", "setup"}
FINDING = "finding"
"""Holds what diagnose says, compared by a test of its own; its labelled captures judge diagnose."""
DRAWN = tuple(name for name in TERMS if name != FINDING)


@pytest.fixture(scope="module")
def feeder() -> Feeder:
    """All conversations, come in."""
    made = Feeder()
    for _, one in arrivals(CALLS):
        made.feed(one)
    return made


def test_each_term_is_drawn() -> None:
    assert set(POOLS) == set(DRAWN)
    whole = {name for name, term in TERMS.items() if not issubclass(term, MessageTerm)}
    assert whole == WHOLE | {FINDING}


def test_findings_are_what_diagnose_says(feeder: Feeder) -> None:
    found = {one.id: diagnose(one) for one in feeder.chain.conversations}
    names = {finding.name for several in found.values() for finding in several}
    severities = {one.word for one in Severity}
    assert len(names) > 3
    for value in ("", *FINDINGS, *severities):
        wanted = Filter.parse(f"finding {value}")
        other = Filter.parse(f"not finding {value}")
        for one in feeder.chain.conversations:
            holds = any(value in ("", each.name, each.severity.word) for each in found[one.id])
            assert wanted.matches(one) == holds
            assert other.matches(one) != holds


@st.composite
def terms(draw: Callable, names: tuple[str, ...]) -> tuple:
    name = draw(st.sampled_from(names))
    subjects, operators, values = draw(st.sampled_from(POOLS[name]))
    subject, operator = draw(st.sampled_from(subjects)), draw(st.sampled_from(operators))
    most = 1 if name in ONE_VALUE or operator[:1] in ("<", ">") else 3
    chosen = draw(st.lists(st.sampled_from(values), min_size=1, max_size=most)) if values else []
    return TERM, name, subject, operator, tuple(chosen)


def trees(leaves: st.SearchStrategy) -> st.SearchStrategy:
    """Expressions of some terms."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.just(NEITHER), inner),
            st.builds(
                lambda joint, parts: (joint, *parts),
                st.sampled_from([BOTH, EITHER]),
                st.lists(inner, min_size=2, max_size=3),
            ),
        ),
        max_leaves=5,
    )


SINGLE = trees(terms(tuple(sorted(set(DRAWN) - WHOLE))))
"""Of what a single message can have."""
AMONGST = st.tuples(st.just(AMONG), st.sampled_from(["each", "any", "first"]), SINGLE)
TREES = trees(st.one_of(terms(DRAWN), terms(DRAWN), AMONGST))
PLAIN = re.compile(r"[\w.:/@+*%#-]+", re.ASCII)
SPELLINGS = {BOTH: [" and ", " AND ", "  "], EITHER: [" or ", "\tOr "], NEITHER: ["not ", "NOT "]}


GLUED_EQUALS = re.compile(r"[a-z]+=", re.IGNORECASE)


class Spelling:
    """Writes a tree as somebody might type it."""

    def __init__(self, choices: list[int]) -> None:
        self._choices = choices
        self._place = 0

    def one_of(self, several: list[str]) -> str:
        self._place += 1
        return several[self._choices[self._place % len(self._choices)] % len(several)]

    def text(self, tree: tuple) -> str:
        head = tree[0]
        if head == TERM:
            return self.term(*tree[1:])
        if head == AMONG:
            return f"{self.one_of([tree[1], tree[1].upper()])}({self.text(tree[2])})"
        if head == NEITHER:
            return self.one_of(SPELLINGS[NEITHER]) + self.inner(tree[1])
        text = self.inner(tree[1])
        for part in tree[2:]:
            joint, inner = self.one_of(SPELLINGS[head]), self.inner(part)
            # Behind a text `name=` may be one too: the language wants to be told.
            text += (SPELLINGS[head][0] if GLUED_EQUALS.match(inner) else joint) + inner
        return text

    def inner(self, tree: tuple) -> str:
        text = self.text(tree)
        return f"({text})" if tree[0] in (BOTH, EITHER) else self.one_of([text, f"( {text} )"])

    def term(self, name: str, subject: str, operator: str, values: tuple[str, ...]) -> str:
        words = [self.one_of([name, name.upper()])]
        words += [self.one_of([subject, f'"{subject}"'])] * bool(subject)
        written = [self.value(value) for value in values]
        if operator and name != "header" and self.one_of(["", "glued"]):
            return "".join([words[0], operator, written[0]]) + "".join(f" {x}" for x in written[1:])
        return " ".join([*words, *[operator] * bool(operator), *written])

    def value(self, value: str) -> str:
        quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return self.one_of([value, quoted]) if PLAIN.fullmatch(value) else quoted


SPELLED = st.lists(st.integers(0, 5), min_size=5, max_size=5).map(Spelling)


def expected(tree: tuple) -> list[str]:
    """The Call-IDs of the conversations that match, by the reference."""
    return sorted(call.call_id for call in CALLS if holds(tree, call, NEWEST))


def matching(wanted: Filter, feeder: Feeder) -> list[str]:
    """The same by sipstream, all of them judged at once."""
    conversations = feeder.chain.conversations
    flags = wanted.judge(conversations.index, range(conversations.places))
    return sorted(conversations[number].call_id for number, flag in enumerate(flags) if flag)


@settings(max_examples=3000, deadline=None)
@given(TREES, SPELLED)
def test_random_expressions(feeder: Feeder, tree: tuple, spelling: Spelling) -> None:
    text = spelling.text(tree)
    wanted = Filter.parse(text)
    assert matching(wanted, feeder) == expected(tree), text
    again = Filter.parse(str(wanted))
    assert again == wanted
    assert str(again) == str(wanted)
    assert hash(again) == hash(wanted)


@settings(max_examples=1000, deadline=None)
@given(SINGLE, st.sampled_from(["each", "any", "first"]), SPELLED)
def test_quantified_expressions(feeder: Feeder, tree: tuple, kind: str, spelling: Spelling) -> None:
    whole = AMONG, kind, tree
    wanted = Filter.parse(spelling.text(whole))
    assert matching(wanted, feeder) == expected(whole), str(wanted)
    if kind != "first":
        # What isn't so of any message isn't so of each, and the other way round.
        other = Filter.parse(
            f"not {'any' if kind == 'each' else 'each'}(not ({spelling.text(tree)}))"
        )
        assert matching(other, feeder) == matching(wanted, feeder)


FEW = [call for call in CALLS if 4 <= len(call.messages) <= 9][:5]


@settings(max_examples=700, deadline=None)
@given(TREES, SPELLED)
def test_judging_message_by_message(tree: tuple, spelling: Spelling) -> None:
    """After each message a filter that was asked before says what a new one and the reference do."""
    text = spelling.text(tree)
    kept, feeder = Filter.parse(text), Feeder()
    here = {call.call_id: type(call)(call.call_id, []) for call in FEW}
    latest = 0
    for call, one in arrivals(FEW):
        feeder.feed(one)
        here[call.call_id].messages.append(one)
        latest = max(latest, one.time)
        conversation = feeder.chain.conversations.by_call_id(call.call_id)
        assert conversation is not None
        assert kept.matches(conversation) == holds(tree, here[call.call_id], latest), text
    fresh = matching(Filter.parse(text), feeder)
    assert fresh == matching(kept, feeder)


@settings(max_examples=300, deadline=None)
@given(st.lists(TREES, min_size=1, max_size=4), st.sampled_from([BOTH, EITHER]), SPELLED)
def test_a_set_of_expressions(
    feeder: Feeder, parts: list[tuple], joint: str, spelling: Spelling
) -> None:
    """The filter context and its one expression mean the same."""
    filters = FilterSet()
    filters.set_condition(joint)
    for part in parts:
        text = spelling.text(part)
        if all(item != Filter.parse(text) for item in filters.items):
            try:
                filters.add(text)
            except FilterError as error:
                assert "there already" in str(error)
    conversations = feeder.chain.conversations
    flags = filters.judge(conversations.index, range(conversations.places))
    whole = Filter.parse(filters.expression())
    assert matching(whole, feeder) == sorted(
        conversations[number].call_id for number, flag in enumerate(flags) if flag
    )


def leaves(name: str) -> list[tuple]:
    """A term with each of its values."""
    return [
        (TERM, name, subject, operator, (value,) if value else ())
        for subjects, operators, values in POOLS[name]
        for subject in subjects
        for operator in operators
        for value in values or [""]
    ]


@pytest.mark.parametrize("name", POOLS)
def test_each_value_by_itself(feeder: Feeder, name: str) -> None:
    """What is drawn is worth little where the answer is always the same."""
    tells_apart = False
    for leaf in leaves(name):
        text = Spelling([1, 0, 1, 1, 0]).text(leaf)
        wanted = expected(leaf)
        assert matching(Filter.parse(text), feeder) == wanted, text
        tells_apart |= 0 < len(wanted) < len(CALLS)
    assert tells_apart
