"""Session descriptions: what is said of media, line by line (RFC 8866, 3551, 3605, 5761)."""

from __future__ import annotations

import pytest

from sipstream.sip.sdp import Format, media, sessions


def _message(*lines: str) -> bytes:
    body = "".join(f"{line}\r\n" for line in ("v=0", *lines)).encode("utf-8", "surrogateescape")
    head = (
        "INVITE sip:1@10.0.0.1 SIP/2.0\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


_CALL = (
    "o=- 4711 2 IN IP4 192.0.2.1",
    "s=-",
    "c=IN IP4 192.0.2.1",
    "t=0 0",
    "a=sendonly",
    "m=audio 30000 RTP/AVP 8 18 101 97",
    "a=rtpmap:101 telephone-event/8000",
    "a=fmtp:101 0-15",
    "a=rtpmap:97 opus/48000/2",
    "m=video 30002 RTP/SAVPF 34 120",
    "c=IN IP6 2001:db8::1",
    "a=rtcp:40000 IN IP6 2001:db8::2",
    "a=inactive",
    "m=image 30004 udptl t38",
)


def test_session_and_its_media() -> None:
    (session,) = sessions(_message(*_CALL))
    assert session[:4] == ("-", "4711", "2", "192.0.2.1")
    audio, video, fax = session.media
    assert (audio.address, audio.port, audio.protocol) == ("192.0.2.1", 30000, "RTP/AVP")
    assert audio.formats == (
        Format("8", "PCMA", 8000, ""),
        Format("18", "G729", 8000, ""),
        Format("101", "telephone-event", 8000, "0-15"),
        Format("97", "opus", 48000, ""),
    )
    assert audio.codecs == ("PCMA", "G729", "telephone-event", "opus")
    assert [one.direction for one in session.media] == ["sendonly", "inactive", "sendonly"]
    assert (video.address, video.rtcp_port) == ("2001:db8::1", 40000)
    assert video.formats == (Format("34", "H263", 90000, ""), Format("120", "120", 0, ""))
    assert (fax.protocol, fax.codecs, fax.rtcp_port) == ("udptl", ("t38",), 0)


@pytest.mark.parametrize(
    ("lines", "port"),
    [
        (("m=audio 4000 RTP/AVP 0",), 4001),
        (("m=audio 4000 RTP/AVP 0", "a=rtcp-mux"), 4000),
        (("m=audio 4000 RTP/AVP 0", "a=rtcp:5000"), 5000),
        (("m=audio 0 RTP/AVP 0", "a=rtcp:5000"), 0),
        (("m=audio 65535 RTP/AVP 0",), 0),
    ],
)
def test_where_rtcp_goes(lines: tuple[str, ...], port: int) -> None:
    assert media(_message(*lines))[0].rtcp_port == port


@pytest.mark.parametrize(
    "line",
    [
        "m=audio",
        "m=audio x RTP/AVP 0",
        "m=audio 4000",
        "a=rtpmap:",
        "a=rtpmap:8",
        "a=fmtp:",
        "a=rtcp:",
        "o=",
        "o=- x 1 IN IP4 10.0.0.1",
        "c=IN IP4",
        "=",
        "a=sendrecvx",
        "\udcff\udc80",
    ],
)
def test_lines_that_make_no_sense_are_passed_over(line: str) -> None:
    (session,) = sessions(_message(line, "m=audio 4000 RTP/AVP 8", line))
    assert session[:4] == ("", "", "", "")
    assert session.media[0].codecs == ("PCMA",)
    assert session.media[0].direction == "sendrecv"


def test_no_session_where_no_body_is_one() -> None:
    raw = b"MESSAGE sip:1@a SIP/2.0\r\nContent-Type: text/plain\r\n\r\nm=audio 1 RTP/AVP 0\r\n"
    assert sessions(raw) == []
    assert sessions(b"OPTIONS sip:1@a SIP/2.0\r\n\r\n") == []


def test_formats_beyond_the_seven_bits_of_payload_types() -> None:
    (one,) = media(_message("m=audio 4000 RTP/AVP" + " 8" * 28_000, "a=inactive"))
    assert one.codecs == ("PCMA",) * 128
    assert (one.port, one.direction) == (4000, "inactive")


def test_what_is_looked_at_of_a_message_is_bounded() -> None:
    streams = media(_message(*["m=audio 4000 RTP/AVP 0 8 18 101"] * 2_000))
    assert len(streams) == 300
    assert all(len(one.formats) == 4 for one in streams)
    offer = ("m=audio 4000 RTP/AVP 96", *["a=rtcp:5000"] * 5_000, "a=inactive")
    (one,) = media(_message(*offer))
    assert (one.rtcp_port, one.direction) == (5000, "sendrecv")


def test_lines_that_say_nothing_of_media_take_no_room() -> None:
    (one,) = media(_message("m=audio 4000 RTP/AVP 8", *["a=candidate:1"] * 4_000, "a=sendonly"))
    assert one.direction == "sendonly"


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_line_ends(end: str) -> None:
    raw = _message(*_CALL)
    head, _, body = raw.partition(b"\r\n\r\n")
    other = head + b"\r\n\r\n" + body.replace(b"\r\n", end.encode())
    assert sessions(other) == sessions(raw)
    assert sessions(other.rstrip()) == sessions(raw)
