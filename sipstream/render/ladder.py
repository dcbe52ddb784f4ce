"""A ladder as lines: lifelines under the endpoints' names, arrows with what was sent on them.

`[0] 16:41:37.979  +0.500  |---- INVITE x7 over 31.5 s ---->|`. What has no room on an arrow stands in
a line below it, dim, with what session descriptions say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from sipstream.escape import cells, cut, escape
from sipstream.render import times
from sipstream.render.arrows import (
    ASCII,
    DELTA_CELLS,
    SECOND,
    Lines,
    answer,
    delta,
    labels,
    name,
    shortened,
)
from sipstream.render.colours import PLAIN, Paint, cut_painted
from sipstream.render.fold import broken
from sipstream.render.lists import under_days
from sipstream.wording import seconds

if TYPE_CHECKING:
    from sipstream.ladder import Arrow, Column, Ladder

_WIDE, _NARROW = 76, 48
"""Cells from which on times have microseconds, and below which a second has to do."""
_LEAST, _MOST = 10, 42
"""Cells from a lifeline to the next: methods fit into the least; more than the most is far to look."""
_USUAL = 28
"""Cells between them where nobody knows yet what will be sent."""
_LONG = 100
"""Cells of lines below arrows where no terminal says how wide they may be."""
_SHIFT = 20
"""Cells that lines below arrows begin further to the left rather than be broken."""
_COLUMNS = 24
"""Columns at most where no terminal says how wide they may be: each makes every line longer."""
_MEASURED = 256
"""Arrows that say how far apart columns stand; a conversation may have ten thousand."""
_AGAIN = 40
"""Arrows after which the names stand there again: about a screenful."""
_KNOWN = ("100 Trying", "180 Ringing", "183 Session Progress", "200 OK")
"""Responses that everyone knows by their codes."""
_NAMED = 8
"""Endpoints without a column, and legs, that are named above a ladder."""

_Segment = tuple[int, str, Callable[[str], str]]


class Drawing:
    """Draws arrows between columns, in at most `width` cells; None: as wide as they need.

    `arrows` say how much room labels need; `names` are those of legs, put before a message's index.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        width: int | None,
        *,
        arrows: Sequence[Arrow] = (),
        highest: int = 0,
        names: Sequence[str] = (),
        call_ids: Sequence[str] = (),
        paint: Paint = PLAIN,
        style: Lines = ASCII,
    ) -> None:
        self._columns, self.width = columns, width
        self._names, self._call_ids = names, call_ids
        self._paint, self._style = paint, style
        self._index = len(f"[{highest}]") + max((cells(escape(name)) for name in names), default=0)
        self._first = self._gutter_cells() + 1
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
        named = [escape(one.shown) for one in self._left_out[:_NAMED]]
        if len(self._left_out) > _NAMED:
            named.append(f"{len(self._left_out) - _NAMED} more")
        text = f"No room for {len(self._left_out)} endpoints, the last column stands for them: "
        lines = broken(text + ", ".join(named), self.width or len(text) * _NAMED * 8)
        return list(map(self.told, lines))

    def told(self, text: str) -> str:
        """Return a line that tells of the whole ladder."""
        return self._paint.dim(self._cut(text))

    def arrow(self, arrow: Arrow, *, over: str = "", same_media: bool = False) -> list[str]:
        """Return the lines of an arrow; `over` which transport it goes stands below where it is given.

        Its session description is called the same where it is that of an arrow shortly before.
        """
        source, target = self._place[arrow.source], self._place[arrow.target]
        left, right = sorted((self._x[source], self._x[target]))
        notes: list[str] = []
        if source == target:
            segment = self._loop(arrow, left, notes)
        else:
            segment = self._straight(arrow, left, right, source > target, notes)
        notes += self._without_column(arrow)
        if over:
            notes.append(f"over {over}")
        if arrow.cut:
            notes.append("cut short")
        if arrow.media and same_media:
            notes.append("same SDP")
        elif arrow.media:
            notes += f"SDP {escape(arrow.media)}".split(", ")
        lines = [self._composed([*self._gutter(arrow), segment])]
        return [*lines, *self._below(notes, left)] if notes else lines

    # Columns

    def _place_columns(self, arrows: Sequence[Arrow]) -> None:
        """Decide which endpoints have a column, and where it is."""
        count = len(self._columns)
        room = None if self.width is None else self.width - 1 - self._first
        most = _COLUMNS if room is None else max(room // _LEAST + 1, 2)
        uses = Counter(end for one in arrows for end in (one.source, one.target))
        kept = list(range(count))
        if count > most:
            kept = sorted(sorted(kept, key=lambda one: -uses[one])[: most - 1])
        chosen = frozenset(kept)
        self._kept = [self._columns[one] for one in kept]
        self._left_out = [one for place, one in enumerate(self._columns) if place not in chosen]
        own = {one: place for place, one in enumerate(kept)}
        self._place = [own.get(one, len(kept)) for one in range(count)]
        gaps = max(len(kept) + bool(self._left_out) - 1, 1)
        pitch = self._need(arrows)
        if room is not None:
            pitch = min(pitch, max(room // gaps, 3))
        self._x = [self._first + place * pitch for place in range(gaps + 1)][: len(kept) + 1]
        del self._x[len(kept) + bool(self._left_out) :]

    def _need(self, arrows: Sequence[Arrow]) -> int:
        """Return how far apart columns stand where there is room for all labels and names."""
        need = max((cells(escape(one.shown)) + 2 for one in self._kept), default=0)
        for one in arrows[:_MEASURED]:
            span = abs(self._place[one.source] - self._place[one.target]) or 1
            need = max(need, (cells(labels(one)[0]) + 5) // span + 1)
        return min(max(need, _LEAST if arrows else _USUAL), _MOST)

    def _head_row(
        self, shown: list[str], places: Sequence[int], through: Sequence[int] = ()
    ) -> str:
        """Return a line of names over their columns; others' lifelines begin in it already."""
        segments: list[_Segment] = [
            (self._x[one], self._style.vertical, self._paint.dim) for one in through
        ]
        for start, text in self._heads_at([shown[one] for one in places], places):
            end = start + cells(text)
            segments = [each for each in segments if not start - 1 <= each[0] <= end]
            segments.append((start, text, self._paint.strong))
        return self._composed(segments, lifelines=False)

    def _heads_at(self, texts: list[str], places: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Yield where names begin: each over its column, shifted to the left for want of room.

        Where that isn't enough each has the room half-way to its neighbours, and is shortened.
        """
        marks = [self._x[one] for one in places]
        limit, found = self.width or 10**6, []
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
        ends = [*(edge - 2 for edge in edges[1:]), self.width or 10**6]
        for x, text, begin, end in zip(marks, texts, edges, ends, strict=True):
            short = shortened(text, max(end - begin, 1))
            size = cells(short)
            yield min(max(x - size // 2, begin), max(end - size, begin)), short

    # Arrows

    def _straight(
        self, arrow: Arrow, left: int, right: int, leftward: bool, notes: list[str]
    ) -> _Segment:
        inner = right - left - 1
        text = self._fitting(arrow, inner - 2, notes)
        size = cells(text)
        if size <= inner - 5:
            text, size = f" {text} ", size + 2
        shaft = inner - 1 - size
        before, behind = shaft // 2, shaft - shaft // 2
        line = self._style.shaft
        begin, end = line * before, line * behind
        if leftward:
            begin = "<" + begin
        else:
            end += ">"
        return left + 1, f"{begin}{text}{end}", lambda _: self._painted(arrow, begin, text, end)

    def _painted(self, arrow: Arrow, begin: str, text: str, end: str) -> str:
        """Return a response's arrow in the colour of its class; a request's label alone stands out."""
        if isinstance(arrow.kind, str):
            return begin + self._paint.status(text, arrow.kind) + end
        return self._paint.status(begin + text + end, arrow.kind)

    def _loop(self, arrow: Arrow, x: int, notes: list[str]) -> _Segment:
        """Return the arrow of a message that comes back to its column."""
        line = self._style.shaft
        end = next((one for one in self._x if one > x), (self.width or 10**6))
        room = end - x - 5
        if arrow.source == arrow.target:
            notes.append("to itself")
        if room >= _LEAST:
            text = f"<{line}> {self._fitting(arrow, room, notes)}"
            return x + 1, text, lambda text: self._paint.status(text, arrow.kind)
        room = x - self._first - 5
        text = f"{self._fitting(arrow, room, notes)} <{line}>"
        start = max(x - cells(text), 0)
        return start, text, lambda text: self._paint.status(text, arrow.kind)

    def _fitting(self, arrow: Arrow, room: int, notes: list[str]) -> str:
        """Return the longest label that fits; what it doesn't say is added to the notes."""
        choice = labels(arrow)
        text = next((one for one in choice if cells(one) <= room), choice[-1])
        text = cut(text, max(room, 1))
        if name(arrow) not in text and name(arrow) not in _KNOWN:
            notes.append(answer(name(arrow), arrow))
        if arrow.sendings > 1 and " over " not in text:
            over = f"over {seconds(arrow.span)}"
            count = f"x{arrow.sendings}"
            notes.append(over if count in text else f"{count} {over}")
        return text

    def _without_column(self, arrow: Arrow) -> list[str]:
        """Return what tells the ends that have no column of their own."""
        others = len(self._kept)
        source, target = self._place[arrow.source] == others, self._place[arrow.target] == others
        names = (escape(self._columns[one].shown) for one in (arrow.source, arrow.target))
        here, there = names
        if source and target:
            return [f"{here} to {there}"] if arrow.source != arrow.target else [f"at {here}"]
        return [f"from {here}"] * source + [f"to {there}"] * target

    def _below(self, notes: list[str], left: int) -> Iterator[str]:
        """Yield the lines below an arrow: from where it begins on, further to the left for want of room.

        Notes are never torn apart; only one that is wider than all is cut.
        """
        begin = left + 2
        width = self.width or max(_LONG, begin + max(map(cells, notes)))
        text = ""
        for note in [*notes, ""]:
            joined = f"{text}, {note}" if text else note
            if note and (not text or begin - _SHIFT + cells(joined) < width):
                text = joined
                continue
            text += "," * bool(note)
            start = max(min(begin, width - cells(text)), self._index + 1)
            yield self._composed([(start, cut(text, width - start), self._paint.dim)])
            text = note

    # Lines

    def _gutter_cells(self) -> int:
        clock, with_delta = self._clock_cells()
        return self._index + 1 + clock + (1 + DELTA_CELLS if with_delta else 0)

    def _clock_cells(self) -> tuple[int, bool]:
        """Return how much of times is shown, and whether the time since the arrow before is."""
        if self.width is None or self.width >= _WIDE:
            return len("00:00:00.000000"), True
        narrow = self.width < _NARROW
        return len("00:00:00" if narrow else "00:00:00.000"), not narrow

    def _gutter(self, arrow: Arrow) -> list[_Segment]:
        number, paint = f"[{arrow.messages[0]}]", self._paint
        size, with_delta = self._clock_cells()
        clock = times.clock(arrow.time)
        mark = times.DOUBTFUL * clock.endswith(times.DOUBTFUL)
        segments: list[_Segment] = []
        if self._names:
            number = escape(self._names[arrow.leg]) + number
            call_id = self._call_ids[arrow.leg]
            segments.append((0, number, lambda text: paint.call_id(text, call_id)))
        else:
            segments.append((0, number, str))
        place = self._index + 1
        segments.append((place, clock[:size] + mark, str))
        if with_delta and arrow.delta > 0:
            text = delta(arrow.delta)
            weight = paint.strong if arrow.delta >= SECOND else paint.dim
            segments.append((place + size + 1 + DELTA_CELLS - len(text), text, weight))
        return segments

    def _composed(self, segments: list[_Segment], *, lifelines: bool = True) -> str:
        """Return a line of texts at their places, lifelines where none of them stands."""
        pieces: list[str] = []
        place = 0
        marks = self._x if lifelines else []
        end = marks[-1] + 1 if marks else 0
        last: _Segment = (end, "", str)
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
        return line if self.width is None else cut_painted(line, self.width)


def lines(
    ladder: Ladder,
    width: int | None,
    *,
    names: Sequence[str] = (),
    paint: Paint = PLAIN,
    style: Lines = ASCII,
) -> Iterator[str]:
    """Yield a ladder's lines; `names` are those of its legs, where it has several.

    What goes for the whole of it stands above: legs, copies, endpoints without a column.
    """
    arrows = ladder.arrows
    if not arrows:
        return
    highest = max(max(one.messages) for one in arrows)
    call_ids = [leg.call_id for leg in ladder.legs]
    several = names if len(ladder.legs) > 1 else ()
    drawing = Drawing(
        ladder.columns, width, arrows=arrows, highest=highest, names=several,
        call_ids=call_ids, paint=paint, style=style,
    )  # fmt: skip
    for leg, call_id in list(zip(several, call_ids, strict=False))[:_NAMED]:
        line = f"{escape(leg)}: {paint.call_id(escape(call_id), call_id)}"
        yield line if width is None else cut_painted(line, width)
    for text in _above(ladder):
        yield from map(drawing.told, broken(text, width or len(text)))
    yield from drawing.left_out()
    yield from drawing.heads()
    rows = ((one.time, "\n".join(drawn)) for one, drawn in _drawn(drawing, arrows))
    for place, row in enumerate(under_days(rows, arrows[0].time, arrows[-1].time, paint)):
        if place and place % _AGAIN == 0:
            yield from drawing.heads()
        yield row


def _drawn(drawing: Drawing, arrows: Sequence[Arrow]) -> Iterator[tuple[Arrow, list[str]]]:
    """Draw arrows; the first one between two columns over another transport than before says so."""
    transports: dict[frozenset[int], str] = {}
    media = ""
    for one in arrows:
        hop = frozenset((one.source, one.target))
        before = transports.get(hop, arrows[0].transport)
        transports[hop] = one.transport
        over = one.transport if one.transport != before else ""
        yield one, drawing.arrow(one, over=over, same_media=one.media == media)
        media = one.media or media


def _above(ladder: Ladder) -> Iterator[str]:
    """Yield what goes for the whole of a ladder."""
    if len(ladder.legs) > _NAMED:
        yield f"and {len(ladder.legs) - _NAMED} legs more"
    copies = sum(one.copies for one in ladder.arrows)
    if copies:
        yield f"{copies} copies seen at other capture points are folded"
    if ladder.arrows[0].transport != "UDP":
        yield f"over {ladder.arrows[0].transport}"
