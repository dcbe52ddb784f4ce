"""Columns of a ladder: which endpoints have one, where they stand, texts between their lifelines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from sipstream.escape import cells, escape
from sipstream.render.arrows import Lines, labels, shortened
from sipstream.render.colours import Paint, cut_painted
from sipstream.render.fold import broken

if TYPE_CHECKING:
    from sipstream.ladder import Arrow, Column

LEAST, _MOST = 10, 42
"""Cells from a lifeline to the next: methods fit into the least; more than the most is far to look."""
_USUAL = 28
"""Cells between them where nobody knows yet what will be sent."""
_COLUMNS = 24
"""Columns at most where no terminal says how wide they may be: each makes every line longer."""
_MEASURED = 256
"""Arrows that say how far apart columns stand; a conversation may have ten thousand."""
NAMED = 8
"""Endpoints without a column, and legs, that are named above a ladder."""

Segment: TypeAlias = tuple[int, str, Callable[[str], str]]
"""Where a text begins in its line, the text, and what paints it."""


class Lifelines:
    """The lifelines of endpoints, the first one in cell `first`, in lines of at most `width` cells.

    `arrows` say how much room labels need.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        first: int,
        width: int | None,
        arrows: Sequence[Arrow],
        paint: Paint,
        style: Lines,
    ) -> None:
        self._columns, self._first, self._width = columns, first, width
        self._paint, self._style = paint, style
        self.place: list[int] = []
        """By endpoint, the number of its column; all that have none of their own share the last one."""
        self.x: list[int] = []
        """The cells of the lifelines."""
        self._place_columns(arrows)

    def heads(self) -> list[str]:
        """Return the lines with the columns' names: one, or two that have every other name each."""
        shown = [escape(one.shown) for one in self._kept]
        if self._left_out:
            shown.append(f"+{len(self._left_out)} others")
        places = range(len(shown))
        row = self._head_row(shown, places)
        if all(text in row for text in shown):
            return [row]
        return [
            self._head_row(shown, places[::2]),
            self._head_row(shown, places[1::2], places[::2]),
        ]

    def left_out(self) -> list[str]:
        """Return the lines that tell which endpoints have no column of their own, none where all do."""
        if not self._left_out:
            return []
        named = [escape(one.shown) for one in self._left_out[:NAMED]]
        if len(self._left_out) > NAMED:
            named.append(f"{len(self._left_out) - NAMED} more")
        text = f"No room for {len(self._left_out)} endpoints, the last column stands for them: "
        lines = broken(text + ", ".join(named), self._width or len(text) * NAMED * 8)
        return list(map(self.told, lines))

    def is_own(self, end: int) -> bool:
        """Tell whether an endpoint has a column of its own."""
        return self.place[end] < len(self._kept)

    def told(self, text: str) -> str:
        """Return a line that tells of the whole ladder."""
        return self._paint.dim(self._cut(text))

    def composed(self, segments: list[Segment], *, lifelines: bool = True) -> str:
        """Return a line of texts at their places, lifelines where none of them stands."""
        pieces: list[str] = []
        place = 0
        marks = self.x if lifelines else []
        end = marks[-1] + 1 if marks else 0
        last: Segment = (end, "", str)
        for start, text, painted in [*sorted(segments, key=lambda one: one[0]), last]:
            if start > place:
                fill = "".join(
                    self._style.vertical if at in marks else " " for at in range(place, start)
                )
                pieces.append(self._paint.dim(fill) if fill.strip() else fill)
                place = start
            pieces.append(painted(text))
            place += cells(text)
        return self._cut("".join(pieces))

    def _cut(self, line: str) -> str:
        return line if self._width is None else cut_painted(line, self._width)

    def _place_columns(self, arrows: Sequence[Arrow]) -> None:
        """Decide which endpoints have a column, and where it is."""
        count = len(self._columns)
        room = None if self._width is None else self._width - 1 - self._first
        most = _COLUMNS if room is None else max(room // LEAST + 1, 2)
        uses = Counter(end for one in arrows for end in (one.source, one.target))
        kept = list(range(count))
        if count > most:
            kept = sorted(sorted(kept, key=lambda one: -uses[one])[: most - 1])
        chosen = frozenset(kept)
        self._kept = [self._columns[one] for one in kept]
        self._left_out = [one for place, one in enumerate(self._columns) if place not in chosen]
        own = {one: place for place, one in enumerate(kept)}
        self.place = [own.get(one, len(kept)) for one in range(count)]
        gaps = max(len(kept) + bool(self._left_out) - 1, 1)
        pitch = self._need(arrows)
        if room is not None:
            pitch = min(pitch, max(room // gaps, 3))
        self.x = [self._first + place * pitch for place in range(gaps + 1)][: len(kept) + 1]
        del self.x[len(kept) + bool(self._left_out) :]

    def _need(self, arrows: Sequence[Arrow]) -> int:
        """Return how far apart columns stand where there is room for all labels and names."""
        need = max((cells(escape(one.shown)) + 2 for one in self._kept), default=0)
        for one in arrows[:_MEASURED]:
            span = abs(self.place[one.source] - self.place[one.target]) or 1
            need = max(need, (cells(labels(one)[0]) + 5) // span + 1)
        return min(max(need, LEAST if arrows else _USUAL), _MOST)

    def _head_row(
        self, shown: list[str], places: Sequence[int], through: Sequence[int] = ()
    ) -> str:
        """Return a line of names over their columns; others' lifelines begin in it already."""
        segments: list[Segment] = [
            (self.x[one], self._style.vertical, self._paint.dim) for one in through
        ]
        for start, text in self._heads_at([shown[one] for one in places], places):
            end = start + cells(text)
            segments = [each for each in segments if not start - 1 <= each[0] <= end]
            segments.append((start, text, self._paint.strong))
        return self.composed(segments, lifelines=False)

    def _heads_at(self, texts: list[str], places: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Yield where names begin: each over its column, shifted to the left for want of room.

        Where that isn't enough each has the room half-way to its neighbours, and is shortened.
        """
        marks = [self.x[one] for one in places]
        limit, found = self._width or 10**6, []
        for x, text in zip(reversed(marks), reversed(texts), strict=True):
            size = cells(text)
            start = min(x - size // 2, limit - size)
            found.append((start, text))
            if not 0 <= start <= x < start + size:
                break
            limit = start - 1
        else:
            yield from reversed(found)
            return
        edges = [0, *((a + b) // 2 + 1 for a, b in pairwise(marks))]
        ends = [*(edge - 2 for edge in edges[1:]), self._width or 10**6]
        for x, text, begin, end in zip(marks, texts, edges, ends, strict=True):
            short = shortened(text, max(end - begin, 1))
            size = cells(short)
            yield min(max(x - size // 2, begin), max(end - size, begin)), short
