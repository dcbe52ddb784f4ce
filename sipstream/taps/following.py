"""Follows over all taps: asked for again while they last, and of each tap that comes.

An agent follows for half a minute without being asked again, so what is asked for each ten seconds
survives a lost request, a server that was away, and an agent that was started anew.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from sipstream.bus.names import FOLLOW
from sipstream.escape import escape
from sipstream.filters import Filter
from sipstream.filters.grammar import Node
from sipstream.taps import chosen
from sipstream.taps.exchange import Exchange, Question
from sipstream.taps.known import Known, Tap

RENEWAL_SECONDS = 10.0
"""How often a follow is asked for."""


@dataclass(slots=True, eq=False)
class Following:
    """A follow of the session; `id` is what agents know it by, and nobody else."""

    node: Node | None
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    at: dict[Tap, Question] = field(default_factory=dict)
    """What its taps were asked."""


class Followings:
    """The follows that taps are asked for."""

    def __init__(self, exchange: Exchange, known: Known, patience: float) -> None:
        self._exchange = exchange
        self._known = known
        self._patience = patience
        self._all: dict[int, Following] = {}
        self._renewed = asyncio.get_running_loop().time()

    @property
    def questions(self) -> list[Question]:
        """What taps are asked."""
        return [question for one in self._all.values() for question in one.at.values()]

    def since(self, name: str) -> int | None:
        """Return from which time on a tap is followed, ns by its own clock; None where it isn't."""
        begun = [
            question.since
            for question in self.questions
            if question.tap.name == name and question.since is not None
        ]
        return min(begun, default=None)

    async def begin(self, number: int, expression: str) -> list[Question]:
        """Ask all taps for a follow of the session, return what they were asked."""
        following = Following(Filter.parse(expression).node if expression else None)
        self._all[number] = following
        for tap in self._known.there:
            await self._ask(following, tap)
        return list(following.at.values())

    def end(self, number: int) -> Following | None:
        """Take nothing of a follow any more; return it, so that taps can be told."""
        following = self._all.pop(number, None)
        if following is not None:
            for question in following.at.values():
                self._exchange.forget(question)
        return following

    async def tell_end(self, following: Following) -> None:
        """Tell taps that they needn't go on with a follow."""
        for question in following.at.values():
            await self._exchange.tell(question, {"id": following.id, "end": True})

    async def end_all(self) -> None:
        """Ask for none any longer."""
        ended = [self.end(number) for number in list(self._all)]
        for following in ended:
            if following is not None:
                await self.tell_end(following)

    async def renew_at(self, tap: Tap) -> None:
        """Ask a tap that has come for all follows."""
        for following in self._all.values():
            await self._ask(following, tap)

    async def renew(self, *, at_once: bool = False) -> None:
        """Ask for all of them again, if it is time to."""
        now = asyncio.get_running_loop().time()
        if at_once or now - self._renewed >= RENEWAL_SECONDS:
            self._renewed = now
            for tap in self._known.there:
                await self.renew_at(tap)

    def news(self) -> Iterator[str]:
        """Yield what was refused, and what taps couldn't send, since this was last asked."""
        for number, following in self._all.items():
            for tap, question in following.at.items():
                name = escape(tap.name)
                answer = question.answer
                if answer.error and answer.error != question.told:
                    question.told = answer.error
                    yield f"{name}: follow {number}: {escape(answer.error)}"
                if answer.missed:
                    missed, answer.missed = answer.missed, 0
                    yield f"{name}: {missed} messages of follow {number} couldn't be sent"

    async def _ask(self, following: Following, tap: Tap) -> None:
        """Ask a tap for a follow, where it has something to say of it."""
        text = chosen.question(following.node, tap.name)
        if text is None:
            return
        question = following.at.get(tap)
        if question is None:
            question = following.at[tap] = Question(tap, FOLLOW, self._patience)
        question.renew()
        await self._exchange.ask(question, {"filter": text, "id": following.id})
