"""Messages' bytes out of files that are mapped into memory: it spares a system call for each.

A process that reads behind the end of a file that was cut meanwhile is ended for it (SIGBUS): only those
read so that were forked for it.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sipstream.spool import FileStore

if TYPE_CHECKING:
    from sipstream.index import Index


class Mapped:
    """Brings the bytes of an index's messages; what lies in no file is read as always."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._maps: dict[int, mmap.mmap | None] = {}
        """Of each store by its number; None where it is no file."""

    def raws(self, numbers: Sequence[int]) -> list[bytes]:
        """Return the bytes of messages, by their numbers; b"" of those that have lost them."""
        index, maps = self._index, self._maps
        stores, offsets, lengths = index.m_store, index.m_offset, index.m_length
        raws = []
        for number in numbers:
            store = stores[number]
            if store not in maps:
                maps[store] = self._map(store)
            mapped = maps[store]
            if mapped is None:
                raws.append(index.raw(number))
            else:
                offset = offsets[number]
                raws.append(mapped[offset : offset + lengths[number]])
        return raws

    def _map(self, number: int) -> mmap.mmap | None:
        store = self._index.stores[number]
        if not isinstance(store, FileStore):
            return None
        try:
            return mmap.mmap(store.fileno(), 0, prot=mmap.PROT_READ)
        except (OSError, ValueError):
            return None
