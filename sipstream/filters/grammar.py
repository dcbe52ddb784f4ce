"""The language of filters: a text to a tree of terms and back, and what may stand at the cursor.

One small lark grammar over the tokens of tokens.py. Text from anywhere gives a tree or
FilterTextError; the tree is made while the parser goes, so that nothing recurses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sipstream.errors import FilterError
from sipstream.filters.term import Shape, Term
from sipstream.filters.terms import TERMS
from sipstream.filters.tokens import (
    HEADS,
    FilterTextError,
    Token,
    located,
    nearest,
    quote,
    scan,
    unfinished,
)
from sipstream.filters.values import shown
from sipstream.limits import FILTER_TEXT

if TYPE_CHECKING:
    import lark

GRAMMAR = r"""
?start: either
?either: both (OR both)*             -> any_of
?both: single (AND? single)*         -> all_of
?single: NOT single                  -> negated
       | OPEN either CLOSE           -> inner
       | LIST WORD+                  -> listing
       | NAMED NAME                  -> named
       | NAMED_LIST NAME WORD+       -> named
%declare OR AND NOT OPEN CLOSE LIST NAMED NAMED_LIST NAME WORD
"""
"""LIST, NAMED, NAMED_LIST: names of terms (term.Shape); NAME, WORD: what follows them."""

_OPERATORS = frozenset({"AND", "OR", "NOT", "OPEN"})
_OFFERED = (
    ("AND", "and", "both must match"),
    ("OR", "or", "either may match"),
    ("NOT", "not", "the opposite of what follows"),
    ("OPEN", "(", "terms that belong together"),
    ("CLOSE", ")", "end of the terms that belong together"),
)


# The tree


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Parts joined by `or`; two or more, none of them an AnyOf."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Parts joined by `and`; two or more, none of them an AllOf."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of its part."""

    part: Node


Node: TypeAlias = "Term | AnyOf | AllOf | Not"


def join(kind: type[AnyOf] | type[AllOf], nodes: Iterable[Node]) -> Node:
    """Return one node for several, those of the same kind dissolved in it."""
    parts: list[Node] = []
    for node in nodes:
        parts.extend(node.parts if isinstance(node, kind) else (node,))
    return kind(tuple(parts)) if len(parts) > 1 else parts[0]


def text_of(node: Node) -> str:
    """Return a tree's text, which parses back to an equal tree."""
    if isinstance(node, Term):
        subject = [] if node.shape is Shape.LIST else [quote(node.subject, subject=True)]
        return " ".join([node.name, *subject, *map(quote, node.values)])
    if isinstance(node, Not):
        inner = text_of(node.part)
        return f"not ({inner})" if isinstance(node.part, AnyOf | AllOf) else f"not {inner}"
    if isinstance(node, AnyOf):
        return " or ".join(map(text_of, node.parts))
    return " and ".join(
        f"({text_of(part)})" if isinstance(part, AnyOf) else text_of(part) for part in node.parts
    )


# Tokens to a tree


@cache
def _parser() -> lark.Lark:
    """Make the parser; lark takes longer to import than all else here."""
    import lark

    class Builder(lark.Transformer[lark.Token, Node]):
        """Makes nodes as the parser goes: nothing recurses."""

        def any_of(self, children: list[Node]) -> Node:
            return join(AnyOf, children[::2])

        def all_of(self, children: list[Node | lark.Token]) -> Node:
            nodes = (child for child in children if not isinstance(child, lark.Token))
            return join(AllOf, nodes)

        def negated(self, children: list[Node]) -> Node:
            return Not(children[1])

        def inner(self, children: list[Node]) -> Node:
            return children[1]

        def listing(self, children: list[lark.Token]) -> Node:
            term = TERMS[children[0].lower()]
            return term(_values(term, children[1:]))

        def named(self, children: list[lark.Token]) -> Node:
            term = TERMS[children[0].lower()]
            subject = _checked(term.check_subject, children[1])
            return term(_values(term, children[2:]), subject)

    return lark.Lark(GRAMMAR, parser="lalr", lexer="basic", transformer=Builder())


def prepare() -> None:
    """Make what the first filter needs, which takes some ten milliseconds."""
    _parser()


def _values(term: type[Term], tokens: list[lark.Token]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_checked(term.check_value, token) for token in tokens))


def _checked(check: Callable[[str], str], token: lark.Token) -> str:
    try:
        return check(str(token))
    except FilterError as error:
        raise FilterTextError(str(error), (token.start_pos or 0) + 1) from None


