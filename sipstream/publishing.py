"""Telling the filter and the follows of messages that came: in pieces, each stage's faults its own."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import TYPE_CHECKING

from sipstream.holding import Holding
from sipstream.matches import Matches

if TYPE_CHECKING:
    from sipstream.follow import Follow
    from sipstream.session import Session

_TOLD = 16
"""Messages that follows are told of together: to draw as many ladders takes some 4 ms."""
_TOLD_SILENTLY = 64
"""The same where none of them is seen, and conversations that filters are asked about together: to
diagnose as many takes some 5 ms."""


class _Either:
    """What is in one set or in another: to join them would take long for a few messages."""

    def __init__(self, one: set[int], other: set[int]) -> None:
        self._sets = one, other

    def __contains__(self, number: object) -> bool:
        one, other = self._sets
        return number in one or number in other


class Publishing:
    """Tells a session's filter, follows and watchers."""

    def __init__(self, session: Session) -> None:
        self.watchers: list[Callable[[list[int]], None]] = []
        """Called with the numbers of messages that came."""
        self.former = False
        """While they are called: an earlier run had these messages, or they were asked for."""
        self.holding = Holding(self._follow_all)
        """Messages that follows are told of a moment later."""
        self._session = session

    def publish(self, added: list[int], former: bool = False) -> Iterator[None]:
        """Tell the filter and the follows which conversations got messages, in pieces.

        Those that an earlier run had (`former`) are followed from what comes next.
        """
        session = self._session
        conversations = session.conversations
        if added:
            self.former = former
            for saw in self.watchers:
                saw(added)
            if session.follows and not former:
                self.holding.hold(conversations, added)
        again = conversations.resighted()
        if again:
            session.skew.saw()
            yield from self._tell_again(again, [] if former else added, former)
        followed = bool(session.follows or session.silent)
        for piece, later in self._pieces(added):
            if conversations is not session.conversations:
                # They were cleared meanwhile.
                return
            if session.filters.active or session.judging or followed:
                self._tell(piece, later, former)
            yield

    def _tell_again(self, again: list[int], added: list[int], former: bool) -> Iterator[None]:
        """Tell of conversations of which messages got sightings, in pieces; `added` are told later."""
        session = self._session
        conversations, later = session.conversations, set(added)
        for begin in range(0, len(again), _TOLD_SILENTLY):
            if conversations is not session.conversations:
                return
            piece = again[begin : begin + _TOLD_SILENTLY]
            self._judge(piece)
            if not former:
                self._follow(session.silent, [], later, piece)
                self._follow(session.follows, [], _Either(later, self.holding.numbers), piece)
            yield

    async def settle(self) -> None:
        """All has come that was waited for: show what is held, see what it says of clocks."""
        await self.holding.settle()
        await self._session.skew.settle()

    def _follow_all(self, held: list[int]) -> Iterator[None]:
        """Tell follows of messages that were held, in pieces."""
        for piece, later in self._pieces(held):
            self._follow(self._session.follows, piece, _Either(later, self.holding.numbers))
            yield

    def _pieces(self, added: list[int]) -> Iterator[tuple[list[int], set[int]]]:
        """Yield messages that are told together, each time with those that are told later."""
        follows, silent = self._session.follows, self._session.silent
        later = set(added) if follows or silent else set()
        size = _TOLD if follows else _TOLD_SILENTLY if silent else max(len(added), 1)
        for begin in range(0, len(added), size):
            piece = added[begin : begin + size]
            later.difference_update(piece)
            yield piece, later

    def _touched(self, added: list[int]) -> list[int]:
        """Return the conversations of messages; some may have been given up since they came."""
        column = self._session.conversations.index.m_conversation
        there = self._session.conversations.has
        return [one for one in dict.fromkeys(column[number] for number in added) if there(one)]

    def _tell(self, added: list[int], later: set[int], former: bool) -> None:
        """Tell them of some messages; those that are told `later` aren't shown yet."""
        session = self._session
        touched = self._touched(added)
        self._judge(touched)
        if not former:
            # Who sends messages on waits for nothing: only what is shown has to tell all at once.
            self._follow(session.silent, added, later)
            self._follow(session.follows, added, _Either(later, self.holding.numbers))
            return
        # What is held of them came before: it mustn't be passed over with these.
        self.holding.let_go(touched, added)
        for follow in (*session.follows, *session.silent):
            follow.pass_over(session.conversations, touched)

    def _judge(self, touched: list[int]) -> None:
        """Tell the filter, and filters that go through all conversations."""
        session = self._session
        judged = [session.matches] if session.filters.active else []
        for matches in (*judged, *session.judging):
            try:
                matches.judge(session.conversations, touched)
            except Exception:
                self._judge_singly(matches, touched)

    def _follow(
        self,
        follows: list[Follow],
        added: list[int],
        later: Container[int],
        touched: list[int] | None = None,
    ) -> None:
        """Tell follows of messages, and of conversations that changed: those of the messages."""
        session = self._session
        if touched is None:
            touched = self._touched(added)
        for follow in follows.copy():
            try:
                follow.feed(session.conversations, touched, added, later)
            except Exception:
                self._feed_singly(follow, touched, added, later)

    def _judge_singly(self, matches: Matches, touched: list[int]) -> None:
        """A filter failed on what came: leave out what it fails on."""
        for number in touched:
            try:
                matches.judge(self._session.conversations, [number])
            except Exception as error:
                self._session.faults.note("filter", error)

    def _feed_singly(
        self, follow: Follow, touched: list[int], added: list[int], later: Container[int]
    ) -> None:
        """A follow failed on what came: leave out what it fails on, end it when that is too often."""
        session, name = self._session, f"follow {follow.number}" if follow.number else follow.text
        for number in touched:
            try:
                follow.feed(session.conversations, [number], added, later)
            except Exception as error:
                follow.pass_over(session.conversations, [number])
                if not session.faults.note(name, error):
                    session.follows = [one for one in session.follows if one is not follow]
                    session.remotes.unfollow(follow.number)
                    session.silent = [one for one in session.silent if one is not follow]
                    session.faults.tell(f"{name} ended: it failed too often")
                    return
