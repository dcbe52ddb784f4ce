"""Filters: which conversations match, as one text or as the shell's filter context builds them.

A filter is compiled once to plain functions on conversations and knows nothing of where they come
from. What it learns of their messages it keeps, so that it can be asked again after every message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from sipstream.errors import FilterError
from sipstream.filters.compiled import all_of, compiled, one_of
from sipstream.filters.grammar import (
    AllOf,
    AnyOf,
    Node,
    join,
    nodes_of,
    parse,
    prepare,
    subject_text,
    text_of,
)
from sipstream.filters.suggest import Suggestion, last_term, suggest
from sipstream.filters.term import (
    ONE_VALUE,
    Due,
    Numbers,
    Predicate,
    Shape,
    Term,
    Unfinished,
    never,
)
from sipstream.filters.terms import GROUPS, TERMS
from sipstream.filters.tokens import FilterTextError, quote, scan, unfinished
from sipstream.filters.values import shown

if TYPE_CHECKING:
    from sipstream.index import Index
    from sipstream.views import Conversation

__all__ = [
    "GROUPS",
    "TERMS",
    "Filter",
    "FilterError",
    "FilterSet",
    "FilterTextError",
    "Node",
    "Suggestion",
    "Unfinished",
    "last_term",
    "prepare",
    "quote",
    "suggest",
    "unfinished",
]

Condition: TypeAlias = Literal["and", "or"]


class Filter:
    """A condition on conversations, made with `Filter.parse`.

    It remembers what it found in messages, of one `Conversations` at a time. Filters of equal terms
    are equal.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        """The tree of terms."""
        self.scans, self._predicate = compiled(node)
        self.moves = any(isinstance(one, Term) and one.moves for one in nodes_of(node))
        """What matches depends on how late it is (`last 5m`): it is to be asked again, not remembered."""

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Make a filter from its text, such as `dstnum 5660066 and not status 2xx`.

        Raises:
            FilterError: the text can't be understood, or is too long or nested too deep.
        """
        return cls(parse(text))

    def matches(self, conversation: Conversation) -> bool:
        """Tell whether a conversation matches, as far as its messages have come in."""
        return self._predicate(conversation.origin, (conversation.id,), never)[0] == 1

    def judge(self, index: Index, numbers: Numbers, due: Due = never) -> bytes | bytearray:
        """Tell of several conversations of an index which match: 1, or 0.

        Raises:
            Unfinished: `due` said that it takes too long; asked again it goes on where it was.
        """
        return self._predicate(index, numbers, due)

    def __str__(self) -> str:
        return text_of(self.node)

    def __repr__(self) -> str:
        return f"<Filter {self}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self.node == other.node

    def __hash__(self) -> int:
        return hash(self.node)


class FilterSet:
    """The terms that the filter context holds, and the condition that joins them.

    Each change is made whole or, with a FilterError, not at all. `make` gives the filter of a node:
    one that was asked before knows what it found in messages.
    """

    def __init__(self, make: Callable[[Node], Filter] = Filter) -> None:
        self.condition: Condition = "or"
        self.items: list[Filter] = []
        """The terms in the order they were added; one may be a whole expression."""
        self._make = make
        self._condition_set = False
        self._judged: list[Filter] = []

    def copy(self) -> FilterSet:
        """Return a set of the same items; changing one leaves the other as it is."""
        made = FilterSet(self._make)
        made.condition, made._condition_set = self.condition, self._condition_set
        made.items, made._judged = list(self.items), list(self._judged)
        return made

    @property
    def active(self) -> bool:
        """Whether any term is set."""
        return bool(self.items)

    @property
    def moves(self) -> bool:
        """Whether what matches depends on how late it is."""
        return any(item.moves for item in self.items)

    @property
    def marked(self) -> bool:
        """Whether the prompt shows an asterisk: a term is set, or the condition was set by hand."""
        return self.active or self._condition_set

    def matches(self, conversation: Conversation) -> bool:
        """Tell whether a conversation matches; with no term set each does."""
        return bool(self.judge(conversation.origin, (conversation.id,))[0])

    def judge(self, index: Index, numbers: Numbers, due: Due = never) -> bytes | bytearray:
        """Tell of several conversations which match: 1, or 0.

        Raises:
            Unfinished: `due` said that it takes too long; asked again it goes on where it was.
        """
        if not self.items:
            return bytes([1]) * len(numbers)
        predicates: list[Predicate] = [item.judge for item in self._judged]
        joined = all_of(predicates) if self.condition == "and" else one_of(predicates)
        return joined(index, numbers, due)

    def add(self, text: str) -> None:
        """Add a term; values of a term that is there become alternatives of its own.

        What is there already is passed over where something new stands beside it.

        `has` takes several headers here, each a term of its own. A text with `and`, `or` or several
        terms is one item.

        Raises:
            FilterError: the text can't be understood, or says nothing new.
        """
        if not text.strip():
            raise FilterError("missing argument: add takes a term, as in `add dstnum 5660066`")
        nodes = [item.node for item in self.items]
        wanted = _several(text) or [parse(text)]
        fresh = [node for node in wanted if node not in nodes] or wanted
        for node in fresh:
            _merge(nodes, node)
        self._replace(nodes)

    def remove(self, text: str) -> None:
        """Remove a term, some of its values, or the item that is this expression.

        Raises:
            FilterError: the text can't be understood, or nothing such is set.
        """
        if not text.strip():
            raise FilterError("missing argument: del takes a term, as in `del dstnum`")
        nodes = [item.node for item in self.items]
        tokens = scan(text)
        term = tokens[0].term
        if term and len(tokens) == 1:
            kept = [node for node in nodes if not isinstance(node, term)]
            if kept == nodes:
                raise FilterError(f"nothing to remove: {term.name} isn't set")
            self._replace(kept)
            return
        if term and term.shape is Shape.NAMED_LIST and len(tokens) == 2:
            subject = term.check_subject(tokens[1].text)
            kept = [one for one in nodes if not (isinstance(one, term) and one.subject == subject)]
            if kept == nodes:
                raise FilterError(
                    f"nothing to remove: {term.name} {subject_text(term(subject=subject))} isn't set"
                )
            self._replace(kept)
            return
        for node in _several(text) or [parse(text)]:
            _take(nodes, node)
        self._replace(nodes)

    def set_condition(self, text: str) -> None:
        """Join the terms by `and` or `or`.

        Raises:
            FilterError: it is neither.
        """
        word = text.strip().lower()
        if word == "and":
            self.condition = "and"
        elif word == "or":
            self.condition = "or"
        elif word:
            raise FilterError(f"unknown condition '{shown(text.strip())}': it is `and` or `or`")
        else:
            raise FilterError("missing argument: the condition is `and` or `or`")
        self._condition_set = True

    def reset(self) -> None:
        """Remove all terms; the condition is `or` again."""
        self.condition = "or"
        self._condition_set = False
        self._replace([])

    def lines(self) -> list[str]:
        """Return what `show` prints: the condition, then each item as `add` takes it."""
        return [f"condition {self.condition}", *map(str, self.items)]

    def expression(self) -> str:
        """Return one filter's text of equal meaning, "" with no term set."""
        return _joined(self.condition, [item.node for item in self.items])

    def suggest_removal(self, text_before_cursor: str) -> list[Suggestion]:
        """Return what `del` may take in place of the word at the cursor: what is set."""
        word = unfinished(text_before_cursor)
        try:
            tokens = scan(text_before_cursor[: len(text_before_cursor) - len(word)])
        except FilterTextError:
            return []
        nodes = [item.node for item in self.items]
        if not tokens:
            names = dict.fromkeys(node.name for node in nodes if isinstance(node, Term))
            return [Suggestion("term", name, TERMS[name].help) for name in names] + [
                Suggestion("expression", text_of(node), "the whole of it")
                for node in nodes
                if not isinstance(node, Term)
            ]
        term = tokens[0].term
        name = term.name if term else ""
        try:
            named = term.check_subject(tokens[1].text) if term and len(tokens) > 1 else ""
        except FilterError:
            return []
        found: list[Suggestion] = []
        for node in nodes:
            if not isinstance(node, Term) or node.name != name:
                continue
            if node.subject and len(tokens) == 1:
                found.append(Suggestion(node.subject_kind, subject_text(node), text_of(node)))
            elif node.subject in ("", named):
                typed = {token.text for token in tokens}
                found += [
                    Suggestion(node.value_kind, quote(value), text_of(node))
                    for value in node.values
                    if value not in typed
                ]
        return found

    def _replace(self, nodes: list[Node]) -> None:
        """Put these items in place; those that were there keep what they found in messages."""
        for condition in ("and", "or"):
            scan(_joined(condition, nodes))
        there = {item.node: item for item in self.items}
        self.items = [there.get(node) or self._make(node) for node in nodes]
        self._judged = sorted(self.items, key=lambda item: item.scans)


