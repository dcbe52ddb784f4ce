"""Conversations as a table that fits a width: one line each, whatever their values are.

Widths are chosen before the first line, since lines are shown while the others are being made. What
doesn't fit is left out, the least important column first; longer texts are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from sipstream.escape import cells, cut, escape
from sipstream.render import lists, times
from sipstream.render.colours import PLAIN, Paint
from sipstream.sip.startline import is_request, kind_in, method_name

if TYPE_CHECKING:
    from sipstream.findings import Rule
    from sipstream.index import Index
    from sipstream.views import Conversation

_GAP = 2
"""Blanks between two columns."""
_ENDLESS = 100_000
"""The width of a value where nothing is cut: wider than any."""
_NONE = "-"
"""Stands where there is no value."""
_CLOCKS = (8, 12, 15)
"""Characters of a time of day: with seconds, with milliseconds, with microseconds."""
_DATE = len("04-16 ")
_FINDING_CELLS = (len("problem"), *range(12, 25))
"""Cells of a finding: of its severity's word, or of its name."""
_NS, _MS, _MINUTE, _HOUR, _DAY = 10**9, 10**6, 60, 3600, 86_400


class Row(NamedTuple):
    """A line of the table."""

    place: int
    """The conversation's index, as `show conversation` takes it."""
    one: Conversation


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: what it shows, and how it is sorted."""

    name: str
    """What `columns` and `sorted by` call it."""
    heading: str
    about: str
    """A sentence for help."""
    rank: int
    """The higher, the sooner it is left out where there is no room."""
    widths: tuple[int, ...] | range
    """The cells that it can make use of, from the least to what it wishes for."""
    value: Callable[[Row, int], str]
    """Its text, escaped; it may be longer than the cells given."""
    key: Callable[[Index, int], int | str] | None
    """What a conversation is sorted by, of the index alone; None: by time, as all are listed."""
    right: bool = False
    """Its texts end below each other, as numbers do."""
    painted: Callable[[Row, str, Paint], str] = lambda row, text, paint: text
    """The text in its colour."""


# Values


def _clock(ns: int, room: int) -> str:
    text = times.clock(ns)
    mark = times.DOUBTFUL if text.endswith(times.DOUBTFUL) else ""
    length = max((one for one in _CLOCKS if one + len(mark) <= room), default=_CLOCKS[0])
    return text[:length] + mark


def _dated(row: Row, room: int) -> str:
    time = row.one.time
    return f"{times.date(time)[1 - _DATE :]} {_clock(time, room - _DATE)}"


def _pair(left: str, arrow: str, right: str, room: int) -> str:
    """Join two texts; each has half of the room, and what the other doesn't need."""
    room = max(room - len(arrow), 0)
    half = room // 2
    first = max(half, room - cells(right))
    left = cut(left, first)
    return f"{left}{arrow}{cut(right, room - min(cells(left), first))}"


def _endpoints(row: Row, room: int) -> str:
    first = row.one.first
    return _pair(escape(first.source_uri), " -> ", escape(first.destination_uri), room)


def _numbers(row: Row, room: int) -> str:
    source, destination = lists.users(row.one)
    return _pair(source, "->", destination, room)


def _status(row: Row, room: int) -> str:
    status = row.one.last_status
    return _NONE if status is None else f"{status:03d}"


def _painted_status(row: Row, text: str, paint: Paint) -> str:
    return text if text == _NONE else paint.status(text, int(text))


def _worst(index: Index, number: int) -> Rule | None:
    """Return the worst finding of a conversation, None where nothing is found."""
    from sipstream.findings.known import known, rules

    return next(iter(rules(known(index).of(number))), None)


def _finding(row: Row, room: int) -> str:
    worst = _worst(row.one.origin, row.one.id)
    if worst is None:
        return ""
    return worst.name if len(worst.name) <= room else worst.severity.word


def _painted_finding(row: Row, text: str, paint: Paint) -> str:
    worst = _worst(row.one.origin, row.one.id) if paint.enabled else None
    return paint.severity(text, worst.severity.word) if worst is not None else text


def _severity(index: Index, number: int) -> int:
    worst = _worst(index, number)
    return 0 if worst is None else worst.severity


