"""WebSocket connections whose handshake was before the capture began (RFC 7118)."""

from __future__ import annotations

import pytest
from hostile_inputs import segments, websocket_frame
from hostile_targets import outcome_of, through
from hypothesis import given
from hypothesis import strategies as st
from support import batch, sip

from sipstream.decode.websocket import is_frame
from sipstream.packets import Linktype

INVITE = sip(call_id="one", extra="X: " + "x" * 200 + "\r\n")
ANSWER = sip("SIP/2.0 200 OK", call_id="one", extra="X: " + "x" * 200 + "\r\n")
MASKS = [b"", b"abcd", b"\0\0\0\0", b"\xff\x80\x01\x7f"]


def short(payload: bytes, mask: bytes) -> bytes:
    masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload)) if mask else payload
    return bytes((0x81, len(payload) | bool(mask) << 7)) + mask + masked


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("message", [INVITE, ANSWER])
def test_a_connection_that_was_there_before(mask: bytes, message: bytes) -> None:
    frames = websocket_frame(message, mask) + websocket_frame(ANSWER, mask)
    cuts = [(), (50,), (len(message) + 8,), (300, 17, 200)]
    for sizes in cuts:
        packets = segments(frames, sizes)
        outcome = outcome_of(packets)
        assert [raw for *_, raw in outcome.messages] == [message, ANSWER]
        [conversation] = through([batch(packets, Linktype.RAW)]).conversations
        assert conversation.first.transport == "WS"


def test_a_capture_that_began_within_a_frame() -> None:
    whole = websocket_frame(INVITE, b"abcd")
    packets = segments(whole[90:] + websocket_frame(ANSWER, b"efgh"), (len(whole) - 90,))
    assert [raw for *_, raw in outcome_of(packets).messages] == [ANSWER]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x81", b"\x81\xfe", short(b"hello there, nothing of SIP", b"abcd"),
        b"\x01" + short(INVITE[:100], b"")[1:], b"\x89" + short(INVITE[:100], b"")[1:],
        b"\xc1" + short(INVITE[:100], b"")[1:], b"\x81\x7f" + b"\xff" * 8 + INVITE,
        INVITE, b"\x81\x05INVIT" + INVITE, b"\x81\xff" + bytes(8) + b"ab",
    ],
)  # fmt: skip
def test_what_is_no_frame_of_sip(data: bytes) -> None:
    assert not is_frame(data, 0, len(data))


def test_short_frames() -> None:
    assert is_frame(short(b"ACK sip:a SIP/2.0\r\ni:1\r\n\r\n", b"abcd"), 0, 40)
    assert not is_frame(b"..." + short(b"ACK sip:a SIP/2.0\r\n", b""), 3, 6)


@given(st.binary(max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_any_bytes(data: bytes, start: int, end: int) -> None:
    start, end = sorted((min(start, len(data)), min(end, len(data))))
    for first in (b"", b"\x81", b"\x82"):
        piece = first + data
        assert is_frame(piece, 0, len(piece)) in (True, False)
    assert is_frame(data, start, end) == is_frame(data[start:end], 0, end - start)
