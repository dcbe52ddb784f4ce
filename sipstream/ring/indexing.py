"""A file of a ring read through decode and SIP, to say what it holds: as far as it is written now."""

from __future__ import annotations

from collections.abc import Iterator

from sipstream.decode.decoder import Decoder
from sipstream.decode.endpoints import Endpoints
from sipstream.packets import Batch, Store, Tally
from sipstream.ring.contents import HEAD, Contents
from sipstream.ring.gathering import Gathering
from sipstream.sip.scan import Scanner
from sipstream.sources.pcap import HEADER, PcapReader

_STEP = 1024
"""Packets taken at a time."""


class Indexing:
    """Reads what there is of a file from a place on, and later what has come since."""

    def __init__(self, store: Store, begin: int = 0) -> None:
        self._store = store
        self._reader = PcapReader(store)
        if begin:
            self._reader.feed(store.read(0, HEADER))
            self._reader = self._reader.at(store, begin)
        self._gathering = Gathering()
        self._tally = Tally("")
        self._decoder = Decoder(self._tally, Endpoints())
        self._scanner = Scanner(self._tally)

    @property
    def covered(self) -> int:
        """Bytes of whole packets that were read so far."""
        return self._reader.position

    @property
    def broken(self) -> bool:
        """What follows is no pcap."""
        return self._reader.broken

    def advance(self, size: int) -> Iterator[None]:
        """Read the packets up to `size` bytes of the file, in steps of some milliseconds."""
        for batches in self._reader.read_until(size):
            for batch in batches:
                rest: Batch | None = batch
                while rest is not None:
                    part, rest = rest.parts(_STEP)
                    self._take(part)
                    yield

    def contents(self) -> Contents:
        """Return what is known so far."""
        return self._gathering.contents(self.covered, self._store.read(0, HEAD))

    def _take(self, batch: Batch) -> None:
        """Take some packets; of those that a stage fails on nothing is known but where they are."""
        found = self._scanner.feed(self._decoder.feed(batch))
        # Legs are found when messages are asked for.
        self._decoder.correlations.clear()
        self._gathering.take(batch, found)
        self._tally.suspects.clear()
