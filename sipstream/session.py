"""A session: conversations, the active filter, follows, and the sources that feed them.

What a shell, a one-shot run and a script work on. It prints nothing: messages of follows go through
`deliver`, set by who shows them.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import compress, islice
from types import TracebackType
from typing import TYPE_CHECKING

from sipstream.ageing import Ageing, Keep
from sipstream.clocks import Clocks
from sipstream.conversations import Conversations
from sipstream.decode.endpoints import Endpoints
from sipstream.errors import CommandError
from sipstream.faults import Faults
from sipstream.figures import Status
from sipstream.filters import Filter, FilterSet
from sipstream.filters.recent import Recent
from sipstream.filters.term import Predicate
from sipstream.follow import Follow
from sipstream.joining import Joining
from sipstream.keeping import Keeping
from sipstream.limits import MEMORY
from sipstream.loading import how_far
from sipstream.matches import Listed, Matches
from sipstream.pace import Pace
from sipstream.publishing import Publishing
from sipstream.remotes import Remotes
from sipstream.running import Sources
from sipstream.segments import Room
from sipstream.settings import Settings
from sipstream.views import Message

if TYPE_CHECKING:
    from sipstream.rtp.streams import Streams

Deliver = Callable[[Follow, list[Message]], None]

_PIECE = 4096
"""Conversations listed together, in well under a millisecond."""


class Session:
    """All state of one run of the program. Use it as an async context manager: it owns the tasks.

    `memory` is how many bytes the conversations may take, None for no limit; `keep` is what is kept of
    those that are over, `room` where spools lie; `rtp`: RTP and RTCP are looked at too; `folds`: one
    message that several taps saw is one, which it isn't for who passes on what each tap told.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        memory: int | None = MEMORY,
        keep: Keep | None = None,
        room: Room | None = None,
        rtp: bool = False,
        folds: bool = True,
    ) -> None:
        self._memory = memory
        self._room = room if room is not None else Room()
        self._no_conversations = partial(
            Conversations, memory=memory, given_up=self._forget, room=self._room, folds=folds
        )
        self.conversations = self._no_conversations(Endpoints())
        self.streams: Streams | None = None
        """Streams beside calls, None without `rtp`."""
        if rtp:
            # Few ask for them: imports are theirs.
            from sipstream.findings.around import heard

            self.streams = heard(self.conversations.index.endpoints.outers)
        self._filter = Recent()
        self.filters = FilterSet(self._filter)
        self.follows: list[Follow] = []
        self.silent: list[Follow] = []
        """Follows that nobody sees: what they find is sent on. No command ends them."""
        self.waits: list[Callable[[], Awaitable[None]]] = []
        """Awaited between batches of what can wait, so that who sends messages on keeps up."""
        self.settings = Settings()
        self.joining = Joining(lambda: (self.conversations, self.settings.names("leg_headers")))
        self.faults = Faults(clock)
        self._ageing = Ageing(
            lambda: self.conversations, keep or Keep(), self._room.captures or self._room, clock
        )
        self._keeping = Keeping(
            self._ageing, self.faults, lambda text: self.sources.notices.tell(text),
            # That a ring gives up its oldest part is what it is for.
            None if self._room.captures else self._room.limit,
        )  # fmt: skip
        self.publishing = Publishing(self)
        self.skew = Clocks(
            lambda: self.conversations, lambda: self.settings.on("correct_clocks"),
            lambda text: self.sources.notices.tell(text), clock,
        )  # fmt: skip
        """What is known of the clocks of taps."""
        self.watchers = self.publishing.watchers
        self.watchers.append(self._ageing.saw)
        self.remotes = Remotes()
        self.sources = Sources(
            lambda: self.conversations, self.publishing.publish, self._shown, clock, self._room,
            self._settle, self.streams,
        )  # fmt: skip
        self.drained: Callable[[], Awaitable[None]] | None = None
        """Awaited between batches of a file, so that a follow's output keeps up."""
        self.deliver: Deliver = lambda follow, messages: None
        """Called with the messages that a follow found."""
        self.seen_batch = -1
        """The last batch that a table asked for has shown: what came with a later one is new."""
        self._clock = clock
        self.matches = Matches(self.filters.judge)
        """The conversations that match the active filter."""
        self.judging: list[Matches] = []
        """What filters have found so far that go through all conversations."""
        self._sample = (clock(), 0, 0.0)
        self._told_given_up = False

    async def __aenter__(self) -> Session:
        await self.sources.__aenter__()
        self._keeping.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.remotes.close()
        await self.publishing.holding.end()
        await self._keeping.end()
        await self.sources.__aexit__(kind, error, trace)

    # Filter and follows

    async def change_filter(self, change: Callable[[FilterSet], None]) -> int:
        """Change the active filter, judge all conversations anew, return how many match.

        Raises:
            FilterError: the change makes no sense; the filter is as it was, as it is when this is
                cancelled.
        """
        filters = self.filters.copy()
        change(filters)
        if filters.active:
            await self.remotes.bring(filters.expression())
        await self._use(filters)
        return self.matching_count

    async def _use(self, filters: FilterSet) -> None:
        """Judge all conversations by filters, which are the active ones then."""
        matches = Matches(filters.judge)
        if filters.active:
            await self._judge_all(matches)
        self.matches, self.filters = matches, filters

    @property
    def matching_count(self) -> int:
        """How many conversations match; with no term set `or` gives 0 and `and` gives all."""
        if self.filters.active:
            return self.matches.count
        return len(self.conversations) if self.filters.condition == "and" else 0

    @property
    def shown_count(self) -> int:
        """How many conversations are shown: those that match, all of them when no term is set."""
        return self.matches.count if self.filters.active else len(self.conversations)

    def matching(self) -> array[int]:
        """Return the conversations that are shown, by the time of their first message.

        Of hundreds of thousands that takes some milliseconds: `listed` lets others have their turn.
        """
        numbers = array("I")
        for piece in self.matching_pieces():
            numbers.extend(piece)
        return numbers

    def matching_pieces(self) -> Iterator[array[int]]:
        """Yield the same in pieces, by the order as it is now; others may have their turn between."""
        ordered, active = self.conversations.order.numbers(), self.filters.active
        for begin in range(0, len(ordered), _PIECE):
            numbers = ordered[begin : begin + _PIECE]
            yield array("I", compress(numbers, self.matches.kept(numbers))) if active else numbers

    def shown(self, place: int) -> int:
        """Return the conversation at a place of those that are shown.

        Raises:
            IndexError: there are fewer.
        """
        if not self.filters.active:
            return self.conversations.order[place]
        for part in self.conversations.order.parts():
            flags = self.matches.kept(part)
            count = flags.count(1)
            if place < count:
                return next(islice(compress(part, flags), place, None))
            place -= count
        raise IndexError(place)

    async def listed(self, expression: str = "", *, brings: bool = True) -> Listed:
        """Return the conversations that are shown, of these those that an expression holds for.

        Without `brings` no remote is asked for those that it has.

        Raises:
            FilterError: the expression can't be understood.
        """
        if brings:
            active = self.filters.expression() if self.filters.active else ""
            await self.remotes.bring(active, expression)
        selected = await self._selected(expression) if expression else None
        if self.filters.moves:
            await self._use(self.filters.copy())
        conversations, pace = self.conversations, Pace()
        listed = Listed(conversations, array("I"), array("I"), conversations.index.batch)
        count = 0
        for numbers in self.matching_pieces():
            places = range(count, count + len(numbers))
            count += len(numbers)
            flags = selected.kept(numbers) if selected else bytes([1]) * len(numbers)
            listed.places.extend(compress(places, flags))
            listed.numbers.extend(compress(numbers, flags))
            if pace.due():
                await pace.rest()
        return listed

    async def select(self, text: str, *, calls: bool = False) -> Matches:
        """Judge all conversations by an expression, beside the active filter.

        With `calls` all legs of a call match when one does.

        Raises:
            FilterError: the text can't be understood.
        """
        await self.remotes.bring(text)
        return await self._selected(text, calls=calls)

    async def _selected(self, text: str, *, calls: bool = False) -> Matches:
        matches = Matches(await self._judge_of(text, calls=calls))
        await self._judge_all(matches)
        return matches

    async def follow(
        self,
        text: str | None,
        *,
        whole: bool = False,
        flow: bool = False,
        calls: bool = False,
        pace: Pace | None = None,
    ) -> Follow:
        """Show each message of matching conversations from now on.

        Without text those of the active filter, of all conversations when it has no term; with `calls`
        all legs of a call match when one does. `pace` says how those that are there are judged.

        Raises:
            FilterError: the text can't be understood.
        """
        if text is None and self.filters.active:
            text = self.filters.expression()
        judge = await self._judge_of(text, calls=calls)
        follow = Follow(
            0, text or "everything", judge, whole=whole, flow=flow, deliver=self._deliver,
            joining=self.joining if calls else None,
        )  # fmt: skip
        await self._judge_all(follow.matches, pace)
        await follow.begin(self.conversations)
        # Another one may have begun meanwhile.
        number = follow.number = max((one.number for one in self.follows), default=0) + 1
        self.follows.append(follow)
        await self.remotes.follow(number, text or "")
        return follow

    async def follow_silently(self, text: str | None, name: str, deliver: Deliver) -> Follow:
        """Hand each message of matching conversations to `deliver` from now on: nobody sees the follow.

        Raises:
            FilterError: the text can't be understood.
        """
        judge = await self._judge_of(text, calls=False)
        follow = Follow(0, name, judge, whole=False, deliver=deliver)
        await self._judge_all(follow.matches)
        await follow.begin(self.conversations)
        self.silent.append(follow)
        return follow

    def forget_filters(self) -> None:
        """Make filters anew that are asked for again: they may compare numbers in another way."""
        self._filter.clear()

    def unfollow(self, number: int | None = None) -> list[Follow]:
        """End one follow, or all of them; return those that ended.

        Raises:
            CommandError: there is none (of that number).
        """
        ended = [one for one in self.follows if number in (None, one.number)]
        if not ended:
            raise CommandError("nothing is followed" if number is None else f"no follow {number}")
        self.follows = [one for one in self.follows if one not in ended]
        for one in ended:
            self.remotes.unfollow(one.number)
        return ended

    def clear(self) -> None:
        """Forget all conversations; sources, filter and follows go on."""
        self.conversations = self._no_conversations(self.conversations.index.endpoints)
        self.sources.regroup(self.conversations)
        self._ageing.forget_all()
        self.matches = Matches(self.filters.judge)
        self._filter.clear()
        self.seen_batch = -1
        self.publishing.holding.clear()
        for follow in (*self.follows, *self.silent):
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
            sources=[
                *self.sources.loading,
                *map(how_far, self.sources.running),
                *([self.remotes.taps.words] if self.remotes.taps else []),
            ],
            rate=rate,
            messages=self.conversations.message_count,
            conversations=len(self.conversations),
            given_up=self.conversations.given_up,
            matching=self.matching_count if self.filters.active else None,
            drops=sum(source.tally.drops for source in self.sources.all),
            follows=len(self.follows),
        )

    # Within

    async def _judge_of(self, text: str | None, *, calls: bool) -> Predicate:
        """Return what judges by an expression, by none where it is None."""
        judge = FilterSet().judge if text is None else self._filter(Filter.parse(text).node).judge
        return await self.joining.judge(judge) if calls else judge

    async def _judge_all(self, matches: Matches, pace: Pace | None = None) -> None:
        """Judge all conversations, in turns; those that get messages meanwhile at once."""
        self.judging.append(matches)
        pace = pace or Pace()
        judged = None
        try:
            # All of them may be cleared meanwhile.
            while judged is not self.conversations:
                judged = self.conversations
                matches.forget_all()
                await pace.through(matches.judge_all(judged, pace.due))
        finally:
            self.judging.remove(matches)

    def _forget(self, numbers: list[int]) -> None:
        """Tell the filter and the follows which conversations were given up or lost messages."""
        for number in numbers:
            if not self.conversations.has(number):
                for matches in (self.matches, *self.judging):
                    matches.forget(number)
        for follow in (*self.follows, *self.silent):
            follow.forget(self.conversations, numbers)
        if self.conversations.given_up > self.conversations.aged and not self._told_given_up:
            self._told_given_up = True
            self.sources.notices.tell(
                f"the {(self._memory or 0) >> 20} MiB for conversations are used up (--memory SIZE"
                " gives more): those are given up that are over, the longest idle ones first"
            )

    def _deliver(self, follow: Follow, messages: list[Message]) -> None:
        self.deliver(follow, messages)

    async def _settle(self) -> None:
        """All has come that was waited for: give up what is too old, show what is held."""
        await self.publishing.settle()
        await self._keeping.settle()

    async def _shown(self) -> None:
        if self.follows and self.drained is not None:
            await self.drained()
        for wait in self.waits:
            await wait()
