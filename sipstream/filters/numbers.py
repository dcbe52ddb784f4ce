"""Numbers of filters: which spellings are one number, and sets of numbers and users' names.

What is a number's one form depends on the numbering plan, where the settings tell one: with the country
code 354 `+3545660066`, `003545660066` and `5660066` are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sipstream.errors import FilterError
from sipstream.filters.texts import Wildcard, has_wildcard, longest_piece
from sipstream.filters.values import shown
from sipstream.plan import SHORTEST, normal_number, plan_in_use
from sipstream.sip.uri import number_code, user_of

_DIALLED = re.compile(r"\+?[0-9*#]+")
_PATTERN = re.compile(r"\+?[0-9*#?]+")
_LIST_MARKS = re.compile(r"[,;]")
_LISTED = re.compile(r"\+?[0-9*#]+(?:[,;]\+?[0-9*#]*)+")
_RANGE = re.compile(r"(\+?[0-9]{3,18})-(\+?[0-9]{3,18})")


def number_text(value: str) -> str:
    """Return a number, a range of numbers or a user's name in its one spelling.

    `5660000-5669999` is a range: both ends have as many digits.

    Raises:
        FilterError: it is neither: nothing, a URI, or several in one word.
    """
    if not value:
        raise FilterError("'' is no number")
    if "@" in value or re.match(r"(?:sips?|tel):", value, re.IGNORECASE):
        user = user_of(value) or value.partition("@")[0]
        hint = f": write '{shown(user)}'" if user else ""
        raise FilterError(f"'{shown(value)}' is a URI, a number alone is compared{hint}")
    if _LISTED.fullmatch(value):
        several = " ".join(part for part in _LIST_MARKS.split(value) if part)
        raise FilterError(
            f"'{shown(value)}' is no number; write '{shown(several)}', without commas"
        )
    has_wildcard(value)
    ends = _ends(value)
    if ends is None:
        return normal_number(value)
    low, high = ends
    if low > high:
        raise FilterError(f"'{shown(value)}' is empty: the lower number comes first")
    return f"{low}-{high}"


def _ends(value: str) -> tuple[str, str] | None:
    """Return both ends of a range in their one spelling, None for what is no range."""
    match = _RANGE.fullmatch(value)
    if match is None:
        return None
    low, high = normal_number(match[1]), normal_number(match[2])
    return (low, high) if len(low) == len(high) else None


class NumberSet:
    """Numbers, ranges of them and users' names.

    In a number `*` stands for digits only and `?` for one, in a name for anything.
    """

    def __init__(self, numbers: Iterable[str]) -> None:
        self._plan = plan_in_use()
        texts = list(numbers)
        ends = {text: _ends(text) for text in texts}
        form = self._plan.form
        self.ranges = [
            pair
            for low, high in filter(None, ends.values())
            for pair in {(low, high), (form(low), form(high))}
            if len(pair[0]) == len(pair[1])
        ]
        """Lowest and highest number of each range, in any form that it may be compared in."""
        normal = [normal_number(text) for text in texts if ends[text] is None]
        self.exact = frozenset(form(one) for one in normal if not has_wildcard(one))
        """Numbers and names without wildcards."""
        patterns = self.patterns = [number for number in normal if has_wildcard(number)]
        self._names = [Wildcard(one) for one in patterns if not _PATTERN.fullmatch(one)]
        self._numbers = [Wildcard(one) for one in patterns if _PATTERN.fullmatch(one)]

    @property
    def codes(self) -> frozenset[int] | None:
        """The codes (sip.uri) of all that count as one of the numbers, None where they are too many.

        A code has digits behind a + or none, so that only these prefixes can be left out of it.
        """
        if self._names or self._numbers or self.ranges:
            return None
        spellings = (one for number in self.exact for one in self._plan.spellings(number))
        return frozenset(
            number_code(one.encode("utf-8", "surrogateescape"))
            for one in spellings
            if self._plan.form(normal_number(one)) in self.exact
        ) - {0}

    @property
    def digits(self) -> list[str] | None:
        """What of digits a text has at least that holds one of the numbers, None where none is sure."""
        plan = self._plan
        if self.ranges or (self.patterns and plan.country_code):
            return None
        found = [longest_piece(pattern) for pattern in self.patterns]
        for number in self.exact:
            bare = number.removeprefix(plan.country_code) if plan.country_code else number
            found.append(bare if len(bare) >= SHORTEST else number)
        return found

    def holds(self, user: str) -> bool:
        """Tell whether one of the numbers is the user part `user`; "" is none."""
        if not user:
            return False
        number = normal_number(user)
        form = self._plan.form(number)
        if form in self.exact:
            return True
        for name in self._names:
            if name.matches(number):
                return True
        # Where the whole is dialled characters, what `*` stands for is so too.
        if self._numbers and _DIALLED.fullmatch(number):
            for pattern in self._numbers:
                if pattern.matches(number) or pattern.matches(form):
                    return True
        return any(
            len(one) == len(low) and low <= one <= high and one.isdecimal()
            for low, high in self.ranges
            for one in (number, form)
        )
