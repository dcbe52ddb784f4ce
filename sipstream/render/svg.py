"""A ladder as a picture: SVG that opens anywhere by itself, or stands within a page.

Text from traffic is escaped twice: what could deceive is spelt as on a terminal, what means something
in XML is an entity. No scripts, no references to anything but messages of the same page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from html import escape as entities
from typing import TYPE_CHECKING, NamedTuple

from sipstream.escape import beginning, cells, cut, escape
from sipstream.render import times
from sipstream.render.arrows import SECOND, delta, labels, shortened
from sipstream.render.fold import broken
from sipstream.render.sighted import hops

if TYPE_CHECKING:
    from sipstream.ladder import Arrow, Ladder

MOST_COLUMNS = 16
"""Endpoints with a column of their own: a picture of more is wider than a page and two screens."""
MOST_ARROWS = 1000
"""Arrows of one picture: some 40,000 points high."""

_CELL = 7.3
"""Points that a letter takes at most, of 12 points and one width."""
_GUTTER = 150
"""Points left of the lifelines, for index, time and the time since the arrow before."""
_LEAST_PITCH, _MOST_PITCH, _FEW_PITCH, _FEW = 190, 340, 270, 3
"""Points from a lifeline to the next; where there are few, as many as a page has room for."""
_MARGIN = 90
"""Points right of the last lifeline: half a name, or the arrow of who sends to himself."""
_HEAD, _ROW, _NOTE = 62, 36, 15
_NOTES = 4
"""Lines below an arrow."""

_COLOURS = {
    # class: what it colours, light, dark; 4.5:1 and more against the background for all that is read
    "back": ("fill", "#ffffff", "#14181d"),
    "box": ("fill", "#eef2f7", "#222a33"),
    "life": ("stroke", "#c3cbd6", "#3b4652"),
    "ink": ("fill", "#1b2129", "#e6ebf1"),
    "dim": ("fill", "#586371", "#98a5b3"),
    "request": ("", "#1d4f9c", "#84b6ff"),
    "provisional": ("", "#56616f", "#a9b5c2"),
    "success": ("", "#17692f", "#63d17f"),
    "redirection": ("", "#6f3f93", "#d0a1f5"),
    "failure": ("", "#b3221b", "#ff8a80"),
}


def style(scope: str = "") -> str:
    """Return the rules that a picture needs, for light and for dark; `scope` stands before each."""
    light, dark = (_rules(scope, place) for place in (1, 2))
    fixed = (
        f"{scope}text{{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}}"
        f"{scope}.small{{font-size:11px}}{scope}.name{{font-weight:600}}"
        f"{scope}.shaft{{stroke-width:1.4;fill:none}}{scope}.life{{stroke-width:1}}"
        f"{scope}.over{{paint-order:stroke;stroke-width:5;stroke-linejoin:round}}"
        f"{scope}a:hover text{{text-decoration:underline}}"
    )
    return f"{fixed}{light}@media (prefers-color-scheme:dark){{{dark}}}"


def kind_class(kind: int | str) -> str:
    """Return the class of a request, or of a status code."""
    if isinstance(kind, str):
        return "request"
    if kind < 200:
        return "provisional"
    if kind < 300:
        return "success"
    return "redirection" if kind < 400 else "failure"


def picture(
    ladder: Ladder,
    *,
    names: Sequence[str] = (),
    ids: Callable[[Arrow], Sequence[str]] | None = None,
    left_out: int = 0,
    standalone: bool = False,
) -> Iterator[str]:
    """Yield the elements of a ladder's picture, "" while nothing can be said yet.

    `names` are those of its legs, put before the index of a message; `ids` are those that an arrow's
    messages have in the page: it leads to the first; `left_out` is how many messages are not in the
    ladder. A standalone one brings its rules along.
    """
    frame = _Frame.of(ladder)
    rows: list[_Row] = []
    for row in _rows(ladder.arrows, frame):
        rows.append(row)
        yield ""
    bottom = (rows[-1].y + rows[-1].below if rows else _HEAD) + 22
    size = f'width="{frame.width}" height="{bottom}" viewBox="0 0 {frame.width} {bottom}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" role="img" {size}>'
    yield f"<title>{_text(_title(ladder))}</title>"
    if standalone:
        yield f"<style>{style()}</style>"
    yield f'<rect class="back" width="{frame.width}" height="{bottom}"/>'
    for x in frame.lines:
        yield f'<line class="life" x1="{x}" y1="44" x2="{x}" y2="{bottom - 6}"/>'
    for x, text in zip(frame.lines, frame.shown, strict=True):
        yield from _head(x, text, frame)
    for row in rows:
        yield from _row(row, frame, names, ids(row.arrow) if ids is not None else ())
    if left_out:
        told = f"{left_out} more messages have no room in this picture"
        yield f'<text class="dim" x="12" y="{bottom - 4}">{told}</text>'
    yield "</svg>"


class _Frame(NamedTuple):
    """Where the lifelines stand."""

    lines: list[int]
    shown: list[str]
    """The names above them, escaped for lines."""
    place: list[int]
    """For each column of the ladder its lifeline."""
    pitch: int
    width: int

    @classmethod
    def of(cls, ladder: Ladder) -> _Frame:
        columns = ladder.columns
        kept = list(range(len(columns)))
        if len(kept) > MOST_COLUMNS:
            uses = Counter(end for one in ladder.arrows for end in (one.source, one.target))
            kept = sorted(sorted(kept, key=lambda one: -uses[one])[: MOST_COLUMNS - 1])
        shown = [escape(columns[one].shown) for one in kept]
        if len(kept) < len(columns):
            shown.append(f"{len(columns) - len(kept)} others")
        own = {one: place for place, one in enumerate(kept)}
        place = [own.get(one, len(kept)) for one in range(len(columns))]
        need = max((cells(text) for text in shown), default=0) * _CELL + 34
        for one in ladder.arrows:
            span = abs(place[one.source] - place[one.target]) or 1
            need = max(need, (cells(labels(one)[0]) * _CELL + 40) / span)
        least = _FEW_PITCH if len(shown) <= _FEW else _LEAST_PITCH
        pitch = int(min(max(need, least), _MOST_PITCH))
        lines = [_GUTTER + pitch // 2 + number * pitch for number in range(len(shown))]
        width = (lines[-1] if lines else _GUTTER) + max(_MARGIN, pitch // 2)
        return cls(lines, shown, place, pitch, width)


class _Row(NamedTuple):
    arrow: Arrow
    y: int
    notes: list[str]
    date: str
    """The date, where it is another one than that of the row before."""

    @property
    def below(self) -> int:
        return 14 + len(self.notes) * _NOTE


def _rows(arrows: Sequence[Arrow], frame: _Frame) -> Iterator[_Row]:
    y, before = _HEAD - 6, ""
    for one in arrows:
        date = times.date(one.time)
        notes = _notes(one, frame)
        y += _ROW + (18 if date != before else 0)
        yield _Row(one, y, notes, date if date != before else "")
        y += max(len(notes) * _NOTE - 4, 0)
        before = date


def _notes(arrow: Arrow, frame: _Frame) -> list[str]:
    """Return what stands below an arrow."""
    notes = []
    others = len(frame.lines) - 1
    if len(frame.shown) < len(frame.place) and others in (
        frame.place[arrow.source],
        frame.place[arrow.target],
    ):
        notes.append(f"{arrow.source_endpoint} to {arrow.target_endpoint}")
    if arrow.sightings:
        notes.append(hops(arrow.sightings))
    if arrow.media:
        notes += arrow.media.split(", ")  # one stream a line
    if arrow.cut:
        notes.append("cut short")
    left = min(frame.lines[frame.place[arrow.source]], frame.lines[frame.place[arrow.target]])
    room = int((frame.width - left - 14) / _CELL)
    wrapped = [line for note in notes for line in broken(escape(note), room)]
    return [cut(line, room) for line in wrapped[:_NOTES]]


def _head(x: int, text: str, frame: _Frame) -> Iterator[str]:
    text = shortened(text, int((frame.pitch - 24) / _CELL))
    size = round(cells(text) * _CELL + 20)
    yield f'<rect class="box" x="{x - size // 2}" y="14" width="{size}" height="30" rx="5"/>'
    yield f'<text class="ink name" x="{x}" y="33" text-anchor="middle">{entities(text)}</text>'


def _row(row: _Row, frame: _Frame, names: Sequence[str], ids: Sequence[str]) -> Iterator[str]:
    arrow, y = row.arrow, row.y
    if row.date:
        yield f'<text class="dim small" x="12" y="{y - 24}">{row.date}</text>'
    yield f'<g class="arrow {kind_class(arrow.kind)}">'
    if ids:
        yield f'<a href="#{ids[0]}" data-m="{" ".join(ids)}">'
    index = f"{names[arrow.leg] if names else ''}[{arrow.messages[0]}]"
    yield f'<text class="dim small" x="12" y="{y - 2}">{_text(index)}</text>'
    clock = times.clock(arrow.time)
    yield f'<text class="ink small" x="52" y="{y - 2}">{clock}</text>'
    if arrow.delta > 0:
        weight = "ink name" if arrow.delta >= SECOND else "dim"
        yield f'<text class="{weight} small" x="52" y="{y + 11}">{delta(arrow.delta)}</text>'
    source, target = (frame.lines[frame.place[end]] for end in (arrow.source, arrow.target))
    yield from _loop(arrow, source, y) if source == target else _straight(arrow, source, target, y)
    left = min(source, target) + 10
    for number, note in enumerate(row.notes):
        place = y + 14 + number * _NOTE
        yield f'<text class="dim small over" x="{left}" y="{place}">{entities(note)}</text>'
    yield "</a></g>" if ids else "</g>"


def _straight(arrow: Arrow, source: int, target: int, y: int) -> Iterator[str]:
    step = 1 if target > source else -1
    room = int((abs(target - source) - 24) / _CELL)
    text = next((one for one in labels(arrow) if cells(one) <= room), labels(arrow)[-1])
    yield f'<path class="shaft" d="M{source} {y}H{target - 7 * step}"/>'
    yield _point(target, y, step)
    yield _label((source + target) // 2, y - 6, cut(text, room), "middle")


def _loop(arrow: Arrow, x: int, y: int) -> Iterator[str]:
    """Yield the arrow of a message that comes back to its column."""
    yield f'<path class="shaft" d="M{x} {y - 10}h26v10H{x + 7}"/>'
    yield _point(x, y, -1)
    yield _label(x + 32, y - 2, cut(labels(arrow)[0], 30), "start")


def _point(x: int, y: int, step: int) -> str:
    return f'<path class="point" d="M{x} {y}l{-9 * step} -4.5v9z"/>'


def _label(x: int, y: int, text: str, anchor: str) -> str:
    return (
        f'<text class="label over" x="{x}" y="{y}" text-anchor="{anchor}">{entities(text)}</text>'
    )


def _title(ladder: Ladder) -> str:
    ends = ", ".join(one.shown for one in ladder.columns[:MOST_COLUMNS])
    return f"{len(ladder.arrows)} messages between {ends}"


def _text(text: str) -> str:
    return entities(beginning(text, 500))


def _rules(scope: str, place: int) -> str:
    """Return the colours of one look."""
    made = []
    back = _COLOURS["back"][place]
    for name, colours in _COLOURS.items():
        what, colour = colours[0], colours[place]
        if what:
            made.append(f"{scope}.{name}{{{what}:{colour}}}")
        else:
            made.append(
                f"{scope}.{name} .label,{scope}.{name} .point{{fill:{colour}}}"
                f"{scope}.{name} .shaft{{stroke:{colour}}}"
            )
    return "".join([*made, f"{scope}.over{{stroke:{back}}}"])
