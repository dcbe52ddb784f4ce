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
from sipstream.filters.term import EQUALS, NAMED_SHAPES, OPERATORS, Shape, Term
from sipstream.filters.terms import TERMS
from sipstream.filters.values import shown
from sipstream.limits import FILTER_DEPTH, FILTER_TEXT

_KEYWORDS = {"and": "AND", "or": "OR", "not": "NOT"}
_FOREIGN = {
    "&&": "and", "&": "and", "||": "or", "|": "or", "!": "not",
    "==": "=", "=~": "~", "!=": "not ... = ...", "!~": "not ... ~ ...", "=>": ">=", "=<": "<=",
}  # fmt: skip
SLIPS = {
    "adn": "and", "amd": "and", "nad": "and", "nor": "or", "xor": "or", "nto": "not", "ont": "not",
}  # fmt: skip
"""What is meant by words that join, misspelt."""
_TEXTS = frozenset({"text", "value-reason"})
"""Kinds of values in which `name=value` is common."""
HEADS = frozenset(shape.value for shape in Shape)
_TOKEN = re.compile(r'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()"]+)|(")|$)', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udc7f\udd00-\udfff]")
"""Control characters, and halves of a character that stand for no byte."""
_BREAK = re.compile(r"[\t\r\n]")
_PLAIN = re.compile(r'[^\s()"]+(?<!,)')
_VALUES = frozenset({"NAME", "WORD", "OPERATOR"})
_OPERATOR = re.compile(r"([A-Za-z-]*)([<>]=?|=(?![=~<>])|~)(.*)", re.DOTALL)
"""An operator and what is glued to it."""
QUANTIFIERS = {
    "each": "every message passes what is in the parentheses",
    "any": "one message passes all that is in the parentheses",
    "first": "the first message passes what is in the parentheses",
}
"""Words that say which messages are meant; a parenthesis follows."""
_OPEN = re.compile(r"\s*\(")
_NUMBERS_AND_ADDRESSES = frozenset({"value-number", "value-address"})
_LONGEST = 2 * max(map(len, TERMS))


class FilterTextError(FilterError):
    """A filter's text is wrong at a place."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.column = column
        """The character of the text that the error is about, counted from 1."""
        self.text = ""
        """The filter's text."""


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
    try:
        tokens = _scan(text)
        _check_depth(tokens)
    except FilterTextError as error:
        error.text = text
        raise
    return tokens


def _scan(text: str) -> list[Token]:
    if len(text) > FILTER_TEXT:
        raise FilterTextError(
            f"a filter may have {FILTER_TEXT} characters, this one has {len(text)}", FILTER_TEXT
        )
    control = _CONTROL.search(text)
    if control:
        code, column = ord(control[0]), control.start() + 1
        name = f"half character U+{code:04X}" if code > 0xFF else f"control character \\x{code:02x}"
        raise FilterTextError(f"the {name} at column {column} can't stand in a filter", column)
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
        if match[3] is None:
            tokens.append(_quoted(match, tokens))
        elif match[3].lower() in QUANTIFIERS and _OPEN.match(text, place):
            tokens.append(Token("QUANTIFIER", match[3], match.start(3), None))
        else:
            for piece, start in _pieces(match[3], match.start(3), tokens):
                tokens.append(_word(piece, start, tokens))
        at_end = place >= len(text) or text[place].isspace() or text[place] in "()"
        if not at_end and (tokens[-1].kind != "OPERATOR" or match[3] is None):
            raise FilterTextError(
                f"a quote within a word at column {place + 1}: "
                'put the whole value in quotes, and \\" for a quote in it',
                place + 1,
            )
    return tokens


def _pieces(word: str, start: int, tokens: list[Token]) -> list[tuple[str, int]]:
    """Return a word, or what it is made of where an operator is glued to it: `duration>30s`."""
    match = _OPERATOR.fullmatch(word)
    before = tokens[-1] if tokens else None
    if match is None or (before and before.kind == "OPERATOR"):
        return [(word, start)]
    name = match[1].lower()
    if not name:
        splits = before is not None and _takes_operator(before)
    elif before and before.kind == "NAMED_LIST":
        # `~` may be part of a header's name.
        splits = match[2] != "~"
    else:
        term = TERMS.get(name)
        splits = term is not None and bool(term.operators) and term.shape not in NAMED_SHAPES
    if not splits:
        return [(word, start)]
    if name and match[2] == EQUALS and before and before.term and before.term.value_kind in _TEXTS:
        raise located(
            f"'{shown(word)}' may be a text or a term: put the text in quotes, or write "
            f"`and {name} = {shown(match[3])}`",
            start,
            tokens,
        )
    return [(match[group], start + match.start(group)) for group in (1, 2, 3) if match[group]]


def _takes_operator(token: Token) -> bool:
    """Tell whether an operator may stand behind a token."""
    if token.term is None or not token.term.operators:
        return False
    return token.kind == ("NAME" if token.term.shape in NAMED_SHAPES else token.term.shape.value)


