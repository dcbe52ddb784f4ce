"""`ring://DIR`: conversations of a ring that are asked for, also while it is being written.

What an index is missing for is read through. Packets are located in the ring's files, nothing is
copied; what the ring gives up meanwhile is gone here too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream.entry import Putting
from sipstream.errors import SourceError
from sipstream.escape import escape
from sipstream.newest import newest_of
from sipstream.pace import Pace
from sipstream.packets import Batch, Tally
from sipstream.ring import names
from sipstream.ring.asking import Question
from sipstream.ring.contents import Contents, ContentsError, key_of, keys_of, most_bytes, preface_of
from sipstream.ring.files import RingFiles, RingStore, fits
from sipstream.ring.indexing import Indexing
from sipstream.ring.pieces import Piece, packets_at, places_of
from sipstream.segments import label_of

if TYPE_CHECKING:
    from sipstream.session import Session

BROUGHT = 10_000
"""Conversations that one question brings: a second or two. The newest ones come."""
_WENT = "files of the ring went while they were read"
_ANEW = "indexes that are missing or damaged are made anew"
LOADED = 128 << 20
"""Bytes of indexes that are kept in memory, roughly, for the next question."""


class RingSource:
    """What sources are told of as: the accounting, and where exports find packets again."""

    live = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.tally = Tally(name)
        self.notes: list[str] = []
        self.stores: list[RingStore] = []

    def progress(self) -> None:
        """Return None: there is no end to speak of."""
        return

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield nothing: nothing is drawn from it."""
        return
        yield


