"""The parts of a ring's files that indexes tell of, and the packets that lie at some of their places."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sipstream.limits import MAX_PACKET
from sipstream.packets import Batch
from sipstream.ring.contents import JOINED, Contents, ContentsError, Preface
from sipstream.ring.files import RingFiles, RingStore, contents_in
from sipstream.segments import label_of
from sipstream.sources.pcap import HEADER, RECORD, PcapReader

_GAP = 1 << 13
"""Bytes between packets up to which these are read together."""
_LAST = 1 << 11
"""Bytes read behind the head of the last one of these at first."""


class Piece:
    """What one index tells, of a file or of its end; `contents` None: it is read when it is wanted."""

    def __init__(
        self,
        store: RingStore,
        preface: Preface,
        keys: array[int],
        contents: Contents | None = None,
    ) -> None:
        self.store = store
        self.preface = preface
        self.keys = keys
        self.entered: set[int] = set()
        """Conversations of it that are in the session."""
        self.contents = contents
        self.is_kept = contents is None
        """Its contents can be read again."""

    def become(self, contents: Contents) -> None:
        """Take what was read of the file itself."""
        self.contents, self.preface, self.keys = contents, contents.preface, contents.keys
        self.is_kept = False

    def load(self, files: RingFiles) -> Contents:
        """Return the contents.

        Raises:
            ContentsError: the index is gone, damaged, or about something else by now.
        """
        if self.contents is None:
            contents = contents_in(files, self.store.name)
            if contents.keys != self.keys:
                raise ContentsError("it has changed")
            self.contents = contents
        return self.contents


def places_of(contents: Contents, keys: Iterable[int]) -> tuple[list[int], set[bytes]]:
    """Return where the packets of some conversations lie, and their Call-IDs."""
    places: set[int] = set()
    call_ids: set[bytes] = set()
    joined = False
    for key in keys:
        place = contents.place(key)
        if place < 0:
            continue
        call_ids.add(contents.call_ids.raw(place))
        places.update(contents.places.of(place))
        joined = joined or contents.kinds[place] & JOINED != 0
    if joined:
        places.update(contents.loose)
    return sorted(places), call_ids


def packets_at(store: RingStore, places: list[int]) -> Iterator[Batch]:
    """Yield the packets that begin at some places of a capture, ascending; others aren't there."""
    reader = PcapReader(store)
    reader.feed(store.read(0, HEADER))
    begin = 0
    for number, place in enumerate(places):
        following = places[number + 1] if number + 1 < len(places) else None
        if following is not None and following - place <= _GAP:
            continue
        wanted = places[begin : number + 1]
        begin = number + 1
        for size in (_LAST, MAX_PACKET + RECORD):
            own = reader.at(store, wanted[0])
            batches = own.feed(store.read(wanted[0], place - wanted[0] + RECORD + size))
            if own.position > place:
                break
        for batch in batches:
            records = [one for one in batch.records if _is_in(wanted, batch.base + one[1] - RECORD)]
            if records:
                yield replace(batch, records=records, tap=label_of(store.name))


def _is_in(places: list[int], place: int) -> bool:
    found = bisect_left(places, place)
    return found < len(places) and places[found] == place
