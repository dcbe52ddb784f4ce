"""What attackers and broken machines send: shared values, endless chains, used places."""

from __future__ import annotations

import random

import pytest
from leg_calls import BEGIN, PBX, TRUNK, Leg, calls_of, chain_of, feed, names_of, sdp
from support import Chain, batch, ethernet, ipv4, sip, udp

from sipstream.calls import Calls
from sipstream.calls.facts import Reader
from sipstream.calls.limits import FEW_SHARING, MOST_KEYS, MOST_LEGS, MOST_SHARING

SHARED = "X-CID: the-same-for-all\r\n"


def many(count: int, extra: str) -> Chain:
    """So many conversations of one INVITE each, a microsecond apart; {n} in a header is the number."""
    chain = Chain()
    for start in range(0, count, 1000):
        raw = [
            sip(
                call_id=f"call-number-{n}",
                source=f"<sip:{n:07d}@a>;tag=tag-of-{n}",
                extra=extra.format(n=n, before=n - 1),
            )
            for n in range(start, min(start + 1000, count))
        ]
        times = [BEGIN + n * 1000 for n in range(start, start + len(raw))]
        chain.feed(batch([ethernet(ipv4(udp(one))) for one in raw], times=times))
    return chain


def test_what_all_share_joins_nothing_and_is_told() -> None:
    calls = Calls(many(MOST_SHARING + 1, SHARED).conversations)
    assert {len(call.legs) for call in calls} == {1}
    assert calls.common == {"X-CID": (1, b"the-same-for-all")}


def test_as_many_as_a_group_of_phones_has_are_joined() -> None:
    calls = Calls(many(MOST_SHARING, SHARED).conversations)
    assert [len(call.legs) for call in calls] == [MOST_SHARING]
    assert calls.common == {}


def test_joined_already_they_are_apart_once_too_many_share() -> None:
    chain = many(MOST_SHARING, SHARED)
    calls = Calls(chain.conversations)
    assert len(list(calls)) == 1
    # Two of them have something else in common: that stays.
    feed(chain, Leg("of-its-own@a", extra="X-Call-ID: call-number-7\r\n" + SHARED))
    assert sorted(len(call.legs) for call in calls) == [1] * (MOST_SHARING - 1) + [2]


def test_a_tag_that_devices_have_in_common_joins_nothing() -> None:
    legs = [
        Leg(
            f"phone-{n}@a",
            n,
            (f"10.0.1.{n}", PBX),
            ("4151500", "5660066"),
            tags=("constant-tag", ""),
        )
        for n in range(1, FEW_SHARING + 2)
    ]
    assert len(calls_of(*legs)) == len(legs)


def steps(chain: Chain) -> int:
    """How much work it is to find the calls: the calls of functions that Python counts."""
    import sys

    count = 0

    def counting(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    calls = Calls(chain.conversations)
    sys.setprofile(counting)
    try:
        for _ in calls.update():
            pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "extra",
    [
        SHARED,
        "X-Call-ID: call-number-0\r\n",
        "X-Call-ID: call-number-{before}\r\n",
        "In-Reply-To: " + ", ".join(f"call-number-{n}" for n in range(1000)) + "\r\n",
        "P-Charging-Vector: icid-value=constant-icid\r\nSession-ID: " + "ab12cd34" * 4 + "\r\n",
    ],
)
def test_ten_times_as_many_cost_ten_times_as_much(extra: str) -> None:
    few, lots = steps(many(300, extra)), steps(many(3000, extra))
    assert lots < 13 * few


def test_tens_of_thousands_that_share_all_they_can() -> None:
    chain = many(30_000, SHARED + "Session-ID: " + "ab12cd34" * 4 + "\r\n")
    calls = Calls(chain.conversations)
    assert sum(1 for _ in calls) == 30_000
    assert calls.common["X-CID"][0] == 1
    assert calls.common["Session-ID"][0] == 1


def test_a_chain_of_calls_has_an_end() -> None:
    calls = Calls(many(1000, "X-Call-ID: call-number-{before}\r\n").conversations)
    found = list(calls)
    assert max(len(call.legs) for call in found) == MOST_LEGS
    assert sum(len(call.legs) for call in found) == 1000
    assert calls.too_long > 0


