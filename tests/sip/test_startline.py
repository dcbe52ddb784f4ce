"""Start lines: what is SIP, and what isn't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstream.sip.startline import NO_CODE, NOT_SIP, is_request, kind_of, method_name


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"INVITE sip:a SIP/2.0\r\n", "INVITE"),
        (b"INVITE sip:a SIP/2.0\n", "INVITE"),
        (b"INVITE sip:a;x=y z SIP/2.0\r\n", "INVITE"),
        (b"invite sip:a SIP/2.0\r\n", "invite"),
        (b"FROBNICATE tel:1 sip/2.0\r\n", "FROBNICATE"),
        (b"!interesting-Method0123456789_*+`.%indeed'~ sip:a SIP/2.0\r\n", None),
        (b"OPTIONS sip:a SIP/7.0\r\n", "OPTIONS"),
        (b"SIP/2.0 200 OK\r\n", 200),
        (b"SIP/2.0 100\r\n", 100),
        (b"SIP/2.0 100 Trying -- your call is important to us\r\n", 100),
        (b"SIP/2.0  404  gone\r\n", NOT_SIP),
        (b"SIP/2.0 2x0 OK\r\n", NOT_SIP),
        (b"SIP/2.0 4294967301 big\r\n", NO_CODE),
        (b"SIP/2.0 2000\r\n", NO_CODE),
        (b"GET / HTTP/1.1\r\n", NOT_SIP),
        (b"INVITE sip:a\r\n", NOT_SIP),
        (b"\x80\x08abc", NOT_SIP),
        (b"", NOT_SIP),
        (b"INVITE", NOT_SIP),
    ],
)
def test_kinds(line: bytes, kind: int | str | None) -> None:
    found = kind_of(line + b"Call-ID: x\r\n" if line else line, 0, len(line))
    if isinstance(kind, int):
        assert found == kind
    else:
        assert is_request(found)
        assert kind is None or method_name(found) == kind


@given(st.binary(max_size=120))
def test_any_bytes(data: bytes) -> None:
    kind_of(data, 0, len(data))


@given(st.binary(min_size=1, max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_nothing_is_read_beyond_the_end(data: bytes, start: int, end: int) -> None:
    start, end = sorted((min(start, len(data)), min(end, len(data))))
    assert kind_of(data, start, end) == kind_of(data[start:end], 0, end - start)