def parse(text: str) -> Node:
    """Return the tree of a filter's text.

    Raises:
        FilterTextError: the text can't be understood, or is too long or nested too deep.
    """
    import lark

    tokens = scan(text)
    parser = _parser().parse_interactive("")
    end = Token("$END", "", len(text), None)
    node: Node | None = None
    fed = 0
    try:
        for token in (*tokens, end):
            node = parser.feed_token(lark.Token(token.kind, token.text, token.start))
            fed += 1
    except lark.exceptions.UnexpectedToken:
        raise _unexpected(tokens, fed, len(text)) from None
    except FilterTextError as error:
        raise located(error.message, error.column - 1, tokens) from None
    assert node is not None, "the parser gives a tree at $END or raises"
    if len(text_of(node)) > FILTER_TEXT:
        raise FilterTextError(f"the filter has more than {FILTER_TEXT} characters", FILTER_TEXT)
    return node


def _unexpected(tokens: list[Token], place: int, end: int) -> FilterTextError:
    """Say what is wrong with a token, or with the end, in the place where it stands."""
    before = tokens[place - 1] if place else None
    here = tokens[place] if place < len(tokens) else None
    start = here.start if here else end
    incomplete = _incomplete(tokens[:place])
    if incomplete is not None:
        term = incomplete
        message = f"missing argument: {term.name} needs {term.needs}, as in `{term.example}`"
        if here and here.kind not in ("OPEN", "CLOSE"):
            message += f"; to mean the word, put '{shown(here.text)}' in quotes"
    elif here and here.kind == "WORD" and before and before.term and before.kind == "NAME":
        name = before.term.name
        both = f"{name} {shown(before.text)} {name} {shown(here.text)}"
        message = f"`{name}` stands before each name: `{both}`"
    elif here and here.kind == "WORD":
        meant = nearest(here.text.lower())
        known = f"did you mean {meant}?" if meant else f"the terms are {', '.join(TERMS)}"
        message = f"unknown term '{shown(here.text)}', {known}"
    elif before is None:
        where = f" before `{here.text}`" if here else ""
        message = f"a filter needs a term{where}, such as `{TERMS['dstnum'].example}`"
    elif before.kind in _OPERATORS:
        behind = f", not `{here.text}`" if here else ""
        message = f"a term must follow `{before.text}`{behind}"
    else:
        message = f"the parenthesis at column {_open(tokens) + 1} is never closed"
        return FilterTextError(message, _open(tokens) + 1)
    return located(message, start, tokens)


def _incomplete(tokens: Sequence[Token]) -> type[Term] | None:
    """Return the term that still lacks its name or value at the end of some tokens."""
    if not tokens:
        return None
    kind, term = tokens[-1].kind, tokens[-1].term
    if term and (kind in HEADS or (kind == "NAME" and term.shape is Shape.NAMED_LIST)):
        return term
    return None


def _open(tokens: list[Token]) -> int:
    """Return the start of the innermost parenthesis that is open at the end."""
    starts: list[int] = []
    for token in tokens:
        if token.kind == "OPEN":
            starts.append(token.start)
        elif token.kind == "CLOSE":
            starts.pop()
    return starts[-1]


# What may stand at the cursor


class Suggestion(NamedTuple):
    """A word that may stand at the cursor, or a kind of words that the capture is to supply."""

    kind: str
    """term, keyword, header (of `has`), or the `value_kind` or `subject_kind` of a term."""
    text: str
    """The word; "" where it comes from the capture."""
    help: str


def suggest(text_before_cursor: str) -> list[Suggestion]:
    """Return what may stand in place of the word at the cursor, as the grammar has it.

    Nothing where the text before that word can't be the beginning of a filter.
    """
    import lark

    done = text_before_cursor[: len(text_before_cursor) - len(unfinished(text_before_cursor))]
    try:
        tokens = scan(done)
        parser = _parser().parse_interactive("")
        for token in tokens:
            parser.feed_token(lark.Token(token.kind, token.text, token.start))
    except (FilterTextError, lark.exceptions.UnexpectedToken):
        return []
    accepted: set[str] = parser.accepts()  # type: ignore[no-untyped-call]
    term = tokens[-1].term if tokens else None
    found: list[Suggestion] = []
    if term and "NAME" in accepted:
        found += suggest_values(term, term.subject_kind)
    if term and "WORD" in accepted:
        found += suggest_values(term, term.value_kind)
    found += [
        Suggestion("keyword", text, hint) for kind, text, hint in _OFFERED if kind in accepted
    ]
    if "LIST" in accepted:
        found += [Suggestion("term", name, one.help) for name, one in TERMS.items()]
    return found


def suggest_values(term: type[Term], kind: str) -> list[Suggestion]:
    """Return the words a term knows by itself, and an empty one for those of the capture."""
    found: list[Suggestion] = []
    if kind == (term.subject_kind or term.value_kind):
        found += [Suggestion(kind, choice, hint) for choice, hint in term.choices.items()]
    if kind != "header":
        found.append(Suggestion(kind, "", term.help))
    return found
