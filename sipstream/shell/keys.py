"""Tab, `?` and what is suggested of earlier lines: keys of the prompt that help to write a line.

What takes time is worked out in turns beside the prompt; if the line has changed meanwhile it's for
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TYPE_CHECKING

from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggest, Suggestion
from prompt_toolkit.buffer import Buffer, CompletionState
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, emacs_insert_mode, has_focus, vi_insert_mode
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from sipstream.escape import shield
from sipstream.shell.completion import ShellCompleter, asks, completion, list_next, meant
from sipstream.shell.steps import in_turns

if TYPE_CHECKING:
    from prompt_toolkit.output import Output

    from sipstream.shell.console import Console

_LOOKED_BACK = 1000
"""Lines of the history looked at for a suggestion, with each key that is pressed."""


class FromHistory(AutoSuggest):
    """Suggests how the last line that began as the one being typed went on."""

    def get_suggestion(self, buffer: Buffer, document: Document) -> Suggestion | None:
        """Return the rest of that line, None where there is none that is fit for a terminal."""
        typed = document.text
        if not typed.strip():
            return None
        lines = buffer.history.get_strings()
        for line in islice(reversed(lines), _LOOKED_BACK):
            rest = line[len(typed) :].rstrip()
            if rest and "\n" not in line and line.startswith(typed) and shield(line) == line:
                return Suggestion(rest)
        return None


class Keys:
    """Tab and `?`; `show` prints lines above the prompt."""

    def __init__(self, console: Console, output: Output, show: Callable[[list[str]], None]) -> None:
        self._console = console
        self._output = output
        self._show = show
        self.completer = ShellCompleter(console)
        self._task: asyncio.Task[None] | None = None
        self._ended: Document | None = None
        """The line as Tab left it behind a whole word and its blank."""

    def bind(self, bindings: KeyBindings) -> None:
        """Add the keys."""
        writes = has_focus(DEFAULT_BUFFER) & (emacs_insert_mode | vi_insert_mode)

        @bindings.add("tab", filter=writes)
        def complete(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            if buffer.complete_state:
                buffer.complete_next()
            else:
                self._begin(event, lambda: self._complete(buffer))

        @bindings.add("?", filter=writes & Condition(self._asks))
        def what_may_follow(event: KeyPressEvent) -> None:
            line = event.current_buffer.document.text_before_cursor
            self._begin(event, lambda: self._list(line))

        @bindings.add(" ", filter=writes & Condition(self._has_blank))
        def blank(event: KeyPressEvent) -> None:
            # There is one already: who types one behind a word that Tab has ended means this.
            self._ended = None

    def _asks(self) -> bool:
        line = get_app().current_buffer.document.text_before_cursor
        return asks(meant(self._console.session, line), self._console.context)

    def _has_blank(self) -> bool:
        return get_app().current_buffer.document == self._ended

    def _begin(self, event: KeyPressEvent, work: Callable[[], Awaitable[None]]) -> None:
        """Work beside the prompt, instead of what the last such key began."""
        if self._task is not None:
            self._task.cancel()
        self._task = event.app.create_background_task(self._guarded(work))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            # A fault of completion costs that completion, nothing else.
            self._console.session.faults.note("completion", error)

    async def _complete(self, buffer: Buffer) -> None:
        """Put what all offers have in common in place of the word, show them where there are several."""
        document = buffer.document
        menu = await in_turns(self.completer.search(document.text_before_cursor))
        if buffer.document != document:
            return
        typed = menu.typed
        insertion = menu.insertion
        if insertion is not None:
            buffer.delete_before_cursor(len(typed))
            buffer.insert_text(insertion)
            typed = insertion
        if menu.begun == 1:
            self._ended = buffer.document if typed.endswith(" ") else None
        elif menu.offers:
            completions = [completion(offer, typed) for offer in menu.offers]
            buffer.complete_state = CompletionState(buffer.document, completions)
            buffer.on_completions_changed.fire()

    async def _list(self, line: str) -> None:
        """Print what may follow a line."""
        console = self._console
        width = self._output.get_size().columns - 1
        lines = await in_turns(
            list_next(console.session, line, console.context, width, console.chosen)
        )
        self._show([f"{console.prompt}{shield(line)}?", *lines])
