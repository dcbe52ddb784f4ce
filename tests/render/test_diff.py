"""Differences between messages: word by word, headers by their names, in bounded time."""

from __future__ import annotations

import pytest
from fakes import message
from hypothesis import given
from hypothesis import strategies as some

from sipstream.render import diff
from sipstream.render.colours import SGR, THEMES, Paint
from sipstream.views import Message


def _of(text: str) -> Message:
    return message("INVITE", raw=text.replace("\n", "\r\n").encode("utf-8", "surrogateescape"))


def _lines(old: str, new: str) -> list[str]:
    return list(diff.lines(_of(old), _of(new)))


def test_words_that_differ_are_marked_without_colours() -> None:
    assert _lines("INVITE sip:2@b SIP/2.0\nCSeq: 1 INVITE", "ACK sip:2@b SIP/2.0\nCSeq: 1 ACK") == [
        "- [-INVITE-] sip:2@b SIP/2.0",
        "+ {+ACK+} sip:2@b SIP/2.0",
        "- CSeq: 1 [-INVITE-]",
        "+ CSeq: 1 {+ACK+}",
    ]


def test_an_address_is_one_word() -> None:
    assert _lines("X\nVia: a 10.0.0.1:5060", "X\nVia: a 10.0.0.12:5060")[1:] == [
        "- Via: a [-10.0.0.1-]:5060",
        "+ Via: a {+10.0.0.12+}:5060",
    ]


def test_headers_correspond_by_name_wherever_they_stand() -> None:
    old = "X\nFrom: <sip:1@a>\nCall-ID: c\nUser-Agent: one\nVia: first\nVia: second"
    new = "X\ni: c\nAllow: ACK\nv: second\nvia : first\nUser-Agent: two\nf: <sip:1@a>"
    assert _lines(old, new) == [
        "  X",
        "  From: <sip:1@a>",
        "  Call-ID: c",
        "+ Allow: ACK",
        "- User-Agent: [-one-]",
        "+ User-Agent: {+two+}",
        "  Via: first",
        "  Via: second",
    ]


def test_folds_make_no_difference() -> None:
    assert _lines("X\nSubject: a\n  b\n\tc", "X\nSubject: a b c") == ["  X", "  Subject: a b c"]


def test_in_bodies_the_order_counts() -> None:
    old = "X\nTo: x\n\nv=0\nm=audio 4 RTP/AVP 8\na=sendrecv\nm=video 6 RTP/AVP 96\na=sendrecv"
    new = "X\nTo: x\n\nv=0\nm=audio 9 RTP/AVP 8\na=sendonly\na=ptime:20"
    assert _lines(old, new)[3:] == [
        "- m=audio [-4-] RTP/AVP 8",
        "+ m=audio {+9+} RTP/AVP 8",
        "- a=[-sendrecv-]",
        "+ a={+sendonly+}",
        "+ a=ptime:20",
        "- m=video 6 RTP/AVP 96",
        "- a=sendrecv",
    ]


@pytest.mark.parametrize("name", THEMES)
def test_with_colours_the_characters_are_the_same_but_for_the_marks(name: str) -> None:
    old, new = _of("INVITE x\nCSeq: 1 INVITE"), _of("INVITE x\nCSeq: 2 INVITE\nTo: y")
    painted = list(diff.lines(old, new, Paint(True, THEMES[name])))
    assert [SGR.sub("", line) for line in painted] == [
        *("  INVITE x", "- CSeq: 1 INVITE", "+ CSeq: 2 INVITE", "+ To: y"),
    ]
    assert f"{THEMES[name].added}2\x1b[0m" in painted[2]
    assert f"{THEMES[name].removed}1\x1b[0m" in painted[1]


_TEXTS = some.text(some.sampled_from("\n :=aA1vf"), max_size=80).map(lambda text: f"X\n{text}")


@given(_TEXTS, _TEXTS)
def test_nothing_of_either_message_is_lost(old: str, new: str) -> None:
    pairs = list(diff.pairs(_of(old), _of(new)))
    for mine, text in ((0, old), (1, new)):
        shown = [one for pair in pairs if (one := (pair.old, pair.new)[mine]) is not None]
        whole = "".join("".join(shown).split())
        assert sorted(whole) == sorted("".join(text.split()))
    for pair in pairs:
        removed, added = diff.words(pair.old or "", pair.new or "")
        assert "".join(text for text, _ in removed) == (pair.old or "")
        assert "".join(text for text, _ in added) == (pair.new or "")


@given(_TEXTS)
def test_a_message_does_not_differ_from_itself(text: str) -> None:
    assert {pair.change for pair in diff.pairs(_of(text), _of(text))} <= {"same"}


def test_of_long_texts_the_middle_is_told_as_a_whole() -> None:
    old, new = ("a " + "x y " * 100 + "z", "a " + "y x " * 100 + "z")
    removed, added = diff.words(old, new)
    assert [changed for _, changed in removed] == [False, True, False]
    assert [text for text, changed in added if changed] == [("y x " * 100).strip()]


def test_hostile_text_is_spelt() -> None:
    shown = _lines("X\nTo: \x1b[2J", "X\nTo: \udcff")
    assert shown[1:] == [r"- To: [-\x1b[2J-]", r"+ To: {+\xff+}"]
    assert diff.as_object(diff.Pair("header", r"To: \x1b", None))["old"] == "To: \x1b"


def test_of_endless_lines_nothing_is_told_word_by_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff, "MOST_LETTERS", 8)
    assert _lines("X\nTo: aaaaaa", "X\nTo: aaaaab")[1:] == ["- [-To: aaaaaa-]", "+ {+To: aaaaab+}"]
