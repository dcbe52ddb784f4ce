"""Conversations packed for an answer: whole, in pieces that go out one by one, with an end. Sans-IO."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sipstream.agent.searching import Search
from sipstream.bus.coding import pack
from sipstream.envelopes import Enveloper
from sipstream.filters.term import Due

ANSWER_BYTES = 16 << 20
"""Bytes of envelopes in an answer: some 20,000 messages. Fifty taps give a shell 800 MB at most."""
PART_BYTES = 64 << 10
"""Bytes of envelopes at which a part of an answer goes out: no server's limit for a message is near."""
_TOGETHER = 32
"""Messages packed between two looks at the time: less than half a millisecond."""
_HEAD = 160
"""Bytes of an envelope beside its message, about."""


class Answer:
    """What was packed so far of what a search finds; `most` conversations are given at most.

    Conversations may be given up, and their places used again, between two pieces.
    """

    def __init__(self, search: Search, enveloper: Enveloper, most: int) -> None:
        self.given = 0
        """Conversations that are in the answer."""
        self.messages = 0
        self.left_out = 0
        """Messages of a conversation that alone is too long for an answer."""
        self._search = search
        self._enveloper = enveloper
        self._most = most
        self._bytes = 0
        self._full = False
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def take(self, number: int) -> Iterator[bytes]:
        """Pack a conversation if there is room for it; yield parts, empty ones where time passed."""
        index = self._search.conversations.index
        if self._full or self.given >= self._most or not self._search.is_there(number):
            return
        numbers = list(index.in_time_order(number))
        need = sum(index.m_length[one] for one in numbers) + _HEAD * len(numbers)
        if self.given and self._bytes + need > ANSWER_BYTES:
            # The next ones might fit, but what is given is to be the newest ones without a gap.
            self._full = True
            return
        self.given += 1
        for begin in range(0, len(numbers), _TOGETHER):
            there = [one for one in numbers[begin : begin + _TOGETHER] if self._is_of(one, number)]
            if self._bytes > ANSWER_BYTES:
                self.left_out += len(there)
                continue
            packed = self._enveloper.pack(index, there)
            self.messages += len(packed)
            size = sum(map(len, packed))
            self._bytes += size
            self._waiting_bytes += size
            self._waiting += packed
            yield self.part() if self._waiting_bytes >= PART_BYTES else b""

    @property
    def is_whole(self) -> bool:
        """Whether all that was found is in it."""
        return self.given == self._search.matching and not self.left_out

    def fields(self) -> dict[str, int]:
        """Return what stands at the answer's end."""
        return {
            "matching": self._search.matching,
            "given": self.given,
            "messages": self.messages,
            "left_out": self.left_out,
        }

    def part(self) -> bytes:
        """Return what waits to be sent as one message; b"" where nothing does."""
        if not self._waiting:
            return b""
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return pack(waiting)

    def _is_of(self, message: int, number: int) -> bool:
        """Tell whether a message still is one of a conversation, and that the one it was."""
        index = self._search.conversations.index
        return (
            self._search.is_there(number)
            and bool(index.m_store[message])
            and index.m_conversation[message] == number
        )


def of_search(search: Search, answer: Answer, due: Due) -> Iterator[bytes]:
    """Go through a search and pack what it finds; yield parts, empty ones where time passed."""
    while not search.ended:
        for number in search.go_on(due):
            yield from answer.take(number)
        yield b""


def of_call_ids(search: Search, answer: Answer, call_ids: Iterable[str]) -> Iterator[bytes]:
    """Pack the conversations of some Call-IDs, counted as the search's; yield parts as above."""
    for call_id in call_ids:
        found = search.conversations.by_call_id(call_id)
        if found is not None:
            search.matching += 1
            yield from answer.take(found.id)
        yield b""
