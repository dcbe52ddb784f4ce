"""Which taps a filter asks, and what of it each is asked. Sans-IO.

A message's tap is known here, not where it was captured: an agent never gets a term about it. What is
left may hold for more than the whole filter does, never for less.
"""

from __future__ import annotations

from sipstream.filters.grammar import AllOf, AnyOf, Node, Not, Quantified, join, nodes_of, text_of
from sipstream.filters.terms.addresses import Interface, Tap
from sipstream.filters.texts import TextSet


def question(node: Node | None, tap: str) -> str | None:
    """Return the filter that a tap is asked for, "" for all it has, None where it has nothing to say."""
    left = True if node is None else _left(node, tap)
    if isinstance(left, bool):
        return "" if left else None
    return text_of(left)


def _left(node: Node, tap: str) -> Node | bool:
    """Return what is left of a filter for one tap: True where it can't tell."""
    if isinstance(node, Interface | Tap):
        return TextSet(node.values).holds(tap)
    if isinstance(node, AllOf):
        parts = [_left(part, tap) for part in node.parts]
        nodes = [part for part in parts if not isinstance(part, bool)]
        return False if False in parts else join(AllOf, nodes) if nodes else True
    if isinstance(node, AnyOf):
        parts = [_left(part, tap) for part in node.parts]
        nodes = [part for part in parts if not isinstance(part, bool)]
        return True if True in parts else join(AnyOf, nodes) if nodes else False
    if isinstance(node, Quantified) and node.kind == "any":
        left = _left(node.part, tap)
        return left if isinstance(left, bool) else Quantified(node.kind, left)
    if isinstance(node, Not | Quantified) and any(
        isinstance(one, Interface | Tap) for one in nodes_of(node)
    ):
        # Whether all messages of a conversation were captured elsewhere no single tap can tell.
        return True
    return node
