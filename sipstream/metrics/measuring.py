"""Measures conversations block by block, and again only those blocks whose conversations changed.

So the second look at a million messages costs what came since the first. Sans-IO: work is done in
pieces, whoever asks says when a turn is over.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import compress

from sipstream.conversations import Conversations
from sipstream.filters.term import Due
from sipstream.index import Index
from sipstream.metrics.block import Block
from sipstream.metrics.values import Metrics, summed

BLOCK = 4096
"""Conversations of a block: few enough that those which a live capture changes are soon measured anew,
many enough that adding up the blocks costs nothing."""


class _Kept:
    """A block, and what it was made of."""

    __slots__ = ("batch", "block", "chosen", "generation")

    def __init__(self, index: Index, chosen: bytes) -> None:
        # Noted before: what changes while it is filled makes it be filled again the next time.
        self.batch = index.batch
        self.generation = index.ways.generation
        self.chosen = chosen
        self.block = Block()

    def holds(self, index: Index, chosen: bytes, begin: int) -> bool:
        """Tell whether it would be the same if it was made now."""
        return (
            self.chosen == chosen
            and self.generation is index.ways.generation
            and max(index.c_heard[begin : begin + BLOCK]) <= self.batch
        )


class Measuring:
    """Figures of conversations; one is to be kept for looking again and again."""

    def __init__(self) -> None:
        self._kept: dict[int, _Kept] = {}
        self._index: Index | None = None
        self.metrics = Metrics()
        """What was measured last."""

    def measure(self, conversations: Conversations, chosen: bytes, due: Due) -> Iterator[None]:
        """Measure those with a 1 in `chosen`, which has one byte a number; then `metrics` tells.

        Control is given back whenever it is due. What begins meanwhile isn't counted.
        """
        index = conversations.index
        if index is not self._index:
            self._index = index
            self._kept.clear()
        blocks = []
        for begin in range(0, len(chosen), BLOCK):
            part = chosen[begin : begin + BLOCK]
            blocks.append((yield from self._block(index, part, begin, due)))
            if due():
                yield
        for begin in [begin for begin in self._kept if begin >= len(chosen)]:
            del self._kept[begin]
        metrics = Metrics()
        yield from summed(metrics, blocks, index, due)
        self.metrics = metrics

    def _block(
        self, index: Index, chosen: bytes, begin: int, due: Due
    ) -> Generator[None, None, Block]:
        """Return a block, made anew where what it was made of has changed."""
        kept = self._kept.get(begin)
        if kept is None or not kept.holds(index, chosen, begin):
            kept = _Kept(index, chosen)
            numbers = list(compress(range(begin, begin + BLOCK), chosen))
            yield from kept.block.fill(index, numbers, due)
            if index is self._index:
                # Somebody else may look at another index meanwhile.
                self._kept[begin] = kept
        return kept.block
