"""What capture files have in common: records one behind the other, fed in any cut.

Sans-IO. A record that isn't whole waits for its rest; what can't be believed ends the reading, since
nothing says where the next record begins.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from sipstream.packets import Batch, Store
from sipstream.sources import Missing


class RecordReader(ABC):
    """Reads one stream of records; `offset` is the place in `store` of the first byte fed."""

    what: str
    """What its records are, as in `no whole packet`."""

    def __init__(self, store: Store, offset: int = 0) -> None:
        self.notes: list[str] = []
        self._store = store
        self._base = offset
        self._start = offset
        self._rest = bytearray()
        self._need = 0
        """Bytes of the first record kept, as far as its head tells: no look is worth it before."""
        self.broken = False
        """A record can't be believed: nothing more is read."""

    def feed(self, data: bytes) -> list[Batch]:
        """Take the next bytes, return the whole packets they complete."""
        if self.broken:
            return []
        if self._rest:
            if len(self._rest) + len(data) < self._need:
                self._rest += data
                return []
            data = bytes(self._rest) + data
        self._need = 0
        batches, position = self._read(data)
        self._rest = bytearray() if self.broken else bytearray(data[position:])
        self._base += position
        return batches

    def finish(self) -> list[Batch]:
        """Say where the file was cut, if it was; nothing more comes of it."""
        if self._rest:
            place = self._base - self._start
            rest = f"the last {len(self._rest)} bytes are no whole {self.what}"
            self.notes.append(Missing(f"cut short at byte {place}: {rest}"))
            self._rest.clear()
        return []

    @abstractmethod
    def _read(self, data: bytes) -> tuple[list[Batch], int]:
        """Return the packets of whole records, and the place where the first other one begins.

        `_base` is the place of data[0] in the store.
        """

    def _at(self, position: int) -> int:
        """Return which byte of the stream data[position] is."""
        return self._base + position - self._start

    def _give_up(self, position: int, what: str) -> None:
        """Stop reading at a record that can't be believed."""
        where = f"damaged at byte {self._at(position)}"
        self.notes.append(Missing(f"{where}: {what}; what follows is not read"))
        self.broken = True