def span(ns: int) -> str:
    """Return a duration in at most seven cells, up to some hundred years: 31.801s, 2m05s, 3d04h."""
    seconds, rest = divmod(ns, _NS)
    if seconds < _MINUTE:
        return f"{seconds}.{rest // _MS:03d}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m{seconds % _MINUTE:02d}s"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h{seconds % _HOUR // _MINUTE:02d}m"
    return f"{seconds // _DAY}d{seconds % _DAY // _HOUR:02d}h"


# Keys


def _kind(index: Index, number: int) -> str:
    kind = kind_in(index.m_code[index.c_first[number]])
    return method_name(kind) if is_request(kind) else f"{kind:03d}"


def _users(index: Index, number: int) -> str:
    # Blanks stand in no number, and before all that do.
    return f"{index.user(index.c_src_user[number])} {index.user(index.c_dst_user[number])}"


def _ends(index: Index, number: int) -> str:
    ends = index.ways.ends(index.m_way[index.c_first[number]])
    return " ".join(map(index.endpoints.address, ends))


def _last_status(index: Index, number: int) -> int:
    status = index.last_status(number)
    return -1 if status is None else status


FINDING = "finding"
"""The column whose values take a look at the messages; of many conversations that takes its time."""
_TABLE = (
    Column(
        "index", "#", "its index, which show conversation takes", 0, (1,),
        lambda row, room: str(row.place), None, right=True,
        painted=lambda row, text, paint: paint.call_id(text, row.one.call_id),
    ),
    Column(
        "time", "time", "when it began", 1, _CLOCKS,
        lambda row, room: _clock(row.one.time, room), None,
    ),
    Column(
        "method", "method", "its first message", 5, range(9, 17),
        lambda row, room: lists.shown_kind(row.one.first), _kind,
        painted=lambda row, text, paint: paint.status(text, row.one.first.kind),
    ),
    Column(
        "numbers", "numbers", "who calls whom; sorted by the users of From and To", 2,
        range(16, 33), _numbers, _users,
    ),
    Column(
        "endpoints", "endpoints", "from where to where its first message went, sorted by address", 9,
        range(39, 51), _endpoints, _ends,
    ),
    Column(
        "messages", "msgs", "how many messages it has", 8, range(4, 6),
        lambda row, room: str(row.one.count), lambda index, number: index.c_count[number],
        right=True,
    ),
    Column(
        "status", "last", "the status code of its last response", 3, (4,), _status, _last_status,
        painted=_painted_status,
    ),
    Column(
        "duration", "lasted", "the time from its first message to its last", 7, (7,),
        lambda row, room: span(row.one.duration), lambda index, number: index.duration(number),
        right=True,
    ),
    Column(
        "state", "state", "how far it has come: calling, ringing, answered ...", 6, (11,),
        lambda row, room: row.one.state, lambda index, number: index.c_state[number],
    ),
    Column(
        FINDING, "finding", "the worst that is found of it; sorted by how bad it is", 4,
        _FINDING_CELLS, _finding, _severity, painted=_painted_finding,
    ),
)  # fmt: skip
COLUMNS = {column.name: column for column in _TABLE}
"""All columns by name, in the order in which they stand. A new one is an entry of `_TABLE`."""


class Layout:
    """A table's columns, and the cells that each has of `width`; None: as many as a value takes.

    `highest` is the highest index that occurs; `dated` says that times need their dates.
    """

    def __init__(
        self, columns: Iterable[Column], width: int | None, *, highest: int, dated: bool = False
    ) -> None:
        fitted = [_fitted(column, highest, dated) for column in columns]
        self._width = width
        self._columns = fitted if width is None else _that_fit(fitted, width)
        kept = {column.name for column in self._columns}
        self.left_out = [column.name for column in fitted if column.name not in kept]
        """The names of the columns for which there is no room."""
        self._cells = [column.widths[-1] for column in fitted]
        if width is not None:
            self._cells = _shared_out(self._columns, width)

    def heading(self, paint: Paint = PLAIN) -> str:
        """Return the line above all others."""
        headings = [column.heading for column in self._columns]
        return self._joined([(paint.dim(text), cells(text)) for text in headings])

    def line(self, row: Row, paint: Paint = PLAIN) -> str:
        """Return the line of a conversation."""
        endless = self._width is None
        texts: list[tuple[str, int]] = []
        for column, width in zip(self._columns, self._cells, strict=True):
            text = column.value(row, _ENDLESS if endless else width)
            if not endless:
                text = cut(text, width)
            texts.append((column.painted(row, text, paint), cells(text)))
        return self._joined(texts)

    def _joined(self, texts: list[tuple[str, int]]) -> str:
        """Join painted texts, each with the cells that it takes; no blanks stand at the end."""
        line: list[str] = []
        owed = 0
        for (text, size), column, width in zip(texts, self._columns, self._cells, strict=True):
            if not size:
                owed += width + _GAP
                continue
            room = max(width - size, 0)
            before, behind = (room, 0) if column.right else (0, room)
            line.append(" " * (owed + before) + text)
            owed = _GAP + behind
        return "".join(line)


def _fitted(column: Column, highest: int, dated: bool) -> Column:
    """Return a column as this table has it: indexes all fit, times have dates where they need them."""
    if column.name == "index":
        return replace(column, widths=(len(str(highest)),))
    if column.name == "time" and dated:
        return replace(column, widths=tuple(one + _DATE for one in column.widths), value=_dated)
    return column


def _that_fit(columns: list[Column], width: int) -> list[Column]:
    """Return those that have room, in their order; one always stays."""
    kept = sorted(columns, key=lambda column: column.rank)
    while len(kept) > 1 and _least(kept) > width:
        kept.pop()
    return [column for column in columns if column in kept]


def _least(columns: list[Column]) -> int:
    return sum(column.widths[0] + _GAP for column in columns) - _GAP


def _shared_out(columns: list[Column], width: int) -> list[int]:
    """Return the cells of each column: the least, and what is spare, to the important ones first."""
    spare = width - _least(columns)
    if spare < 0:
        return [width]
    cells_of = {column.name: column.widths[0] for column in columns}
    for column in sorted(columns, key=lambda column: column.rank):
        least = column.widths[0]
        wider = max(one for one in column.widths if one <= least + spare)
        cells_of[column.name] = wider
        spare -= wider - least
    return [cells_of[column.name] for column in columns]
