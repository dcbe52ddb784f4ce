"""What a capture agent says belongs together (chunk 17 of HEP) makes conversations legs of one call."""

from __future__ import annotations

import pytest
from sighted import MS, PHONE, PROXY, Intake, Line
from support import sip

from sipstream.calls import Calls
from sipstream.decode.endpoints import key_of
from sipstream.envelopes import Enveloper

NEXT = key_of(bytes([10, 0, 0, 20]), 5060)
ID = b"5f1c-77aa-90be"


def leg(
    call_id: str, correlation: bytes, *, at: int = 0, ends: tuple[bytes, bytes] = (PHONE, PROXY)
) -> list[bytes]:
    """A leg that one tap saw; its numbers are its own."""
    payload = sip(call_id=call_id, source=f"<sip:{call_id}@a>", destination="<sip:x@b>")
    line = Line(["sbc1"], ends=ends, correlation=correlation)
    return [one.envelope for one in line.send(at * MS, payload)]


def legs(*envelopes: list[bytes]) -> list[list[tuple[str, str, str]]]:
    """Of each call the links of its legs: names, strengths and reasons."""
    intake = Intake()
    for one in envelopes:
        intake.take(one)
    return [
        [(link.name, link.strength, link.reason) for link in call.links]
        for call in Calls(intake.conversations)
    ]


def test_the_same_in_both() -> None:
    reason = f"both have the HEP correlation id {ID.decode()}"
    assert legs(leg("a", ID), leg("b", ID, at=40, ends=(PROXY, NEXT))) == [
        [("HEP correlation id", "proof", reason)]
    ]


@pytest.mark.parametrize("later", [False, True])
def test_the_call_id_of_the_other(later: bool) -> None:
    """As agents do that take the first leg's Call-ID, which is nothing new for that leg itself."""
    first = leg("first-leg@a", b"first-leg@a")
    second = leg("b", b"first-leg@a", at=40, ends=(PROXY, NEXT))
    [[link]] = legs(*((second, first) if later else (first, second)))
    assert link == (
        "HEP correlation id", "proof",
        "HEP correlation id of the second is the Call-ID of the first",
    )  # fmt: skip


def test_others_are_others() -> None:
    assert legs(leg("a", ID), leg("b", b"another-9d21c")) == [[], []]


@pytest.mark.parametrize("value", [b"7", b"--------------", b"x1" * 200])
def test_what_tells_nothing(value: bytes) -> None:
    """Too short to be no chance, of one letter, or too long to be kept."""
    assert legs(leg("a", value), leg("b", value, at=40)) == [[], []]


def test_told_by_the_second_tap_only() -> None:
    """Not every agent says it; the first to tell of a message may be one that doesn't."""
    intake = Intake()
    for tap, said in (("sbc1", b""), ("sbc2", ID)):
        intake.take(Line([tap], correlation=said).send(0, sip(call_id="a")))
    assert intake.conversations.message_count == 1
    assert intake.conversations.index.correlations == {0: ID}


def test_of_several_at_one_time_it_is_not_known_whose_it_is() -> None:
    """An agent that counts microseconds tells of two calls at the same one, each with its id, or none."""
    for second in (b"another-9d21c", b""):
        together = [*leg("a", ID), *leg("b", second)]
        intake = Intake()
        assert len(intake.take(together)) == 2
        assert intake.conversations.index.correlations == {}
        intake.take(leg("a", ID, at=40))
        assert intake.conversations.index.correlations == {0: ID}


def test_packets_that_look_alike() -> None:
    """Those of the same agent, way and id are opened in a quick way; the id counts for each."""
    assert [
        len(links) for links in legs(leg("a", ID), leg("b", ID, at=40), leg("c", ID, at=80))
    ] == [2]


def test_kept_with_the_conversation_and_sent_on() -> None:
    intake = Intake()
    intake.take(leg("a", ID))
    index = intake.conversations.index
    assert index.correlations == {0: ID}
    other = Intake()
    other.take(Enveloper("agent").pack(index, [0]))
    assert other.conversations.index.correlations == {0: ID}
    intake.conversations.give_up([0])
    assert index.correlations == {}


def test_its_own_call_id_isnt_kept() -> None:
    intake = Intake()
    intake.take(leg("first-leg@a", b"first-leg@a"))
    assert intake.conversations.index.correlations == {}
