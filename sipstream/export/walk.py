"""The records of a capture once more, where it lies: a file, or the spool it was kept in. Sans-IO."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sipstream.packets import Batch, Store
from sipstream.sources.container import MAGIC_LENGTH, Kind, make_reader, sniff
from sipstream.sources.pcap import PcapReader
from sipstream.sources.pcapng import PcapngReader
from sipstream.spool import PcapSpool, Spool

_CHUNK = 1 << 17
"""Bytes read at once: what is in them is looked through in a few milliseconds."""


def walk(store: Store) -> Iterator[Batch]:
    """Yield the packets of a store in the order in which they lie there; none where it holds text."""
    if isinstance(store, Spool) and store.adopted:
        # Each segment of an earlier run is a capture of its own; the oldest may be gone.
        for begin, end in pairwise([*store.adopted, store.size()]):
            if begin >= store.begin:
                yield from _batches(PcapReader(store, begin), store, begin, end)
        return
    reader: PcapReader | PcapngReader
    place = store.begin
    if isinstance(store, PcapSpool):
        head = PcapReader(store)
        head.feed(store.head)
        reader = head.at(store, place)
    else:
        kind = sniff(store.read(0, MAGIC_LENGTH)) if not place else None
        if kind not in (Kind.PCAP, Kind.PCAPNG):
            return
        made = make_reader(kind, store)
        assert isinstance(made, PcapReader | PcapngReader)
        reader = made
    yield from _batches(reader, store, place)


def _batches(
    reader: PcapReader | PcapngReader, store: Store, place: int, end: int | None = None
) -> Iterator[Batch]:
    """Yield what a reader makes of a store from a place on."""
    while not reader.broken:
        size = _CHUNK if end is None else min(_CHUNK, end - place)
        data = store.read(place, size)
        if not data:
            return
        place += len(data)
        yield from reader.feed(data)
