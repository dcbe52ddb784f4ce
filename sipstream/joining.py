"""The calls of a session: its conversations joined, once somebody asks, in turns.

Nothing is collected while nobody asks: a load costs no more for it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING

from sipstream.filters.term import Due, Numbers, Predicate
from sipstream.pace import Pace

if TYPE_CHECKING:
    from sipstream.calls import Calls
    from sipstream.conversations import Conversations
    from sipstream.index import Index


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


class Joining:
    """Joins conversations; `there` gives these, and the names of further headers that join them."""

    def __init__(self, there: Callable[[], tuple[Conversations, tuple[str, ...]]]) -> None:
        self._there = there
        self._calls: Calls | None = None
        self.heads = array("I")
        """The first legs of the calls that were listed last."""

    @property
    def known(self) -> Calls:
        """The calls as far as they are known, of the conversations and the headers of now."""
        conversations, headers = self._there()
        calls = self._calls
        if calls is None or calls.conversations is not conversations or calls.headers != headers:
            # Not at the start of the program: few runs ask for calls.
            from sipstream.calls import Calls

            calls = self._calls = Calls(conversations, headers)
            self.heads = array("I")
        return calls

    async def calls(self, tell: Callable[[int, int], None] = _silent) -> Calls:
        """Return the calls of all messages that came so far.

        `tell` gets, after each turn, how many conversations were looked through, and of how many.
        """
        pace = Pace()
        while True:
            calls = self.known
            for _ in calls.update(pace.due):
                tell(calls.looked_through, len(calls.conversations.index.c_state))
                await pace.rest()
            # All conversations may be cleared meanwhile.
            if calls is self.known:
                return calls

    def take(self, touched: list[int]) -> None:
        """Take in what conversations got, at once."""
        for _ in self.known.take(touched):
            pass

    def legs(self, numbers: list[int]) -> dict[int, None]:
        """Return all legs of the calls that conversations are legs of, each once."""
        calls = self.known
        return dict.fromkeys(leg for one in numbers for leg in calls.legs_of(one))

    async def judge(self, judge: Predicate) -> Predicate:
        """Return a predicate that holds for all legs of a call when another one holds for any."""
        await self.calls()

        def judged(index: Index, numbers: Numbers, due: Due) -> bytearray:
            flags = bytearray(judge(index, numbers, due))
            calls = self.known
            if calls.conversations.index is not index:
                return flags
            legs = {
                place: calls.legs_of(numbers[place])
                for place, flag in enumerate(flags)
                if not flag and calls.is_joined(numbers[place])
            }
            others = sorted({leg for several in legs.values() for leg in several})
            matching = dict(zip(others, judge(index, others, due), strict=True))
            for place, several in legs.items():
                flags[place] = any(matching[leg] for leg in several)
            return flags

        return judged
