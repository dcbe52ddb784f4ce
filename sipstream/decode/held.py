"""How many bytes each flow holds back, and which has held its own for longest. Sans-IO."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Flow


class Held:
    """Bytes held by flow; who adds to them looks at `total`, and makes `longest` give up its own."""

    def __init__(self) -> None:
        self.total = 0
        """Bytes held by all of them."""
        # An OrderedDict: taking the first one out of a dict again and again gets ever slower.
        self._bytes: OrderedDict[Flow, int] = OrderedDict()

    def __len__(self) -> int:
        """Return how many flows hold anything."""
        return len(self._bytes)

    @property
    def longest(self) -> Flow:
        """The flow that has held something for longest; only when there is one."""
        return next(iter(self._bytes))

    def note(self, flow: Flow, size: int) -> None:
        """Take note of how many bytes a flow holds now."""
        before = self._bytes.get(flow, 0)
        self.total += size - before
        if size:
            self._bytes[flow] = size
        elif before:
            del self._bytes[flow]
