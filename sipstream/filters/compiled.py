"""A filter's tree made to functions: on conversations of an index, on single messages inside `each(` and
its like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipstream.filters.grammar import AllOf, AnyOf, Node, Not, Quantified, nodes_of
from sipstream.filters.scan import Anew, Scan
from sipstream.filters.term import Due, MessageTerm, Numbers, Predicate, Term, Test
from sipstream.filters.whole import Firsts
from sipstream.views import Message

if TYPE_CHECKING:
    from sipstream.index import Index

_OPPOSITE = bytes([1, 0]) + bytes(254)


_SCANS, _SLOW = 1, 2


def compiled(node: Node) -> tuple[int, Predicate]:
    """Return what a node's predicate costs, and this: 0 where the index answers, more where messages
    are looked into, still more where conversations are diagnosed.
    """
    if isinstance(node, Term):
        predicate = node.predicate()
        return _SLOW if node.slow else _SCANS * isinstance(predicate, Scan), predicate
    if isinstance(node, Not):
        cost, inner = compiled(node.part)
        return cost, lambda *asked: inner(*asked).translate(_OPPOSITE)
    if isinstance(node, Quantified):
        moves = any(isinstance(one, Term) and one.moves for one in nodes_of(node.part))
        return _SCANS, _quantified(node.kind, message_test(node.part), Anew if moves else Scan)
    # What the index answers is asked first: often that decides.
    parts = sorted((compiled(part) for part in node.parts), key=lambda part: part[0])
    predicates = [predicate for _, predicate in parts]
    return parts[-1][0], one_of(predicates) if isinstance(node, AnyOf) else all_of(predicates)


def all_of(predicates: list[Predicate]) -> Predicate:
    """Return a predicate that gives 1 where all of some others do."""
    return _in_turn(predicates, still_open=1)


def one_of(predicates: list[Predicate]) -> Predicate:
    """Return a predicate that gives 1 where any of some others does."""
    return _in_turn(predicates, still_open=0)


def _in_turn(predicates: list[Predicate], still_open: int) -> Predicate:
    """Return a predicate that asks others, each only where those before it gave `still_open`."""
    first, *others = predicates

    def judge(index: Index, numbers: Numbers, due: Due) -> bytearray:
        flags = bytearray(first(index, numbers, due))
        for predicate in others:
            if flags.count(still_open) == len(flags):
                flags = bytearray(predicate(index, numbers, due))
                continue
            places = [place for place, flag in enumerate(flags) if flag == still_open]
            if not places:
                break
            asked = [numbers[place] for place in places]
            for place, flag in zip(places, predicate(index, asked, due), strict=True):
                flags[place] = flag
        return flags

    return judge


def _quantified(kind: str, test: Test, scan: type[Scan] | type[Anew]) -> Predicate:
    """Return a predicate that asks single messages: `each` of them, `any`, or the `first`."""
    if kind == "any":
        return scan(test)
    if kind == "first":
        return Firsts(lambda index, message: test(Message(index, message)))
    fails = scan(lambda message: not test(message))
    return lambda *asked: fails(*asked).translate(_OPPOSITE)


def message_test(node: Node) -> Test:
    """Return a function that tells whether a single message passes a tree of terms on messages."""
    if isinstance(node, MessageTerm):
        return node.test()
    if isinstance(node, Not):
        inner = message_test(node.part)
        return lambda message: not inner(message)
    assert isinstance(node, AnyOf | AllOf), "the grammar refuses any other"
    tests = [message_test(part) for part in node.parts]
    if isinstance(node, AnyOf):
        return lambda message: any(test(message) for test in tests)
    return lambda message: all(test(message) for test in tests)
