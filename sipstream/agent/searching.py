"""Which conversations a filter holds for, the newest first, in turns. Sans-IO."""

from __future__ import annotations

from sipstream.conversations import Conversations
from sipstream.filters import Filter, Unfinished
from sipstream.filters.term import Due
from sipstream.index import UNUSED

_FEWEST, _MOST = 64, 4096
"""Conversations judged together: more as long as that is quick, fewer when it isn't."""


class Search:
    """Judges the conversations that are there now; without a filter each matches."""

    def __init__(self, conversations: Conversations, wanted: Filter | None) -> None:
        self.conversations = conversations
        self.matching = 0
        """How many match, of those that were judged."""
        self._wanted = wanted
        self._batch = conversations.index.batch
        self._numbers = conversations.order.numbers()
        self._left = len(self._numbers)
        self._size = _FEWEST

    @property
    def ended(self) -> bool:
        """Whether all were judged."""
        return not self._left

    def is_there(self, number: int) -> bool:
        """Tell whether a conversation that was judged still is what it was."""
        return self.conversations.index.is_there(number, self._batch)

    def go_on(self, due: Due) -> list[int]:
        """Judge some more, return those that match, the newest first."""
        begin = max(self._left - self._size, 0)
        index = self.conversations.index
        state, begun, batch = index.c_state, index.c_begun, self._batch
        # As `is_there` has it, for hundreds of thousands.
        numbers = [
            number
            for number in self._numbers[begin : self._left]
            if begun[number] <= batch and state[number] != UNUSED
        ]
        try:
            flags = bytes([1]) * len(numbers)
            if self._wanted is not None:
                flags = bytes(self._wanted.judge(index, numbers, due))
        except Unfinished:
            # What it has read it doesn't read again.
            self._size = max(self._size // 4, 1)
            return []
        self._left = begin
        self._size = max(self._size // 4, _FEWEST) if due() else min(self._size * 2, _MOST)
        found = [number for number, flag in zip(numbers, flags, strict=True) if flag]
        self.matching += len(found)
        found.reverse()
        return found
