"""The numbering plan: which spellings are one number, and which is a full one, an extension, 112.

The settings `country_code`, `trunk_prefix` and `region` say which plan it is. What a country's numbers
look like is known by the library `phonenumbers`, which is imported when that is first asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

_SEPARATORS = str.maketrans("", "", "-.() ")
_PATTERN = re.compile(r"\+?[0-9*#?]+")
_PREFIX = re.compile(r"\+(?=.)|00(?=[1-9*?])")
_PLAIN = re.compile(r"(\+|00)?([0-9]+)")
SHORTEST = 6
"""Digits that a subscriber's number has at least; shorter ones are extensions and services, which have
neither country code nor trunk prefix."""
_LONGEST = 15
"""Digits of a number with its country's code at most (E.164 6.2.1)."""
_INTERNATIONAL = 7
"""Digits of a number with its country's code at least: Niue's have as few."""
_WHOLE = 9
"""The same where no + says that it has one: as many are more than most countries' own numbers."""
_EMERGENCY = ("112", "911")
"""Numbers that every mobile telephone calls help by (3GPP TS 22.101)."""


class Sort(Enum):
    """What a user part of a URI is."""

    FULL = "full"
    """A number that others can call: a subscriber's, with or without the country's code."""
    SERVICE = "service"
    """A short number of the country's plan, an emergency number before all."""
    OTHER_NUMBER = "other number"
    """A number that the plan doesn't have: an extension of a PBX as a rule."""
    NAME = "name"
    """No number."""


class Plan(NamedTuple):
    """A numbering plan."""

    country_code: str = ""
    """The country's code, such as 354; "" where it isn't known."""
    trunk_prefix: str = "0"
    """What stands before a number dialled within the country, "" for nothing."""
    region: str = ""
    """The country by its two letters (ISO 3166), such as IS; "" where it isn't known."""

    def form(self, number: str) -> str:
        """Return the one form of a number (`normal_number`): with the country's code if it is known."""
        code, trunk = self.country_code, self.trunk_prefix
        if not number.isdecimal():
            return number
        rest = number.removeprefix(trunk)
        # Behind it no other zero stands: 00 and more begin service numbers.
        if len(rest) < len(number) and len(rest) >= SHORTEST and rest[0] != "0":
            return self._national(rest)
        if code and len(number) >= SHORTEST:
            return self._national(number)
        return number

    def _national(self, number: str) -> str:
        code = self.country_code
        is_international = number.startswith(code) and len(number) >= len(code) + SHORTEST
        return number if is_international else code + number

    def spellings(self, form: str) -> Iterable[str]:
        """Yield the ways to write digits that may have a form, some that have another one too."""
        code, trunk = self.country_code, self.trunk_prefix
        bare = [form]
        if code and form.startswith(code):
            bare.append(form[len(code) :])
        for number in bare:
            for prefix in ("", "+", "00", "+00"):
                yield prefix + number
                yield prefix + trunk + number

    def sort(self, user: str) -> Sort:
        """Return what a user part of a URI is.

        Where neither region nor country code says which plan it is, a number is full that has at
        least 6 digits, behind a + or 00 at least 7 (E.164 says only that 15 are the most): a shorter
        one is an extension, or a service that nobody calls from.
        """
        number = user.translate(_SEPARATORS)
        plain = _PLAIN.fullmatch(number)
        if not plain or not number.isascii():
            return Sort.OTHER_NUMBER if _PATTERN.fullmatch(number) else Sort.NAME
        if len(plain[2]) > _LONGEST + len("00"):
            return Sort.OTHER_NUMBER
        if self.region or self.country_code:
            return _sort_in(self.region, self.country_code, number)
        if number in _EMERGENCY:
            return Sort.SERVICE
        fewest = _INTERNATIONAL if plain[1] else SHORTEST
        return Sort.FULL if fewest <= len(plain[2]) <= _LONGEST else Sort.OTHER_NUMBER


_plan = Plan()


def use_plan(plan: Plan) -> None:
    """Compare numbers by this plan in filters that are made from now on, and judge them by it."""
    global _plan
    _plan = plan


def plan_in_use() -> Plan:
    """Return the plan that numbers are compared and judged by."""
    return _plan


def normal_number(text: str) -> str:
    """Return a number in its one spelling: no visual separators, no leading + or 00.

    `+354 566-0066`, `003545660066` and `3545660066` are one number; 00 counts as the international
    prefix only before a country code, which never begins with 0, so Australia's 000 stays. A text
    that is no number (a user named `alice`) comes back as it is.
    """
    if text.isdecimal() and text.isascii() and not text.startswith("00"):
        return text
    number = text.translate(_SEPARATORS)
    if not _PATTERN.fullmatch(number):
        return text
    # More than once: what comes back, written again, is the same number.
    while prefix := _PREFIX.match(number):
        number = number[prefix.end() :]
    return number


def code_of(region: str) -> str:
    """Return a country's code, "" for letters that no country has: `354` for IS."""
    if not region:
        return ""
    import phonenumbers

    code = phonenumbers.country_code_for_region(region)
    return str(code) if code else ""


@lru_cache(maxsize=4096)
def _sort_in(region: str, country_code: str, number: str) -> Sort:
    import phonenumbers as library

    if not region:
        region = library.region_code_for_country_code(int(country_code))
    spellings = [number]
    if number.isdecimal() and len(number) >= _WHOLE:
        # Between providers a number has its country's code, and often no + before it.
        spellings.append(f"+{number}")
    for one in spellings:
        try:
            if library.is_valid_number(library.parse(one, region)):
                return Sort.FULL
        except library.NumberParseException:
            continue
    if library.is_emergency_number(number, region):
        return Sort.SERVICE
    try:
        short = library.parse(number, region)
    except library.NumberParseException:
        return Sort.OTHER_NUMBER
    is_short = library.is_valid_short_number_for_region(short, region)
    return Sort.SERVICE if is_short else Sort.OTHER_NUMBER
