"""The kinds of values that commands take: how each is read, what may be typed, how help names it.

A command's parameter is annotated with one of these classes; checking, completion and help all come
from it, so they can't disagree. Nothing here knows a terminal.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sipstream.errors import CommandError
from sipstream.escape import brief, cut, escape, unescape
from sipstream.filters import TERMS, Filter, last_term, suggest, unfinished
from sipstream.render import lists, times
from sipstream.shell.fuzzy import BEGINS
from sipstream.shell.offered import Offer, Offers, call_ids, filled, indexes
from sipstream.shell.words import as_word, quoted, spaced, unquoted
from sipstream.stored import is_stored

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.views import Conversation

_INDEXES = 50
"""Indexes of conversations offered at most."""
_NAME_CELLS = 64
"""Cells of a Call-ID in the prompt."""


class Argument:
    """A kind of value. `rest` ones take everything up to the end of the line as it was typed."""

    syntax: ClassVar[str]
    rest: ClassVar[bool] = False

    @classmethod
    def parse(cls, session: Session, text: str) -> object:
        """Return the value; raise CommandError where `text` can't be one."""
        return text

    @classmethod
    def names(cls, session: Session, text: str) -> str | None:
        """Return the Call-ID that a text names, of which remotes may have more; None for none."""
        return None

    @classmethod
    def unfinished(cls, typed: str) -> str:
        """Return the part of what is typed that an offer stands for."""
        return typed

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Offers:
        """Return what may be typed here; `typed` is what stands there already.

        `near` is the conversation that the line or the context names. What doesn't fit may be among
        it; a None says that others may have their turn.
        """
        return ()


class ConversationRef(Argument):
    """A conversation by its place in the list of matching ones, or by its Call-ID."""

    syntax = "<call-id|index>"

    def __init__(self, conversation: Conversation, name: str, *, by_index: bool) -> None:
        self.conversation = conversation
        self.name = name
        """How it was asked for, fit for a terminal."""
        self.by_index = by_index

    @classmethod
    def parse(cls, session: Session, text: str) -> ConversationRef:
        """Return the conversation; an index counts in the list that `sorted` shows.

        Raises:
            CommandError: there is none.
        """
        found = find_call_id(session, text)
        if found is not None:
            name = cut(escape(found.call_id), _NAME_CELLS)
            return cls(found, name, by_index=False)
        if text.isascii() and text.isdigit():
            number = int(text[:18])
            if number < session.shown_count:
                found = session.conversations[session.shown(number)]
                return cls(found, str(number), by_index=True)
            raise CommandError(_no_index(number, session.shown_count))
        raise CommandError(f"no conversation has the Call-ID {brief(text)}")

    @classmethod
    def names(cls, session: Session, text: str) -> str:
        """Return the Call-ID: that of a place in the list, else the text itself."""
        if find_call_id(session, text) is None and text.isascii() and text.isdigit():
            number = int(text[:18])
            if number < session.shown_count:
                return session.conversations[session.shown(number)].call_id
        return text

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Offers:
        """Return indexes that begin as typed and Call-IDs that fit, each with its line of the list."""
        for place in islice(indexes(typed, session.shown_count), _INDEXES):
            conversation = session.conversations[session.shown(place)]
            yield Offer(str(place), lists.summary(conversation), BEGINS)
        yield from call_ids(
            session,
            unquoted(typed),
            lambda place, one: (as_word(one.call_id), f"[{place}] {lists.summary(one)}"),
        )


class MessageIndex(Argument):
    """The place of a message in its conversation."""

    syntax = "<index>"

    @classmethod
    def parse(cls, session: Session, text: str) -> int:
        """Return the place; whether it exists is asked of its conversation.

        Raises:
            CommandError: it is no number.
        """
        if text.isascii() and text.isdigit():
            return int(text[:18])
        raise CommandError(f"a message's index is a number from 0, not {brief(text)}")

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the places of the conversation's messages, each with time and kind."""
        if near is None:
            return
        for place, message in enumerate(near.messages):
            if str(place).startswith(typed):
                yield Offer(str(place), f"{times.clock(message.time)} {lists.shown_kind(message)}")


