"""Bytes out of order against a model: a dictionary of positions that keeps the first copy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipstream.decode.pieces import Pieces

ADDED = st.lists(st.tuples(st.integers(0, 40), st.binary(min_size=1, max_size=12)), max_size=12)


def model(added: list[tuple[int, bytes]]) -> dict[int, int]:
    held: dict[int, int] = {}
    for position, data in added:
        for place, byte in enumerate(data, position):
            held.setdefault(place, byte)
    return held


def filled(added: list[tuple[int, bytes]]) -> Pieces:
    pieces = Pieces()
    for position, data in added:
        pieces.add(position, data)
    return pieces


@given(ADDED)
def test_the_first_copy_of_each_byte_is_kept(added: list[tuple[int, bytes]]) -> None:
    pieces, held = Pieces(), {}
    for n, (position, data) in enumerate(added):
        before = len(held)
        held = model(added[: n + 1])
        assert pieces.add(position, data) == len(held) - before
        assert pieces.size == len(held)
    run = []
    while held and min(held) + len(run) in held:
        run.append(held[min(held) + len(run)])
    if held:
        assert pieces.first == min(held)
        assert pieces.take(min(held)) == bytes(run)
        assert pieces.size == len(held) - len(run)
    assert pieces.take(1000) == b""


@given(ADDED, st.integers(0, 60))
def test_what_lies_behind_an_end_is_forgotten(added: list[tuple[int, bytes]], end: int) -> None:
    pieces = filled(added)
    pieces.cut(end)
    kept = {place: byte for place, byte in model(added).items() if place < end}
    assert pieces.size == len(kept)
    found = b""
    while pieces:
        found += pieces.take(pieces.first)
    assert found == bytes(kept[place] for place in sorted(kept))
