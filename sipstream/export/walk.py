"""The records of a capture once more, where it lies: a file, or the spool it was kept in. Sans-IO."""

from __future__ import annotations

from collections.abc import Iterator

from sipstream.packets import Batch, Store
from sipstream.sources.container import MAGIC_LENGTH, Kind, make_reader, sniff
from sipstream.sources.pcap import PcapReader
from sipstream.sources.pcapng import PcapngReader
from sipstream.spool import PcapSpool

_CHUNK = 1 << 17
"""Bytes read at once: what is in them is looked through in a few milliseconds."""


def walk(store: Store) -> Iterator[Batch]:
    """Yield the packets of a store in the order in which they lie there; none where it holds text."""
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
    while not reader.broken and (data := store.read(place, _CHUNK)):
        place += len(data)
        yield from reader.feed(data)
