"""A follow: a live subscription to the messages of conversations that match a filter.

It says which messages are to be shown next; who shows them, and where, is handed in.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container
from itertools import compress
from typing import TYPE_CHECKING

from sipstream.conversations import Conversations
from sipstream.filters.term import Predicate
from sipstream.matches import Matches
from sipstream.pace import Pace
from sipstream.views import Message

if TYPE_CHECKING:
    from sipstream.joining import Joining

_NONE_SHOWN = array("i", [-1]).tobytes()
_PLACES = 4096
"""Conversations noted together, in well under a millisecond."""


class Follow:
    """Shows each message of matching conversations as it arrives.

    A conversation that starts to match late gets its earlier messages shown first. What was there
    before the follow began isn't shown: `show conversation` does that.
    """

    def __init__(
        self,
        number: int,
        text: str,
        judge: Predicate,
        *,
        whole: bool,
        flow: bool = False,
        deliver: Callable[[Follow, list[Message]], None],
        joining: Joining | None = None,
    ) -> None:
        self.number = number
        """What `unfollow` calls it, from 1."""
        self.text = text
        """The filter as it was written."""
        self.whole = whole
        """Whole messages instead of one line each."""
        self.flow = flow
        """Ladders instead of lines, where `whole` isn't set."""
        self.shown = 0
        """Messages shown so far."""
        self.paused = False
        """What comes is passed over."""
        self.passed_over = 0
        """Messages that came while it was paused."""
        self._deliver = deliver
        self._joining = joining
        """Knows the calls of which all legs match when one does; None where each matches by itself."""
        self.matches = Matches(judge)
        """Which conversations match."""
        self._upto = array("i")
        """For each conversation the message up to which it is shown, -1 while none is."""

    @property
    def calls(self) -> bool:
        """Whether all legs of a call are followed when one matches."""
        return self._joining is not None

    async def change(self, text: str, matches: Matches, conversations: Conversations) -> None:
        """Take another filter, and which conversations match it already: only what comes is shown."""
        await self._note(matches, conversations)
        self.text, self.matches = text, matches

    async def begin(self, conversations: Conversations) -> None:
        """Note what matches already, as `matches` knows, so that only what comes is shown."""
        await self._note(self.matches, conversations)

    async def _note(self, matches: Matches, conversations: Conversations) -> None:
        pace = Pace()
        self._make_room(conversations)
        upto, last = self._upto, conversations.index.c_last
        for begin in range(0, len(upto), _PLACES):
            numbers = range(begin, min(begin + _PLACES, len(upto)))
            for number in compress(numbers, matches.kept(numbers)):
                if upto[number] < 0 or number not in self.matches:
                    upto[number] = last[number]
            if pace.due():
                await pace.rest()

    def feed(
        self,
        conversations: Conversations,
        touched: list[int],
        added: list[int],
        later: Container[int] = (),
    ) -> None:
        """Show what conversations that got messages have to show; all of it or, on a fault, nothing.

        `added` are the numbers of the messages that they got, in order of arrival; those that came
        behind them and are told `later` aren't shown yet.
        """
        if self._joining is not None:
            self._joining.take(touched)
        self._make_room(conversations)
        due: list[Message] = []
        upto: dict[int, int] = {}
        matching = list(compress(touched, self.matches.judge(conversations, touched)))
        if self._joining is not None:
            legs = self._joining.legs(matching)
            others = [leg for leg in legs if leg not in self.matches]
            self.matches.judge(conversations, others)
            matching += others
        for number in matching:
            arrived = conversations[number].arrived(self._upto[number])
            there = [message for message in arrived if message.id not in later]
            if there:
                due += there
                upto[number] = there[-1].id
        if due:
            # By arrival, behind what was there before: a clock may have been set back.
            arrival = {number: place for place, number in enumerate(added)}
            due.sort(key=lambda message: (arrival.get(message.id, -1), message.time))
            if self.paused:
                self.passed_over += len(due)
            else:
                self._deliver(self, due)
                self.shown += len(due)
        for number, message in upto.items():
            self._upto[number] = message

    def pass_over(self, conversations: Conversations, numbers: list[int]) -> None:
        """Leave out what conversations have so far: to show it failed, or it was shown before."""
        self._make_room(conversations)
        for number in numbers:
            self._upto[number] = conversations[number].last_arrived

    def forget(self, conversations: Conversations, numbers: list[int]) -> None:
        """Conversations were given up, or lost messages."""
        self._make_room(conversations)
        for number in numbers:
            if not conversations.has(number):
                self.matches.forget(number)
                self._upto[number] = -1
            elif self._upto[number] >= 0:
                self._upto[number] = conversations[number].last_arrived

    def forget_all(self) -> None:
        """All conversations were cleared."""
        self._upto = array("i")
        self.matches.forget_all()

    def _make_room(self, conversations: Conversations) -> None:
        """Have a place for each conversation: four bytes, where a dict takes a hundred."""
        more = conversations.places - len(self._upto)
        if more > 0:
            self._upto.frombytes(_NONE_SHOWN * more)
