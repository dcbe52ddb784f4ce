"""What was answered lately, by marks: who asks the same again gets what came since. Sans-IO."""

from __future__ import annotations

import secrets
from collections import OrderedDict

from sipstream.agent.searching import Seen
from sipstream.filters import Node
from sipstream.filters.grammar import nodes_of
from sipstream.filters.term import Term

_MOST = 16
"""Answers that are remembered: each takes a byte a conversation."""


class Marks:
    """Remembers the last answers to `find`."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(8)
        self._count = 0
        self._seen: OrderedDict[str, tuple[Node | None, Seen]] = OrderedDict()

    def since(self, mark: str, node: Node | None) -> Seen | None:
        """Return what an answer to the same question had, None where that is forgotten."""
        asked, seen = self._seen.get(mark, (None, None))
        return seen if asked == node else None

    def give(self, node: Node | None, seen: Seen) -> str:
        """Remember an answer, return its mark; "" where what matches changes as time goes on."""
        if node is not None and any(isinstance(one, Term) and one.moves for one in nodes_of(node)):
            return ""
        self._count += 1
        mark = f"{self._run}-{self._count}"
        self._seen[mark] = node, seen
        if len(self._seen) > _MOST:
            self._seen.popitem(last=False)
        return mark