class Ring:
    """The remote of a folder.

    Raises:
        SourceError: it can't be read, or nothing of a ring is in it.
    """

    def __init__(self, folder: Path, session: Session) -> None:
        self.name = f"ring://{folder}"
        self._files = RingFiles(folder)
        if not self._files.names() and not self._files.writer():
            raise SourceError(f"{escape(self.name)}: there is no ring in {escape(str(folder))}")
        self._session = session
        self._source = RingSource(self.name)
        self._putting = Putting(
            self._source,
            session.sources.intake,
            lambda: session.conversations,
            session.publishing.publish,
        )
        self._pieces: dict[str, list[Piece]] = {}
        """Of each capture: what its index tells, and what was read behind that."""
        self._growing: set[str] = set()
        """Captures that were written to when they were looked at last."""
        self._of = session.conversations
        self._turn = asyncio.Lock()
        self._told: set[str] = set()

    async def bring(self, expression: str) -> None:
        """Have conversations enter the session that an expression may hold for, each whole.

        Raises:
            SourceError: the folder can't be read.
        """
        async with self._turn:
            pieces = await self._look()
            newest = newest_of(0, [piece.preface.end for piece in pieces])
            if self._files.writer():
                newest = max(newest, time.time_ns())
            question = Question(expression, newest)
            asked = [
                piece
                for piece in pieces
                if question.is_about(piece.preface.begin, piece.preface.end)
            ]
            latest = await self._answer(question, asked)
            chosen = sorted(latest, key=latest.__getitem__, reverse=True)
            if len(chosen) > BROUGHT:
                self._tell(
                    f"{len(chosen):,} conversations may match, the newest {BROUGHT:,} are here:"
                    " a time (last, since, until) or a number asks for fewer"
                )
            await self._enter(set(chosen[:BROUGHT]), pieces)
            index = self._session.conversations.index
            index.newest = newest_of(index.newest, [newest])
            self._end_turn()

    async def complete(self, call_id: str) -> None:
        """Have all messages of a Call-ID enter the session.

        Raises:
            SourceError: the folder can't be read.
        """
        async with self._turn:
            pieces = await self._look()
            await self._enter({key_of(call_id.encode("utf-8", "surrogateescape"))}, pieces)
            self._end_turn()

    async def follow(self, number: int, expression: str) -> None:
        """Say that nothing comes by itself."""
        self._tell_once(
            "a follow shows what is captured: --live; of a ring only what is asked for comes"
        )
        self._end_turn()

    def unfollow(self, number: int) -> None:
        """There is nothing to end."""

    async def close(self) -> None:
        """Let go of the folder."""
        self._files.close()

    # What is there

    async def _look(self) -> list[Piece]:
        """Return what there is now, the oldest file first; what no index tells is read.

        Raises:
            SourceError: the folder can't be read.
        """
        if self._of is not self._session.conversations:
            self._of = self._session.conversations
            for pieces in self._pieces.values():
                for piece in pieces:
                    piece.entered.clear()
        there = self._files.names()
        for gone in self._pieces.keys() - set(there):
            del self._pieces[gone]
        newest = {label_of(name): name for name in there}
        pace = Pace()
        for name in there:
            written_to = newest[label_of(name)] == name
            if written_to or name in self._growing or name not in self._pieces:
                self._growing.discard(name)
                try:
                    await self._look_at(name, pace, written_to=written_to)
                except (SourceError, FileNotFoundError) as error:
                    self._tell_once(f"{names.shown(name)} is left out: {error}")
            if written_to:
                self._growing.add(name)
            if pace.due():
                await pace.rest()
        self._growing.intersection_update(there)
        return [piece for name in there for piece in self._pieces.get(name, ())]

    async def _look_at(self, name: str, pace: Pace, *, written_to: bool) -> None:
        """Take what the index of a file tells, read what it doesn't."""
        known = self._pieces.get(name, [])
        store = known[0].store if known else RingStore(self._files, name)
        size = store.size()
        if not size or (known and known[-1].preface.covered == size):
            return
        pieces = known[:1] if known and known[0].is_kept else []
        try:
            raw = self._files.read_index(name, whole=False)
            preface = preface_of(raw)
            keys = keys_of(raw, preface)
            if not fits(preface, store, size):
                raise ContentsError("it is about other packets")
            if not pieces or pieces[0].preface != preface:
                pieces = [Piece(store, preface, keys)]
        except ContentsError as error:
            pieces = []
            if not written_to:
                self._tell_once(_ANEW, f": {names.shown(name)} first, {error}")
        covered = pieces[0].preface.covered if pieces else 0
        if covered < size:
            contents = await self._read(store, covered, size, pace)
            if len(contents) or not pieces:
                pieces.append(Piece(store, contents.preface, contents.keys, contents))
            if not covered and not written_to:
                await self._keep(name, contents, size)
        self._pieces[name] = pieces

    # What is asked for

    async def _answer(self, question: Question, asked: list[Piece]) -> dict[int, int]:
        """Return the conversations that may match, each with its latest time."""
        parts: list[Contents] = []
        pace = Pace()
        for piece in asked:
            contents = await self._load(piece, pace)
            if contents is not None:
                parts.append(contents)
            if pace.due():
                await pace.rest()
        found: dict[int, int] = {}
        for latest in question.answer(parts):
            found = latest or found
            if pace.due():
                await pace.rest()
        return found

    async def _enter(self, keys: set[int], pieces: Iterable[Piece]) -> None:
        """Have all packets of conversations enter the session that aren't in it yet."""
        there = self._session.conversations.by_call_id
        self._putting.begin_anew()
        pace = Pace()
        for piece in pieces:
            wanted = keys.intersection(piece.keys)
            contents = await self._load(piece, pace) if wanted else None
            if contents is None:
                continue
            fresh = {
                key
                for key in wanted
                if key not in piece.entered or there(contents.call_ids[contents.place(key)]) is None
            }
            places, call_ids = places_of(contents, fresh)
            self._putting.only(call_ids)
            for batch in packets_at(piece.store, places):
                await self._putting.put(batch, former=True)
            if places and piece.store not in self._source.stores:
                # Exports look through these, and no others.
                self._source.stores.append(piece.store)
            if piece.store.gone:
                self._tell_once(_WENT, f": {names.shown(piece.store.name)} first")
            piece.entered |= fresh
            if pace.due():
                await pace.rest()
        await self._putting.put(None, former=True)

    async def _load(self, piece: Piece, pace: Pace) -> Contents | None:
        """Return the contents of a piece, None where its file went; a damaged index is made anew."""
        try:
            return piece.load(self._files)
        except ContentsError as error:
            name = piece.store.name
            try:
                size = piece.store.size()
            except SourceError:
                size = 0
            if not size:
                self._pieces.pop(name, None)
                self._tell_once(_WENT, f": {names.shown(name)} first")
                return None
            self._tell_once(_ANEW, f": {names.shown(name)} first, {error}")
            contents = await self._read(piece.store, 0, size, pace)
            await self._keep(name, contents, size)
            self._pieces[name] = [piece]
            piece.become(contents)
            return contents

    async def _read(self, store: RingStore, covered: int, size: int, pace: Pace) -> Contents:
        """Return what a file has from a place on."""
        indexing = Indexing(store, covered)
        for _ in indexing.advance(size):
            if pace.due():
                await pace.rest()
        # To put it in order takes a while for a large file.
        return await asyncio.to_thread(indexing.contents)

    async def _keep(self, name: str, contents: Contents, size: int) -> None:
        """Write an index that was made anew, where it may be as large."""
        if contents.size <= most_bytes(size):
            await asyncio.to_thread(self._files.save, name, contents)

    # What there is to say

    def _tell(self, text: str) -> None:
        self._source.notes.append(text)

    def _tell_once(self, text: str, more: str = "") -> None:
        """Say something that was never said before, with `more` of the first case."""
        if text not in self._told:
            self._told.add(text)
            self._tell(text + more)

    def _end_turn(self) -> None:
        """Say what there is to say, and let go of what takes too much memory."""
        size = 0
        for pieces in reversed(self._pieces.values()):
            for piece in pieces:
                if piece.contents is not None and piece.is_kept:
                    size += piece.contents.size
                    if size > LOADED:
                        piece.contents = None
        self._session.sources.notices.pass_on(self._source)