def test_of_one_conversation_only_so_much_is_kept() -> None:
    chain = chain_of(Leg("one@a", extra="".join(f"X-CID: value-{n}-x\r\n" for n in range(100))))
    calls = Calls(chain.conversations)
    assert len(list(calls)) == 1
    assert calls.left_out >= 100 - MOST_KEYS


def test_places_that_are_used_again_join_nothing_of_before() -> None:
    chain = Chain()
    calls = Calls(chain.conversations)
    legs = Leg("first@a", extra=SHARED), Leg("second@b", 40, (PBX, TRUNK), extra=SHARED)
    feed(chain, *legs)
    assert [names_of(call) for call in calls] == [["first@a", "second@b"]]
    number = chain.conversations.by_call_id("second@b")
    assert number is not None
    chain.conversations.give_up([number.id])
    assert [names_of(call) for call in calls] == [["first@a"]]
    chain.conversations.order  # noqa: B018 - places are free from now on
    feed(chain, Leg("third@c", 100, (PBX, TRUNK), ("777", "888")))
    third = chain.conversations.by_call_id("third@c")
    assert third is not None
    assert third.id == number.id
    assert [names_of(call) for call in calls] == [["first@a"], ["third@c"]]
    feed(chain, Leg("fourth@d", 200, (PBX, TRUNK), ("777", "888"), extra=SHARED))
    assert [names_of(call) for call in calls] == [["first@a", "fourth@d"], ["third@c"]]


def test_calls_found_as_they_come_are_those_found_at_once() -> None:
    """A hundred calls through a B2BUA, their conversations in any order."""
    shuffled = random.Random(7)
    legs = []
    for n in range(100):
        numbers = f"41515{n:02d}", "5660066"
        at, port = n * 37, 4000 + 4 * n
        session = sdp("10.0.0.1", port, f"{7152400 + n}")
        legs.append(
            Leg(f"incoming-{n}@a", at, numbers=numbers, offer=session, tags=(f"tag-no-{n}", ""))
        )
        extra = f"X-CID: incoming-{n}@a\r\n" if n % 3 == 0 else ""
        offer = session if n % 3 == 1 else ""
        tags = (f"tag-no-{n}", "") if n % 3 == 2 else ("", "")
        legs.append(
            Leg(f"outgoing-{n}@b", at + 30, (PBX, TRUNK), numbers, "", tags, "", extra, "", offer)
        )
    shuffled.shuffle(legs)
    chain = Chain()
    calls = Calls(chain.conversations)
    for leg in legs:
        feed(chain, leg)
        for _ in calls.update():
            pass
    expected = [[f"incoming-{n}@a", f"outgoing-{n}@b"] for n in range(100)]
    assert [names_of(call) for call in calls] == expected
    assert [names_of(call) for call in Calls(chain.conversations)] == expected


def test_a_thousand_calls_between_two_machines_join_nothing() -> None:
    """Numbers of the same ranges, the same media addresses, each with ports of its own."""
    legs = [
        Leg(
            f"call-{n}@a", n, numbers=(f"41515{n % 100:02d}", f"56600{n % 7:02d}"), lasts=20_000,
            offer=sdp("10.0.0.1", 4000 + 2 * n, f"{n + 1}"), answer=sdp("10.0.0.2", 4000 + 2 * n),
        )
        for n in range(1000)
    ]  # fmt: skip
    assert all(len(call.legs) == 1 for call in calls_of(*legs))


@pytest.mark.parametrize(
    "letter", ["/", ";", ",", "a", "<", '"', " ", "%3B", ";branch=z9hG4bK", "\t;"]
)
@pytest.mark.parametrize("name", ["Via", "From", "Session-ID", "Refer-To", "In-Reply-To", "X-CID"])
def test_no_header_is_read_in_more_than_linear_time(name: str, letter: str) -> None:
    """A header of 60 KiB: what takes quadratic time would take minutes."""
    value = f"SIP/2.0/UDP {letter * 60_000}"
    raw = f"REFER sip:a@b SIP/2.0\r\n{name}: {value}\r\nReferred-By: {value}\r\n\r\n".encode()
    for _ in range(20):
        Reader().facts(raw, request=True)
