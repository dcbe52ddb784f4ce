"""Kinds of values that name what is going on: captures, watched files, follows."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sipstream.errors import CommandError
from sipstream.escape import brief, escape, unescape
from sipstream.filters import Filter, FilterError, unfinished
from sipstream.shell.arguments import Argument, Expression
from sipstream.shell.offered import Offer, Offers
from sipstream.shell.words import as_word

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.views import Conversation

_SHORT = 3
"""Letters by which the words `messages` and `flow` are known behind a filter."""


class Followed(Expression):
    """A filter, behind which stands how messages are shown; without terms the active filter."""

    syntax = "[<filter>] [messages|flow]"

    WHOLE, FLOW = "messages", "flow"
    enters = True
    """The number of a follow may stand there alone."""

    @classmethod
    def parse(cls, session: Session, text: str) -> tuple[str, str]:
        """Return the filter's text, and WHOLE, FLOW or "" for a line each.

        Raises:
            CommandError: the last word is nearly one of them.
        """
        terms, _, last = text.rpartition(" ")
        words = (cls.WHOLE, cls.FLOW)
        for word in words:
            if len(last) >= _SHORT and word.startswith(last):
                return terms.strip(), word
        near = get_close_matches(last, words, 1, 0.8)
        if near:
            raise CommandError(f"unknown word {brief(last)}: did you mean {near[0]}?")
        return text.strip(), ""

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Offers:
        """Return what the grammar allows next, how to show it, and follows that one may enter."""
        if cls.enters and typed == unfinished(typed):
            yield from FollowNumber.offers(session, typed, near)
        yield from super().offers(session, typed, near)
        done = typed[: len(typed) - len(unfinished(typed))].strip()
        with suppress(FilterError):
            if done:
                Filter.parse(done)
            yield Offer(cls.WHOLE, "whole messages, not one line each")
            yield Offer(cls.FLOW, "ladders: who sent what to whom")


class FollowedCalls(Followed):
    """The same of calls with all their legs."""

    enters = False


class Watched(Argument):
    """A file that is watched."""

    syntax = "<file>"

    @classmethod
    def parse(cls, session: Session, text: str) -> str:
        """Return its name, typed as it is or as it is shown."""
        names = [one.name for one in session.sources.tails]
        return text if text in names else unescape(text)

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the files that are watched."""
        return (Offer(as_word(one.name)) for one in session.sources.tails)


class Captured(Argument):
    """An interface that is being captured."""

    syntax = "<interface>"

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the interfaces that are being captured."""
        return (Offer(escape(one.name)) for one in session.sources.captures)


class FollowNumber(Argument):
    """The number that a follow was given."""

    syntax = "<number>"

    @classmethod
    def parse(cls, session: Session, text: str) -> int:
        """Return the number.

        Raises:
            CommandError: it is none.
        """
        if text.isascii() and text.isdigit():
            return int(text[:18])
        raise CommandError(f"a follow's number is expected, not {brief(text)}")

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the follows that run."""
        return (Offer(str(one.number), escape(one.text)) for one in session.follows)
