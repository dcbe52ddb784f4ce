"""What terms have in common whose values are texts that messages are searched for."""

from __future__ import annotations

from typing import ClassVar

from sipstream.errors import FilterError
from sipstream.filters.scan import Scan
from sipstream.filters.sieve import Words, needle
from sipstream.filters.term import EQUALS, REGEX, MessageTerm, Predicate
from sipstream.filters.texts import has_wildcard, longest_piece, regex_text


class Texts(MessageTerm):
    """A text that is a part of something; behind an operator the whole of it, or a pattern in it."""

    needs = "a text"
    value_kind = "text"
    operators: ClassVar[tuple[str, ...]] = (REGEX, EQUALS)

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return a text or a regular expression."""
        if not value:
            raise FilterError("'' is in every text: write what is looked for")
        if operator == REGEX:
            return regex_text(value)
        if operator == EQUALS:
            has_wildcard(value)
        return value

    def predicate(self) -> Predicate:
        """Test all messages that may hold the texts."""
        return Scan(self.test(), sieve=self._sieve())

    def _sieve(self) -> Words | None:
        """Return what tells messages apart in which no text can be, None where nothing does."""
        if self.operator == REGEX:
            return None
        values = map(longest_piece, self.values) if self.operator == EQUALS else self.values
        return Words(map(needle, values))
