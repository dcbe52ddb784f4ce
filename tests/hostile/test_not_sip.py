"""What else comes to port 5060: it is counted, and never shown as SIP."""

from __future__ import annotations

import struct

import pytest
from hostile_inputs import segments, websocket_frame
from hostile_targets import outcome_of
from support import ipv4, sip, tcp, udp

from sipstream import reasons

CLEAN = sip(call_id="clean")
_DNS = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + b"\3sip\7example\3com\0\0\1\0\1"
_CLIENT_HELLO = b"\x16\3\1\0\x2f\1\0\0\x2b\3\3" + bytes(32) + b"\0\0\2\x13\1\1\0"

KEEP_ALIVES = {
    "two line ends": b"\r\n\r\n",
    "one line end": b"\r\n",
    "NUL": b"\0",
    "four NULs": bytes(4),
    "blank": b" ",
}
OTHERS = {
    "a letter": b"x",
    "jaK": b"jaK\0",
    "STUN": struct.pack("!HHI12x", 1, 0, 0x2112A442),
    "STUN response": struct.pack("!HHI12x", 0x101, 8, 0x2112A442) + bytes(8),
    "RTP": struct.pack("!BBHII", 0x80, 8, 1, 160, 7) + b"\xd5" * 160,
    "RTP of text": struct.pack("!BBHII", 0x80, 98, 1, 160, 7) + b"INVITE sip:2@b SIP/2.0\r\n\r\n",
    "RTCP": struct.pack("!BBHI20x", 0x80, 200, 6, 7),
    "DNS": _DNS,
    "DTLS": b"\x16\xfe\xfd" + bytes(10) + b"INVITE",
    "HTTP request": b"GET sip:2@b HTTP/1.1\r\nHost: a\r\nCall-ID: 1\r\n\r\n",
    "HTTP response": b"HTTP/1.1 200 OK\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n",
    "RTSP": b"OPTIONS rtsp://a RTSP/1.0\r\nCSeq: 1\r\nCall-ID: 1\r\n\r\n",
    "MSRP": b"MSRP a786hjs2 SEND\r\nTo-Path: msrp://b\r\nCall-ID: 1\r\n\r\n-------a786hjs2$\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SMTP": b"220 SIP/2.0 mail\r\n",
    "an SDP body alone": b"v=0\r\no=- 1 1 IN IP4 a\r\nCall-ID: 1\r\n\r\n",
    "headers alone": b"Via: SIP/2.0/UDP a\r\nCall-ID: 1\r\n\r\n",
    "log lines": b"Nov 25 sshd[1]: INVITE sip:2@b SIP/2.0 Call-ID: 1\n",
    "version without a code": b"SIP/2.0 OK\r\nCall-ID: 1\r\n\r\n",
    "code of two digits": b"SIP/2.0 20 OK\r\nCall-ID: 1\r\n\r\n",
    "random": bytes(range(256)),
}
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Protocol: sip\r\n\r\n"
)


def _raw(found: list[tuple[int, int, bytes, bytes]]) -> list[bytes]:
    return [raw for *_, raw in found]


@pytest.mark.parametrize("name", KEEP_ALIVES)
def test_keep_alives(name: str) -> None:
    """Row N7: keep-alives over UDP, before and behind a call of the same flow."""
    beat = ipv4(udp(KEEP_ALIVES[name]))
    outcome = outcome_of([beat, ipv4(udp(CLEAN)), beat])
    assert _raw(outcome.messages) == [CLEAN]
    assert outcome.reasons == {reasons.KEEP_ALIVE: 2}


def test_empty_datagram() -> None:
    """Row N7: a datagram of nothing."""
    outcome = outcome_of([ipv4(udp(b"")), ipv4(udp(CLEAN))])
    assert _raw(outcome.messages) == [CLEAN]
    assert outcome.reasons == {reasons.EMPTY: 1}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("port", [5060, 53, 4000])
def test_other_protocols_over_udp(name: str, port: int) -> None:
    """Row N7: STUN, RTP, DNS, DTLS, HTTP and the like on SIP's ports and others."""
    other = ipv4(udp(OTHERS[name], port, port))
    outcome = outcome_of([other, ipv4(udp(CLEAN, port, port)), other])
    assert _raw(outcome.messages) == [CLEAN]
    assert outcome.reasons == {reasons.NOT_SIP: 2}


@pytest.mark.parametrize("name", OTHERS | KEEP_ALIVES)
def test_other_protocols_over_tcp(name: str) -> None:
    """Row N7: the same in a stream of its own: nothing is shown, each packet has a reason."""
    data = (OTHERS | KEEP_ALIVES)[name]
    packets = segments(data * 3, (len(data), len(data)))
    shown = _raw(outcome_of(packets).messages)
    if name == "RTP of text":
        # A start line in a stream is one, whatever stands before it.
        assert all(raw.startswith(b"INVITE") for raw in shown)
    else:
        assert shown == []


@pytest.mark.parametrize("name", KEEP_ALIVES)
def test_keep_alives_between_messages(name: str) -> None:
    """Row N7: what stands between two messages of a stream belongs to neither."""
    two = sip(call_id="two")
    beat = KEEP_ALIVES[name]
    sizes = (len(beat), len(CLEAN), len(beat))
    packets = segments(beat + CLEAN + beat + two, sizes)
    assert _raw(outcome_of(packets).messages) == [CLEAN, two]


def test_tls() -> None:
    """Row N7: TLS is counted as what it is."""
    records = _CLIENT_HELLO + b"\x17\3\3\0\x20" + bytes(32)
    packets = segments(records, (len(_CLIENT_HELLO),))
    assert outcome_of(packets).reasons == {reasons.TLS: 2}


def test_websocket_upgrade() -> None:
    """Row N7: an upgrade is HTTP; frames of text that is no SIP are counted; SIP in them is found."""
    text = websocket_frame(b"{" + b'"a":1,' * 30 + b"}")
    ping = b"\x89\0"
    packets = segments(UPGRADE + text + ping + websocket_frame(CLEAN), (len(UPGRADE), len(text), 2))
    outcome = outcome_of(packets)
    assert _raw(outcome.messages) == [CLEAN]
    assert sum(outcome.reasons.values()) == 3
    assert set(outcome.reasons) <= {reasons.NOT_SIP, reasons.WEBSOCKET}


@pytest.mark.parametrize("flags", range(0x40))
def test_empty_segments(flags: int) -> None:
    """Row N7: TCP segments without data, with any flags."""
    outcome = outcome_of([ipv4(tcp(b"", 1000, flags=flags), 6)] * 2)
    assert outcome.messages == []
    assert sum(outcome.reasons.values()) == 2
