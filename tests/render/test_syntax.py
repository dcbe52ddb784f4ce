"""Colours of whole messages: what stands out, and that no character is changed by it."""

from __future__ import annotations

import pytest
from fakes import message
from hypothesis import given
from hypothesis import strategies as some

from sipstream.render import message as rendered
from sipstream.render import syntax
from sipstream.render.colours import PLAIN, SGR, THEMES, Paint

TEXT = """\
Via: SIP/2.0/UDP 10.0.0.1;branch=z9
f: "Anna" <sip:1502@10.0.0.1>;tag=a
Contact : <sips:anna@10.0.0.1>
P-Asserted-Identity: <tel:+3545660066;x=1>
 sip:folded@10.0.0.1
Content-Type: multipart/mixed

--x
Content-Type: application/sdp

v=0
c=IN IP4 10.0.0.1
m=audio 4000 RTP/AVP 8
a=rtpmap:8 PCMA/8000
a=sendonly
a=sendonlyx
To: <sip:not@a.header>"""


def _found(kind: str) -> list[str]:
    return [text for line in syntax.lines(TEXT) for what, text in line if what == kind]


def test_what_stands_out() -> None:
    assert _found(syntax.NAME) == [
        *("Via:", "f:", "Contact :", "P-Asserted-Identity:", "Content-Type:", "Content-Type:"),
        *("v=", "c=", "m=", "a=", "a=", "a="),
    ]
    assert _found(syntax.PARTY) == ["1502", "anna", "+3545660066"]
    assert _found(syntax.MEDIA) == ["10.0.0.1", "audio 4000", "PCMA", "sendonly"]


@given(some.text(some.sampled_from("\n:;=@<> acmftFrom0189sip"), max_size=200))
def test_pieces_are_the_text(text: str) -> None:
    assert "\n".join("".join(piece for _, piece in line) for line in syntax.lines(text)) == text


@pytest.mark.parametrize("name", THEMES)
def test_painted_text_keeps_its_characters(name: str) -> None:
    one = message("INVITE", raw=f"INVITE sip:2@b SIP/2.0\n{TEXT}".encode())
    plain = rendered.whole(one)
    painted = rendered.whole(one, Paint(True, THEMES[name]))
    assert SGR.sub("", painted) == plain == rendered.whole(one, PLAIN)
    # What is asked for line by line, as by `| match`, needs no colour of the line before.
    assert all(line.count("\x1b[0m") * 2 == line.count("\x1b[") for line in painted.split("\n"))
    assert f"{THEMES[name].party}1502\x1b[0m" in painted


def test_of_endless_messages_the_first_lines_have_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "MOST_LINES", 1)
    assert list(syntax.lines("A: 1\nB: 2\nC: 3")) == [
        [(syntax.NAME, "A:"), ("", " 1")],
        [("", "B: 2\nC: 3")],
    ]
