"""The number in a header value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstream.sip.uri import is_number, user_of


@pytest.mark.parametrize(
    ("value", "user"),
    [
        ("<sip:5660066@178.19.48.48>", "5660066"),
        ('"4151502" <sip:4151502@10.10.10.2>;tag=as7', "4151502"),
        ('"sip:9999@evil" <sip:1502@10.20.0.22>', "1502"),
        ('"a \\" b" <sips:+3545660066@h;user=phone>', "+3545660066"),
        ("sip:alice@atlanta.com;tag=1", "alice"),
        ("<sip:alice:secret@atlanta.com>", "alice"),
        ("<sip:5660066;phone-context=+354@h>", "5660066"),
        ("<tel:+354-566-00(66)>", "+3545660066"),
        ("<tel:1819@10.0.0.1>", "1819"),
        ("tel:1819;phone-context=x", "1819"),
        ("<sip:10.20.0.22>", ""),
        ("<sip:@10.20.0.22>", ""),
        ("<SIP:%2B354@h>", "+354"),
        ("<sip:*21*5660066#@h>", "*21*5660066#"),
        ("Anonymous <mailto:x@y>", ""),
        ("", ""),
        ('"never closed <sip:1@h>', ""),
    ],
)
def test_user_part(value: str, user: str) -> None:
    assert user_of(value) == user


def test_numbers() -> None:
    assert is_number("5660066")
    assert is_number("+354")
    assert not is_number("")
    assert not is_number("alice1")
    assert not is_number("٣٤")


@given(st.text(max_size=200))
def test_any_text(value: str) -> None:
    user_of(value)


def test_quotes_that_are_never_closed_are_read_once() -> None:
    # Read again from each quote this took seconds: one From of 60 KB would stop the program.
    assert user_of('"' + '\\"' * 200_000) == ""
