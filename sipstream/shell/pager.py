"""Paging: an answer longer than the terminal is high stops after each screenful and asks for a key.

Never full screen: one line below the answer asks, and is taken away again. Meanwhile everything else
goes on: the keys are read by the event loop, through the prompt's own input.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import takewhile
from typing import TYPE_CHECKING

from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.keys import Keys

from sipstream.escape import cells, cut
from sipstream.render.colours import SGR
from sipstream.shell.output import Face, Output, Stopped

if TYPE_CHECKING:
    from prompt_toolkit.data_structures import Size
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyPress

_PAGE, _LINE, _REST, _END = "page", "line", "rest", "end"
_KEYS: dict[str, str] = {
    " ": _PAGE,
    Keys.PageDown: _PAGE,
    Keys.ControlM: _LINE,
    Keys.ControlJ: _LINE,
    Keys.Down: _LINE,
    "G": _REST,
    "n": _REST,
    "q": _END,
    "Q": _END,
    Keys.ControlD: _END,
}
"""What keys do; others do nothing."""


class Pager:
    """Asks for a key after each screenful; `waiting` while it has the keyboard."""

    def __init__(
        self,
        keys: Input,
        size: Callable[[], Size],
        interrupt: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self.size = size
        self.waiting = False
        self._keys = keys
        self._interrupt = interrupt
        self._ended = ended
        self._pressed: deque[str] = deque()
        self._woken = asyncio.Event()
        self._opened = ExitStack()
        self._behind: list[KeyPress] = []
        """Keys meant for the prompt."""
        self._draw: Callable[[], None] | None = None
        """Draws the line that asks, while it stands there."""

    def of(self, out: Output) -> Paged:
        """Return a face of an output on which one answer is paged."""
        return Paged(out, self)

    async def ask(self, out: Output, shown: int) -> str:
        """Ask below `shown` lines how to go on, return what the key pressed does."""
        if not self.waiting and not self._open():
            return _REST

        def draw() -> None:
            text = f"-- more -- {shown} lines shown: space, Enter, q"
            out.redraw(cut(text, self.size().columns - 1))

        if not self._pressed:
            self._draw = draw
            draw()
        try:
            while not self._pressed:
                self._woken.clear()
                await self._woken.wait()
            return self._pressed.popleft()
        finally:
            if self._draw is not None:
                self._draw = None
                out.redraw("")

    def close(self) -> None:
        """Give the keyboard back. What was typed for the prompt is there when it asks."""
        if not self.waiting:
            return
        loop = asyncio.get_running_loop()
        loop.remove_signal_handler(signal.SIGWINCH)
        # Half an escape sequence would be taken for the beginning of what is typed next.
        self._keys.flush_keys()
        self._opened.close()
        store_typeahead(self._keys, self._behind)
        self._behind = []
        self._pressed.clear()
        self.waiting = False
        self._ended()

    def _open(self) -> bool:
        """Take the keyboard, return whether there is one."""
        try:
            self._opened.enter_context(self._keys.raw_mode())
            self._opened.enter_context(self._keys.attach(self._read))
        except (EOFError, OSError, ValueError):
            self._opened.close()
            return False
        self.waiting = True
        # Typed before anything was asked: meant for the prompt.
        self._behind = self._keys.read_keys()
        with suppress(ValueError, RuntimeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, self._resized)
        return True

    def _resized(self) -> None:
        if self._draw is not None:
            self._draw()

    def _read(self) -> None:
        """Take the keys that were pressed."""
        pressed = self._keys.read_keys()
        for place, press in enumerate(pressed):
            if press.key == Keys.ControlC:
                self._interrupt()
                break
            does = _KEYS.get(press.key)
            if does is not None:
                self._pressed.append(does)
            if does in (_REST, _END):
                # Pasted in one with the q: it stands at the prompt, and isn't run unseen.
                self._behind += takewhile(_is_no_line_end, pressed[place + 1 :])
                break
        if self._keys.closed:
            self._pressed.append(_END)
        self._woken.set()


def _is_no_line_end(press: KeyPress) -> bool:
    return press.key not in (Keys.ControlM, Keys.ControlJ)


class Paged(Face):
    """An output whose answer stops after each screenful."""

    def __init__(self, out: Output, pager: Pager) -> None:
        super().__init__(out)
        self._pager = pager
        self._on = True
        self._left = self._page()
        """Rows of the terminal to be filled before the next stop."""
        self._begun = False
        """Something was shown since the last stop: a line higher than the terminal is shown too."""
        self._shown = 0

    async def _hand_over(self, piece: list[str], line_end: str) -> None:
        """Write lines, and stop before each that has no room.

        Raises:
            Stopped: the user has seen enough.
        """
        if not self._on:
            await super()._hand_over(piece, line_end)
            return
        ready: list[str] = []
        for line in "\n".join(piece).split("\n"):
            high = self._height(line) if self._on else 0
            if self._begun and high > self._left:
                if ready:
                    await super()._hand_over(ready, line_end)
                    ready = []
                await self._stop()
            ready.append(line)
            self._shown += 1
            self._left -= high
            self._begun = True
        await super()._hand_over(ready, line_end)

    async def _stop(self) -> None:
        does = await self._pager.ask(self, self._shown)
        if does == _END:
            raise Stopped
        if does == _REST:
            self._on = False
            self._pager.close()
        self._left = 1 if does == _LINE else self._page()
        self._begun = False

    def _page(self) -> int:
        return max(self._pager.size().rows - 1, 1)

    def _height(self, line: str) -> int:
        """Return how many rows of the terminal a line takes."""
        columns = max(self._pager.size().columns, 1)
        text = SGR.sub("", line) if "\x1b" in line else line
        return max(-(-cells(text) // columns), 1)
