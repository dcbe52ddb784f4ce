"""A ladder as lines: lifelines under the endpoints' names, arrows with what was sent on them.

`[0] 16:41:37.979  +0.500  |---- INVITE x7 over 31.5 s ---->|`. What has no room on an arrow stands in
a line below it, dim, with what session descriptions say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
)
from sipstream.render.colours import PLAIN, Paint, cut_painted
from sipstream.render.fold import broken
from sipstream.render.lifelines import LEAST, NAMED, Lifelines, Segment
from sipstream.render.lists import under_days
from sipstream.render.sighted import hop_notes
from sipstream.wording import seconds

if TYPE_CHECKING:
    from sipstream.ladder import Arrow, Column, Ladder

_WIDE, _NARROW = 76, 48
"""Cells from which on times have microseconds, and below which a second has to do."""
_LONG = 100
"""Cells of lines below arrows where no terminal says how wide they may be."""
_SHIFT = 20
"""Cells that lines below arrows begin further to the left rather than be broken."""
_AGAIN = 40
"""Arrows after which the names stand there again: about a screenful."""
_KNOWN = ("100 Trying", "180 Ringing", "183 Session Progress", "200 OK")
"""Responses that everyone knows by their codes."""


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
        self.lifelines = Lifelines(columns, self._first, width, arrows, paint, style)

    def arrow(self, arrow: Arrow, *, over: str = "", same_media: bool = False) -> list[str]:
        """Return the lines of an arrow; `over` which transport it goes stands below where it is given.

        Its session description is called the same where it is that of an arrow shortly before.
        """
        source, target = self.lifelines.place[arrow.source], self.lifelines.place[arrow.target]
        left, right = sorted((self.lifelines.x[source], self.lifelines.x[target]))
        notes: list[str] = []
        if source == target:
            segment = self._loop(arrow, left, notes)
        else:
            segment = self._straight(arrow, left, right, source > target, notes)
        notes += self._without_column(arrow)
        if over:
            notes.append(f"over {over}")
        if arrow.sightings:
            # With a comma behind it, where it isn't the last one.
            room = (self.width or 10**6) - self._index - 2
            notes += hop_notes(arrow.sightings, room)
        if arrow.cut:
            notes.append("cut short")
        if arrow.media and same_media:
            notes.append("same SDP")
        elif arrow.media:
            notes += f"SDP {escape(arrow.media)}".split(", ")
        lines = [self.lifelines.composed([*self._gutter(arrow), segment])]
        return [*lines, *self._below(notes, left)] if notes else lines

    # Arrows

    def _straight(
        self, arrow: Arrow, left: int, right: int, leftward: bool, notes: list[str]
    ) -> Segment:
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

    def _loop(self, arrow: Arrow, x: int, notes: list[str]) -> Segment:
        """Return the arrow of a message that comes back to its column."""
        line = self._style.shaft
        end = next((one for one in self.lifelines.x if one > x), (self.width or 10**6))
        room = end - x - 5
        if arrow.source == arrow.target:
            notes.append("to itself")
        if room >= LEAST:
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
        ends = (arrow.source, arrow.target)
        source, target = (not self.lifelines.is_own(end) for end in ends)
        here, there = (escape(self._columns[end].shown) for end in ends)
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
            yield self.lifelines.composed([(start, cut(text, width - start), self._paint.dim)])
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

    def _gutter(self, arrow: Arrow) -> list[Segment]:
        number, paint = f"[{arrow.messages[0]}]", self._paint
        size, with_delta = self._clock_cells()
        clock = times.clock(arrow.time)
        mark = times.DOUBTFUL * clock.endswith(times.DOUBTFUL)
        segments: list[Segment] = []
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
    for leg, call_id in list(zip(several, call_ids, strict=False))[:NAMED]:
        line = f"{escape(leg)}: {paint.call_id(escape(call_id), call_id)}"
        yield line if width is None else cut_painted(line, width)
    for text in _above(ladder):
        yield from map(drawing.lifelines.told, broken(text, width or len(text)))
    yield from drawing.lifelines.left_out()
    yield from drawing.lifelines.heads()
    rows = ((one.time, "\n".join(drawn)) for one, drawn in _drawn(drawing, arrows))
    for place, row in enumerate(under_days(rows, arrows[0].time, arrows[-1].time, paint)):
        if place and place % _AGAIN == 0:
            yield from drawing.lifelines.heads()
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
    if len(ladder.legs) > NAMED:
        yield f"and {len(ladder.legs) - NAMED} legs more"
    copies = sum(one.copies for one in ladder.arrows)
    if copies:
        yield f"{copies} copies seen at other capture points are folded"
    if ladder.arrows[0].transport != "UDP":
        yield f"over {ladder.arrows[0].transport}"
