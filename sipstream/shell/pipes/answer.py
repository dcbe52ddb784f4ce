"""What a command writes to when pipes stand behind it: rows go through them piece by piece.

Nothing is gathered here, so an answer of a million lines takes no more memory than one of ten.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sipstream.errors import CommandError
from sipstream.pace import Pace
from sipstream.render.objects import dumps
from sipstream.shell.output import Face, Output, Stopped
from sipstream.shell.pipes import Chain
from sipstream.shell.pipes.choosing import Count
from sipstream.shell.pipes.stage import Row, Stage

if TYPE_CHECKING:
    from sipstream.shell.pager import Pager

_PIECE = 64
"""Rows that go through the pipes together, and"""
_PIECE_CHARACTERS = 65_536
"""their characters: some milliseconds of work."""


class Piped(Face):
    """An output whose rows go through pipes, and then to `out` or into a file."""

    is_last = False

    def __init__(self, out: Output, chain: Chain) -> None:
        super().__init__(out)
        self._out = out
        self._chain = chain
        self._objects = out.json or chain.objects
        self._said: list[str] = []
        first = chain.stages[0] if chain.stages else None
        self._counter = first if isinstance(first, Count) else None
        self.shows = self._counter is None
        for stage in chain.stages:
            if isinstance(stage, Count):
                stage.as_json |= out.json

    def line(self, text: str = "") -> None:
        """Take words as lines of the answer; where objects are wanted they go their usual way."""
        if self._objects:
            self._out.line(text)
        else:
            self._said += text.split("\n")

    async def text(self, texts: Iterable[str]) -> None:
        """Take an answer in words.

        Raises:
            CommandError: objects are wanted.
        """
        if self._objects:
            raise CommandError("this command answers in words: it has no objects for | display")
        await self.rows(texts)

    async def rows(
        self,
        texts: Iterable[str],
        objects: Iterable[Mapping[str, object]] = (),
        count: int | None = None,
    ) -> None:
        """Take rows; they are not made where only their number is asked for, and known."""
        await self._say()
        if self._counter is not None and count is not None:
            self._counter.add(count)
            return
        made: Iterator[Row]
        if self._objects:
            made = (Row(dumps(one), one) for one in objects)
        else:
            made = (Row(line) for text in texts for line in text.split("\n"))
        await self._through(made, self._chain.stages)

    async def finish(self) -> None:
        """Give out what the pipes held back."""
        await self._say()
        stages = self._chain.stages
        for place, stage in enumerate(stages):
            await self._through(stage.end(), stages[place + 1 :])

    async def _say(self) -> None:
        said, self._said = self._said, []
        await self._through((Row(line) for line in said), self._chain.stages)

    async def _through(self, rows: Iterable[Row], stages: list[Stage]) -> None:
        """Send rows through pipes and on, letting others have their turn."""
        pace = Pace()
        piece: list[Row] = []
        size = 0
        for row in rows:
            piece.append(row)
            size += len(row.text)
            if len(piece) >= _PIECE or size >= _PIECE_CHARACTERS or pace.due():
                await self._hand_on(piece, stages)
                piece, size = [], 0
                if self._chain.saved is None and self.writer.broken:
                    return
                if pace.due():
                    await pace.rest()
        await self._hand_on(piece, stages)

    async def _hand_on(self, piece: Iterable[Row], stages: list[Stage]) -> None:
        for stage in stages:
            piece = stage.feed(piece)
        texts = [row.text for row in piece]
        if not texts:
            return
        if self._chain.saved is not None:
            await self._chain.saved.write(texts, self._chain.line_end)
        else:
            await self._out.write(texts, self._chain.line_end)


@asynccontextmanager
async def answering(out: Output, chain: Chain, pager: Pager | None) -> AsyncIterator[Output]:
    """Give what a command writes its answer to; at the end all of it went through the pipes.

    With a pager it is shown page by page, and ends early when the user has seen enough.

    Raises:
        CommandError: the pipes can't do what they should; a file that was begun is gone then.
    """
    if pager is None or chain.saved is not None:
        async with _piping(out, chain) as into:
            yield into
        return
    try:
        async with _piping(pager.of(out), chain) as into:
            yield into
    except Stopped:
        pass
    finally:
        pager.close()


@asynccontextmanager
async def _piping(out: Output, chain: Chain) -> AsyncIterator[Output]:
    """Give the output that the pipes are fed by."""
    if not chain.stages:
        yield out
        return
    piped, saved = Piped(out, chain), chain.saved
    if saved is None:
        yield piped
        await piped.finish()
        return
    done = False
    saved.open()
    try:
        yield piped
        await piped.finish()
        done = True
    finally:
        await saved.close(keep=done)
    lines = "1 line" if saved.lines == 1 else f"{saved.lines} lines"
    out.line(f"{lines} saved in {saved.shown}")
