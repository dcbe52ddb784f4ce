"""Which conversations a filter holds for, the newest first, in turns. Sans-IO."""

from __future__ import annotations

from itertools import compress
from typing import NamedTuple

from sipstream.conversations import Conversations
from sipstream.filters import Filter, Unfinished
from sipstream.filters.term import Due
from sipstream.index import UNUSED

_FEWEST, _MOST = 64, 4096
"""Conversations judged together: more as long as that is quick, fewer when it isn't."""


class Seen(NamedTuple):
    """What matched when somebody asked: the last batch that had come, and a flag a conversation."""

    batch: int
    flags: bytearray


class Search:
    """Judges the conversations that are there now; without a filter each matches.

    With `since` only those that got messages since then are looked at; what matched then and no longer
    does is found too, so that who asked may know.
    """

    def __init__(
        self, conversations: Conversations, wanted: Filter | None, since: Seen | None = None
    ) -> None:
        self.conversations = conversations
        self.matching = 0
        """How many match, of those that were judged."""
        self._wanted = wanted
        self._batch = conversations.index.batch
        self._numbers = conversations.order.numbers()
        self._left = len(self._numbers)
        self._since = since
        self._flags = bytearray(conversations.places)
        if since is not None:
            self._flags[: len(since.flags)] = since.flags
        self._size = _FEWEST

    @property
    def ended(self) -> bool:
        """Whether all were judged."""
        return not self._left

    @property
    def seen(self) -> Seen:
        """What matched, once all were judged."""
        return Seen(self._batch, self._flags)

    def is_there(self, number: int) -> bool:
        """Tell whether a conversation that was judged still is what it was."""
        return self.conversations.index.is_there(number, self._batch)

    def go_on(self, due: Due) -> list[int]:
        """Judge some more, return those that match, the newest first."""
        begin = max(self._left - self._size, 0)
        index = self.conversations.index
        state, begun, batch = index.c_state, index.c_begun, self._batch
        heard, before = index.c_heard, -1 if self._since is None else self._since.batch
        # As `is_there` has it, for hundreds of thousands.
        numbers = [
            number
            for number in self._numbers[begin : self._left]
            if heard[number] > before and begun[number] <= batch and state[number] != UNUSED
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
        found = self._noted(numbers, flags)
        self.matching += len(found)
        found.reverse()
        return found

    def _noted(self, numbers: list[int], flags: bytes) -> list[int]:
        """Take note of what matches; return it, and what matched before."""
        known, since = self._flags, self._since
        if since is None:
            found = list(compress(numbers, flags))
            for number in found:
                known[number] = 1
            return found
        found, begun = [], self.conversations.index.c_begun
        for number, flag in zip(numbers, flags, strict=True):
            if flag or (known[number] and begun[number] <= since.batch):
                found.append(number)
            known[number] = flag
        return found
