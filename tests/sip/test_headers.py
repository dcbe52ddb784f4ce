"""Header fields in every spelling that RFC 3261 section 7.3 allows."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstream.sip.headers import body_start, every, first, split_values
from sipstream.sip.scan import call_id_of


def message(*lines: str, body: str = "", newline: str = "\r\n") -> bytes:
    return (newline.join(["OPTIONS sip:a SIP/2.0", *lines, "", ""]) + body).encode()


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize(
    "line",
    [
        "Call-ID: x@y",
        "CALL-ID: x@y",
        "call-id:x@y",
        "Call-ID  :   x@y  ",
        "i: x@y",
        "I:x@y",
        "Call-ID:\t x@y",
    ],
)
def test_spellings(line: str, newline: str) -> None:
    data = message("Via: v", line, "To: t", newline=newline)
    assert first(data, 0, len(data), "Call-ID") == b"x@y"
    assert every(data, 0, len(data), "call-id") == [b"x@y"]
    assert every(data, 0, len(data), "i") == [b"x@y"]


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_folds_are_undone(newline: str) -> None:
    folded = newline.join(["Subject: one", "  two", "\tthree"])
    data = message(folded, "To: t", newline=newline)
    assert first(data, 0, len(data), "Subject") == b"one two three"
    assert first(data, 0, len(data), "To") == b"t"


def test_a_value_wholly_on_folded_lines() -> None:
    data = message("Call-ID:\r\n  x@y")
    assert first(data, 0, len(data), "Call-ID") == b"x@y"


def test_headers_of_a_body_are_not_the_messages() -> None:
    data = message("To: t", body="INVITE sip:x SIP/2.0\r\nCall-ID: inner\r\n\r\n")
    assert first(data, 0, len(data), "Call-ID") is None
    assert every(data, 0, len(data), "Call-ID") == []


def test_a_name_inside_another_lines_text_is_no_header() -> None:
    data = message('To: "Diversion: x" <sip:a@b>', "X-Diversion: y")
    assert first(data, 0, len(data), "Diversion") is None


def test_repeated_headers_keep_their_order() -> None:
    data = message("Via: one", "v: two", "VIA: three")
    assert every(data, 0, len(data), "Via") == [b"one", b"two", b"three"]


def test_the_message_ends_where_it_is_said_to() -> None:
    data = message("To: t") + message("Call-ID: next")
    assert first(data, 0, len(message("To: t")), "Call-ID") is None


@pytest.mark.parametrize("blank", [b"\r\n\r\n", b"\n\n", b"\n\r\n"])
def test_body(blank: bytes) -> None:
    data = b"OPTIONS sip:a SIP/2.0\r\nTo: t" + blank + b"v=0\r\n\r\nmore"
    assert data[body_start(data, 0, len(data)) :] == b"v=0\r\n\r\nmore"


def test_no_body_without_a_blank_line() -> None:
    data = b"OPTIONS sip:a SIP/2.0\r\nTo: t\r\n"
    assert body_start(data, 0, len(data)) == len(data)


def test_commas_in_quotes_and_brackets_do_not_separate() -> None:
    assert split_values('"a, \\"b" <sip:x;y=1,2>, <tel:2> ,, c') == [
        '"a, \\"b" <sip:x;y=1,2>',
        "<tel:2>",
        "c",
    ]


@given(st.binary(max_size=300), st.sampled_from(["Call-ID", "From", "x", "", "Content-Length"]))
def test_any_bytes(data: bytes, name: str) -> None:
    first(data, 0, len(data), name)
    every(data, 0, len(data), name)
    body_start(data, 0, len(data))


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_the_first_line_of_a_body_is_no_header(end: bytes) -> None:
    data = end.join([b"INVITE sip:a SIP/2.0", b"To: <sip:1@a>", b"", b"Call-ID: inner", b""])
    assert first(data, 0, len(data), "Call-ID") is None
    assert call_id_of(data, 0, len(data)) is None


def test_a_long_run_of_blanks_in_a_folded_value_costs_no_more() -> None:
    def seconds(size: int) -> float:
        data = b"OPTIONS sip:a SIP/2.0\r\ni: a" + b" " * size + b"b\r\n c\r\n\r\n"
        begun = time.process_time()
        assert every(data, 0, len(data), "Call-ID") == [b"a" + b" " * size + b"b c"]
        return time.process_time() - begun

    small = max(min(seconds(20_000) for _ in range(3)), 0.001)
    # Quadratic would be a hundred times as much.
    assert min(seconds(200_000) for _ in range(3)) < 30 * small
