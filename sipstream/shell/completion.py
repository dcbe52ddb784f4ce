"""What may be typed next: from a line up to the cursor to offers, for Tab and for `?`.

`offers` is a function of text, context and data, tested with strings; the completer for the prompt
only hands its answers on.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from sipstream.errors import CommandError, SipstreamError
from sipstream.escape import cells, cut, escape
from sipstream.shell import pipes
from sipstream.shell.arguments import (
    Captured,
    ConversationRef,
    FilePath,
    FollowNumber,
    Interface,
    MessageIndex,
    Topic,
    Watched,
)
from sipstream.shell.offered import Offer
from sipstream.shell.pipes import offered as behind_bars
from sipstream.shell.registry import (
    COMMANDS,
    EVERYWHERE,
    GENERAL,
    Expected,
    Parameter,
    behind_run,
    expected,
    read,
)
from sipstream.shell.words import unquoted

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.shell.console import Console
    from sipstream.views import Conversation

_MENU = 500
"""Offers put in a menu at most."""
_LISTED = 60
"""Lines that `?` shows at most."""
_ABOUT_CELLS = 60
_NAMED = (FilePath, Interface, Captured, Watched, Topic, MessageIndex, FollowNumber)
"""Kinds of values in which a question mark hardly occurs."""
_WORDS = {
    "message": "one message whole",
    "messages": "all messages whole",
    "sorted": "by time, with their indexes",
    "from": "where to begin",
    "start": "from the beginning of the file",
    "now": "leave out what is there already",
    "filter": "a kernel filter of your own",
    "condition": "how the terms are joined",
}
"""What words in the middle of commands mean."""


def offers(
    session: Session, line: str, context: str, chosen: Conversation | None = None
) -> tuple[str, list[Offer]]:
    """Return the word being typed at the end of `line`, and what may stand in its place.

    `chosen` is the context's conversation.
    """
    line, whole = meant(session, line), line
    line, context = behind_run(line, context)
    if pipes.last_piece(line) is not None:
        return behind_bars.offers(session, line)
    found: dict[str, Offer] = {}
    rest = ""
    for wanted, where in _wanted(line, context):
        near = _named(session, wanted) or chosen
        rest = wanted.typed
        for part in wanted.parts:
            if isinstance(part, Parameter):
                rest = part.kind.unfinished(wanted.typed)
                given: Iterable[Offer] = part.kind.offers(session, wanted.typed, near)
            else:
                given = [Offer(part, _about(part, line, wanted.typed, where))]
            for offer in islice(given, 10 * _MENU):
                if unquoted(offer.text).startswith(unquoted(rest)) and len(found) < _MENU:
                    found.setdefault(offer.text, offer)
    for name, alias in session.settings.aliases.items():
        if name.startswith(whole) and len(found) < _MENU:
            found.setdefault(name, Offer(name, escape(alias.text)))
    if not rest and pipes.shows(line) and _is_whole(session, line, context):
        found |= {one.text: one for one in behind_bars.bars(line)}
    return rest, list(found.values())


def meant(session: Session, line: str) -> str:
    """Return a line with its alias replaced, once that is typed whole."""
    return session.settings.expanded(line) if len((line + ".").split()) > 1 else line


def _is_whole(session: Session, line: str, context: str) -> bool:
    """Tell whether a line is a command as it stands, with a blank behind it."""
    for one in (context, GENERAL):
        with suppress(SipstreamError):
            for parameter, text in read(line, one).values.values():
                parameter.kind.parse(session, text)
            return line[-1:].isspace()
    return False


def _wanted(line: str, context: str) -> list[tuple[Expected, str]]:
    """Return what may be typed in the contexts that the line's command may belong to."""
    contexts = [context]
    if context != GENERAL and line.split(" ")[0] in EVERYWHERE:
        contexts.append(GENERAL)
    found = []
    for one in contexts:
        with suppress(CommandError):
            found.append((expected(line, one), one))
    return found


def _named(session: Session, wanted: Expected) -> Conversation | None:
    """Return the conversation that the line names, if it names one."""
    for parameter, text in wanted.values.values():
        if parameter.kind is ConversationRef:
            with suppress(CommandError):
                return ConversationRef.parse(session, text).conversation
    return None


def listing(
    session: Session, line: str, context: str, width: int, chosen: Conversation | None = None
) -> list[str]:
    """Return the lines that `?` shows: what may come next, a line each."""
    line = meant(session, line)
    line, context = behind_run(line, context)
    piped = pipes.last_piece(line) is not None
    found = [] if piped else _wanted(line, context)
    if not found and not piped:
        try:
            expected(line, context)
        except CommandError as error:
            return [cut(f"  {error}", width)]
    rows = [
        Offer(part.kind.syntax, (part.kind.__doc__ or "").partition("\n")[0])
        for wanted, _ in found
        for part in wanted.parts
        if isinstance(part, Parameter)
    ]
    rows += behind_bars.places(line) if piped else []
    rows += [one for one in offers(session, line, context, chosen)[1] if one.text]
    shown = rows[:_LISTED]
    column = min(max((cells(row.text) for row in shown), default=0) + 2, 40)
    lines = [cut(f"  {_padded(row.text, column)}{row.about}".rstrip(), width) for row in shown]
    if len(rows) > len(shown):
        lines.append(f"  ... and {len(rows) - len(shown)} more: Tab completes what is begun")
    ended = piped and behind_bars.is_complete(line)
    if ended or any(wanted.complete and not wanted.typed for wanted, _ in found):
        lines.append("  <Enter>")
    return lines


def _padded(text: str, column: int) -> str:
    return text + " " * max(column - cells(text), 2)


def takes_word(line: str, context: str) -> bool:
    """Tell whether a question mark is hardly part of the word being typed: a fixed one, a file."""
    if pipes.last_piece(line) is not None:
        return behind_bars.takes_word(line)
    try:
        wanted = expected(*behind_run(line, context))
    except CommandError:
        return True
    return all(isinstance(part, str) or part.kind in _NAMED for part in wanted.parts)


def _about(word: str, line: str, typed: str, context: str) -> str:
    """Return the summary of the command that a word ends, where it is one alone."""
    before = line[: len(line) - len(typed)].split()
    found = [
        one
        for one in COMMANDS
        if one.context == context
        and len(one.words) > len(before)
        and one.words[len(before)] == word
    ]
    alone = len({one.words for one in found}) == 1
    return found[0].summary if alone else _WORDS.get(word, "")


class ShellCompleter(Completer):
    """Completion for the prompt."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        """Yield what may stand in place of the word before the cursor."""
        console = self._console
        line = document.text_before_cursor
        typed, found = offers(console.session, line, console.context, console.chosen)
        for offer in found:
            about = cut(offer.about, _ABOUT_CELLS)
            yield Completion(offer.text, start_position=-len(typed), display_meta=about)
