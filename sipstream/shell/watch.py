"""What `watch` draws above the prompt: the answer of a command that looks, asked for again and again.

The prompt draws it as lines of its own, so that it stays in its place whatever is printed above, and
however the terminal changes its size.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sipstream.escape import escape
from sipstream.limits import WATCH_LINES
from sipstream.pace import Pace
from sipstream.render.colours import SGR, cut_painted
from sipstream.shell.output import Face, Output

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import StyleAndTextTuples

    from sipstream.shell.console import Console

_SHARE = 3
"""One line of so many of the terminal's at most is drawn on."""
_MORE = "..."
_WEIGHTS = {"1": "bold", "2": "dim", "4": "underline"}
_LEVELS = (0, 95, 135, 175, 215, 255)
"""Parts of the colours of the 6x6x6 cube of 256-colour terminals."""


class Kept(Face):
    """An output that keeps the first lines of what is written."""

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self.kept: list[str] = []
        self.complaint = ""
        """The error that the command ended with."""

    def line(self, text: str = "") -> None:
        """Keep words."""
        self.kept += self._safe(text).split("\n")
        # One more than is shown, so that it is known that there were more.
        del self.kept[WATCH_LINES + 1 :]

    def redraw(self, text: str) -> None:
        """Leave out how far something has come."""

    def error(self, text: str, below: Iterable[str] = ()) -> None:
        """Keep an error, with the lines that show where."""
        self.complaint = "\n".join([text, *below])
        self.line(f"*** Error! {self.complaint}")

    async def write(self, texts: Iterable[str], line_end: str = "\n") -> None:
        """Keep lines; no more are made than are kept."""
        pace = Pace()
        for text in texts:
            self.line(text)
            if len(self.kept) > WATCH_LINES:
                return
            if pace.due():
                await pace.rest()


class Watch:
    """A command's answer that is drawn above the prompt; `times` are the looks it ends after."""

    def __init__(self, console: Console, command: str, seconds: int, times: int | None) -> None:
        self.command = command
        self.seconds = seconds
        self._console = console
        self._looking = console.looking(console.out)
        if (width := console.width) is not None:
            # As wide as it is drawn: what fills a terminal's last column begins the next line on some.
            self._looking.width = lambda: max(width() - 1, 1)
        self._left = times
        self._lines: list[str] = []
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> str:
        """Look for the first time, go on beside the prompt; return the error where there is one."""
        complaint = await self._look()
        if not complaint:
            self._task = asyncio.create_task(self._go_on(), name="watch")
        return complaint

    def end(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    def drawn(self, columns: int, rows: int) -> StyleAndTextTuples:
        """Return what stands above the prompt of a terminal of that size, whole lines."""
        paint = self._looking.out.paint
        lines = [paint.dim(f"every {self.seconds} s: {escape(self.command)}"), *self._lines]
        room = max(rows // _SHARE, 2)
        if len(lines) > room:
            lines[room - 1 :] = [paint.dim(_MORE)]
        width = max(columns - 1, 1)
        return [part for one in lines for part in _styled(cut_painted(one, width))]

    async def _go_on(self) -> None:
        faults = self._console.session.faults
        while self._left != 0:
            await asyncio.sleep(self.seconds)
            try:
                await self._look()
            except Exception as error:
                if not faults.note("watch", error):
                    break
        if self._console.watch is self:
            self._console.watch = None

    async def _look(self) -> str:
        kept = Kept(self._looking.out)
        console = self._looking.looking(kept)
        await console.execute(self.command)
        self._lines = kept.kept
        if self._left is not None:
            self._left -= 1
        return kept.complaint


def _styled(line: str) -> StyleAndTextTuples:
    """Return a painted line, with its end, as the prompt draws it."""
    parts: StyleAndTextTuples = []
    style = ""
    for place, piece in enumerate(SGR.split(line)):
        # The codes stand at the odd places.
        if place % 2:
            style = _style(piece)
        else:
            parts.append((style, piece))
    return [*parts, ("", "\n")]


def _style(code: str) -> str:
    """Return a code of `Paint` in the prompt's words."""
    weights, _, colour = code[2:-1].partition("38;5;")
    style = [_WEIGHTS[one] for one in weights.split(";") if one in _WEIGHTS]
    if colour:
        place = int(colour) - 16
        levels = (_LEVELS[place // 36], _LEVELS[place // 6 % 6], _LEVELS[place % 6])
        style.append("#{:02x}{:02x}{:02x}".format(*levels))
    return " ".join(style)
