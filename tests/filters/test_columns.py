"""Terms that the index answers: judged by numbers, they give what the text of each gives."""

from __future__ import annotations

from collections.abc import Callable
from socket import inet_aton

import pytest
from filter_fakes import FakeConversation
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import Chain, batch, ethernet, ipv4, sip, udp

from sipstream.conversations import Conversations
from sipstream.filters import Filter
from sipstream.filters.numbers import NumberSet
from sipstream.sip.uri import coded_number, number_code

DIGITS = st.text("00123456789", min_size=1, max_size=6)
PREFIXES = st.sampled_from(["", "+", "00", "+00", "0", "000"])
PATTERNS = st.one_of(DIGITS, st.text("0123*+", min_size=1, max_size=5), st.just("alice"))


@st.composite
def alike(draw: Callable) -> tuple[list[str], str]:
    """Numbers, and one that is often one of them in another spelling."""
    number, other = draw(DIGITS), draw(st.lists(PATTERNS, max_size=2))
    return [draw(PREFIXES) + number, *other], draw(PREFIXES) + number


@settings(max_examples=400)
@given(alike())
@example((["000"], "000"))
@example((["0"], "+0"))
@example((["00"], "+00"))
@example((["000"], "00000"))
@example((["5"], "+005"))
@example((["1" * 18], "001" + "1" * 15))
def test_codes_are_the_numbers_that_are_held(given: tuple[list[str], str]) -> None:
    wanted, number = given
    numbers = NumberSet(wanted)
    code = number_code(number.encode())
    assert coded_number(code) == number
    if numbers.codes is None:
        assert any("*" in one for one in wanted)
    else:
        assert (code in numbers.codes) is numbers.holds(number)


USERS = [
    "4151500",
    "+4151500",
    "004151500",
    "00",
    "+",
    "",
    "alice",
    "*21",
    "0" * 17 + "1",
    "9" * 30,
]


@pytest.mark.parametrize(
    "pattern", ["4151500", "415*", "alice", "al*", "*", "*21", "0*", "9*", "00", "9" * 30, "bob"]
)
@pytest.mark.parametrize("term", ["srcnum", "dstnum", "telnum"])
def test_all_conversations_at_once_and_each_by_itself(term: str, pattern: str) -> None:
    shared = Conversations()
    for place, user in enumerate(USERS):
        FakeConversation(
            call_id=str(place), src_user=user, dst_user=USERS[place - 3], among=shared
        ).arrive()
    holds = NumberSet([pattern]).holds
    wanted = Filter.parse(f"{term} {pattern}")
    expected = [
        (term != "dstnum" and holds(one.src_user)) or (term != "srcnum" and holds(one.dst_user))
        for one in shared
    ]
    numbers = [one.id for one in shared]
    assert any(expected) or pattern == "bob"
    assert list(wanted.judge(shared.index, numbers)) == expected
    assert list(wanted.judge(shared.index, range(len(shared)))) == expected
    assert [wanted.matches(one) for one in shared] == expected


def test_a_place_among_users_that_became_anothers() -> None:
    """What was learnt of a name isn't taken for another that has its place later."""
    conversations = Conversations(memory=40_000)
    wanted, given = Filter.parse("srcnum user-1*"), 0
    for name in range(900):
        FakeConversation(call_id=str(name), src_user=f"user-{name}", among=conversations).arrive()
        for one in conversations:
            assert wanted.matches(one) is one.src_user.startswith("user-1")
        given = conversations.given_up
    assert given > 300


def test_ways_that_became_others() -> None:
    """What was learnt of an address isn't taken for another that has its number later."""
    chain = Chain()
    wanted = Filter.parse("srcip 10.0.0.1 or dstip 10.9.0.0/16")

    def send(call_id: str, source: str, destination: str) -> None:
        packet = ethernet(
            ipv4(udp(sip(call_id=call_id)), 17, inet_aton(source), inet_aton(destination))
        )
        chain.feed(batch([packet]))

    send("z", "10.0.0.8", "10.0.0.9")
    send("a", "10.0.0.1", "10.0.0.2")
    conversations = chain.conversations
    assert [wanted.matches(one) for one in conversations] == [False, True]
    conversations._give_up([1])
    conversations._release()
    # Its place for the message is taken again, then nothing has the way any more.
    send("b", "10.0.0.3", "10.0.0.4")
    conversations.index.forget_endpoints()
    send("c", "10.0.0.5", "10.0.0.6")
    send("d", "10.0.0.5", "10.9.0.6")
    found = [one.call_id for one in conversations if wanted.matches(one)]
    assert found == ["d"]


def test_very_many_kinds_are_looked_at_one_by_one() -> None:
    chain = Chain()
    packets = [ethernet(ipv4(udp(sip(f"SIP/2.0 {n} X", "many")))) for n in range(100, 300)]
    packets += [ethernet(ipv4(udp(sip("SIP/2.0 486 X", f"one{n}")))) for n in range(3)]
    chain.feed(batch(packets))
    for text, expected in (("status 250", [1, 0, 0, 0]), ("status 486", [0, 1, 1, 1])):
        assert list(Filter.parse(text).judge(chain.conversations.index, range(4))) == expected
