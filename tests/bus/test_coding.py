"""Parts and requests as bytes, and what isn't any."""

import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstream.bus import coding
from sipstream.decode.endpoints import key_of
from sipstream.envelopes import envelope

ENDS = key_of(bytes(4), 1), key_of(bytes(4), 2)


def some(count: int, size: int = 700) -> list[bytes]:
    made = (envelope(one, *ENDS, "UDP", bytes([one % 251]) * size) for one in range(count))
    return [one for one in made if one]


def test_what_was_packed_comes_back() -> None:
    envelopes = some(1000)
    assert coding.unpack(coding.pack(envelopes)) == envelopes
    assert coding.unpack(coding.pack([])) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cut short"),
        (b"no zlib", "damaged"),
        (coding.pack(some(3))[:-1], "cut short"),
        (zlib.compress(b"HEP3"), "something else than envelopes"),
        (zlib.compress(bytes(coding.MAX_PART + 1)), "more than 8 MiB"),
        (coding.pack([b"HEP3\x00\x06"] * 10_000), "more than 4096 envelopes"),
    ],
)
def test_what_is_no_part(data: bytes, said: str) -> None:
    with pytest.raises(coding.CodingError, match=said):
        coding.unpack(data)


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_the_declared_error(data: bytes) -> None:
    for read in (coding.unpack, coding.read):
        with contextlib.suppress(coding.CodingError):
            read(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "no JSON"),
        (b"[1]", "no JSON object"),
        (b"[" * 60_000, "no JSON"),
        (b" " * 70_000, "more than 64 KiB"),
        (b"\xff\xfe", "no JSON"),
    ],
)
def test_what_is_no_request(data: bytes, said: str) -> None:
    with pytest.raises(coding.CodingError, match=said):
        coding.read(data)


def test_requests_come_back() -> None:
    assert coding.read(coding.dump({"filter": "dstnum 5", "limit": 3})) == {
        "filter": "dstnum 5",
        "limit": 3,
    }
    assert coding.read(b"") == {}
