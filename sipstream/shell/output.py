"""What commands write to: data, words for the user and errors, with and without `--json`.

All text on its way to a Writer passes here, and here through one rule: printable characters and
line feeds, and the codes of `Paint` where colours are on; anything else is spelt out. Text that
holds traffic has been escaped before, by who made it; the rule is the last defence.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TextIO, cast

from sipstream.escape import shield
from sipstream.render.colours import PLAIN, SGR, Paint
from sipstream.render.objects import dumps
from sipstream.shell.writer import Writer, open_writers

if TYPE_CHECKING:
    from prompt_toolkit.output.vt100 import Vt100_Output

__all__ = ["Face", "Output", "Stopped", "Writer", "open_writers", "vt100"]

MARK = "*** Error! "
"""What an error begins with."""
_PIECE_CHARACTERS = 65_536
_PIECE_SECONDS = 0.005
"""Rows are made in pieces of this size or duration, so that the event loop is never held."""

_ERASE = "\x1b[K"
"""Clears the terminal's line from the cursor on."""

_STREAM_CHARACTERS = 4096
"""What of a stream is lost together when there is no room."""


class Output:
    """Data go to `writer`, errors to `errors`; words to `writer`, under `json` to `errors`.

    Under `json` each row of data is an object on a line of its own, and nothing is painted.
    """

    shows = True
    """Whether what is handed in is shown, not only counted."""
    is_last = True
    """Whether lines that are handed in are shown as they are: no pipe looks at them."""
    quiet = False
    """Whether words for the user are left out."""

    def __init__(
        self,
        writer: Writer,
        errors: Writer,
        *,
        json: bool = False,
        paint: Paint = PLAIN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.writer = writer
        self.errors = errors
        self.json = json
        """Whether data are JSON objects."""
        self.words = errors if json else writer
        """Where words for the user go: apart from data that something else reads."""
        self.paint = PLAIN if json else paint
        """The colours that data are painted with."""
        self._clock = clock
        if json:
            writer.on_recovery = lambda lost: self.line(f"{lost} lines not shown")

    def line(self, text: str = "") -> None:
        """Write words for the user, a line or several, without the last one's end."""
        if not self.quiet:
            self.words.put(self._safe(text) + "\n")

    def redraw(self, text: str) -> None:
        """Write a line over the one before, without an end: how far something has come, or ""."""
        if not self.quiet:
            self.words.draw(f"\r{_ERASE}{self._safe(text)}")

    def lines(self, texts: Iterable[str]) -> None:
        """Write several lines of words; for answers of any length there is `rows`."""
        text = "\n".join(texts)
        if text:
            self.line(text)

    def error(self, text: str, below: Iterable[str] = ()) -> None:
        """Write `*** Error! ` and a sentence; `below` are lines that show where."""
        self.errors.put(f"{MARK}{self._safe(chr(10).join([text, *below]))}\n")

    async def rows(
        self,
        texts: Iterable[str],
        objects: Iterable[Mapping[str, object]] = (),
        count: int | None = None,
    ) -> None:
        """Write an answer of any length, made while it is written; of the two only one is drawn on.

        `count` is how many rows it has, where that is known before they are made.

        Ends early when whoever reads has gone. What is still pending when it is cancelled (some
        130 KiB at most) `interrupt` takes back.
        """
        await self.write(map(dumps, objects) if self.json else texts)

    async def text(self, texts: Iterable[str]) -> None:
        """Write an answer in words of any length, one that has no objects."""
        if self.json:
            self.lines(texts)
        else:
            await self.rows(texts)

    async def write(self, texts: Iterable[str], line_end: str = "\n") -> None:
        """Write lines of data as they are, made while they are written.

        `line_end` stands behind each where they don't go to a terminal.
        """
        piece: list[str] = []
        size, begun = 0, self._clock()
        if line_end != "\n" and self.writer.isatty():
            line_end = "\n"
        for text in texts:
            piece.append(text)
            size += len(text)
            if size >= _PIECE_CHARACTERS or self._clock() - begun >= _PIECE_SECONDS:
                await self._hand_over(piece, line_end)
                if self.writer.broken:
                    return
                piece, size, begun = [], 0, self._clock()
        if piece:
            await self._hand_over(piece, line_end)

    def stream(self, lines: Iterable[str]) -> None:
        """Write lines that can't wait, those of a follow; what finds no room is counted and told."""
        piece: list[str] = []
        size = 0
        for text in lines:
            piece.append(text)
            size += len(text)
            if size >= _STREAM_CHARACTERS:
                self.writer.write(self._safe("\n".join(piece)) + "\n")
                piece, size = [], 0
        if piece:
            self.writer.write(self._safe("\n".join(piece)) + "\n")

    async def drained(self) -> None:
        """Wait until there is room: what a source that can wait (a file) gives then isn't lost."""
        await self.writer.drain()

    def interrupt(self) -> None:
        """Forget what is pending of an answer that the user interrupted."""
        self.writer.discard()

    def close(self, timeout: float = 1.0) -> None:
        """Write what is pending, waiting at most `timeout` seconds for each of the two."""
        self.writer.close(timeout)
        self.errors.close(timeout)

    async def _hand_over(self, piece: list[str], line_end: str) -> None:
        text = self._safe("\n".join(piece)) + "\n"
        self.writer.put(text if line_end == "\n" else text.replace("\n", line_end))
        await self.writer.drain()
        await asyncio.sleep(0)

    def _safe(self, text: str) -> str:
        if not self.paint.enabled or "\x1b" not in text:
            return shield(text)
        pieces = SGR.split(text)
        # The codes stand at the odd places.
        pieces[::2] = map(shield, pieces[::2])
        return "".join(pieces)


class Stopped(Exception):  # noqa: N818 - it is no error
    """Whoever looks at an answer has seen enough of it."""


class Face(Output):
    """Another face of an output: what isn't a command's answer goes the same way."""

    def __init__(self, out: Output) -> None:
        # The writers have their settings already.
        self.writer, self.errors, self.words = out.writer, out.errors, out.words
        self.json, self.paint, self._clock = out.json, out.paint, out._clock


def vt100(writer: Writer) -> Vt100_Output:
    """Return what prompt_toolkit draws on: through the writer's queue, with text spelt out.

    prompt_toolkit itself replaces nothing but ESC in text; C1 controls and bidi overrides pass it.
    The terminal is never asked where its cursor is: one that stands still gives no answer, and what
    is printed above the prompt would wait a second for it each time.
    """
    from prompt_toolkit.output.vt100 import Vt100_Output

    class ShieldedOutput(Vt100_Output):
        def write(self, data: str) -> None:
            # The renderer moves by CR and CR LF; traffic's own have been spelt out long before.
            self.write_raw("\r".join(map(shield, data.split("\r"))))

        def get_rows_below_cursor_position(self) -> int:
            # As much as is certain; the bottom line then stands right below the prompt.
            return 1

    output = ShieldedOutput.from_pty(cast(TextIO, _Drawing(writer)), term=os.environ.get("TERM"))
    output.enable_cpr = False
    return output


class _Drawing:
    """The text object that prompt_toolkit writes to and asks for its terminal."""

    def __init__(self, writer: Writer) -> None:
        self.encoding = writer.encoding
        self.flush = writer.flush
        self.fileno = writer.fileno
        self.isatty = writer.isatty
        self._writer = writer

    def write(self, text: str) -> int:
        self._writer.draw(text)
        return len(text)
