"""Which conversations match a predicate, kept up to date while messages come in. Sans-IO."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sipstream.conversations import Conversations
from sipstream.filters import Unfinished
from sipstream.filters.term import Due, Numbers, Predicate, never
from sipstream.index import UNUSED

_FEWEST, _MOST = 64, 4096
"""Conversations judged together: more as long as that is quick, fewer when it isn't."""


class Listed(NamedTuple):
    """Some of the conversations, by the time of their first message."""

    conversations: Conversations
    places: array[int]
    """Their places among all that are shown."""
    numbers: array[int]
    batch: int
    """The number of the last batch that had come: the same number may be another's later."""


class Matches:
    """One flag a conversation; only those that got messages are judged again."""

    def __init__(self, judge: Predicate) -> None:
        self.count = 0
        """How many conversations match."""
        self._judge = judge
        self._flags = bytearray()

    def __contains__(self, number: int) -> bool:
        return number < len(self._flags) and bool(self._flags[number])

    def judge(
        self, conversations: Conversations, numbers: Numbers, due: Due = never
    ) -> bytes | bytearray:
        """Judge conversations anew and return for each 1 when it matches, else 0.

        Raises:
            Unfinished: `due` said that it takes too long, and nothing is changed.
        """
        flags = self._flags
        flags.extend(bytes(max(conversations.places - len(flags), 0)))
        after = self._judge(conversations.index, numbers, due)
        if isinstance(numbers, range):
            self.count += after.count(1) - flags.count(1, numbers.start, numbers.stop)
            flags[numbers.start : numbers.stop] = after
        else:
            for number, flag in zip(numbers, after, strict=True):
                self.count += flag - flags[number]
                flags[number] = flag
        return after

    def judge_all(self, conversations: Conversations, due: Due) -> Iterator[None]:
        """Judge all conversations there are now, giving control back whenever it is `due`.

        Who feeds in more meanwhile judges those: in a flood one would never be done with them here.
        """
        places = conversations.places
        begin, size = 0, _FEWEST
        while begin < places:
            end = min(begin + size, places)
            try:
                self.judge(conversations, _there(conversations, begin, end), due)
                begin, size = end, min(size * 2, _MOST)
            except Unfinished:
                pass
            if due():
                size = max(size // 4, _FEWEST)
                yield

    def kept(self, numbers: Sequence[int]) -> bytes:
        """Return for each of some conversations 1 when it matches, else 0."""
        flags = self._flags
        try:
            return bytes(map(flags.__getitem__, numbers))
        except IndexError:
            return bytes([number in self for number in numbers])

    def forget_all(self) -> None:
        """All conversations were cleared."""
        self.count = 0
        self._flags.clear()

    def forget(self, number: int) -> None:
        """A conversation was given up."""
        if number in self:
            self.count -= 1
            self._flags[number] = 0


def _there(conversations: Conversations, begin: int, end: int) -> Numbers:
    """Return the numbers in a range that are a conversation's."""
    state = conversations.index.c_state
    if state.find(UNUSED, begin, end) < 0:
        return range(begin, end)
    return [number for number in range(begin, end) if state[number] != UNUSED]
