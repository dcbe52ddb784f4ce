"""What is wrong with a filter that the grammar doesn't take: where, why, and what may stand there."""

from __future__ import annotations

import re
from itertools import pairwise

from sipstream.filters.term import REGEX, MessageTerm, Shape, Term
from sipstream.filters.terms import TERMS
from sipstream.filters.terms.headers import KNOWN_HEADERS
from sipstream.filters.tokens import (
    HEADS,
    QUANTIFIERS,
    SLIPS,
    FilterTextError,
    Token,
    located,
    nearest,
)
from sipstream.filters.values import shown
from sipstream.wording import listed

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
_MEANT = {
    "all": "each(", "every": "each(", "some": "any(",
    "caller": "srcnum", "from": "srcnum", "callee": "dstnum", "called": "dstnum", "to": "dstnum",
    "host": "ip", "addr": "ip", "address": "ip", "net": "ip", "useragent": "ua", "user-agent": "ua",
    "call-id": "callid", "code": "status", "response": "status", "request": "method",
    "time": "since", "before": "until", "after": "since", "proto": "transport",
}  # fmt: skip
"""Terms that are meant by words which people know from other places."""
_BARE = (
    ("status", re.compile(r"[1-6](?:[0-9][0-9]|xx)", re.IGNORECASE)),
    ("uri", re.compile(r"(?:sips?|tel):.+", re.IGNORECASE)),
    (
        "ip",
        re.compile(r"[0-9]+(?:\.[0-9]+){3}(?:/[0-9]+)?|\[?[0-9a-f]*:[0-9a-f:.]+\]?", re.IGNORECASE),
    ),
    ("number", re.compile(r"\+?[0-9*#-]+")),
)
"""Terms of which these would be values."""


def unexpected(tokens: list[Token], place: int, end: int, kinds: set[str]) -> FilterTextError:
    """Say what is wrong with a token, or with the end, in the place where it stands.

    `kinds` are those of the tokens that may stand there.
    """
    before = tokens[place - 1] if place else None
    here = tokens[place] if place < len(tokens) else None
    start = here.start if here else end
    if before is not None and "$END" not in kinds and _wants_value(before):
        message = _lacking(before, here, tokens[place - 2] if place > 1 else None)
        return located(message, start, tokens)
    if here and here.kind == "WORD" and here.text.lower() in SLIPS:
        message = f"unknown term '{here.text}', did you mean {SLIPS[here.text.lower()]}?"
    elif here and here.kind == "WORD" and before and before.term and before.kind == "NAME":
        name = before.term.name
        both = f"{name} {shown(before.text)} {name} {shown(here.text)}"
        message = f"`{name}` stands before each name: `{both}`"
    elif here and here.kind == "WORD":
        message = _unknown(here.text, kinds)
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


def _unknown(text: str, kinds: set[str]) -> str:
    """Say what a word that stands in the place of a term may be meant for."""
    word = text.lower()
    head, colon, rest = word.partition(":")
    if word in TERMS:
        return f"the term `{word}` stands without quotes"
    if word in QUANTIFIERS:
        return f"`{word}` needs a parenthesis, as in `{word}(method INVITE)`"
    if word[1:] in TERMS and word[0] == "!":
        return f"write `not {word[1:]}` for '{text}'"
    if colon and head in TERMS:
        return f"write `{head} {shown(rest) or '...'}` for '{shown(text)}', without a colon"
    for name in _bare(text):
        return f"'{shown(text)}' stands without a term: write `{name} {shown(text)}`"
    meant = _MEANT.get(word)
    if meant is None and word in map(str.lower, KNOWN_HEADERS):
        meant = f"header {text}"
    meant = meant or nearest(word)
    known = f"did you mean {meant}?" if meant else f"here may stand {_next(kinds)}"
    return f"unknown term '{shown(text)}', {known}"


def _bare(text: str) -> list[str]:
    """Return the names of the terms that a text alone would be a value of."""
    if text.upper() in TERMS["method"].choices:
        return ["method"]
    return [name for name, pattern in _BARE if pattern.fullmatch(text)]


def _lacking(before: Token, here: Token | None, earlier: Token | None) -> str:
    """Say what a term lacks, and how to mean the word that stands in its place.

    `earlier` is the token before the term.
    """
    term = before.term
    assert term is not None, "asked before"
    behind = before.kind == "OPERATOR"
    needs = f"a value behind `{before.text}`" if behind else term.needs
    example = _example(term, before.text) if behind else term.example
    message = f"missing argument: {term.name} needs {needs}, as in `{example}`"
    header = earlier and earlier.kind == "NAME" and earlier.term
    if header and term.name in header.choices:
        message += f"; for the header write `{header.name} {term.name}`"
    if here is None:
        return message
    if here.kind == "OPEN" and before.text == REGEX:
        return f"{message}; a regular expression with parentheses stands in quotes"
    if here.kind not in ("OPEN", "CLOSE"):
        message += f"; to mean the word, put '{shown(here.text)}' in quotes"
    return message


def _example(term: type[Term], operator: str) -> str:
    """Return a term's example with an operator."""
    words = 2 if term.shape is Shape.NAMED_LIST else 1
    *head, value = term.example.split(" ", words)
    plain = value.removeprefix(operator).lstrip("<>=~ *")
    return " ".join([*head, operator, plain])


def check_quantifiers(tokens: list[Token]) -> None:
    """Refuse what can't be asked of single messages, where it is asked of them.

    Raises:
        FilterTextError: a term about the whole, or another quantifier, stands in `each(` and its like.
    """
    depth = 0
    around: tuple[int, str] | None = None
    for token in tokens:
        if token.kind == "QUANTIFIER":
            if around:
                message = f"`{token.text}(` can't stand inside `{around[1]}(`"
                raise located(message, token.start, tokens)
            around = depth, token.text
        elif token.kind == "OPEN":
            depth += 1
        elif token.kind == "CLOSE":
            depth -= 1
            if around and depth <= around[0]:
                around = None
        elif (
            around
            and token.kind in HEADS
            and token.term
            and not issubclass(token.term, MessageTerm)
        ):
            raise located(
                f"{token.term.name} is about a conversation as a whole: "
                f"it can't stand in `{around[1]}(`",
                token.start,
                tokens,
            )


def in_quantifier(tokens: list[Token]) -> bool:
    """Tell whether what follows the tokens is asked of single messages."""
    # Whether a parenthesis that is open belongs to a quantifier.
    opened: list[bool] = []
    for before, token in pairwise([None, *tokens]):
        if token and token.kind == "OPEN":
            opened.append(before is not None and before.kind == "QUANTIFIER")
        elif token and token.kind == "CLOSE":
            opened.pop()
    return any(opened)


def _next(kinds: set[str]) -> str:
    """Return what may stand somewhere, in words."""
    return listed(words for kind, words in _NEXT.items() if kind in kinds)


def _open(tokens: list[Token]) -> int:
    """Return the start of the innermost parenthesis that is open at the end."""
    starts: list[int] = []
    for token in tokens:
        if token.kind == "OPEN":
            starts.append(token.start)
        elif token.kind == "CLOSE":
            starts.pop()
    return starts[-1]
