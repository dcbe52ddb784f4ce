"""Names of headers as values that commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipstream.errors import CommandError
from sipstream.escape import brief
from sipstream.filters import Suggestion
from sipstream.filters.terms.headers import KNOWN_HEADERS, Header
from sipstream.shell.arguments import Argument
from sipstream.shell.offered import Offers, filled
from sipstream.shell.words import unquoted

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.views import Conversation

MOST_NAMES = 20
"""Names in one command: each is looked for in each message."""


class HeaderNames(Argument):
    """Names of headers, any spelling."""

    syntax = "<name> [name(s)]"
    rest = True

    @classmethod
    def parse(cls, session: Session, text: str) -> tuple[str, ...]:
        """Return the names as they are typed, each once.

        Raises:
            CommandError: there are too many, or one is nearly a well-known one; in quotes it is
                taken as it is.
            FilterError: one is no header's name.
        """
        names: dict[str, str] = {}
        for word in text.replace(",", " ").split():
            meant = None if word.startswith('"') else Header.doubt(word)
            if meant is not None:
                raise CommandError(f"no well-known header is {brief(word)}: did you mean {meant}?")
            name = unquoted(word)
            names.setdefault(Header.check_subject(name), name.removesuffix(":"))
        if len(names) > MOST_NAMES:
            raise CommandError(f"{len(names)} headers at once: {MOST_NAMES} is the most")
        return tuple(names.values())

    @classmethod
    def unfinished(cls, typed: str) -> str:
        """Return the name that is being typed."""
        return typed[max(typed.rfind(" "), typed.rfind(",")) + 1 :]

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Offers:
        """Return the names that were captured, then those that people look for."""
        captured = Suggestion(Header.subject_kind, "", "")
        known = (Suggestion("text", name, "a header") for name in KNOWN_HEADERS)
        return filled(session, [captured, *known], cls.unfinished(typed), Header.name)
