"""Which conversations match a predicate, kept up to date while messages come in. Sans-IO."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sipstream.conversations import Conversations
from sipstream.views import Conversation

_PIECE = 256
"""Conversations judged between two looks at the event loop: a few ms when each has to be read."""


class Matches:
    """One flag a conversation; only those that got messages are judged again."""

    def __init__(self, matches: Callable[[Conversation], bool]) -> None:
        self.count = 0
        """How many conversations match."""
        self._matches = matches
        self._flags = bytearray()

    def __contains__(self, number: int) -> bool:
        return number < len(self._flags) and bool(self._flags[number])

    def judge(self, conversations: Conversations, number: int) -> bool:
        """Judge one conversation anew and return whether it matches."""
        flags = self._flags
        if number >= len(flags):
            flags.extend(bytes(conversations.places - len(flags)))
        after = self._matches(conversations[number])
        self.count += after - flags[number]
        flags[number] = after
        return after

    def judge_all(self, conversations: Conversations) -> Iterator[None]:
        """Judge all conversations there are now, giving control back after every piece.

        Who feeds in more meanwhile judges those: in a flood one would never be done with them here.
        """
        places = conversations.places
        for begin in range(0, places, _PIECE):
            for number in range(begin, min(begin + _PIECE, places)):
                if conversations.has(number):
                    self.judge(conversations, number)
            yield

    def forget(self, number: int) -> None:
        """A conversation was given up."""
        if number in self:
            self.count -= 1
            self._flags[number] = 0
