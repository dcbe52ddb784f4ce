"""An archive as a session's remote: what a filter may hold for enters the session, each call whole."""

from __future__ import annotations

import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream.archive import layout
from sipstream.archive.engine import Engine
from sipstream.archive.finding import MESSAGES, Finder
from sipstream.archive.schema import column_text
from sipstream.errors import SourceError
from sipstream.escape import escape
from sipstream.filters import Filter
from sipstream.newest import newest_of

if TYPE_CHECKING:
    from sipstream.conversations import Conversations
    from sipstream.session import Session


class Archive:
    """The archive in a folder.

    Raises:
        SourceError: there is none, or DuckDB is missing.
    """

    def __init__(self, folder: Path, session: Session) -> None:
        self.name = f"archive://{folder}"
        if not layout.is_archive(folder) and next(layout.parts(folder), None) is None:
            raise SourceError(f"{escape(self.name)}: there is no archive in {escape(str(folder))}")
        folder = folder.resolve()
        self._session = session
        self._engine = Engine(folder)
        self._finder = Finder(folder, self._engine, session.sources.notices.tell)
        self._entry = session.sources.entry(self.name)
        self._brought: set[str] = set()
        """Expressions for which all has entered the session."""
        self._whole: set[str] = set()
        """Call-IDs of which all has."""
        self._into: weakref.ref[Conversations] | None = None
        """What they have entered: `clear` makes it another one."""

    async def bring(self, expression: str) -> None:
        """Have conversations enter the session that an expression may hold for, each whole.

        Raises:
            SourceError: the archive can't be read.
        """
        await self._look()
        if expression in self._brought:
            return
        node = Filter.parse(expression).node if expression else None
        newest = self._note_newest()
        found = await self._engine.run(partial(self._finder.find, node, newest))
        entered = await self._enter(found.call_ids)
        if entered < found.total:
            self._session.sources.notices.tell(
                f"{escape(self.name)}: the newest {entered} conversations are here, more may match:"
                " a number or a time in the filter says which"
            )
        self._brought.add(expression)

    async def complete(self, call_id: str) -> None:
        """Have all messages of a Call-ID enter the session.

        Raises:
            SourceError: the archive can't be read.
        """
        await self._look()
        await self._enter([column_text(call_id)])

    async def follow(self, number: int, expression: str) -> None:
        """Nothing comes later: what is in an archive is over."""

    def unfollow(self, number: int) -> None:
        """Nothing was begun."""

    async def close(self) -> None:
        """End the engine."""
        self._engine.close()

    async def _look(self) -> None:
        """See which files there are; forget what was brought of others, or into what is gone."""
        changed = await self._engine.run(self._finder.look)
        into = self._session.conversations
        if changed or self._into is None or self._into() is not into:
            self._brought.clear()
            self._whole.clear()
            self._into = weakref.ref(into)

    def _note_newest(self) -> int:
        """Return the time of the newest message of all, by which `last 2h` is counted."""
        index = self._session.conversations.index
        index.newest = newest_of(index.newest, [self._finder.newest])
        return index.newest

    async def _enter(self, call_ids: list[str]) -> int:
        """Have all messages of conversations enter the session; return how many conversations are there.

        Those with the newest messages come first where all are too many.
        """
        missing = [one for one in call_ids if one not in self._whole]
        entered = len(call_ids) - len(missing)
        messages = 0
        pieces = self._finder.messages(missing)
        while messages < MESSAGES:
            piece = await self._engine.run(partial(next, pieces, None))
            if piece is None:
                break
            some, envelopes = piece
            await self._entry.take(envelopes, former=True)
            self._whole.update(some)
            entered += len(some)
            messages += len(envelopes)
        return entered
