"""What is wrong with a filter that the grammar doesn't take: where, why, and what may stand there."""

from __future__ import annotations

from sipstream.filters.term import REGEX
from sipstream.filters.terms import TERMS
from sipstream.filters.tokens import HEADS, FilterTextError, Token, located, nearest
from sipstream.filters.values import shown

_JOINING = frozenset({"AND", "OR", "NOT", "OPEN"})
_NEXT = {
    "WORD": "another value",
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "OPEN": "(",
    "CLOSE": ")",
    "LIST": "a term (`help filters` lists them)",
}
"""What the kinds of tokens are called that may stand somewhere."""


def unexpected(tokens: list[Token], place: int, end: int, kinds: set[str]) -> FilterTextError:
    """Say what is wrong with a token, or with the end, in the place where it stands.

    `kinds` are those of the tokens that may stand there.
    """
    before = tokens[place - 1] if place else None
    here = tokens[place] if place < len(tokens) else None
    start = here.start if here else end
    if before is not None and "$END" not in kinds and _wants_value(before):
        return located(_lacking(before, here), start, tokens)
    if here and here.kind == "WORD" and before and before.term and before.kind == "NAME":
        name = before.term.name
        both = f"{name} {shown(before.text)} {name} {shown(here.text)}"
        message = f"`{name}` stands before each name: `{both}`"
    elif here and here.kind == "WORD":
        meant = nearest(here.text.lower())
        known = f"did you mean {meant}?" if meant else f"here may stand {_listed(kinds)}"
        message = f"unknown term '{shown(here.text)}', {known}"
    elif before is None:
        where = f" before `{here.text}`" if here else ""
        message = f"a filter needs a term{where}, such as `{TERMS['dstnum'].example}`"
    elif before.kind in _JOINING:
        behind = f", not `{here.text}`" if here else ""
        message = f"a term must follow `{before.text}`{behind}"
    else:
        message = f"the parenthesis at column {_open(tokens) + 1} is never closed"
        return FilterTextError(message, _open(tokens) + 1)
    return located(message, start, tokens)


def _wants_value(token: Token) -> bool:
    """Tell whether a token is of a term that still lacks its name or value."""
    return token.term is not None and (token.kind in HEADS or token.kind == "OPERATOR")


def _lacking(before: Token, here: Token | None) -> str:
    """Say what a term lacks, and how to mean the word that stands in its place."""
    term = before.term
    assert term is not None, "asked before"
    needs = f"a value behind `{before.text}`" if before.kind == "OPERATOR" else term.needs
    message = f"missing argument: {term.name} needs {needs}, as in `{term.example}`"
    if here is None:
        return message
    if here.kind == "OPEN" and before.text == REGEX:
        return f"{message}; a regular expression with parentheses stands in quotes"
    if here.kind not in ("OPEN", "CLOSE"):
        message += f"; to mean the word, put '{shown(here.text)}' in quotes"
    return message


def _listed(kinds: set[str]) -> str:
    """Return what may stand somewhere, in words."""
    *most, last = [words for kind, words in _NEXT.items() if kind in kinds]
    return f"{', '.join(most)} or {last}" if most else last


def _open(tokens: list[Token]) -> int:
    """Return the start of the innermost parenthesis that is open at the end."""
    starts: list[int] = []
    for token in tokens:
        if token.kind == "OPEN":
            starts.append(token.start)
        elif token.kind == "CLOSE":
            starts.pop()
    return starts[-1]
