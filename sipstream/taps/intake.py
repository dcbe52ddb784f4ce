"""What taps answered, on its way into the session: unpacked, checked, and nothing a second time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import ref

from sipstream.pace import Pace
from sipstream.taps.answers import Answer, Came

if TYPE_CHECKING:
    from sipstream.session import Session

_TOGETHER = 64
"""Envelopes that are looked at together: less than a millisecond."""
_IN_A_THREAD = 32 << 10
"""Packed bytes from which on another thread unpacks them; an agent's parts have fewer."""
_SEEN = 1 << 18
"""Envelopes that are known again, some 20 MiB; the session itself knows the others, a little slower."""


class Seen:
    """Which envelopes came before, by their hashes: the same question brings mostly the same."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._of: object = None

    def new_ones(self, came: list[Came], state: object) -> list[Came]:
        """Return those that didn't come before; of another `state` of the session all are new."""
        if state != self._of or len(self._hashes) > _SEEN:
            self._hashes.clear()
            self._of = state
        new = [one for one in came if hash(one.envelope) not in self._hashes]
        self._hashes.update(hash(one.envelope) for one in new)
        return new


class TakenIn:
    """Takes answers in. `followed_since` returns, for a tap, from which time on follows show what it has
    (ns by its own clock), None while it is asked for none."""

    def __init__(
        self, session: Session, name: str, followed_since: Callable[[str], int | None]
    ) -> None:
        self._session = session
        self._entry = session.sources.entry(name)
        self._followed_since = followed_since
        self._seen = Seen()
        self._pace = Pace()
        """Of all answers: one part behind the other would hold the loop as one long one does."""

    @property
    def state(self) -> object:
        """Is another one when some of what came is there no more: it comes again when it is asked for."""
        conversations = self._session.conversations
        return ref(conversations), conversations.given_up

    async def take(self, answer: Answer, packed: bytes) -> None:
        """Put what an answer packed into the session."""
        if len(packed) > _IN_A_THREAD:
            envelopes = await asyncio.to_thread(answer.unpacked, packed)
        else:
            envelopes = answer.unpacked(packed)
        for begin in range(0, len(envelopes), _TOGETHER):
            came = answer.checked(envelopes[begin : begin + _TOGETHER])
            await self._enter(answer, self._seen.new_ones(came, self.state))
            if self._pace.due():
                await self._pace.rest()

    async def _enter(self, answer: Answer, came: list[Came]) -> None:
        """Have messages come in; those from before a follow began aren't news to it."""
        since = None if answer.is_followed else self._followed_since(answer.tap)
        before = [one.envelope for one in came if since is not None and one.time < since]
        others = [one.envelope for one in came if since is None or one.time >= since]
        for envelopes, former in (
            (before, True),
            (others, not answer.is_followed and since is None),
        ):
            if envelopes:
                await self._entry.take(envelopes, former=former)
