"""A console: a session, where its output goes, and the context that commands are typed in.

One line in, one command run; the prompt, `-c` and scripts on standard input all use it. A line that
makes no sense writes one sentence and changes nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from sipstream import suspects
from sipstream.errors import CommandError, SipstreamError
from sipstream.faults import where
from sipstream.render import lists, message, objects, status
from sipstream.shell import pipes, registry
from sipstream.shell.pipes.answer import answering
from sipstream.shell.registry import CONVERSATION, FILTER, GENERAL

if TYPE_CHECKING:
    from sipstream.figures import Progress
    from sipstream.follow import Follow
    from sipstream.session import Session
    from sipstream.shell.output import Output
    from sipstream.shell.pager import Pager
    from sipstream.views import Conversation, Message

_PROGRESS_AFTER = 0.5
"""Seconds a load may take before its progress is shown."""


class Console:
    """What commands work on: `session`, `out`, and the context they are in."""

    def __init__(self, session: Session, out: Output) -> None:
        self.session = session
        self.out = out
        self.context = GENERAL
        self.chosen: Conversation | None = None
        """The conversation of the context `conversation`."""
        self.chosen_name = ""
        self.in_shell = False
        """Commands are asked for on a terminal."""
        self.patience: float | None = None
        """Seconds that a load is waited for before it goes on beside the prompt; None: till its end."""
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
        self._progress_shown = False
        session.sources.notices.tell = self.note
        session.sources.notices.complain = session.faults.tell = self.complain
        session.deliver = self._deliver
        session.drained = out.drained

    @property
    def prompt(self) -> str:
        """What stands before the cursor; the asterisk says that a filter is set."""
        place = {FILTER: "[filter]", CONVERSATION: f"[conversation {self.chosen_name}]"}
        mark = "*" if self.session.filters.marked else ""
        return f"sipstream{place.get(self.context, '')}{mark}: "

    async def execute(self, line: str) -> bool:
        """Run one line, return whether it did what it says; empty lines and comments do nothing."""
        line = line.strip()
        if not line or line.startswith("#"):
            return True
        out = self.out
        try:
            command, chain = pipes.read(line)
            call = self._read(command)
            values: dict[str, object] = {
                name: parameter.kind.parse(self.session, text)
                for name, (parameter, text) in call.values.items()
            }
            known = inspect.signature(call.command.function).parameters
            values = {flag: True for flag in call.flags if flag in known} | values
            pager = self.pager if self.paging and chain.paged else None
            async with answering(out, chain, pager) as self.out:
                result = call.command.function(self, **values)
                if inspect.isawaitable(result):
                    await result
        except SipstreamError as error:
            # The sentence itself is ours; what it quotes was escaped, or is shielded by the output.
            out.error(str(error))
            return False
        except Exception as error:
            # A command's fault costs that command, nothing else.
            kept = suspects.keep_traceback(error)
            self.session.faults.counts["commands"] += 1
            out.error(f"a fault in sipstream ended it ({type(error).__name__}){where(kept)}")
            return False
        finally:
            self.out = out
            self.end_progress()
        return True

    def _read(self, line: str) -> registry.Call:
        """Understand a line; what only looks works in every context."""
        try:
            return registry.read(line, self.context)
        except CommandError:
            if line.split()[0] in registry.EVERYWHERE:
                with suppress(CommandError):
                    return registry.read(line, GENERAL)
            raise

    def leave(self) -> None:
        """Go back to the general context, or end from there."""
        self.finished = self.context == GENERAL
        self.context = GENERAL
        self.chosen = None

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

    def note(self, text: str) -> None:
        """Say something that a source has to say; it isn't the answer to a command."""
        self.show_words([text])

    def complain(self, text: str) -> None:
        """Say with which error a source ended."""
        if self.in_shell:
            self.show_words([f"*** Error! {text}"])
        else:
            self.out.error(text)

    def counted(self, count: int) -> None:
        """Say how many conversations match, as each change of the filter does."""
        self.out.line(f"{count} conversations")

    def show_progress(self, progress: Progress) -> None:
        """Redraw the line that tells how far a load is."""
        if self.width is not None and progress.seconds > _PROGRESS_AFTER:
            self._progress_shown = True
            self.out.redraw(status.progress(progress, self.width() - 1))

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

        paint = self.out.paint
        number = follow.number if len(self.session.follows) > 1 else None
        if self.out.json:
            lines = [objects.dumps(objects.message(one, call_id(one))) for one in messages]
        elif follow.whole:
            before = "" if number is None else f"#{number} "
            lines = [before + message.whole(one, paint) + "\n" for one in messages]
        else:
            lines = [
                lists.followed(one, call_id(one), number=number, paint=paint) for one in messages
            ]
        self.show_followed(lines)
