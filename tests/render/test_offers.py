"""Offers and answers side by side, as wide as the terminal."""

from __future__ import annotations

import pytest
from offer_calls import message, sdp, viewed

from sipstream.escape import cells
from sipstream.render import offers as rendered
from sipstream.render.colours import SGR, Paint
from sipstream.sip.offers import exchanges

OFFER = sdp("audio 8 0 18", "video 96", "a=rtpmap:96 VP8/90000", "audio port=0 8", "a=sendonly")
ANSWER = sdp("audio 0", "video port=0 96", "a=recvonly", address="2001:db8::1").replace(
    "IP4", "IP6"
)


def _shown(*raw: bytes, width: int | None = None, paint: Paint | None = None) -> list[str]:
    messages = viewed(*raw)
    return [
        line
        for exchange in exchanges(messages)
        for line in rendered.lines(exchange, messages, width, paint or Paint(False))
    ]


CALL = message("INVITE", "1 INVITE", OFFER), message("200 OK", "1 INVITE", ANSWER)


def test_each_stream_says_what_came_of_it() -> None:
    assert _shown(*CALL) == [
        "[0] INVITE  10.0.0.1:5060    | [1] 200 OK  10.0.0.1:5060",
        "  audio 192.0.2.1:4000       |   audio [2001:db8::1]:4000",
        "    PCMA, PCMU, G729         |     PCMU",
        "  = agreed: PCMU; media both ways",
        "  video 192.0.2.1:4002       |   video [2001:db8::1]:0 recvonly",
        "    VP8                      |     96",
        "  = refused by the answer (port 0)",
        "  audio 192.0.2.1:0 sendonly |",
        "    PCMA                     |",
        "  = the answer says nothing of this stream",
    ]


@pytest.mark.parametrize("width", [20, 60, 80, 132])
def test_lines_are_as_wide_as_the_terminal(width: int) -> None:
    shown = _shown(*CALL, width=width)
    assert len(shown) == 10
    assert all(cells(line) <= max(width, 35) for line in shown)
    if width == 60:
        assert shown[4] == "  video 192.0.2.1:4002       |   video [2001:db8::1]:0 recv…"


def test_hold_and_what_cannot_be_agreed_on() -> None:
    held, silent = sdp("audio 8", "a=sendonly"), sdp("audio 8", "a=inactive")
    shown = _shown(message("INVITE", "1 INVITE", held), message("200 OK", "1 INVITE", silent))
    assert shown[-1] == "  = agreed: PCMA; no media; on hold by the offer and the answer"
    shown = _shown(
        message("INVITE", "1 INVITE", sdp("audio 8")),
        message("200 OK", "1 INVITE", sdp("audio 0", "video 31")),
    )
    assert shown[3:] == [
        "  = no common codec",
        "                            |   video 192.0.2.1:4002",
        "                            |     H261",
        "  = not offered",
    ]


def test_without_an_answer() -> None:
    offer = message("INVITE", "1 INVITE", sdp("audio 8"))
    assert _shown(offer)[0].endswith(" | no answer seen")
    refused = _shown(offer, message("488 Not Acceptable Here", "1 INVITE"))
    assert refused[0].endswith(" | [1] 488 Not Acceptable Here: refused")


def test_colours_change_no_character() -> None:
    painted = _shown(*CALL, paint=Paint(True))
    assert painted != _shown(*CALL)
    assert [SGR.sub("", line) for line in painted] == _shown(*CALL)


def test_hostile_text_is_spelt() -> None:
    hostile = sdp("audio 96", "a=rtpmap:96 \x1b[2J/8000", address="a\x9b")
    shown = _shown(message("INVITE", "1 INVITE", hostile))
    assert shown[1].startswith(r"  audio a\u{9b}:4000 ")
    assert shown[2].startswith(r"    \x1b[2J ")
