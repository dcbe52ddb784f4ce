"""Values of headers, a line a message."""

from __future__ import annotations

from offer_calls import message, viewed

from sipstream.render import fields
from sipstream.render.colours import SGR, Paint

CALL = viewed(
    message("INVITE", "1 INVITE", extra="Route: <sip:a>\r\nRoute: <sip:b>\r\nX-Odd: \x1b[2J\r\n"),
    message("180 Ringing", "1 INVITE", extra="m: <sip:2@b>\r\n"),
)


def _shown(*names: str) -> list[str]:
    return [line.partition("  ")[2] for line in fields.lines(CALL, names)]


def test_one_header_in_any_spelling() -> None:
    assert _shown("ROUTE") == ["INVITE       <sip:a>  |  <sip:b>", "180 Ringing  -"]
    assert _shown("contact") == ["INVITE       -", "180 Ringing  <sip:2@b>"]


def test_several_have_their_names_before_them() -> None:
    assert _shown("CSeq", "x-odd") == [
        r"INVITE       CSeq: 1 INVITE  |  x-odd: \x1b[2J",
        "180 Ringing  CSeq: 1 INVITE  |  x-odd: -",
    ]


def test_colours_change_no_character() -> None:
    painted = list(fields.lines(CALL, ["CSeq", "x-odd"], Paint(True)))
    plain = list(fields.lines(CALL, ["CSeq", "x-odd"]))
    assert painted != plain
    assert [SGR.sub("", line) for line in painted] == plain
