"""Answers are taken within limits: a tap speaks for itself, and what is damaged is counted."""

from __future__ import annotations

import zlib
from collections import Counter

import pytest
from support import sip

from sipstream.bus import coding
from sipstream.decode import hep
from sipstream.decode.endpoints import key_of
from sipstream.envelopes import envelope
from sipstream.taps import answers
from sipstream.taps.answers import Answer

A, B = key_of(bytes((10, 0, 0, 1)), 5060), key_of(bytes((10, 0, 0, 2)), 5060)


def made(node: str = "sbc1", *, time: int = 5_000_000_000, agent: int = 0) -> bytes:
    one = envelope(time, A, B, "TLS", sip(), node=node, agent=agent)
    assert one is not None
    return one


@pytest.fixture
def answer() -> Answer:
    return Answer("sbc1", Counter())


def took(answer: Answer, packed: bytes) -> list[answers.Came]:
    return answer.checked(answer.unpacked(answer.take({coding.KIND: coding.PART}, packed)))


def test_parts_and_an_end(answer: Answer) -> None:
    came = took(answer, coding.pack([made(time=7), made(time=8)]))
    assert [one.time for one in came] == [7, 8]
    assert not answer.ended
    answer.take({coding.KIND: coding.END}, coding.dump({"matching": 3, "given": True, "time": -1}))
    assert answer.ended
    assert (answer.number("matching"), answer.number("given"), answer.number("time")) == (3, 0, 0)
    assert answer.messages == 2
    assert not answer.reasons


@pytest.mark.parametrize("node", ["sbc2", "", "sbc1 "])
def test_a_tap_speaks_for_itself(answer: Answer, node: str) -> None:
    """Whatever node an envelope names, and whichever agent's number: all else stays as it was."""
    (came,) = took(answer, coding.pack([made(node, agent=9)]))
    captured = hep.parse(came.envelope, 0, len(came.envelope))
    assert captured is not None
    assert captured.tap == "sbc1"
    assert (captured.transport, captured.time) == ("TLS", 5_000_000_000)
    assert came.envelope[captured.start : captured.end] == sip()
    assert answer.reasons == {"under another tap's name (shown as its own)": 1}


def test_one_whose_first_node_is_right_and_a_second_one_isnt(answer: Answer) -> None:
    """The first one counts, here as everywhere."""
    both = made("sbc1")[6:] + made("evil")[6:]
    (came,) = took(answer, coding.pack([b"HEP3" + (len(both) + 6).to_bytes(2, "big") + both]))
    captured = hep.parse(came.envelope, 0, len(came.envelope))
    assert captured is not None and captured.tap == "sbc1"


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (coding.pack([]), ""),
        (b"garbage", "damaged, or too long unpacked"),
        (coding.pack([made()])[:-5], "damaged, or too long unpacked"),
        (zlib.compress(bytes(coding.MAX_PART + 1)), "damaged, or too long unpacked"),
        (zlib.compress(b"HEP3\x00\x06more"), "damaged, or too long unpacked"),
        (coding.pack([b"HEP3\x00\x06"]), "a damaged envelope"),
        (coding.pack([b"HEP3\x00\x09abc"]), "a damaged envelope"),
    ],
)
def test_garbage_is_counted(answer: Answer, packed: bytes, reason: str) -> None:
    assert took(answer, packed) == []
    assert list(answer.reasons) == [reason] * bool(reason)


def test_what_is_no_sip_is_left_out(answer: Answer) -> None:
    rtcp = made().replace(b"\x00\x00\x00\x0b\x00\x07\x01", b"\x00\x00\x00\x0b\x00\x07\x05")
    assert took(answer, coding.pack([rtcp])) == []
    assert answer.reasons == {"no SIP": 1}


def test_an_answer_has_its_limit(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_MESSAGES", 3)
    assert len(took(answer, coding.pack([made()] * 5))) == 3
    assert answer.reasons == {"more than an answer may have": 2}
    # A follow has it anew each time that it is asked for.
    answer.renew()
    assert len(took(answer, coding.pack([made()]))) == 1
    monkeypatch.setattr(answers, "MOST_BYTES", len(made()) + 1)
    assert len(took(answer, coding.pack([made()] * 5))) == 0


def test_an_error_is_one_sentence(answer: Answer) -> None:
    answer.take({coding.KIND: coding.ERROR}, coding.dump({"error": "busy" * 1000}))
    assert answer.ended
    assert answer.error == ("busy" * 1000)[:500]


@pytest.mark.parametrize("data", [b"", b"x", b'{"error": 7}', b"[" * 10_000])
def test_an_error_without_a_sentence(answer: Answer, data: bytes) -> None:
    answer.take({coding.KIND: coding.ERROR}, data)
    assert answer.error == "it says no reason"


def test_other_messages_are_no_answer(answer: Answer) -> None:
    assert answer.take({}, b"x") == b""
    assert answer.take({coding.KIND: "run"}, b"x") == b""
    assert answer.reasons == {"no answer of an agent": 2}
    assert not answer.ended


def test_what_a_follow_missed_is_counted(answer: Answer) -> None:
    for missed in ("3", "x", "-1", "²", "4"):
        answer.take({coding.KIND: coding.PART, coding.MISSED: missed}, coding.pack([]))
    assert answer.missed == 7


def test_what_no_packet_holds_is_left_out(answer: Answer) -> None:
    body = 0xFFFF - len(made()) - len("65000")
    one = envelope(1, A, B, "TLS", sip(body="x" * body), node="sbc1")
    assert one is not None and len(one) > 0xFFFF - 10
    assert took(answer, coding.pack([one])) == []
    assert answer.reasons == {"a message that is too long": 1}
