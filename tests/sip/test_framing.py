"""Framing of streams under any bytes and any cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import sip

from sipstream.limits import MAX_HEADERS, MAX_START_LINE
from sipstream.sip.framing import Framer

MESSAGES = [sip(call_id=str(n), body="v=0\r\n" * n) for n in range(4)]


def feed(framer: Framer, data: bytes) -> list[bytes]:
    return [piece[start:end] for piece, start, end, _ in framer.feed(data, 0, len(data), 0)]


@given(st.lists(st.integers(1, 400), max_size=20))
def test_any_cut(sizes: list[int]) -> None:
    stream, framer, found = b"".join(MESSAGES), Framer(), []
    for size in [*sizes, len(stream)]:
        found += feed(framer, stream[:size])
        stream = stream[size:]
    assert found == MESSAGES


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_any_bytes(pieces: list[bytes]) -> None:
    framer = Framer()
    for piece in pieces:
        framer.feed(piece, 0, len(piece), 0)
    framer.lost()


@given(st.binary(max_size=200).filter(lambda data: b" " not in data and not data.endswith(b"\r")))
def test_nonsense_before_a_start_line_is_passed_over(nonsense: bytes) -> None:
    framer = Framer()
    found = feed(framer, nonsense + b"\n" + MESSAGES[2])
    assert found == [MESSAGES[2]]


def test_the_place_of_a_message_that_lies_whole_is_told() -> None:
    data = b"\r\n" + MESSAGES[0] + MESSAGES[1]
    located = Framer().feed(data, 0, len(data), 500)
    assert [offset for *_, offset in located] == [502, 502 + len(MESSAGES[0])]


def test_headers_without_end_are_given_up() -> None:
    framer = Framer()
    found = feed(framer, b"OPTIONS sip:a SIP/2.0\r\nCall-ID: x\r\n")
    line = b"X: " + b"y" * 1000 + b"\r\n"
    for _ in range(MAX_HEADERS // len(line) + 2):
        found += feed(framer, line)
    assert len(found) == 1


def test_odd_content_lengths_do_not_swallow_the_stream() -> None:
    for length in ("-1", "1_0", "9" * 5000, "²", "abc", ""):
        odd = MESSAGES[0].replace(b"Content-Length: 0", f"Content-Length: {length}".encode())
        assert feed(Framer(), odd + MESSAGES[1])[-1] == MESSAGES[1]


def test_a_large_message_in_single_bytes_is_not_copied_again_and_again() -> None:
    message = sip(body="x" * 300_000)
    framer, found, copied = Framer(), [], 0
    for place in range(len(message)):
        found += feed(framer, message[place : place + 1])
        copied += not framer._waits(message, place, place + 1)
    assert found == [message]
    assert copied < 5000


NONSENSE = b"ABC " + b"x" * 1000 + b" SIP/2.0zzz\n"


@given(st.lists(st.integers(1, 700), max_size=20))
def test_any_cut_with_nonsense_in_between(sizes: list[int]) -> None:
    stream, framer, found = NONSENSE.join(MESSAGES), Framer(), []
    for size in [*sizes, len(stream)]:
        found += feed(framer, stream[:size])
        stream = stream[size:]
    assert found == MESSAGES


@pytest.mark.parametrize("size", [1, 700, 1400])
def test_a_long_start_line_in_segments(size: int) -> None:
    message = sip(f"INVITE sip:{'a' * 60_000}@b SIP/2.0")
    framer, found = Framer(), []
    for place in range(0, len(message), size):
        found += feed(framer, message[place : place + size])
    assert found == [message]


def test_a_message_behind_a_body_without_line_end_is_found_after_a_gap() -> None:
    framer = Framer()
    cut = sip(extra="Content-Type: text/xml\r\n", body="<a>" + "b" * 500 + "</a>")
    assert feed(framer, cut[:200]) == []
    framer.lost()
    assert feed(framer, cut[400:] + MESSAGES[1] + MESSAGES[2]) == MESSAGES[1:3]


def test_endless_nonsense_is_bounded_and_linear() -> None:
    framer = Framer()
    for _ in range(300):
        feed(framer, b"(" * 1000)
    assert framer.held <= MAX_START_LINE + 1000
    searched = 0
    for _ in range(3000):
        before = framer.held
        feed(framer, b"\n")
        searched += before
    assert searched <= 3000 * 10_000
    assert feed(framer, MESSAGES[0]) == [MESSAGES[0]]
