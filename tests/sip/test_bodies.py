"""Bodies: several parts, packed and binary ones; what is text stays as it is, byte for byte."""

from __future__ import annotations

import gzip
import json

import pytest
from fakes import message
from hypothesis import given
from hypothesis import strategies as st
from support import sip

from sipstream.render import message as rendered
from sipstream.render import objects
from sipstream.sip.bodies import bodies, readable

SDP = b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\n"
ISUP = bytes(range(37))
PIDF = b"<presence><tuple/></presence>"


def with_body(kind: str, body: bytes, extra: str = "") -> bytes:
    head = sip(extra=f"Content-Type: {kind}\r\n{extra}")
    return head.replace(b"Content-Length: 0", b"Content-Length: %d" % len(body)) + body


def multipart(*parts: tuple[bytes, bytes], end: bytes = b"--x--\r\n") -> bytes:
    body = b"".join(b"--x\r\n" + head + b"\r\n" + content + b"\r\n" for head, content in parts)
    return with_body('multipart/mixed;boundary="x"', body + end)


MIXED = multipart(
    (b"Content-Type: application/sdp\r\n", SDP),
    (b"Content-Type: application/ISUP;version=itu-t92+\r\nContent-Disposition: signal\r\n", ISUP),
    (b"Content-Type: application/pidf+xml\r\n", PIDF),
    (b"Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", gzip.compress(b"a" * 999, mtime=0)),
    (b"", b"plain"),
)


def test_parts_of_a_multipart_body() -> None:
    packed = len(gzip.compress(b"a" * 999, mtime=0))
    shown = rendered.whole(message("INVITE", raw=MIXED)).partition("Content-Length")[2]
    assert shown.split("\n")[2:] == [
        "--x", "Content-Type: application/sdp", "", "v=0", "o=- 1 1 IN IP4 10.0.0.1", "",
        "--x", "Content-Type: application/ISUP;version=itu-t92+", "Content-Disposition: signal", "",
        "(application/isup body, 37 bytes)",
        "--x", "Content-Type: application/pidf+xml", "", "<presence><tuple/></presence>",
        "--x", "Content-Type: text/plain", "Content-Encoding: gzip", "",
        f"(gzip body, {packed} bytes)",
        "--x", "", "plain", "--x--",
    ]  # fmt: skip
    assert [(one.type, one.end - one.start) for one in bodies(MIXED)] == [
        ("application/sdp", len(SDP)), ("application/isup", 37), ("application/pidf+xml", len(PIDF)),
        ("text/plain", packed), ("text/plain", 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "last"),
    [
        (with_body("application/sdp", gzip.compress(SDP), "Content-Encoding: gzip\r\n"), "gzip"),
        (with_body("application/sdp", b"\x78\x9c\x01", "e: Deflate\r\n"), "deflate"),
        (with_body("application/vnd.3gpp.sms", b"\0\1\x0b"), "application/vnd.3gpp.sms"),
        (with_body("application/isup", b"\xff\xfe"), "application/isup"),
        (with_body("a/\x1b[2J", b"\0"), r"a/\x1b[2j"),
    ],
)
def test_one_body_that_is_no_text(raw: bytes, last: str) -> None:
    lines = rendered.whole(message("INVITE", raw=raw)).split("\n")
    size = len(raw.partition(b"\r\n\r\n")[2])
    assert lines[-2:] == ["", f"({last} body, {size} bytes)"]
    assert len(lines[-1]) < 100


@pytest.mark.parametrize(
    "raw",
    [
        with_body("application/sdp", SDP),
        with_body("application/sdp", b"v=0\r\ns=\x1b[2J\xff\r\n"),
        with_body("text/plain", b"\0\1\2", "Content-Encoding: identity\r\n"),
        with_body("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"),
        with_body("multipart/mixed", b"--x\r\n\r\na\r\n"),
        with_body("multipart/mixed;boundary=x", b"no part at all"),
        sip(),
        b"INVITE sip:a SIP/2.0\r\nTo: x",
    ],
)
def test_text_stays_as_it_is(raw: bytes) -> None:
    assert readable(raw) == raw


def test_printed_text_has_lost_its_returns() -> None:
    assert len(bodies(MIXED.replace(b"\r\n", b"\n"))) == 5


@given(
    st.binary(max_size=300), st.sampled_from(["multipart/mixed;boundary=x", "a/b", "text/plain"])
)
def test_any_bytes(body: bytes, kind: str) -> None:
    raw = with_body(kind, body)
    places = [place for one in bodies(raw) for place in (one.start, one.end)]
    assert places == sorted(places)
    readable(raw)


def test_as_objects() -> None:
    found = objects.message(message("INVITE", raw=MIXED), "a@b")
    assert found["bodies"][1] == {"type": "application/isup", "encoding": "", "bytes": 37}
    assert json.loads(objects.dumps(found))["bodies"][3]["encoding"] == "gzip"
    assert "bodies" not in objects.message(
        message("INVITE", raw=with_body("application/sdp", SDP)), "a"
    )


def test_parts_by_the_thousand() -> None:
    raw = with_body("multipart/mixed;boundary=x", b"--x\n\n1\n" * 9_000 + b"--x--")
    assert len(bodies(raw)) == 9_000
    found = bodies(raw, 100)
    assert len(found) == 100
    assert found[98].end - found[98].start == 1
    assert found[99].end == found[99].start + len(b"1\n" + b"--x\n\n1\n" * 8_900 + b"--x--")
