"""Searching and packing: the newest first, bounded, right when conversations go meanwhile. Sans-IO."""

from __future__ import annotations

import pytest

pytest.importorskip("nats")

from support import Chain, batch, ethernet, ipv4, sip, udp  # noqa: E402

from sipstream.agent.answer import Answer, of_call_ids, of_search  # noqa: E402
from sipstream.agent.searching import Search  # noqa: E402
from sipstream.bus.coding import unpack  # noqa: E402
from sipstream.decode import hep  # noqa: E402
from sipstream.envelopes import Enveloper  # noqa: E402
from sipstream.filters import Filter  # noqa: E402
from sipstream.filters.term import never  # noqa: E402


def chain(count: int, each: int = 1) -> Chain:
    """Conversations c0, c1 ... one behind the other, of so many messages each."""
    made = Chain()
    messages = [
        sip(call_id=f"c{place}", cseq=f"{number} INVITE", extra=f"Subject: s{place % 2}\r\n")
        for place in range(count)
        for number in range(each)
    ]
    made.feed(batch([ethernet(ipv4(udp(one))) for one in messages]))
    return made


def call_ids(parts: list[bytes]) -> list[str]:
    """The Call-ID of each message in some parts."""
    found = []
    for envelope in (one for part in parts if part for one in unpack(part)):
        captured = hep.parse(envelope, 0, len(envelope))
        assert captured is not None
        raw = envelope[captured.start : captured.end].decode()
        found.append(raw.partition("Call-ID: ")[2].partition("\r\n")[0])
    return found


@pytest.mark.parametrize("text", ["dstnum 5660066", "header subject s1", "not header subject s1"])
def test_all_that_match_are_found_however_short_the_turns_are(text: str) -> None:
    conversations = chain(700).conversations
    wanted = Filter.parse(text)
    expected = [one.id for one in conversations if wanted.matches(one)][::-1]
    for due in (never, lambda: True):
        search = Search(conversations, Filter.parse(text))
        found = []
        while not search.ended:
            found += search.go_on(due)
        assert found == expected
        assert search.matching == len(expected)


def test_what_comes_while_it_is_searched_is_not_in_the_answer() -> None:
    made = chain(100)
    search = Search(made.conversations, None)
    found = search.go_on(never)
    made.feed(batch([ethernet(ipv4(udp(sip(call_id="new"))))], times=[5 * 10**9]))
    while not search.ended:
        found += search.go_on(never)
    assert len(found) == 100


def test_a_place_that_is_used_again_is_no_answer() -> None:
    made = chain(3, each=100)
    conversations = made.conversations
    search = Search(conversations, None)
    answer = Answer(search, Enveloper("t"), 10)
    parts = of_search(search, answer, never)
    packed = [next(parts)]
    # All of it is given up, and other calls take the places.
    conversations.give_up(list(range(3)))
    others = [sip(call_id=f"n{place % 3}", cseq=f"{place} INVITE") for place in range(300)]
    made.feed(batch([ethernet(ipv4(udp(one))) for one in others], times=[10**10] * 300))
    packed += [*parts, answer.part()]
    assert set(call_ids(packed)) == {"c2"}
    assert answer.messages == 32 and answer.given == 1


def test_conversations_are_given_whole_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipstream.agent.answer.ANSWER_BYTES", 30_000)
    conversations = chain(50, each=10).conversations
    search = Search(conversations, None)
    answer = Answer(search, Enveloper("t"), 100)
    packed = [*of_search(search, answer, never), answer.part()]
    found = call_ids(packed)
    assert found == [f"c{place}" for place in range(49, 49 - answer.given, -1) for _ in range(10)]
    assert 3 < answer.given <= 10 and search.matching == 50


def test_what_is_given_has_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipstream.agent.answer.ANSWER_BYTES", 5000)
    made = chain(3)
    for place, (name, count) in enumerate((("long", 40), ("last", 1))):
        messages = [sip(call_id=name, cseq=f"{number} INVITE") for number in range(count)]
        times = [(5 + place) * 10**9 + number for number in range(count)]
        made.feed(batch([ethernet(ipv4(udp(one))) for one in messages], times=times))
    search = Search(made.conversations, None)
    answer = Answer(search, Enveloper("t"), 9)
    # The long one has no room; older ones would have, but whoever reads the answer wouldn't know.
    assert call_ids([*of_search(search, answer, never), answer.part()]) == ["last"]
    assert (search.matching, answer.given, answer.is_whole) == (5, 1, False)


def test_only_as_many_are_given_as_were_asked_for() -> None:
    conversations = chain(50).conversations
    search = Search(conversations, None)
    answer = Answer(search, Enveloper("t"), 3)
    packed = [*of_search(search, answer, never), answer.part()]
    assert call_ids(packed) == ["c49", "c48", "c47"]
    assert (search.matching, answer.given) == (50, 3)


def test_odd_call_ids_are_asked_for_as_they_are_kept() -> None:
    odd = "caf\udce9 " + "x" * 400
    made = Chain()
    raw = sip(call_id="PLACE").replace(b"PLACE", odd.encode("utf-8", "surrogateescape"))
    made.feed(batch([ethernet(ipv4(udp(raw)))]))
    [conversation] = made.conversations
    search = Search(made.conversations, None)
    answer = Answer(search, Enveloper("t"), 9)
    parts = [*of_call_ids(search, answer, [conversation.call_id, odd[:3]]), answer.part()]
    assert (search.matching, answer.messages) == (1, 1)
    assert any(parts)
