"""What may be typed next: from a line up to the cursor to offers, for Tab and for `?`.

`offers` is a function of text, context and data, tested with strings; the completer for the prompt
only hands its answers on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from sipstream.errors import CommandError, SipstreamError
from sipstream.escape import cells, cut, escape
from sipstream.filters import Filter, suggest
from sipstream.shell import pipes
from sipstream.shell.arguments import (
    Argument,
    CommandLine,
    ConversationRef,
    Expression,
    FilePath,
    Interface,
    Loadable,
    MessageIndex,
    SetTerm,
    Topic,
)
from sipstream.shell.help import FAMILIES
from sipstream.shell.menu import Menu, fitting
from sipstream.shell.offered import More, Offer
from sipstream.shell.ongoing import Captured, Followed, FollowedCalls, FollowNumber, Watched
from sipstream.shell.pipes import completion as behind_bars
from sipstream.shell.registry import (
    COMMANDS,
    EVERYWHERE,
    GENERAL,
    Expected,
    Parameter,
    expected,
    read,
)
from sipstream.shell.steps import Steps, at_once, in_turns

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.shell.console import Console
    from sipstream.views import Conversation

_LISTED = 75
"""Lines that `?` shows at most: all terms of filters, and what may stand beside them."""
_CAPTURED = 10
"""Values of what was captured that `?` shows beside other words."""
_ABOUT_CELLS = 60
_WITHIN = 3
"""Commands within one another that are looked into: run alias NAME = watch COMMAND."""
_NAMED = (FilePath, Loadable, Interface, Captured, Watched, Topic, MessageIndex, FollowNumber)
"""Kinds of values in which a question mark hardly occurs."""
_WITHOUT_MARK = frozenset(
    f"value-{kind}"
    for kind in (
        "address", "endpoint", "media", "port", "span", "state", "stir", "time", "transport",
    )
) | {"header", "header-name", "method", "status"}  # fmt: skip
"""Kinds of values in filters in which none can stand."""
_VALUES = {"value-number": "<telnum>", "value-address": "<ip>", "value-span": "<duration>"}
"""What `?` calls kinds of values of filters, where not by the kind's own name."""
_WORDS = {
    "message": "one message whole",
    "messages": "all messages whole",
    "flow": "who sent what to whom, as a ladder",
    "diff": "what differs between two messages",
    "with": "a message of another conversation",
    "sdp": "offers with their answers, and what was agreed",
    "headers": "the values of headers, a line a message",
    "rtp": "its RTP streams",
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
    menu = at_once(search(session, line, context, chosen))
    return menu.typed, menu.offers


def search(
    session: Session, line: str, context: str, chosen: Conversation | None = None
) -> Steps[Menu]:
    """Return what may stand in place of the word at the end of `line`, in steps."""
    line, whole = meant(session, line), line
    line, context, kind = _innermost(line, context)
    if pipes.last_piece(line) is not None:
        typed, piped = behind_bars.offers(session, line)
        return (yield from fitting(typed, [piped]))
    begins = () if " " in line else kind.begins
    sources: list[Iterable[Offer | More | None]] = []
    rest = ""
    for wanted, where in _wanted(line, context):
        near = _named(session, wanted) or chosen
        rest = wanted.typed
        for part in wanted.parts:
            if isinstance(part, Parameter):
                rest = part.kind.unfinished(wanted.typed)
                sources.append(part.kind.offers(session, wanted.typed, near))
            elif (part in begins or not begins) and not _within(wanted):
                sources.append([Offer(part, _about(part, line, wanted.typed, where))])
    if rest == whole:
        aliases = session.settings.aliases.items()
        sources.append([Offer(name, escape(alias.text)) for name, alias in aliases])
    if not rest and pipes.shows(line) and _is_whole(session, line, context):
        sources.append([*behind_bars.bars(line), *kind.behind])
    return (yield from fitting(rest, sources))


def meant(session: Session, line: str) -> str:
    """Return a line with its alias replaced, once that is typed whole."""
    return session.settings.expanded(line) if len((line + ".").split()) > 1 else line


def _innermost(line: str, context: str) -> tuple[str, str, type[CommandLine]]:
    """Return the command within a command that ends a line (behind run, watch, alias NAME =), the
    context that it is read in, and what kind of value it is; else the line as it is.
    """
    kind = CommandLine
    for _ in range(_WITHIN):
        within = [
            (part.kind, text)
            for wanted, _ in _wanted(line, context)
            for part in wanted.parts
            if isinstance(part, Parameter) and issubclass(part.kind, CommandLine)
            if (text := part.kind.command(wanted.typed)) is not None
        ]
        if not within:
            break
        (kind, line), context = within[0], GENERAL
    return line, context, kind


def _within(wanted: Expected) -> bool:
    """Tell whether the word being typed holds words itself, as `each(` does: none is fixed there."""
    kinds = [part.kind for part in wanted.parts if isinstance(part, Parameter)]
    return any(
        issubclass(kind, Expression) and kind.unfinished(wanted.typed) != wanted.typed
        for kind in kinds
    )


def _is_whole(session: Session, line: str, context: str) -> bool:
    """Tell whether a line is a command as it stands, with a blank behind it."""
    for one in (context, GENERAL):
        with suppress(SipstreamError):
            _check(session, line, one)
            return line[-1:].isspace()
    return False


def _check(session: Session, line: str, context: str) -> None:
    """Read a whole line.

    Raises:
        SipstreamError: it is no command, or a value of it can't be understood.
    """
    for parameter, text in read(line, context).values.values():
        value = parameter.kind.parse(session, text)
        if parameter.kind in (Followed, FollowedCalls) and isinstance(value, tuple) and value[0]:
            Filter.parse(value[0])


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
    """Return the conversation that the line names, the last one where it names several."""
    for parameter, text in reversed(wanted.values.values()):
        if parameter.kind is ConversationRef:
            with suppress(CommandError):
                return ConversationRef.parse(session, text).conversation
    return None


def listing(
    session: Session, line: str, context: str, width: int, chosen: Conversation | None = None
) -> list[str]:
    """Return the lines that `?` shows: what may come next, a line each."""
    return at_once(list_next(session, line, context, width, chosen))


def list_next(
    session: Session, line: str, context: str, width: int, chosen: Conversation | None = None
) -> Steps[list[str]]:
    """Return the lines that `?` shows, in steps."""
    within = search(session, line, context, chosen)
    line, context, _ = _innermost(meant(session, line), context)
    piped = pipes.last_piece(line) is not None
    found = [] if piped else _wanted(line, context)
    if not found and not piped:
        try:
            expected(line, context)
        except CommandError as error:
            return [cut(f"  {error}", width)]
    menu = yield from within
    asked = behind_bars.places(line) if piped else _asked(found)
    captured = [one for one in menu.offers if one.rank is not None]
    fixed = [one for one in menu.offers if one.rank is None and one.text]
    rows = asked + (captured[:_CAPTURED] if fixed else captured) + fixed
    column = min(max((cells(row.text) for row in rows[:_LISTED]), default=0) + 2, 40, width // 2)
    lines = [
        cut(f"  {_padded(row.text, column)}{row.about}".rstrip(), width) for row in rows[:_LISTED]
    ]
    if not lines:
        lines = [cut(f"  {said}", width) for said in _complaints(session, line, found)]
    more = len(asked) + len(menu.offers) + menu.more - len(lines)
    if more > 0:
        lines.append(cut(f"  ... and {more} more: Tab completes what is begun", width))
    if behind_bars.is_complete(line) if piped else _is_whole(session, line, context):
        lines.append("  <Enter>")
    return lines


def _complaints(session: Session, line: str, found: list[tuple[Expected, str]]) -> Iterator[str]:
    """Yield why nothing may follow a line: what stands there is wrong."""
    try:
        command = pipes.read(line)[0]
        for _, where in found:
            _check(session, command, where)
    except SipstreamError as error:
        yield str(error)


def _asked(found: list[tuple[Expected, str]]) -> list[Offer]:
    """Return what is to be said of the values that may be typed: syntax and a sentence each."""
    rows: dict[str, Offer] = {}
    for wanted, _ in found:
        for part in wanted.parts:
            if not isinstance(part, Parameter):
                continue
            kind = part.kind
            if not issubclass(kind, Expression) or not wanted.typed.strip():
                about = (kind.__doc__ or "").partition("\n")[0]
                rows.setdefault(kind.syntax, Offer(kind.syntax, about))
            elif kind is not SetTerm:
                for value, text, about in suggest(wanted.typed):
                    if not text:
                        syntax = _VALUES.get(value, f"<{value.removeprefix('value-')}>")
                        rows.setdefault(syntax, Offer(syntax, about))
    return list(rows.values())


def _padded(text: str, column: int) -> str:
    return text + " " * max(column - cells(text), 2)


def asks(line: str, context: str) -> bool:
    """Tell whether a question mark behind a line asks what may follow; else it is a letter of a value."""
    line, context, _ = _innermost(line, context)
    if pipes.last_piece(line) is not None:
        return line[-1:] == " " or behind_bars.takes_word(line)
    found = _wanted(line, context)
    return all(not _word(wanted) for wanted, _ in found) or takes_word(line, context)


def _word(wanted: Expected) -> str:
    """Return the word that is being typed, of what takes the rest of the line its last one."""
    for part in wanted.parts:
        if isinstance(part, Parameter) and part.kind.rest:
            if issubclass(part.kind, Expression):
                return part.kind.unfinished(wanted.typed)
            return wanted.typed.rpartition(" ")[2]
    return wanted.typed


def takes_word(line: str, context: str) -> bool:
    """Tell whether a question mark is hardly part of the word being typed: a fixed one, a file."""
    line, context, _ = _innermost(line, context)
    if pipes.last_piece(line) is not None:
        return behind_bars.takes_word(line)
    return all(
        isinstance(part, str) or not _takes_mark(part.kind, wanted.typed)
        for wanted, _ in _wanted(line, context)
        for part in wanted.parts
    )


def _takes_mark(kind: type[Argument], typed: str) -> bool:
    """Tell whether `?` may go on a value that is being typed, as a wildcard or a letter."""
    if issubclass(kind, Expression) and kind is not SetTerm:
        return any(not text and value not in _WITHOUT_MARK for value, text, _ in suggest(typed))
    return kind not in _NAMED


def _about(word: str, line: str, typed: str, context: str) -> str:
    """Return a sentence on a word: of the command that it ends, where it is one alone, else of all."""
    before = line[: len(line) - len(typed)].split()
    found = [
        one
        for one in COMMANDS
        if one.context == context
        and len(one.words) > len(before)
        and one.words[len(before)] == word
        and all(map(str.startswith, one.words, before))
    ]
    # Itself a command, or the beginning of a single one.
    whole = [one for one in found if len(one.words) == len(before) + 1]
    if whole or len({one.words for one in found}) == 1:
        return (whole or found)[0].summary
    family = FAMILIES.get((context, word), ("", ""))
    further = (one.words[len(before) + 1] for one in found if len(one.words) > len(before) + 1)
    about = family[0] or family[1].partition(".")[0] or ", ".join(dict.fromkeys(further))
    return _WORDS.get(word, about)


def completion(offer: Offer, typed: str) -> Completion:
    """Return an offer as a line of the menu, which stands in place of what is typed."""
    return Completion(
        offer.text, start_position=-len(typed), display_meta=cut(offer.about, _ABOUT_CELLS)
    )


class ShellCompleter(Completer):
    """Completion for the prompt."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def search(self, line: str) -> Steps[Menu]:
        """Return what may stand in place of the word at the end of a line."""
        console = self._console
        return search(console.session, line, console.context, console.chosen)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        """Return the menu for the word before the cursor."""
        menu = at_once(self.search(document.text_before_cursor))
        return [completion(offer, menu.typed) for offer in menu.offers]

    async def get_completions_async(
        self, document: Document, event: CompleteEvent
    ) -> AsyncGenerator[Completion]:
        """Yield the same, worked out in turns."""
        menu = await in_turns(self.search(document.text_before_cursor))
        for offer in menu.offers:
            yield completion(offer, menu.typed)
