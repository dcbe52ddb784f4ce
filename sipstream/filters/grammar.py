"""The language of filters: a text to a tree of terms and back.

One small lark grammar over the tokens of tokens.py. Text from anywhere gives a tree or
FilterTextError; the tree is made while the parser goes, so that nothing recurses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from sipstream.errors import FilterError
from sipstream.filters.mistakes import check_quantifiers, unexpected
from sipstream.filters.term import NAMED_SHAPES, ONE_VALUE, REGEX, Term
from sipstream.filters.terms import TERMS
from sipstream.filters.tokens import FilterTextError, Token, located, quote, scan
from sipstream.limits import FILTER_REGEXES, FILTER_TEXT

if TYPE_CHECKING:
    import lark

GRAMMAR = r"""
?start: either
?either: both (OR both)*             -> any_of
?both: single (AND? single)*         -> all_of
?single: NOT single                  -> negated
       | OPEN either CLOSE           -> inner
       | QUANTIFIER OPEN either CLOSE -> quantified
       | LIST OPERATOR? WORD+        -> listing
       | OPTIONAL WORD*              -> listing
       | NAMED NAME                  -> named
       | NAMED_LIST NAME             -> named
       | NAMED_LIST NAME OPERATOR? WORD+ -> named
%declare OR AND NOT OPEN CLOSE QUANTIFIER LIST OPTIONAL NAMED NAMED_LIST NAME OPERATOR WORD
"""
"""LIST, OPTIONAL, NAMED, NAMED_LIST: names of terms (term.Shape); NAME, OPERATOR, WORD: what follows
them."""


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


@dataclass(frozen=True, slots=True)
class Quantified:
    """A part that is asked of single messages: `each`, `any`, or the `first` of a conversation."""

    kind: str
    """One of QUANTIFIERS."""
    part: Node


Node: TypeAlias = "Term | AnyOf | AllOf | Not | Quantified"


def join(kind: type[AnyOf] | type[AllOf], nodes: Iterable[Node]) -> Node:
    """Return one node for several, those of the same kind dissolved in it."""
    parts: list[Node] = []
    for node in nodes:
        parts.extend(node.parts if isinstance(node, kind) else (node,))
    return kind(tuple(parts)) if len(parts) > 1 else parts[0]


def subject_text(term: Term) -> str:
    """Return the name behind a term's own as it is to be written."""
    return quote(term.subject, subject=True, doubtful=term.doubt(term.subject) is not None)


def text_of(node: Node) -> str:
    """Return a tree's text, which parses back to an equal tree."""
    if isinstance(node, Term):
        words = [node.name]
        if node.shape in NAMED_SHAPES:
            words.append(subject_text(node))
        words += [node.operator] * bool(node.operator)
        return " ".join([*words, *map(quote, node.values)])
    if isinstance(node, Quantified):
        return f"{node.kind}({text_of(node.part)})"
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

        def quantified(self, children: list[Node | lark.Token]) -> Node:
            part = children[2]
            assert not isinstance(part, lark.Token), "the grammar has a node there"
            return Quantified(str(children[0]).lower(), part)

        def listing(self, children: list[lark.Token]) -> Node:
            return _term(TERMS[children[0].lower()], children[1:])

        def named(self, children: list[lark.Token]) -> Node:
            term = TERMS[children[0].lower()]
            subject = _checked(term.check_subject, children[1])
            return _term(term, children[2:], subject)

    return lark.Lark(GRAMMAR, parser="lalr", lexer="basic", transformer=Builder())


def prepare() -> None:
    """Make what the first filter needs, which takes some ten milliseconds."""
    _parser()


def _term(term: type[Term], tokens: list[lark.Token], subject: str = "") -> Term:
    """Return a term of an operator, if there is one, and values."""
    operator = ""
    if tokens and tokens[0].type == "OPERATOR":
        operator = str(tokens[0])
        if operator not in term.operators:
            several = ", ".join(term.operators)
            alone = "" if term.needs_operator else f", or nothing as in `{term.example}`"
            raise _wrong_at(
                f"{term.name} takes no `{operator}`: {several} may stand here{alone}", tokens[0]
            )
        if operator in ONE_VALUE and len(tokens) > 2:
            raise _wrong_at(f"one value stands behind `{operator}`", tokens[2])
    elif tokens and term.needs_operator:
        raise _wrong_at(f"a comparison is missing, as in `{term.example}`", tokens[0])
    words = tokens[bool(operator) :]
    values = tuple(
        dict.fromkeys(
            _checked(lambda text: term.check_value(text, operator), word) for word in words
        )
    )
    try:
        values = term.check_values(values)
    except FilterError as error:
        raise _wrong_at(str(error), words[min(1, len(words) - 1)]) from None
    return term(values, subject, operator)


def nodes_of(node: Node) -> Iterator[Node]:
    """Yield a node and all nodes in it."""
    waiting: list[Node] = [node]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, AnyOf | AllOf):
            waiting.extend(node.parts)
        elif isinstance(node, Not | Quantified):
            waiting.append(node.part)


def _checked(check: Callable[[str], str], token: lark.Token) -> str:
    try:
        return check(str(token))
    except FilterError as error:
        raise _wrong_at(str(error), token) from None


def _wrong_at(message: str, token: lark.Token) -> FilterTextError:
    return FilterTextError(message, (token.start_pos or 0) + 1)


def parse(text: str) -> Node:
    """Return the tree of a filter's text.

    Raises:
        FilterTextError: the text can't be understood, or is too long or nested too deep.
    """
    tokens = scan(text)
    try:
        return _parse(text, tokens)
    except FilterTextError as error:
        error.text = text
        raise


def _parse(text: str, tokens: list[Token]) -> Node:
    import lark

    parser = _parser().parse_interactive("")
    end = Token("$END", "", len(text), None)
    node: Node | None = None
    fed = 0
    try:
        for token in (*tokens, end):
            node = parser.feed_token(lark.Token(token.kind, token.text, token.start))
            fed += 1
    except lark.exceptions.UnexpectedToken:
        raise unexpected(tokens, fed, len(text), _accepts(parser)) from None
    except FilterTextError as error:
        raise located(error.message, error.column - 1, tokens) from None
    check_quantifiers(tokens)
    assert node is not None, "the parser gives a tree at $END or raises"
    if len(text_of(node)) > FILTER_TEXT:
        raise FilterTextError(f"the filter has more than {FILTER_TEXT} characters", FILTER_TEXT)
    terms = (one for one in nodes_of(node) if isinstance(one, Term) and one.operator == REGEX)
    count = sum(len(term.values) for term in terms)
    if count > FILTER_REGEXES:
        raise FilterTextError(
            f"a filter has at most {FILTER_REGEXES} regular expressions, this one {count}: "
            "join them by | in quotes",
            1,
        )
    return node


def accepted(tokens: Iterable[Token]) -> set[str] | None:
    """Return the kinds of tokens that may follow some, None where these begin no filter."""
    import lark

    parser = _parser().parse_interactive("")
    try:
        for token in tokens:
            parser.feed_token(lark.Token(token.kind, token.text, token.start))
    except (FilterTextError, lark.exceptions.UnexpectedToken):
        return None
    return _accepts(parser)


def _accepts(parser: lark.parsers.lalr_interactive_parser.InteractiveParser) -> set[str]:
    kinds: set[str] = parser.accepts()  # type: ignore[no-untyped-call]
    return kinds
