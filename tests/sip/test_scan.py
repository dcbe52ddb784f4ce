"""What is written as most stacks do goes the short way, whatever version of Python's `re` there is.

With Python 3.11.2 (Debian 12's) a group that is repeated possessively doesn't match where something in
it may match in several ways: all was found then, but at half the speed.
"""

from __future__ import annotations

import pytest
from support import sip

from sipstream.sip import found, scan

USUAL = sip(source="<sip:5660066@a>", destination='"B" <sip:+3545660067@b>;tag=1')


@pytest.mark.parametrize("message", [USUAL, USUAL.replace(b"\r\n", b"\n")])
def test_a_usual_message_goes_the_short_way(message: bytes) -> None:
    match = scan._USUAL.match(message)
    assert match is not None
    assert match[3] == scan.call_id_of(message, 0, len(message))
    parties = found._PARTIES.match(message)
    assert parties is not None
    assert parties.groups() == (b"5660066", b"+3545660067")


@pytest.mark.parametrize(
    "line", [b"Call-ID:first", b"Call-ID: first and more", b"Call-ID:\r\n first"]
)
def test_the_first_call_id_counts_however_it_is_written(line: bytes) -> None:
    at = USUAL.index(b"Call-ID: ")
    message = USUAL[:at] + line + b"\r\n" + USUAL[at:]
    assert scan._USUAL.match(message) is None


def test_no_call_id_is_taken_from_the_body() -> None:
    head, _, body = USUAL.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Call-ID")]
    message = b"\r\n".join(lines) + b"\r\n\r\nCall-ID: body\r\n" + body
    assert scan._USUAL.match(message) is None
