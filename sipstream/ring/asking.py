"""Which conversations of a ring a filter may hold for, by what its indexes say. Sans-IO.

Never too few: a term that indexes don't tell of holds for all. A conversation is judged as a whole,
of whatever files its parts lie in.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeAlias

from sipstream.filters import Filter
from sipstream.filters.addresses import AddressSet
from sipstream.filters.grammar import AllOf, AnyOf, Node
from sipstream.filters.numbers import NumberSet
from sipstream.filters.term import REGEX, Term
from sipstream.filters.terms.startlines import CallId
from sipstream.filters.terms.whole import times_of
from sipstream.filters.texts import has_wildcard, longest_piece
from sipstream.ring.contents import ODD, Contents, Lists

_Turns: TypeAlias = Generator[None, None, "set[int] | None"]
"""Yields when others may have their turn, returns keys of conversations."""

MARGIN = 3600 * 10**9
"""How far around the time asked about parts of conversations are looked for, ns: a call of an hour."""

_EARLIEST, _LATEST = -(1 << 62), 1 << 62
_OF_FIRST = ("srcnum", "dstnum", "telnum")
_ADDRESSES = ("ip", "srcip", "dstip")


class Question:
    """What a filter asks; "" asks for all. `newest` is the time that `last` counts from, ns."""

    def __init__(self, expression: str, newest: int) -> None:
        self._node = Filter.parse(expression).node if expression else None
        self._newest = newest
        self.begin, self.end = (
            (_EARLIEST, _LATEST) if self._node is None else self._times(self._node)
        )
        """Conversations have a message at or behind the first time, and one up to the second."""

    def is_about(self, begin: int, end: int) -> bool:
        """Tell whether what has packets between two times is to be looked at."""
        return begin <= self.end + MARGIN and end >= self.begin - MARGIN

    def answer(self, parts: Sequence[Contents]) -> Iterator[dict[int, int] | None]:
        """Yield None now and then, at last the conversations by key, each with its latest time."""
        keys: set[int] | None = None
        if self._node is not None:
            keys = yield from self._keys(self._node, parts)
        spans: dict[int, tuple[int, int]] = {}
        for part in parts:
            there = part.keys if keys is None else keys.intersection(part.keys)
            for key in there:
                place = part.place(key)
                begin, end = spans.get(key, (_LATEST, _EARLIEST))
                spans[key] = min(begin, part.begins[place]), max(end, part.ends[place])
            yield None
        yield {
            key: end
            for key, (begin, end) in spans.items()
            if begin <= self.end and end >= self.begin
        }

    # Within

    def _times(self, node: Node) -> tuple[int, int]:
        if isinstance(node, Term):
            begin, end = times_of(node, self._newest) or (None, None)
            return (
                _EARLIEST if begin is None else begin,
                _LATEST if end is None else end,
            )
        if isinstance(node, AllOf | AnyOf):
            begins, ends = zip(*map(self._times, node.parts), strict=True)
            if isinstance(node, AllOf):
                return max(begins), min(ends)
            return min(begins), max(ends)
        return _EARLIEST, _LATEST

    def _keys(self, node: Node, parts: Sequence[Contents]) -> _Turns:
        """Return the conversations that a node may hold for, None for all."""
        if isinstance(node, Term):
            return (yield from _keys_of(node, parts))
        if not isinstance(node, AllOf | AnyOf):
            return None
        found = []
        for part in node.parts:
            keys = yield from self._keys(part, parts)
            found.append(keys)
        known = [keys for keys in found if keys is not None]
        if isinstance(node, AllOf):
            return set.intersection(*known) if known else None
        return set().union(*known) if len(known) == len(found) else None


def _keys_of(term: Term, parts: Sequence[Contents]) -> _Turns:
    """Return the conversations that a term may hold for, None for all."""
    places = _finder(term)
    if places is None:
        return None
    keys: set[int] = set()
    for part in parts:
        keys.update(part.keys[place] for place in places(part))
        yield None
    return keys


def _finder(term: Term) -> Callable[[Contents], Iterator[int]] | None:
    """Return what finds the places of conversations for which a term may hold, None: it may for all."""
    if isinstance(term, CallId):
        holds, pieces = term.holds(), _pieces_of_call_id(term)
        return lambda part: (
            place for place in part.call_ids.near(pieces) if holds(part.call_ids[place])
        )
    if term.name in _ADDRESSES:
        wanted = AddressSet(term.values).holds
        return lambda part: part.hosts.holders(
            {place for place in range(len(part.addresses)) if wanted(part.addresses[place])}
        )
    if term.name in _OF_FIRST or term.name == "number":
        return _numbers(term, of_first=term.name in _OF_FIRST)
    return None


def _numbers(term: Term, *, of_first: bool) -> Callable[[Contents], Iterator[int]]:
    """Return what finds conversations by numbers: those in From and To, or anywhere.

    Which of the two is whose isn't asked: in a part of a conversation the first message may come from
    who was called.
    """
    holds: Callable[[str], bool] = term.holds()  # type: ignore[attr-defined]
    digits = None if term.operator == REGEX else NumberSet(term.values).digits
    # A piece of a name may be written with what separates digits of a number.
    pieces = digits if digits is not None and all(map(_is_dialled, digits)) else None

    def find(part: Contents) -> Iterator[int]:
        words = {place for place in part.words.near(pieces) if holds(part.words[place])}
        lists: Lists = part.parties if of_first else part.named
        yield from lists.holders(words)
        if not of_first:
            yield from part.parties.holders(words)
            yield from (place for place, kind in enumerate(part.kinds) if kind & ODD)

    return find


def _is_dialled(text: str) -> bool:
    return text != "" and all(letter in "0123456789*#" for letter in text)


def _pieces_of_call_id(term: CallId) -> list[str] | None:
    """Return what of letters a Call-ID has that holds one of the values, None where none is sure."""
    if term.operator == REGEX:
        return None
    pieces = [longest_piece(value) if has_wildcard(value) else value for value in term.values]
    # One that is written as it is shown, with a backslash, stands for other bytes.
    return None if any("\\" in value for value in term.values) else pieces
