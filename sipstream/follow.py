"""A follow: a live subscription to the messages of conversations that match a filter.

It says which messages are to be shown next; who shows them, and where, is handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sipstream.conversations import Conversations
from sipstream.matches import Matches
from sipstream.views import Conversation, Message


class Follow:
    """Shows each message of matching conversations as it arrives.

    A conversation that starts to match late gets its earlier messages shown first. What was there
    before the follow began isn't shown: `show conversation` does that.
    """

    def __init__(
        self,
        number: int,
        text: str,
        matches: Callable[[Conversation], bool],
        *,
        whole: bool,
        deliver: Callable[[Follow, list[Message]], None],
    ) -> None:
        self.number = number
        """What `unfollow` calls it, from 1."""
        self.text = text
        """The filter as it was written."""
        self.whole = whole
        """Whole messages instead of one line each."""
        self.shown = 0
        """Messages shown so far."""
        self._deliver = deliver
        self._predicate = matches
        self._matches = Matches(matches)
        self._upto: dict[int, int] = {}

    async def begin(self, conversations: Conversations) -> None:
        """Note what matches already, so that only what comes from now on is shown."""
        for _ in self._matches.judge_all(conversations):
            await asyncio.sleep(0)
        for number in range(conversations.places):
            if number in self._matches:
                self._upto.setdefault(number, conversations[number].last_arrived)

    def feed(self, conversations: Conversations, touched: list[int]) -> None:
        """Show what conversations that got messages have to show; all of it or, on a fault, nothing."""
        due: list[Message] = []
        upto: dict[int, int] = {}
        for number in touched:
            if self._matches.judge(conversations, number):
                conversation = conversations[number]
                due.extend(conversation.arrived(self._upto.get(number, -1)))
                upto[number] = conversation.last_arrived
        if due:
            # By arrival: the clock of who captured may have been set back.
            due.sort(key=lambda message: message.id)
            self._deliver(self, due)
            self.shown += len(due)
        self._upto.update(upto)

    def pass_over(self, conversations: Conversations, number: int) -> None:
        """Leave out what a conversation has so far: to show it failed."""
        self._upto[number] = conversations[number].last_arrived

    def forget(self, conversations: Conversations, numbers: list[int]) -> None:
        """Conversations were given up, or lost messages."""
        for number in numbers:
            if not conversations.has(number):
                self._matches.forget(number)
                self._upto.pop(number, None)
            elif number in self._upto:
                self._upto[number] = conversations[number].last_arrived

    def forget_all(self) -> None:
        """All conversations were cleared."""
        self._upto.clear()
        self._matches = Matches(self._predicate)
