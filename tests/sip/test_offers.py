"""Offers and answers: which belong together and what comes of them (RFC 3264, 3261, 3262, 3311)."""

from __future__ import annotations

import pytest
from offer_calls import message, sdp, viewed

from sipstream.sip import offers
from sipstream.sip.offers import Exchange, Negotiation, exchanges

OFFER, ANSWER = sdp("audio 8 0 18"), sdp("audio 0", address="192.0.2.9")


def _pairs(*raw: bytes) -> list[tuple[int, int | None]]:
    """The places of the messages with offer and answer."""
    return [
        (one.offer.place, one.answer.place if one.answer else None)
        for one in exchanges(viewed(*raw))
    ]


def _one(offer: str, answer: str) -> Exchange:
    (found,) = exchanges(
        viewed(message("INVITE", "1 INVITE", offer), message("200 OK", "1 INVITE", answer))
    )
    return found


def test_the_answer_is_in_the_2xx() -> None:
    found = _one(OFFER, ANSWER)
    assert (found.offer.kind, found.answer and found.answer.kind) == ("INVITE", 200)
    (audio,) = found.agreed
    assert audio == offers.Agreed("agreed", ("PCMU",), "sendrecv")


def test_the_answer_is_in_a_183_and_said_again_in_the_200() -> None:
    call = [
        message("INVITE", "1 INVITE", OFFER, tags=("a", "")),
        message("100 Trying", "1 INVITE", tags=("a", "")),
        message("183 Session Progress", "1 INVITE", ANSWER),
        message("200 OK", "1 INVITE", ANSWER),
        message("ACK", "1 ACK", branch="2"),
    ]
    assert _pairs(*call) == [(0, 2)]
    call[3] = message("200 OK", "1 INVITE", sdp("audio 8", address="192.0.2.9"))
    assert _pairs(*call) == [(0, 2), (0, 3)]


def test_forks_answer_each() -> None:
    assert _pairs(
        message("INVITE", "1 INVITE", OFFER),
        message("183 One", "1 INVITE", ANSWER, tags=("a", "b")),
        message("183 Other", "1 INVITE", ANSWER, tags=("a", "c")),
        message("200 OK", "1 INVITE", sdp("audio 18"), tags=("a", "c")),
    ) == [(0, 1), (0, 3)]


def test_the_2xx_offers_and_the_ack_answers() -> None:
    assert _pairs(
        message("INVITE", "1 INVITE"),
        message("183 Early", "1 INVITE", sdp("audio 3", session="9 1")),
        message("200 OK", "1 INVITE", OFFER),
        message("ACK", "1 ACK", ANSWER, branch="2"),
    ) == [(2, 3)]


def test_a_reliable_183_offers_and_the_prack_answers() -> None:
    assert _pairs(
        message("INVITE", "1 INVITE"),
        message("183 Early", "1 INVITE", OFFER, extra="RSeq: 7\r\n"),
        message("PRACK", "2 PRACK", ANSWER, branch="2", extra="RAck: 7 1 INVITE\r\n"),
        message("200 OK", "2 PRACK", branch="2"),
        message("200 OK", "1 INVITE"),
    ) == [(1, 2)]


def test_prack_and_update_may_offer() -> None:
    assert _pairs(
        message("INVITE", "1 INVITE", OFFER),
        message("183 Early", "1 INVITE", ANSWER, extra="RSeq: 7\r\n"),
        message("PRACK", "2 PRACK", sdp("audio 8"), branch="2", extra="RAck: 7 1 INVITE\r\n"),
        message("200 OK", "2 PRACK", sdp("audio 8"), branch="2"),
        message("UPDATE", "3 UPDATE", sdp("audio 0"), branch="3"),
        message("200 OK", "3 UPDATE", sdp("audio 0"), branch="3"),
    ) == [(0, 1), (2, 3), (4, 5)]


def test_both_sides_may_use_the_same_sequence_number() -> None:
    assert _pairs(
        message("INVITE", "1 INVITE", OFFER),
        message("200 OK", "1 INVITE", ANSWER),
        message("INVITE", "1 INVITE", sdp("audio 18"), branch="9", tags=("b", "a")),
        message("200 OK", "1 INVITE", sdp("audio 18"), branch="9", tags=("b", "a")),
    ) == [(0, 1), (2, 3)]


