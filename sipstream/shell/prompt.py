"""The prompt: a line editor below what is printed, while sources and follows go on.

Only here prompt_toolkit's application runs. It draws through our Writer, so that a terminal which
stops reading never holds the event loop.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import DynamicStyle, Style

from sipstream import config, filters
from sipstream.errors import CommandError
from sipstream.escape import shield
from sipstream.limits import FOLLOW_BATCH_SECONDS, OUTPUT_QUEUE
from sipstream.render import status
from sipstream.shell.commands.general import say_loaded
from sipstream.shell.console import Console
from sipstream.shell.keys import FromHistory, Keys
from sipstream.shell.output import Writer, vt100
from sipstream.shell.pager import Pager

if TYPE_CHECKING:
    from prompt_toolkit.output import Output as ToolkitOutput

_REFRESH_SECONDS = 0.5
_ASKED_SECONDS = 3.0
"""Within which a second Ctrl-C stops captures."""
_STYLE = Style.from_dict(
    {"bottom-toolbar": "noreverse dim", "auto-suggestion": "noinherit dim"},
)
_PLAIN = Style.from_dict({"bottom-toolbar": "noreverse"})
_RESIZE_SECONDS = 0.1
"""How often the prompt is drawn anew while its terminal changes size all the time."""


class _History(FileHistory):
    """A history file that keeps no line which begins with a blank or could act on a terminal.

    Nor does it any while `kept` says so.
    """

    def __init__(self, filename: str, kept: Callable[[], bool]) -> None:
        self._kept = kept
        super().__init__(filename)

    def store_string(self, string: str) -> None:
        if self._kept() and not string.startswith(" ") and shield(string) == string:
            # A full disk costs the line its place in the file, not its being run.
            with suppress(OSError):
                super().store_string(string)


class Prompt:
    """Asks for commands until `exit`, and runs them."""

    def __init__(self, console: Console, writer: Writer, keys: Input) -> None:
        self._console = console
        self._out = console.out
        """Where words go; while a command's lines are counted the console has another one."""
        self._output: ToolkitOutput = vt100(writer)
        self._above: list[str] = []
        self._size_above = 0
        """Characters of these."""
        self._lost_above = 0
        """Lines that found no room among these while nothing could be printed."""
        self._flushing: asyncio.TimerHandle | None = None
        self._asked_to_stop = -_ASKED_SECONDS
        """When Ctrl-C was answered with how to stop captures, in the loop's seconds."""
        self._paused = False
        """Ctrl-S: nothing is printed above the prompt until Ctrl-Q."""
        self._running: asyncio.Task[bool] | None = None
        self._keys = Keys(console, self._output, self.print_above)
        self._prompt: PromptSession[str] = PromptSession(
            history=_history(lambda: console.session.settings.on("history")),
            completer=self._keys.completer,
            complete_while_typing=False,
            bottom_toolbar=self._toolbar,
            key_bindings=self._bindings(),
            style=DynamicStyle(lambda: _STYLE if console.out.paint.enabled else _PLAIN),
            input=keys,
            output=self._output,
            refresh_interval=_REFRESH_SECONDS,
            enable_suspend=True,
        )
        self._prompt.default_buffer.on_text_changed += self._typed
        console.show_followed = console.show_words = self.print_above
        console.in_shell = True
        self._pager = Pager(keys, self._output.get_size, self._interrupt_command, self._write_above)
        console.pager = self._pager if writer.isatty() else None
        console.width = lambda: self._output.get_size().columns
        loop = asyncio.get_running_loop()
        writer.on_recovery = lambda lost: _call(loop, self._recovered, lost)

    async def run(self) -> None:
        """Ask and run until the console is finished or the terminal is gone."""
        console = self._console
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt_command)
        # In a thread: the first filter would hold the loop while its grammar is read.
        loop.run_in_executor(None, filters.prepare)
        while not console.finished:
            self._settle()
            try:
                line = await self._prompt.prompt_async(
                    self._message,
                    pre_run=self._seldom_resized,
                    handle_sigint=False,
                    set_exception_handler=False,
                )
            except EOFError:
                if console.context == "general":
                    return
                console.leave()
                continue
            except Exception as error:
                if not console.session.faults.note("prompt", error):
                    raise
                continue
            # What was pasted may hold several lines.
            for place, one in enumerate(line.split("\n")):
                if place:
                    await console.session.sources.wait_loaded()
                if not console.finished:
                    await self._execute(one)

    def _settle(self) -> None:
        """Do as the settings say, which the last command may have changed."""
        settings, prompt = self._console.session.settings, self._prompt
        prompt.editing_mode = EditingMode.VI if settings.text("keys") == "vi" else EditingMode.EMACS
        # Without any colour a suggestion couldn't be told from what is typed.
        suggests = settings.on("suggestions") and self._console.out.paint.enabled
        prompt.auto_suggest = FromHistory() if suggests else None
        mono = settings.text("theme") == "mono"
        prompt.color_depth = ColorDepth.DEPTH_1_BIT if mono else None

    def _message(self) -> StyleAndTextTuples:
        """Return what stands before the cursor, above it what is watched.

        That isn't left behind with a line that was entered.
        """
        above: StyleAndTextTuples = []
        if self._console.watch is not None and not self._prompt.app.is_done:
            size = self._output.get_size()
            above = self._console.watch.drawn(size.columns, size.rows)
        return [*above, ("", self._console.prompt)]

    def print_above(self, lines: list[str]) -> None:
        """Print lines above the prompt, gathered for a moment so that a flood redraws it seldom."""
        if not self._prompt.app.is_running and not self._pager.waiting:
            self._out.stream(lines)
            return
        size = sum(map(len, lines))
        if self._lost_above or self._size_above + size > OUTPUT_QUEUE:
            # Once some found no room no others get in, so their order is kept.
            self._lost_above += sum(line.count("\n") + 1 for line in lines)
        else:
            self._above += lines
            self._size_above += size
        if self._flushing is None and not self._paused and not self._pager.waiting:
            loop = asyncio.get_running_loop()
            self._flushing = loop.call_later(FOLLOW_BATCH_SECONDS, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        if self._pager.waiting:
            return
        if self._above and self._prompt.app.is_running:
            self._prompt.app.create_background_task(self._print_in_terminal())
        else:
            self._write_above()

    async def _print_in_terminal(self) -> None:
        await run_in_terminal(self._write_above)

    def _write_above(self) -> None:
        lines, lost = self._above, self._lost_above
        self._above, self._size_above, self._lost_above = [], 0, 0
        self._out.stream(lines)
        if lost:
            self._out.line(f"{lost} lines not shown")

    async def _execute(self, line: str) -> None:
        """Run a command as a task of its own, so that Ctrl-C can end it and nothing else."""
        self._write_above()
        async with asyncio.TaskGroup() as tasks:
            self._running = tasks.create_task(self._console.execute(line), name=line)
        if self._running.cancelled():
            self._out.interrupt()
            # Among what is forgotten may be what erases the pager's line, or how far it has come.
            self._out.redraw("")
            self._out.line("interrupted")
        self._running = None

    def _interrupt_command(self) -> None:
        """Ctrl-C while a command runs: a load or a remote keeps what came in, all else ends."""
        session = self._console.session
        if self._running is None or session.sources.interrupt() or session.remotes.hurry():
            return
        self._running.cancel()

    async def _interrupt_idle(self) -> None:
        """Ctrl-C on an empty line: loads end first, then what is watched, then follows, then, asked
        twice, captures."""
        console = self._console
        session = console.session
        if session.sources.interrupt(waited_for=False):
            return
        if console.end_watch():
            console.note("nothing is watched any more")
        elif session.follows:
            ended = len(session.unfollow())
            goes_on = "; the capture goes on" if session.sources.captures else ""
            console.note(f"{'follow' if ended == 1 else f'{ended} follows'} ended{goes_on}")
        elif not session.sources.captures:
            console.note("'exit' or Ctrl-D leaves")
        elif asyncio.get_running_loop().time() - self._asked_to_stop > _ASKED_SECONDS:
            self._asked_to_stop = asyncio.get_running_loop().time()
            console.note("Ctrl-C again stops the capture")
            return
        else:
            await self._stop_captures()
        self._asked_to_stop = -_ASKED_SECONDS

    async def _stop_captures(self) -> None:
        # Another Ctrl-C may have stopped them meanwhile.
        with suppress(CommandError):
            loaded = await self._console.session.sources.capture_stop()

            def show() -> None:
                self._write_above()
                say_loaded(self._console, loaded)

            await run_in_terminal(show)

    def _typed(self, buffer: object) -> None:
        self._asked_to_stop = -_ASKED_SECONDS

    def _recovered(self, lost: int) -> None:
        """The terminal reads again: say what was not shown, draw the prompt anew."""
        if lost:
            self._out.line(f"{lost} lines not shown")
        self._prompt.app.renderer.reset()
        self._prompt.app.invalidate()

    def _seldom_resized(self) -> None:
        """Draw at most every _RESIZE_SECONDS for changes of size: a terminal may send thousands."""
        app, loop = self._prompt.app, asyncio.get_running_loop()
        due: asyncio.TimerHandle | None = None

        def resized() -> None:
            nonlocal due
            if due is None:
                due = loop.call_later(_RESIZE_SECONDS, draw)

        def draw() -> None:
            nonlocal due
            due = None
            if app.is_running:
                app._on_resize()

        # The application sets its own handler right after this is called, in the same turn.
        loop.call_soon(loop.add_signal_handler, signal.SIGWINCH, resized)

    def _toolbar(self) -> str:
        width = max(self._output.get_size().columns - 1, 1)
        if self._paused:
            return "paused: Ctrl-Q goes on"[:width]
        try:
            mode = self._vi_mode()
            return mode + status.line(self._console.session.status(), max(width - len(mode), 1))
        except Exception as error:
            self._console.session.faults.note("bottom line", error)
            return ""

    def _vi_mode(self) -> str:
        """Return what the bottom line begins with where keys are vi's."""
        if self._prompt.editing_mode != EditingMode.VI:
            return ""
        navigates = self._prompt.app.vi_state.input_mode == InputMode.NAVIGATION
        return "normal | " if navigates else "insert | "

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        buffer = Condition(lambda: bool(self._prompt.default_buffer.text))

        @bindings.add("c-s", eager=True)
        def pause(event: KeyPressEvent) -> None:
            self._paused = True

        @bindings.add("c-q", eager=True)
        def go_on(event: KeyPressEvent) -> None:
            self._paused = False
            self._flush()

        @bindings.add("c-c", filter=buffer & ~is_searching, eager=True)
        def clear_line(event: KeyPressEvent) -> None:
            event.current_buffer.reset()

        @bindings.add("c-c", filter=~buffer & ~is_searching, eager=True)
        def interrupt(event: KeyPressEvent) -> None:
            event.app.create_background_task(self._interrupt_idle())

        self._keys.bind(bindings)
        return bindings


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[int], None], lost: int) -> None:
    """Call in the event loop from the writer's thread; the loop may have ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, lost)


def _history(kept: Callable[[], bool]) -> History:
    """Return the history kept in the state folder, or one in memory where that can't be."""
    path = config.history_file()
    return InMemoryHistory() if path is None else _History(str(path), kept)
