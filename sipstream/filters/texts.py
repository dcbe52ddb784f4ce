"""What texts of a filter stand for: parts of a text, whole ones with wildcards, regular expressions.

No question takes more than time linear in the text asked about: `*` is found piece by piece, and
regular expressions are those of RE2, which never go back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Protocol

from sipstream.errors import FilterError
from sipstream.filters.term import EQUALS, REGEX
from sipstream.filters.values import shown
from sipstream.limits import (
    FILTER_REGEX,
    FILTER_SINGLES,
    FILTER_SINGLES_TEXT,
    REGEX_MEMORY,
    REGEX_SIZE,
)


class _Found(Protocol):
    def start(self) -> int: ...


class _Regex(Protocol):
    """A regular expression of RE2, on bytes."""

    programsize: int

    def search(self, text: bytes) -> _Found | None: ...


_NO_UTF8 = re.compile("[\udc80-\udcff]")


class _Piece(Protocol):
    """A run of characters between two `*`."""

    def find(self, text: str, begin: int, end: int) -> int:
        """Return the place behind its first occurrence, -1 where there is none."""


class _Plain:
    """A piece without wildcards."""

    def __init__(self, piece: str) -> None:
        self._piece = piece

    def find(self, text: str, begin: int, end: int) -> int:
        place = text.find(self._piece, begin, end)
        return place if place < 0 else place + len(self._piece)


class _WithSingles:
    """A piece in which `?` stands for any one character."""

    def __init__(self, piece: str) -> None:
        # A byte that is no UTF-8 can't stand in a pattern of RE2: any one does for it.
        pattern = ".".join(_NO_UTF8.sub(r"\\C", re.escape(part)) for part in piece.split("?"))
        self._pattern = compiled(f"(?s-i:{pattern})")
        self._length = len(piece)

    def find(self, text: str, begin: int, end: int) -> int:
        found = self._pattern.search(encoded(text[begin:end]))
        if found is None:
            return -1
        before = encoded(text[begin:end])[: found.start()]
        return begin + len(before.decode("utf-8", "surrogateescape")) + self._length


class Wildcard:
    """A text in which `*` stands for any run of characters, an empty one included, `?` for any one."""

    def __init__(self, text: str) -> None:
        first, *middle, last = text.split("*") if "*" in text else (text, None)
        self._first = first
        self._last = last
        self._middle: list[_Piece] = [
            _WithSingles(piece) if "?" in piece else _Plain(piece) for piece in middle
        ]
        self._shortest = len(first) + len(last or "")

    def matches(self, text: str) -> bool:
        """Tell whether the whole text fits. Leftmost places suffice, so nothing is tried twice."""
        if self._last is None:
            return len(text) == self._shortest and _fits(self._first, text)
        place, end = len(self._first), len(text) - len(self._last)
        if place > end or not _fits(self._first, text[:place]) or not _fits(self._last, text[end:]):
            return False
        for piece in self._middle:
            place = piece.find(text, place, end)
            if place < 0:
                return False
        return True


def _fits(pattern: str, text: str) -> bool:
    """Tell whether a text fits a pattern of the same length in which `?` is any character."""
    if "?" not in pattern:
        return pattern == text
    return all(wanted in ("?", char) for wanted, char in zip(pattern, text, strict=True))


def has_wildcard(text: str) -> bool:
    """Tell whether a text has a `*` or `?`.

    Raises:
        FilterError: it has too many `?`, or is too long for one.
    """
    singles = text.count("?")
    if singles > FILTER_SINGLES:
        raise FilterError(f"a value has at most {FILTER_SINGLES} `?`, this one has {singles}")
    if singles and len(text) > FILTER_SINGLES_TEXT:
        raise FilterError(
            f"a value with `?` has at most {FILTER_SINGLES_TEXT} characters, this one {len(text)}"
        )
    return singles > 0 or "*" in text


def longest_piece(text: str) -> str:
    """Return the longest part of a text without wildcards: it stands in whatever fits."""
    return max(text.replace("?", "*").split("*"), key=len)


class TextSet:
    """Texts, some with wildcards; compared as they are."""

    def __init__(self, texts: Iterable[str]) -> None:
        plain = list(texts)
        self._exact = frozenset(text for text in plain if not has_wildcard(text))
        self._wildcards = [Wildcard(text) for text in plain if has_wildcard(text)]

    def holds(self, text: str) -> bool:
        """Tell whether one of the texts is this one."""
        return text in self._exact or any(one.matches(text) for one in self._wildcards)


def text_test(operator: str, values: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a text is as a term wants it; case doesn't count.

    Without an operator one of the values stands in the text, with `=` one is all of it (with
    wildcards), with `~` a regular expression is found in it.
    """
    if operator == REGEX:
        return regex_test(values)
    small = [value.lower() for value in values]
    if operator == EQUALS:
        holds = TextSet(small).holds
        return lambda text: holds(text.lower())
    if len(small) == 1:
        [only] = small
        return lambda text: only in text.lower()
    return lambda text: any(one in text.lower() for one in small)


def regex_test(values: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that tells whether one of some regular expressions is found in a text."""
    patterns = [compiled(value) for value in values]
    return lambda text: any(one.search(encoded(text)) is not None for one in patterns)


def encoded(text: str) -> bytes:
    """Return a text as RE2 takes it: traffic's own bytes."""
    return text.encode("utf-8", "surrogateescape")


def regex_text(value: str) -> str:
    """Return a regular expression as it is.

    Raises:
        FilterError: RE2 doesn't know it so.
    """
    compiled(value)
    return value


@lru_cache(maxsize=64)
def compiled(pattern: str) -> _Regex:
    """Return a regular expression of RE2; case doesn't count unless it says `(?-i)`.

    Raises:
        FilterError: it is none, or takes too much room.
    """
    import re2

    if len(pattern) > FILTER_REGEX:
        raise FilterError(
            f"a regular expression has at most {FILTER_REGEX} characters, this one {len(pattern)}"
        )
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    options.max_mem = REGEX_MEMORY
    try:
        made: _Regex = re2.compile(pattern.encode("utf-8", "surrogateescape"), options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        words = (
            reason.decode("utf-8", "surrogateescape") if isinstance(reason, bytes) else str(reason)
        )
        hint = "; for a wildcard leave `~` out" if pattern[:1] in ("*", "?") else ""
        raise FilterError(
            f"'{shown(pattern)}' is no regular expression (RE2): {shown(words)}{hint}"
        ) from None
    if made.programsize > REGEX_SIZE:
        raise FilterError(f"'{shown(pattern)}' repeats too much: it would take long on long texts")
    return made
