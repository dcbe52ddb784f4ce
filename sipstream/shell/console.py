"""A console: a session, where its output goes, and the context that commands are typed in.

One line in, one command run; the prompt, `-c` and scripts on standard input all use it. A line that
makes no sense writes one sentence and changes nothing.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from sipstream import suspects
from sipstream.errors import CommandError, SipstreamError
from sipstream.escape import brief
from sipstream.faults import where
from sipstream.filters import FilterTextError
from sipstream.plan import Plan, code_of, use_plan
from sipstream.render import lists, message, objects, pointer, status
from sipstream.render.colours import theme_of
from sipstream.render.fold import broken
from sipstream.shell import pipes, registry
from sipstream.shell.naming import Naming
from sipstream.shell.output import MARK
from sipstream.shell.pipes.answer import answering
from sipstream.shell.registry import CONVERSATION, FILTER, FOLLOW, GENERAL

if TYPE_CHECKING:
    from sipstream.figures import Progress
    from sipstream.follow import Follow
    from sipstream.session import Session
    from sipstream.settings import Keep
    from sipstream.shell.flowing import Flowing
    from sipstream.shell.output import Output
    from sipstream.shell.pager import Pager
    from sipstream.shell.watch import Watch
    from sipstream.views import Conversation, Message

_WIDTH = 80
"""Columns of a line where there is no terminal."""
PROGRESS_AFTER = 0.5
"""Seconds that something may take before its progress is shown."""
_SHARE_SECONDS = 0.2
"""How often the line is drawn anew that tells how far a command has come."""


class Console:
    """What commands work on: `session`, `out`, and the context they are in."""

    def __init__(self, session: Session, out: Output) -> None:
        self.session = session
        self.out = out
        self.context = GENERAL
        self.chosen: Conversation | None = None
        """The conversation of the context `conversation`."""
        self.chosen_name = ""
        self.chosen_follow: Follow | None = None
        """The follow of the context `follow`."""
        self._above: tuple[str, ...] = ()
        """The contexts that `up` leads back to, the general one left out; none stands here twice."""
        self.in_shell = False
        """Commands are asked for on a terminal."""
        self.patience: float | None = None
        """Seconds that a load is waited for before it goes on beside the prompt; None: till its end."""
        self.redact: bool | None = None
        """Exports are masked, or aren't, where nothing is said; None: as their formats have it."""
        self.finished = False
        """`exit` was typed in the general context."""
        self.width: Callable[[], int] | None = None
        """How wide the terminal is; None where there is none that shows progress."""
        self.pager: Pager | None = None
        """Asks after each screenful; None where nobody is there to be asked."""
        self.paging = True
        """Long answers are paged where they can be."""
        self.show_followed: Callable[[list[str]], None] = out.stream
        """Shows lines of follows; where there is a prompt, above it."""
        self.show_words: Callable[[list[str]], None] = out.lines
        """Shows what sources have to say, likewise."""
        self.watch: Watch | None = None
        """What is drawn above the prompt, again and again."""
        self.watches = False
        """Commands are run for what is watched: nobody has typed them."""
        self.place = ""
        """Where the line stands that runs, in a script: errors begin with it."""
        self.depth = 0
        """Scripts that run within one another."""
        self.naming = Naming(lambda: session.settings)
        """What addresses are called."""
        self._flowing: Flowing | None = None
        """The ladders of follows."""
        self._progress_shown = False
        self._share_due = 0.0
        """When it is drawn next (monotonic) which part of some work is done."""
        session.sources.notices.tell = self.note
        session.sources.notices.complain = session.faults.tell = self.complain
        session.deliver = self._deliver
        session.drained = out.drained

    @property
    def prompt(self) -> str:
        """What stands before the cursor; the asterisk says that a filter is set."""
        number = self.chosen_follow.number if self.chosen_follow is not None else ""
        place = {
            FILTER: "[filter]",
            CONVERSATION: f"[conversation {self.chosen_name}]",
            FOLLOW: f"[follow {number}]",
        }
        mark = "*" if self.session.filters.marked else ""
        return f"sipstream{place.get(self.context, '')}{mark}: "

    @property
    def table_width(self) -> int | None:
        """How wide tables may be; None where no terminal shows them: then nothing is cut."""
        if not self.out.writer.isatty():
            return None
        return self.width() if self.width is not None else _WIDTH

    @property
    def words_width(self) -> int | None:
        """Where lines of words are broken; None where a program reads them, or a pipe."""
        return self.table_width if self.out.is_last and not self.out.json else None

    def fitted(self, sentence: str) -> list[str]:
        """Return a sentence in lines that fit the terminal, as it is where there is none."""
        if self.width is None or self.table_width is None:
            return [sentence]
        return broken(sentence, self.width())

    async def execute(self, line: str, context: str = "") -> bool:
        """Run one line, return whether it did what it says; empty lines and comments do nothing.

        It is read as one of `context`, of the one that the console is in where none is given.
        """
        line = line.strip()
        if not line or line.startswith("#"):
            return True
        out = self.out
        self._share_due = time.monotonic() + _SHARE_SECONDS
        try:
            command, chain = pipes.read(self.session.settings.expanded(line))
            call = self._read(command, context or self.context)
            if self.session.remotes.all:
                await self._complete(call)
            values: dict[str, object] = {
                name: parameter.kind.parse(self.session, text)
                for name, (parameter, text) in call.values.items()
            }
            known = inspect.signature(call.command.function).parameters
            values = {flag: True for flag in call.flags if flag in known} | values
            pager = self.pager if self.paging and chain.paged else None
            async with answering(out, chain, pager) as self.out:
                done = call.command.function(self, **values)
                if inspect.isawaitable(done):
                    done = await done
        except SipstreamError as error:
            # The sentence itself is ours; what it quotes was escaped, or is shielded by the output.
            out.error(self._broken(f"{self.place}{error}"), self._pointed(error))
            return False
        except Exception as error:
            # A command's fault costs that command, nothing else.
            kept = suspects.keep_traceback(error)
            self.session.faults.counts["commands"] += 1
            out.error(
                f"{self.place}a fault in sipstream ended it ({type(error).__name__}){where(kept)}"
            )
            return False
        finally:
            self.out = out
            self.end_progress()
        # `run` says how another line went.
        return done is not False

    async def _complete(self, call: registry.Call) -> None:
        """Have all of the conversations that a line names come from where there is more of them.

        Raises:
            SourceError: that can't be read.
        """
        for parameter, text in call.values.values():
            call_id = parameter.kind.names(self.session, text)
            if call_id is not None:
                await self.session.remotes.complete(call_id)

    def _broken(self, sentence: str) -> str:
        """Return an error's sentence in lines that fit a terminal."""
        return "\n".join(self.fitted(MARK + sentence)).removeprefix(MARK)

    def _pointed(self, error: SipstreamError) -> list[str]:
        """Return the lines that show where a filter is wrong, none for any other error."""
        if not isinstance(error, FilterTextError):
            return []
        width = self.width() if self.width is not None else _WIDTH
        return pointer.lines(error.text, error.column, width)

    def _read(self, line: str, context: str) -> registry.Call:
        """Understand a line; what only looks works in every context."""
        try:
            return registry.read(line, context)
        except CommandError as error:
            with suppress(CommandError):
                general = registry.read(line, GENERAL)
                first = line.split()[0]
                if first in registry.EVERYWHERE:
                    return general
                if context != GENERAL and isinstance(error, registry.UnknownWordError):
                    error = CommandError(
                        f"{brief(first)} is a command of the context general:"
                        f" 'run {brief(line)}' runs it here"
                    )
            raise error from None

    def settle(self) -> None:
        """Do as the settings say from now on."""
        settings = self.session.settings
        self.paging = settings.on("paging")
        code, region = settings.text("country_code"), settings.text("region")
        use_plan(Plan(code or code_of(region), settings.text("trunk_prefix"), region))
        self.session.forget_filters()
        self.session.skew.apply()
        if self.out.paint.enabled:
            self.out.paint.theme = theme_of(settings.text("theme"), os.environ)

    def looking(self, out: Output) -> Console:
        """Return a console for commands that only look, beside those that are typed here."""
        made = copy.copy(self)
        made.out = out
        made.paging = made.in_shell = False
        made.watches = True
        return made

    def end_watch(self) -> bool:
        """End what is drawn above the prompt; return whether there was something."""
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.end()
        return watch is not None

    def enter(self, context: str) -> None:
        """Go into a context; one that is open already is gone back to."""
        if context in self._above:
            self._above = self._above[: self._above.index(context)]
        elif self.context not in (GENERAL, context):
            self._above = (*self._above, self.context)
        self.context = context

    def leave(self) -> None:
        """Go back to the context above, or end from the general one."""
        self.finished = self.context == GENERAL
        *above, self.context = self._above or (GENERAL,)
        self._above = tuple(above)
        if CONVERSATION not in (self.context, *self._above):
            self.chosen = None

    def leave_all(self) -> None:
        """Go back to the general context."""
        while self.context != GENERAL:
            self.leave()

    def in_conversation(self) -> Conversation:
        """Return the conversation of the context.

        Raises:
            CommandError: it was cleared or given up meanwhile.
        """
        if self.chosen is None or self.chosen.origin is not self.session.conversations.index:
            raise CommandError("the conversation was cleared; 'exit' leaves its context")
        if self.chosen.gone:
            raise CommandError(
                "the conversation was given up to make room (--memory); 'exit' leaves its context"
            )
        return self.chosen

    def in_follow(self) -> Follow:
        """Return the follow of the context.

        Raises:
            CommandError: it ended meanwhile.
        """
        if self.chosen_follow not in self.session.follows or self.chosen_follow is None:
            raise CommandError("the follow has ended; 'exit' leaves its context")
        return self.chosen_follow

    async def keep(self, keep: Keep) -> None:
        """Keep a change of the settings in their file; that may wait for a disk."""
        if reason := await asyncio.to_thread(keep):
            self.out.line(f"This holds until the program ends, it can't be kept: {reason}")

    def note(self, text: str) -> None:
        """Say something that a source has to say; it isn't the answer to a command."""
        self.show_words(self.fitted(text))

    def complain(self, text: str) -> None:
        """Say with which error a source ended."""
        if self.in_shell:
            self.show_words(self.fitted(f"{MARK}{text}"))
        else:
            self.out.error(text)

    def counted(self, count: int) -> None:
        """Say how many conversations match, as each change of the filter does."""
        self.out.line(f"{count} conversations")

    def show_progress(self, progress: Progress) -> None:
        """Redraw the line that tells how far a load is."""
        if self.width is not None and progress.seconds > PROGRESS_AFTER:
            self.show_line(status.progress(progress, self.width() - 1))

    def show_share(self, doing: str, done: int, total: int) -> None:
        """Redraw the line that tells which part of some work is done, where that takes its time."""
        now = time.monotonic()
        if now >= self._share_due:
            self._share_due = now + _SHARE_SECONDS
            share = 100 * done // max(total, 1)
            self.show_line(f"{doing} {done} of {total}, {share}%; Ctrl-C ends it")

    def show_line(self, text: str) -> None:
        """Redraw, on a terminal, the line that tells how far something is."""
        if self.width is not None:
            self._progress_shown = True
            self.out.redraw(text)

    def end_progress(self) -> None:
        """Take the line of progress away."""
        if self._progress_shown:
            self._progress_shown = False
            self.out.redraw("")

    def _deliver(self, follow: Follow, messages: list[Message]) -> None:
        """Show what a follow found: one line each, whole messages, or objects."""
        conversations = self.session.conversations

        def call_id(one: Message) -> str:
            return conversations[one.conversation].call_id

        paint, width = self.out.paint, self.table_width if self.in_shell else None
        number = follow.number if len(self.session.follows) > 1 else None
        if follow.flow and not follow.whole:
            lines = self._flow(follow, messages, number)
        elif self.out.json:
            lines = [objects.dumps(objects.message(one, call_id(one))) for one in messages]
        elif follow.whole:
            before = "" if number is None else f"#{number} "
            lines = [before + message.whole(one, paint) + "\n" for one in messages]
        else:
            lines = [
                lists.followed(one, call_id(one), number=number, paint=paint, width=width)
                for one in messages
            ]
        self.show_followed(lines)

    def _flow(self, follow: Follow, messages: list[Message], number: int | None) -> list[str]:
        """Return the lines of a follow's ladders."""
        from sipstream.render.arrows import style_of
        from sipstream.shell.flowing import Flowing

        flowing = self._flowing = self._flowing or Flowing(self.naming)
        if self.out.json:
            return list(map(objects.dumps, flowing.objects(follow, messages)))
        width = self.table_width
        style = style_of(width, self.out.writer.encoding)
        paint = self.out.paint
        return list(
            flowing.lines(follow, messages, number=number, width=width, paint=paint, style=style)
        )
