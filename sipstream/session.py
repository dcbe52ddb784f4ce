"""A session: conversations, the active filter, follows, and the sources that feed them.

What a shell, a one-shot run and a script work on. It prints nothing: messages of follows go through
`deliver`, set by who shows them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType

from sipstream.conversations import Conversations
from sipstream.decode.endpoints import Endpoints
from sipstream.errors import CommandError
from sipstream.faults import Faults
from sipstream.figures import Status
from sipstream.filters import Filter, FilterSet
from sipstream.follow import Follow
from sipstream.limits import MEMORY
from sipstream.matches import Matches
from sipstream.running import Sources
from sipstream.views import Conversation, Message

Deliver = Callable[[Follow, list[Message]], None]


class Session:
    """All state of one run of the program. Use it as an async context manager: it owns the tasks.

    `memory` is how many bytes the conversations may take, None for no limit.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, memory: int | None = MEMORY
    ) -> None:
        self._memory = memory
        self.conversations = self._no_conversations(Endpoints())
        self.filters = FilterSet()
        self.follows: list[Follow] = []
        self.faults = Faults(clock)
        self.sources = Sources(lambda: self.conversations, self._publish, self._shown, clock)
        self.drained: Callable[[], Awaitable[None]] | None = None
        """Awaited between batches of a file, so that a follow's output keeps up."""
        self.deliver: Deliver = lambda follow, messages: None
        """Called with the messages that a follow found."""
        self._clock = clock
        self._matches = Matches(self.filters.matches)
        self._judging: Matches | None = None
        """What a new filter has found so far, while it goes through all conversations."""
        self._sample = (clock(), 0, 0.0)
        self._told_given_up = False

    async def __aenter__(self) -> Session:
        await self.sources.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.sources.__aexit__(kind, error, trace)

    # Filter and follows

    async def change_filter(self, change: Callable[[FilterSet], None]) -> int:
        """Change the active filter, judge all conversations anew, return how many match.

        Raises:
            FilterError: the change makes no sense; the filter is as it was, as it is when this is
                cancelled.
        """
        filters, conversations = self.filters.copy(), self.conversations
        change(filters)
        matches = self._judging = Matches(filters.matches)
        try:
            if filters.active:
                for _ in matches.judge_all(conversations):
                    await asyncio.sleep(0)
        finally:
            self._judging = None
        # All of them may have been forgotten meanwhile.
        self._matches = matches if self.conversations is conversations else Matches(filters.matches)
        self.filters = filters
        return self.matching_count

    @property
    def matching_count(self) -> int:
        """How many conversations match; with no term set `or` gives 0 and `and` gives all."""
        if self.filters.active:
            return self._matches.count
        return len(self.conversations) if self.filters.condition == "and" else 0

    def matching(self) -> list[int]:
        """Return the conversations that are shown, by the time of their first message."""
        ordered = self.conversations.in_time_order()
        if not self.filters.active:
            return ordered
        return [number for number in ordered if number in self._matches]

    async def follow(self, text: str | None, *, whole: bool = False) -> Follow:
        """Show each message of matching conversations from now on.

        Without text those of the active filter, of all conversations when it has no term.

        Raises:
            FilterError: the text can't be understood.
        """
        if text is None and self.filters.active:
            text = self.filters.expression()
        matches = _everything if text is None else Filter.parse(text).matches
        number = max((one.number for one in self.follows), default=0) + 1
        follow = Follow(number, text or "everything", matches, whole=whole, deliver=self._deliver)
        await follow.begin(self.conversations)
        self.follows.append(follow)
        return follow

    def unfollow(self, number: int | None = None) -> list[Follow]:
        """End one follow, or all of them; return those that ended.

        Raises:
            CommandError: there is none (of that number).
        """
        ended = [one for one in self.follows if number in (None, one.number)]
        if not ended:
            raise CommandError("nothing is followed" if number is None else f"no follow {number}")
        self.follows = [one for one in self.follows if one not in ended]
        return ended

    def clear(self) -> None:
        """Forget all conversations; sources, filter and follows go on."""
        self.conversations = self._no_conversations(self.conversations.index.endpoints)
        self.sources.regroup(self.conversations)
        self._matches = Matches(self.filters.matches)
        for follow in self.follows:
            follow.forget_all()

    def status(self) -> Status:
        """Return what the bottom line tells; the rate is of the time since it was last asked for."""
        now = self._clock()
        received = sum(source.tally.messages for source in self.sources.all)
        then, before, rate = self._sample
        if now - then >= 0.5:
            rate = (received - before) / (now - then)
            self._sample = (now, received, rate)
        return Status(
            sources=[source.name for source in self.sources.running],
            rate=rate,
            messages=self.conversations.message_count,
            conversations=len(self.conversations),
            given_up=self.conversations.given_up,
            matching=self.matching_count if self.filters.active else None,
            drops=sum(source.tally.drops for source in self.sources.all),
            follows=len(self.follows),
        )

    # Within

    def _no_conversations(self, endpoints: Endpoints) -> Conversations:
        return Conversations(endpoints, memory=self._memory, given_up=self._forget)

    def _forget(self, numbers: list[int]) -> None:
        """Tell the filter and the follows which conversations were given up or lost messages."""
        judged = [self._matches] + ([self._judging] if self._judging is not None else [])
        for number in numbers:
            if not self.conversations.has(number):
                for matches in judged:
                    matches.forget(number)
        for follow in self.follows:
            follow.forget(self.conversations, numbers)
        if self.conversations.given_up and not self._told_given_up:
            self._told_given_up = True
            self.sources.notices.tell(
                f"the {(self._memory or 0) >> 20} MiB for conversations are used up (--memory SIZE"
                " gives more): those are given up that are over, the longest idle ones first"
            )

    def _publish(self, added: list[int]) -> None:
        """Tell the filter and the follows which conversations got messages."""
        if not self.filters.active and self._judging is None and not self.follows:
            return
        column = self.conversations.index.m_conversation
        touched = list(dict.fromkeys(column[number] for number in added))
        judged = [self._matches] if self.filters.active else []
        judged += [self._judging] if self._judging is not None else []
        for matches in judged:
            for number in touched:
                try:
                    matches.judge(self.conversations, number)
                except Exception as error:
                    self.faults.note("filter", error)
        for follow in self.follows.copy():
            try:
                follow.feed(self.conversations, touched, added)
            except Exception:
                self._feed_singly(follow, touched, added)

    def _feed_singly(self, follow: Follow, touched: list[int], added: list[int]) -> None:
        """A follow failed on what came: leave out what it fails on, end it when that is too often."""
        name = f"follow {follow.number}"
        for number in touched:
            try:
                follow.feed(self.conversations, [number], added)
            except Exception as error:
                follow.pass_over(self.conversations, number)
                if not self.faults.note(name, error):
                    self.follows = [one for one in self.follows if one is not follow]
                    self.faults.tell(f"{name} ended: it failed too often")
                    return

    def _deliver(self, follow: Follow, messages: list[Message]) -> None:
        self.deliver(follow, messages)

    async def _shown(self) -> None:
        if self.follows and self.drained is not None:
            await self.drained()


def _everything(conversation: Conversation) -> bool:
    return True