def _quoted(match: re.Match[str], tokens: list[Token]) -> Token:
    """Return the token of a quoted value."""
    before = tokens[-1] if tokens else None
    text, start = _ESCAPED.sub(r"\1", match[2]), match.start(2) - 1
    if _BREAK.search(text):
        raise FilterTextError("a value in quotes stands on one line, without tabs", start + 1)
    if before and before.kind in ("NAMED", "NAMED_LIST"):
        return Token("NAME", text, start, before.term)
    return Token("WORD", text, start, _owner(before))


def _owner(before: Token | None) -> type[Term] | None:
    """Return the term whose value stands behind a token, None where none may."""
    if before is None or (
        before.kind == "NAME" and before.term and before.term.shape is Shape.NAMED
    ):
        return None
    return before.term


def _word(value: str, start: int, tokens: list[Token]) -> Token:
    """Return the token of a word without quotes, seen from those before it."""
    before = tokens[-1] if tokens else None
    word = value.lower()
    if before and before.kind == "WORD" and before.term is None:
        # No term is before it, which the grammar is to say.
        return Token("WORD", value, start, None)
    if word in _FOREIGN:
        raise located(_foreign(word, before), start, tokens)
    if value.endswith(","):
        raise located(
            f"'{shown(value)}': values stand apart by blanks, without commas", start, tokens
        )
    if word in OPERATORS and not (before and before.kind in ("NAMED", "NAMED_LIST")):
        if before is None or not _takes_operator(before):
            raise located(_misplaced(word, before), start, tokens)
        return Token("OPERATOR", value, start, before.term)
    if before and before.kind == "OPERATOR":
        return Token("WORD", value, start, before.term)
    kind = _KEYWORDS.get(word, "WORD")
    if before and before.term and before.kind in ("NAMED", "NAMED_LIST") and kind == "WORD":
        meant = before.term.doubt(value)
        if meant is not None:
            raise located(
                f"'{shown(value)}' is no header, did you mean {meant}, or \"{shown(value)}\" as it is?",
                start,
                tokens,
            )
        return Token("NAME", value, start, before.term)
    if word in TERMS:
        return Token(TERMS[word].shape.value, value, start, TERMS[word])
    owner = _owner(before) if kind == "WORD" else None
    if (
        owner is not None
        and before is not None
        and before.kind == "WORD"
        and owner.value_kind in _NUMBERS_AND_ADDRESSES
    ):
        # A misspelt term would silently be taken for the name of a user or host.
        meant = SLIPS.get(word) or nearest(word, 0.8)
        if meant:
            raise located(
                f"'{value}' is no term, did you mean {meant}, or \"{value}\" as a name?",
                start,
                tokens,
            )
    return Token(kind, value, start, owner)


def _foreign(word: str, before: Token | None) -> str:
    """Say what to write for a word of another language, behind a term with that term."""
    if before is None or before.term is None or not _takes_operator(before):
        return f"write `{_FOREIGN[word]}` for '{word}'"
    head = before.text if before.kind != "NAME" else f"{before.term.name} {shown(before.text)}"
    value = f"{EQUALS} ..." if EQUALS in before.term.operators else "..."
    written = {"==": f"{head} {value}", "!=": f"not {head} {value}", "!~": f"not {head} ~ ..."}
    if word in written:
        return f"write `{written[word]}` for '{head} {word}'"
    return f"write `{_FOREIGN[word]}` for '{word}'"


def _misplaced(operator: str, before: Token | None) -> str:
    """Say what is wrong with an operator where none may stand."""
    if before and before.kind == "OPERATOR":
        return f"`{operator}` behind `{before.text}`: one operator stands before a value"
    if before and before.term and before.kind in HEADS:
        return f"{before.term.name} takes no `{operator}`: write `{before.term.example}`"
    return f"`{operator}` stands between a term and its value, as in `duration > 30s`"


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
            if match[3] and (glued := _OPERATOR.fullmatch(match[3])):
                return glued[3] if not glued[1] or glued[1].lower() in TERMS else match[3]
            return text[match.start(match.lastindex) - (match.lastindex == 2) :]
        place = match.end()
    return ""


def quote(value: str, *, subject: bool = False, doubtful: bool = False) -> str:
    """Return a value as it is to be written in a filter: in quotes where it needs them.

    `subject`: it stands right behind `has` or `header`, where names of terms are words like others;
    `doubtful`: without quotes it would be taken for a slip.
    """
    word = value.lower()
    plain = (
        _PLAIN.fullmatch(value)
        and word not in _KEYWORDS
        and word not in _FOREIGN
        and word not in SLIPS
        and word not in QUANTIFIERS
        and not _OPERATOR.fullmatch(value)
        and not doubtful
    )
    if plain and (subject or (word not in TERMS and nearest(word, 0.8) is None)):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def nearest(word: str, similarity: float = 0.6) -> str | None:
    """Return the term whose name a word in small letters is most like, None if it is like none."""
    return _nearest(word, similarity) if len(word) <= _LONGEST and word.isalpha() else None


@lru_cache(maxsize=4096)
def _nearest(word: str, similarity: float) -> str | None:
    return next(iter(difflib.get_close_matches(word, TERMS, 1, similarity)), None)