def _joined(condition: str, nodes: Sequence[Node]) -> str:
    return text_of(join(AllOf if condition == "and" else AnyOf, nodes)) if nodes else ""


def _several(text: str) -> list[Node]:
    """Return the terms that `has diversion pai` names, [] where a text is no such list."""
    head, *words = scan(text)
    term = head.term
    if term is None or term.shape is not Shape.NAMED or len(words) < 2:
        return []
    known = {choice.lower() for choice in term.choices}
    if any(word.kind in ("AND", "OR", "NOT", "OPEN", "CLOSE") for word in words):
        return []
    if not all(word.text.lower() in known or word.text.lower()[:2] == "x-" for word in words):
        return []
    return list(dict.fromkeys(term(subject=term.check_subject(word.text)) for word in words))


def _merge(nodes: list[Node], new: Node) -> None:
    """Put a node to the others: values of a term that is there go to it."""
    if new in nodes:
        raise FilterError(f"{shown(text_of(new))} is there already")
    for place, node in enumerate(nodes):
        if not isinstance(node, Term) or not isinstance(new, type(node)):
            continue
        if (node.subject, node.operator) != (new.subject, new.operator) or not node.values:
            continue
        fresh = tuple(value for value in new.values if value not in node.values)
        if not fresh:
            raise FilterError(f"{shown(text_of(new))} is there already")
        if node.operator in ONE_VALUE or node.single:
            continue
        nodes[place] = replace(node, values=node.values + fresh)
        return
    nodes.append(new)


def _take(nodes: list[Node], old: Node) -> None:
    """Take a node from the others, or a term's values from the term that has them."""
    if old in nodes:
        nodes.remove(old)
        return
    for place, node in enumerate(nodes):
        if not isinstance(node, Term) or not isinstance(old, type(node)):
            continue
        if (node.subject, node.operator) != (old.subject, old.operator):
            continue
        missing = [value for value in old.values if value not in node.values]
        if missing:
            old = replace(old, values=tuple(missing))
            break
        kept = tuple(value for value in node.values if value not in old.values)
        if kept:
            nodes[place] = replace(node, values=kept)
        else:
            del nodes[place]
        return
    raise FilterError(f"nothing to remove: {shown(text_of(old))} isn't set")