def test_sendings_and_hops_are_told_once() -> None:
    invite, ok = message("INVITE", "1 INVITE", OFFER), message("200 OK", "1 INVITE", ANSWER)
    assert _pairs(
        invite,
        invite,
        message("INVITE", "1 INVITE", OFFER, branch="hop"),
        message("200 OK", "1 INVITE", ANSWER, branch="hop"),
        ok,
        ok,
    ) == [(0, 4)]
    # A proxy that changes the description makes another exchange of it.
    changed = message("INVITE", "1 INVITE", sdp("audio 8 0 18", address="192.0.2.5"), branch="hop")
    assert _pairs(invite, changed, message("200 OK", "1 INVITE", ANSWER, branch="hop"), ok) == [
        (0, 3),
        (1, 2),
    ]


def test_a_refused_offer_says_by_what() -> None:
    (found,) = exchanges(
        viewed(message("INVITE", "1 INVITE", OFFER), message("488 Not Acceptable Here", "1 INVITE"))
    )
    assert found[1:] == (None, (), 488, 1)
    (waiting,) = exchanges(viewed(message("INVITE", "1 INVITE", OFFER)))
    assert waiting[1:] == (None, (), None, None)


@pytest.mark.parametrize(
    ("offered", "answered", "agreed"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendrecv", "recvonly", "sendonly"),
        ("sendrecv", "sendonly", "recvonly"),
        ("sendonly", "recvonly", "sendonly"),
        ("sendonly", "inactive", "inactive"),
        ("recvonly", "sendonly", "recvonly"),
        ("inactive", "inactive", "inactive"),
        ("sendonly", "sendrecv", "sendonly"),
    ],
)
def test_direction_is_seen_from_the_offer(offered: str, answered: str, agreed: str) -> None:
    found = _one(sdp("audio 8", f"a={offered}"), sdp("audio 8", f"a={answered}"))
    assert found.agreed[0].direction == agreed


@pytest.mark.parametrize(
    ("offer", "answer", "held_by"),
    [
        (sdp("audio 8", "a=sendonly"), sdp("audio 8", "a=recvonly"), ("offer",)),
        (sdp("audio 8", "a=sendonly"), sdp("audio 8", "a=inactive"), ("offer", "answer")),
        (sdp("audio 8", "a=inactive"), sdp("audio 8", "a=inactive"), ("offer",)),
        (sdp("audio 8"), sdp("audio 8", "a=sendonly"), ("answer",)),
        (sdp("audio 8", "a=recvonly"), sdp("audio 8", "a=sendonly"), ()),
        (sdp("audio 8", address="0.0.0.0"), sdp("audio 8"), ("offer",)),
        (sdp("audio 8"), sdp("audio 8"), ()),
    ],
)
def test_hold(offer: str, answer: str, held_by: tuple[str, ...]) -> None:
    assert _one(offer, answer).agreed[0].held_by == held_by


def test_what_becomes_of_each_stream() -> None:
    offer = sdp("audio 8", "video 96", "a=rtpmap:96 VP8/90000", "audio port=0 8", "text 98")
    answer = sdp("audio 8", "video port=0 96", "audio port=0 8")
    assert [one.outcome for one in _one(offer, answer).agreed] == [
        "agreed",
        "refused",
        "off",
        "unanswered",
    ]


def test_codecs_are_the_same_by_name_and_rate_not_by_payload_type() -> None:
    offer = sdp("audio 96 97 101", "a=rtpmap:96 opus/48000/2", "a=rtpmap:97 SPEEX/8000")
    answer = sdp("audio 111 96", "a=rtpmap:111 OPUS/48000/2", "a=rtpmap:96 speex/16000")
    assert _one(offer, answer).agreed[0].codecs == ("OPUS",)


def test_digits_alone_are_no_common_codec() -> None:
    digits = "a=rtpmap:101 telephone-event/8000"
    found = _one(sdp("audio 8 101", digits), sdp("audio 18 101", digits))
    assert found.agreed[0][:2] == ("no common codec", ("telephone-event",))


def test_limits_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "MOST_EXCHANGES", 3)
    negotiation = Negotiation()
    for one in viewed(
        *(message("UPDATE", f"{place} UPDATE", OFFER, branch=f"{place}") for place in range(5))
    ):
        negotiation.add(one)
    assert len(list(negotiation.exchanges())) == 3
    assert negotiation.left_out == 2
    monkeypatch.setattr(offers, "MOST_FORMATS", 4)
    negotiation = Negotiation()
    for one in viewed(message("INVITE", "1 INVITE", OFFER), message("200 OK", "1 INVITE", ANSWER)):
        negotiation.add(one)
    assert [one.answer for one in negotiation.exchanges()] == [None]
    assert negotiation.left_out == 1
