"""Numbers for the stores of messages, as columns have them. Sans-IO."""

from __future__ import annotations

from collections.abc import Iterator

from sipstream.index import Index
from sipstream.packets import Store

_FEW = 16
"""Stores more than at the last look without a look at which of them messages still lie in."""
_PIECE = 1 << 16
"""Messages looked at together: a millisecond."""


class Stores:
    """Gives stores their numbers in an index, again and again where no message lies in them any more."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._numbers: dict[int, int] = {}
        self._free: list[int] = []
        self._kept = 0
        """How many were in use at the last look."""
        self._touched: set[int] = set()
        """Their numbers; while a look goes on, also those that get messages."""

    def number(self, store: Store) -> int:
        """Return a store's number."""
        stores = self._index.stores
        number = self._numbers.get(id(store))
        if number is None:
            if not self._free:
                self._free.append(len(stores))
                stores.append(stores[0])
            number = self._numbers[id(store)] = self._free.pop()
            stores[number] = store
        self._touched.add(number)
        return number

    @property
    def is_due(self) -> bool:
        """Whether there are so many new ones that `release` is worth it."""
        return len(self._numbers) >= self._kept + _FEW

    def release(self) -> Iterator[None]:
        """Let go of stores that no message lies in, in steps."""
        index = self._index
        used = self._touched = {0}
        for begin in range(0, len(index.m_store), _PIECE):
            used.update(index.m_store[begin : begin + _PIECE])
            yield
        for key, number in list(self._numbers.items()):
            if number not in used:
                del self._numbers[key]
                index.stores[number] = index.stores[0]
                self._free.append(number)
        self._kept = len(self._numbers)
