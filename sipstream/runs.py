"""The bytes of many messages, read together where they lie close together.

Messages lie in a file in the order they came: one read for some hundreds costs as much as for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sipstream.index import Index

_GAP = 512
"""Bytes between two messages that are read as well: copying and searching them takes as long as a call
does, and headers between packets are no more."""
_LONGEST = 1 << 20


class Run(NamedTuple):
    """Messages by their places, and the bytes of a store that hold them all."""

    messages: list[int]
    block: bytes
    begin: int
    """The offset of the first byte."""


def runs(index: Index, messages: list[int]) -> Iterator[Run]:
    """Yield the messages in runs; bytes that their file has lost are missing from the block."""
    stores, offsets, lengths = index.m_store, index.m_offset, index.m_length
    run: list[int] = []
    store = begin = end = 0
    for message in sorted(messages, key=lambda one: (stores[one], offsets[one])):
        offset = offsets[message]
        behind = offset + lengths[message]
        if run and (stores[message] != store or offset > end + _GAP or behind > begin + _LONGEST):
            yield from _read(index, run, begin, end)
            run = []
        if not run:
            store, begin, end = stores[message], offset, behind
        run.append(message)
        end = max(end, behind)
    if run:
        yield from _read(index, run, begin, end)


def _read(index: Index, run: list[int], begin: int, end: int) -> Iterator[Run]:
    block = index.stores[index.m_store[run[0]]].read(begin, end - begin)
    if len(block) == end - begin:
        yield Run(run, block, begin)
        return
    # A part is gone: what lies behind it may be there.
    for message in run:
        yield Run([message], index.raw(message), index.m_offset[message])
