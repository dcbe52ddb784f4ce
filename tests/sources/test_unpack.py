"""A .gz is unpacked piece by piece, within limits; damage keeps what came before it."""

import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstream import limits
from sipstream.sources.unpack import STEP, Unpacker

PLAIN = bytes(random.Random(1).choices(b"INVITE sip:BYE\r\n", k=300_000))
PACKED = gzip.compress(PLAIN, mtime=0)


def unpack(data: bytes, size: int = STEP) -> tuple[bytes, list[str]]:
    unpacker = Unpacker()
    pieces = []
    for place in range(0, len(data), size):
        pieces += unpacker.feed(data[place : place + size])
    pieces += unpacker.finish()
    assert all(len(piece) <= STEP for piece in pieces) or not unpacker.unpacks
    return b"".join(pieces), unpacker.notes


@pytest.mark.parametrize("size", [1, 2, 1000, STEP])
def test_unpacks_in_any_pieces(size: int) -> None:
    assert unpack(PACKED, size) == (PLAIN, [])


@pytest.mark.parametrize("data", [b"", b"a", b"abc", b"12:00:00.0 IP", b"\xd4\xc3\xb2\xa1" * 9])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_what_is_not_packed_passes_through(data: bytes, size: int) -> None:
    assert unpack(data, size) == (data, [])


def test_members_are_joined_and_padding_is_skipped() -> None:
    data = b"".join(gzip.compress(b"%d " % number) for number in range(1000))
    assert unpack(data + bytes(512)) == (b"".join(b"%d " % number for number in range(1000)), [])


@pytest.mark.parametrize("size", [1, 5, STEP])
def test_what_follows_is_left_out(size: int) -> None:
    plain, notes = unpack(PACKED + b"garbage", size)
    assert plain == PLAIN
    assert notes == ["what follows the .gz in the same file is not .gz and is left out"]


def test_a_cut_stream_keeps_what_it_held() -> None:
    for cut in (3, 12, 100, len(PACKED) // 2, len(PACKED) - 8, len(PACKED) - 1):
        plain, notes = unpack(PACKED[:cut])
        assert PLAIN.startswith(plain)
        assert notes == [
            f"the .gz is cut short after {cut} bytes: what it held up to there is kept"
        ]
    assert plain == PLAIN


@pytest.mark.parametrize("size", [1, 1000, STEP])
def test_a_wrong_check_sum_keeps_everything(size: int) -> None:
    damaged = PACKED[:-8] + bytes([PACKED[-8] ^ 1]) + PACKED[-7:]
    plain, notes = unpack(damaged, size)
    assert plain == PLAIN
    assert notes == ["the .gz is damaged (incorrect data check): what came before is kept"]


def test_damage_keeps_what_came_before() -> None:
    block = zlib.compressobj(wbits=31)
    good = block.compress(PLAIN) + block.flush(zlib.Z_FULL_FLUSH)
    plain, notes = unpack(good + b"\xff" * 100)
    assert plain == PLAIN
    (note,) = notes
    assert "damaged" in note


def test_stops_at_the_limit_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GZIP_TOTAL", 1 << 20)
    monkeypatch.setattr(limits, "GZIP_RATIO_FROM", 1 << 30)
    plain, notes = unpack(gzip.compress(bytes(8 << 20)))
    assert 1 << 20 <= len(plain) <= (1 << 20) + STEP
    assert notes == ["stopped after 1 MiB were unpacked: the limit for a .gz"]


def test_stops_at_a_bomb() -> None:
    bomb = gzip.compress(bytes(80 << 20))
    plain, notes = unpack(bomb)
    assert limits.GZIP_RATIO_FROM < len(plain) <= limits.GZIP_RATIO_FROM + STEP
    assert notes == [
        "stopped after 64 MiB were unpacked: over 200 times the packed size, which no capture is"
    ]


def test_a_small_file_may_be_packed_well() -> None:
    plain, notes = unpack(gzip.compress(bytes(8 << 20)))
    assert len(plain) == 8 << 20
    assert notes == []


@given(st.binary(max_size=400), st.integers(1, 50), st.integers(0, 400), st.integers(0, 255))
def test_no_damage_raises(plain: bytes, size: int, place: int, value: int) -> None:
    packed = bytearray(gzip.compress(plain, mtime=0))
    packed[place % len(packed)] = value
    unpack(bytes(packed), size)