class FilePath(Argument):
    """A file; `~` is the home folder."""

    syntax = "<file>"

    @classmethod
    def parse(cls, session: Session, text: str) -> Path:
        """Return the path of what is shown so or, where there is no such file, is called so."""
        shown = Path(unescape(text)).expanduser()
        return shown if _is_there(shown) else Path(text).expanduser()

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the files and folders whose names, as they are shown, begin as typed."""
        folder, slash, begin = unquoted(typed).rpartition("/")
        head = folder + slash
        try:
            entries = sorted(cls.parse(session, head or ".").iterdir())
        except (OSError, ValueError):
            return
        for entry in entries:
            # Never the name itself: a line feed in it would begin another command.
            name = escape(entry.name)
            if name.startswith(begin) and (begin or not name.startswith(".")):
                path = head + name + ("/" if entry.is_dir() else "")
                word = quoted(path) if typed.startswith('"') else spaced(path)
                # The way into a folder goes on: its quote stays open.
                opened = word.endswith('/"')
                yield Offer(word[:-1] if opened else word)


class Loadable(FilePath):
    """A file, or the URL of something stored."""

    @classmethod
    def parse(cls, session: Session, text: str) -> Path | str:  # type: ignore[override]
        """Return a file's path, or a URL as it is."""
        return text if is_stored(text) else super().parse(session, text)


class Interface(Argument):
    """A network interface, or `any`."""

    syntax = "<interface>"

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the interfaces there are."""
        yield Offer("any", "all interfaces")
        yield from (Offer(escape(name)) for _, name in socket.if_nameindex())


class Expression(Argument):
    """A filter: terms with and, or, not and parentheses."""

    syntax = "<filter>"
    rest = True

    @classmethod
    def unfinished(cls, typed: str) -> str:
        """Return the filter's last word, which is being typed."""
        return unfinished(typed)

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Offers:
        """Return what the grammar allows next, with values from the data."""
        return filled(session, suggest(typed), unfinished(typed), last_term(typed))


class Selection(Expression):
    """A filter that chooses among the conversations that are shown."""

    SORTED = "sorted"

    @classmethod
    def parse(cls, session: Session, text: str) -> str:
        """Return the filter's text.

        Raises:
            CommandError: the first word is nearly `sorted`.
            FilterError: it can't be understood.
        """
        first = text.split(maxsplit=1)[0]
        if get_close_matches(first, [cls.SORTED], 1, 0.8):
            raise CommandError(f"unknown word {brief(first)}: did you mean {cls.SORTED}?")
        Filter.parse(text)
        return text


class SetTerm(Expression):
    """A term that is set, with some of its values or without."""

    syntax = "<term> [value(s)]"

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Offers:
        """Return the terms and values that are set."""
        return filled(session, session.filters.suggest_removal(typed))


class Condition(Argument):
    """What joins the terms of the filter context."""

    syntax = "<and|or>"

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return both."""
        yield Offer("and", "a conversation matches when all terms do")
        yield Offer("or", "a conversation matches when any term does")


class KernelFilter(Argument):
    """A capture filter as tcpdump takes it, up to the end of the line."""

    syntax = "<expression>"
    rest = True


class CommandLine(Argument):
    """A command of the general context, up to the end of the line."""

    syntax = "<command>"
    rest = True
    begins: ClassVar[tuple[str, ...]] = ()
    """The words that it may begin with, () for all that commands begin with."""
    behind: ClassVar[tuple[Offer, ...]] = ()
    """What may stand behind it."""

    @classmethod
    def command(cls, typed: str) -> str | None:
        """Return what is typed of the command, None where it hasn't begun."""
        return typed


class Topic(Argument):
    """What help is asked for: a command, or some of its words."""

    syntax = "<topic>"
    rest = True

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the commands' words, and the terms of filters."""
        from sipstream.shell import pipes, registry

        # Of a word that stands for several commands, what the general context's first one does.
        commands = sorted(registry.COMMANDS, key=lambda one: one.context != registry.GENERAL)
        topics: dict[str, str] = {}
        for one in commands:
            topics.setdefault(" ".join(one.words), one.summary)
        topics["filters"] = "The language of filters, on one screen"
        yield from (Offer(topic, about) for topic, about in sorted(topics.items()))
        yield from (Offer(term.name, term.help) for term in TERMS.values())
        yield from (Offer(f"| {name}", one.about) for name, one in pipes.PIPES.items())


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


def find_call_id(session: Session, text: str) -> Conversation | None:
    """Return the conversation of a Call-ID, typed as it is shown or, where there is none, as it is."""
    conversations = session.conversations
    return conversations.by_call_id(unescape(text)) or conversations.by_call_id(text)


def _no_index(number: int, count: int) -> str:
    if not count:
        return f"no conversation {number}: there is none to show"
    return f"no conversation {number}: the last one is {count - 1}"
