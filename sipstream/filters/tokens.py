"""The words of a filter's text: where one ends, what it is, and how a value has to be written.

Every limit on the text is kept here, before the grammar sees it, in time linear in its length. What
a word is depends on the one before it: `diversion` is a term, behind `has` it is a header.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from sipstream.errors import FilterError
from sipstream.filters.term import Shape, Term
from sipstream.filters.terms import TERMS
from sipstream.filters.values import shown
from sipstream.limits import FILTER_DEPTH, FILTER_TEXT

_KEYWORDS = {"and": "AND", "or": "OR", "not": "NOT"}
_FOREIGN = {"&&": "and", "&": "and", "||": "or", "|": "or", "!": "not"}
HEADS = frozenset(shape.value for shape in Shape)
_TOKEN = re.compile(r'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()"]+)|(")|$)', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BREAK = re.compile(r"[\t\r\n]")
_PLAIN = re.compile(r'[^\s()"]+(?<!,)')
_VALUES = frozenset({"NAME", "WORD"})
_NUMBERS_AND_ADDRESSES = frozenset({"value-number", "value-address"})
_LONGEST = 2 * max(map(len, TERMS))


class FilterTextError(FilterError):
    """A filter's text is wrong at a place."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.column = column
        """The character of the text that the error is about, counted from 1."""


class Token(NamedTuple):
    """A word, quoted value or parenthesis of a filter's text."""

    kind: str
    """As the grammar calls it."""
    text: str
    """A value without its quotes."""
    start: int
    term: type[Term] | None
    """The term whose name or value this is."""


def scan(text: str) -> list[Token]:
    """Cut a filter's text into tokens.

    Raises:
        FilterTextError: it is too long, nested too deep, or holds a character out of place.
    """
    if len(text) > FILTER_TEXT:
        raise FilterTextError(
            f"a filter may have {FILTER_TEXT} characters, this one has {len(text)}", FILTER_TEXT
        )
    control = _CONTROL.search(text)
    if control:
        code, column = ord(control[0]), control.start() + 1
        raise FilterTextError(
            f"the control character \\x{code:02x} at column {column} can't stand in a filter",
            column,
        )
    tokens: list[Token] = []
    place = 0
    while (match := _TOKEN.match(text, place)) and match.lastindex:
        place = match.end()
        if match[1]:
            parenthesis = "OPEN" if match[1] == "(" else "CLOSE"
            tokens.append(Token(parenthesis, match[1], match.start(1), None))
            continue
        if match[4]:
            column = match.start(4) + 1
            raise FilterTextError(f"the quote at column {column} is never closed", column)
        tokens.append(_word(match, tokens))
        if place < len(text) and not (text[place].isspace() or text[place] in "()"):
            raise FilterTextError(
                f"a quote within a word at column {place + 1}: "
                'put the whole value in quotes, and \\" for a quote in it',
                place + 1,
            )
    _check_depth(tokens)
    return tokens


def _word(match: re.Match[str], tokens: list[Token]) -> Token:
    """Return the token of a word or quoted value, seen from those before it."""
    before = tokens[-1] if tokens else None
    value = match[3]
    if value is None:
        text, start = _ESCAPED.sub(r"\1", match[2]), match.start(2) - 1
        if _BREAK.search(text):
            raise FilterTextError("a value in quotes stands on one line, without tabs", start + 1)
        kind = "WORD"
    else:
        text, start = value, match.start(3)
        word = value.lower()
        if word in _FOREIGN:
            raise located(f"write `{_FOREIGN[word]}` for '{word}'", start, tokens)
        if value.endswith(","):
            raise located(
                f"'{shown(value)}': values stand apart by blanks, without commas", start, tokens
            )
        kind = _KEYWORDS.get(word, "WORD")
        if word in TERMS:
            kind = TERMS[word].shape.value
    if before and before.kind in ("NAMED", "NAMED_LIST") and kind not in _KEYWORDS.values():
        return Token("NAME", text, start, before.term)
    if kind in HEADS:
        return Token(kind, text, start, TERMS[text.lower()])
    if kind != "WORD" or before is None or before.term is None:
        return Token(kind, text, start, None)
    if before.kind == "NAME" and before.term.shape is Shape.NAMED:
        return Token(kind, text, start, None)
    if value and before.kind == "WORD" and before.term.value_kind in _NUMBERS_AND_ADDRESSES:
        # A misspelt term would silently be taken for the name of a user or host.
        meant = nearest(value.lower(), 0.8)
        if meant:
            raise located(
                f"'{value}' is no term, did you mean {meant}, or \"{value}\" as a name?",
                start,
                tokens,
            )
    return Token(kind, text, start, before.term)


def _check_depth(tokens: list[Token]) -> None:
    """Refuse what is nested too deep, and a parenthesis closed that isn't open."""
    around: list[int] = []
    depth = 0
    negations = 0
    for token in tokens:
        if token.kind == "CLOSE":
            if not around:
                column = token.start + 1
                raise FilterTextError(f"no parenthesis is open for `)` at column {column}", column)
            depth -= around.pop()
        elif token.kind == "OPEN":
            around.append(negations + 1)
            depth += negations + 1
        negations = negations + 1 if token.kind == "NOT" else 0
        if depth + negations > FILTER_DEPTH:
            raise located(
                f"more than {FILTER_DEPTH} parentheses and `not` inside each other",
                token.start,
                tokens,
            )


def located(message: str, start: int, tokens: Sequence[Token]) -> FilterTextError:
    """Return an error at a character; where more than a term stands before, it names the column."""
    heads = [token for token in tokens if token.start < start and token.kind not in _VALUES]
    if len(heads) > 1 or (heads and heads[0].term is None):
        message += f" (column {start + 1})"
    return FilterTextError(message, start + 1)


def unfinished(text: str) -> str:
    """Return the word at the end of a text, as far as it is written: what a suggestion replaces."""
    place = 0
    while (match := _TOKEN.match(text, place)) and match.lastindex:
        if match[4] or (match.end() == len(text) and not match[1]):
            return text[match.start(match.lastindex) - (match.lastindex == 2) :]
        place = match.end()
    return ""


def quote(value: str, *, subject: bool = False) -> str:
    """Return a value as it is to be written in a filter: in quotes where it needs them.

    `subject`: it stands right behind `has` or `header`, where names of terms are words like others.
    """
    word = value.lower()
    plain = _PLAIN.fullmatch(value) and word not in _KEYWORDS and word not in _FOREIGN
    if plain and (subject or (word not in TERMS and nearest(word, 0.8) is None)):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def nearest(word: str, similarity: float = 0.6) -> str | None:
    """Return the term whose name a word in small letters is most like, None if it is like none."""
    return _nearest(word, similarity) if len(word) <= _LONGEST and word.isalpha() else None


@lru_cache(maxsize=4096)
def _nearest(word: str, similarity: float) -> str | None:
    return next(iter(difflib.get_close_matches(word, TERMS, 1, similarity)), None)
