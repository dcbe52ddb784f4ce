"""What holds conversations elsewhere: taps on a bus, an archive, a ring of captures.

A remote brings what is asked for into the session, whose commands work on it as on what was loaded.
The filter goes to the data: nothing else is brought.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from sipstream.filters import Filter
from sipstream.filters.grammar import AllOf, join, text_of

if TYPE_CHECKING:
    from sipstream.taps.remote import AllTaps


class Remote(Protocol):
    """One of these. What it can't do it tells the user in one line; it raises nothing but SourceError."""

    name: str
    """How the user called it."""

    async def bring(self, expression: str) -> None:
        """Have conversations enter the session that an expression may hold for, each whole.

        "" means all, the newest first; what there is no room for is told.

        Raises:
            SourceError: it can't be read.
        """

    async def complete(self, call_id: str) -> None:
        """Have all messages of a Call-ID enter the session.

        Raises:
            SourceError: it can't be read.
        """

    async def follow(self, number: int, expression: str) -> None:
        """Have messages of matching conversations enter the session from now on, for a follow's number.

        Raises:
            SourceError: it can't be read.
        """

    def unfollow(self, number: int) -> None:
        """A follow has ended."""

    async def close(self) -> None:
        """The session ends."""


class Remotes:
    """The remotes of a session."""

    def __init__(self) -> None:
        self.all: list[Remote] = []
        self.taps: AllTaps | None = None
        """The one of them that asks taps on a bus."""

    async def bring(self, *expressions: str) -> None:
        """Have conversations enter the session that all expressions may hold for; "" holds for all.

        Raises:
            FilterError: an expression can't be understood.
            SourceError: a remote can't be read.
        """
        if self.all:
            expression = _joined(expressions)
            await _together(remote.bring(expression) for remote in self.all)

    async def complete(self, call_id: str) -> None:
        """Have all messages of a Call-ID enter the session.

        Raises:
            SourceError: a remote can't be read.
        """
        await _together(remote.complete(call_id) for remote in self.all)

    async def follow(self, number: int, expression: str) -> None:
        """Have messages of matching conversations enter the session for a follow.

        Raises:
            SourceError: a remote can't be read.
        """
        await _together(remote.follow(number, expression) for remote in self.all)

    def unfollow(self, number: int) -> None:
        """A follow has ended."""
        for remote in self.all:
            remote.unfollow(number)

    def hurry(self) -> bool:
        """Wait for taps no longer: what came is enough. Return whether any was waited for."""
        return self.taps is not None and self.taps.hurry()

    async def close(self) -> None:
        """The session ends."""
        remotes, self.all = self.all, []
        await _together(remote.close() for remote in remotes)


def _joined(expressions: Iterable[str]) -> str:
    """Return one filter's text that holds where all hold."""
    nodes = [Filter.parse(text).node for text in expressions if text]
    return text_of(join(AllOf, nodes)) if nodes else ""


async def _together(doing: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all at the same time; the first error is raised when all are done."""
    results = await asyncio.gather(*doing, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
