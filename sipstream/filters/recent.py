"""The filters asked about last: one that is asked again knows what it found in messages."""

from __future__ import annotations

from collections import OrderedDict

from sipstream.filters import Filter, Node

_MOST = 8
"""Filters remembered: each has some bytes for every conversation."""


class Recent:
    """Makes the filters of nodes, and remembers the last ones, `most` of them."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._filters: OrderedDict[Node, Filter] = OrderedDict()

    def __call__(self, node: Node) -> Filter:
        """Return the filter of a node, with what it found in messages when asked before."""
        wanted = self._filters.pop(node, None) or Filter(node)
        self._filters[node] = wanted
        if len(self._filters) > self._most:
            self._filters.popitem(last=False)
        return wanted

    def clear(self) -> None:
        """Make all filters anew that are asked for again."""
        self._filters.clear()
