"""list: conversations as a table that fits the terminal."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Iterable, Iterator
from heapq import merge
from itertools import compress
from typing import Annotated

from sipstream.limits import LISTED_FINDINGS
from sipstream.matches import Listed, Matches
from sipstream.pace import Pace
from sipstream.render import lists, objects
from sipstream.render.fold import broken
from sipstream.render.table import COLUMNS, FINDING, Layout, Row
from sipstream.render.times import date
from sipstream.shell.clauses import EVERYTHING, Clauses, Wanted
from sipstream.shell.console import Console
from sipstream.shell.registry import command
from sipstream.wording import aligned

_PIECE = 4096
"""Conversations looked at together, in well under a millisecond."""
_TOGETHER = 1024
"""Conversations sorted together, in a millisecond or two."""


def _with_columns(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Name the columns in a command's help."""
    rows = aligned((name, column.about) for name, column in COLUMNS.items())
    function.__doc__ = (function.__doc__ or "").replace("COLUMNS", "\n    ".join(rows))
    return function


@command("list [{what}]")
@_with_columns
async def list_conversations(
    console: Console, what: Annotated[Wanted, Clauses] = EVERYTHING
) -> None:
    """Shows conversations as a table that fits the terminal

    Of those that the active filter shows these that match <filter>, in order of time; the index is
    what show conversation takes. Behind the filter, in any order:

    sorted by <column> [asc|desc]  the highest first with desc
    columns <column>,<column>...   these, in this order
    last <number>                  so many that began last; last 5m, with a unit, is a term of filters
    new                            those that began or got messages since the last list typed

    Where a value of the filter is called like one of these words it stands in quotes. Columns for
    which there is no room are left out, endpoints first; into a file or a pipe nothing is left out or
    cut. Under --json each object has all values. Columns:

    COLUMNS

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: list method INVITE sorted by duration desc columns index,numbers,duration,status
     #  numbers                            lasted  last
     7  5660259->+3547762276                1m03s  200
    34  4156757->7743608                  57.056s  200
    14  4154543->4158750                  53.848s  200
    25  5660066->6644298                  48.860s  200
    10  4151502->5660066                  31.499s  -
    31  4157670->6928298                   7.071s  487
     1  5660066->6644298                   0.811s  486
    sipstream: list last 10m last 2 columns index,time,method,state
     #  time             method            state
    43  16:43:57.809908  OPTIONS           done
    44  16:44:00.510009  OPTIONS           done
    sipstream: list new columns index,state
    0 began or got messages since the last list
    """
    await show_table(console, what)


async def show_table(console: Console, wanted: Wanted, among: Matches | None = None) -> None:
    """Write a table of the conversations that are shown, of these only those `among` some.

    Raises:
        FilterError: the filter can't be understood.
    """
    session, out = console.session, console.out
    there = await session.listed(wanted.expression)
    listed = await _chosen(there, wanted, among, session.seen_batch)
    if listed.numbers:
        rows = _there(listed, await _in_order(listed, wanted) if out.shows else ())
        with_findings = len(listed.numbers) <= LISTED_FINDINGS
        values = (objects.listed(*row, with_findings=with_findings) for row in rows)
        texts = _texts(console, rows, listed, wanted)
        await out.rows(texts, values, count=len(listed.numbers))
    elif not out.shows:
        await out.rows((), (), count=0)
    elif not wanted.new:
        out.line("no conversations")
    if not out.shows:
        return
    if wanted.new:
        out.line(f"{len(listed.numbers)} began or got messages since the last list")
    if session.conversations is listed.conversations and not console.watches:
        session.seen_batch = listed.batch


async def _chosen(listed: Listed, wanted: Wanted, among: Matches | None, seen: int) -> Listed:
    """Return those that belong to `among`, that are new and the last ones, as far as that is wanted."""
    if among is None and not wanted.new:
        chosen = listed
    else:
        chosen = Listed(listed.conversations, array("I"), array("I"), listed.batch)
        heard, pace = listed.conversations.index.c_heard, Pace()
        for begin in range(0, len(listed.numbers), _PIECE):
            numbers = listed.numbers[begin : begin + _PIECE]
            flags = bytes([1]) * len(numbers) if among is None else among.kept(numbers)
            if wanted.new:
                flags = bytes(
                    [flag and heard[one] > seen for flag, one in zip(flags, numbers, strict=True)]
                )
            chosen.places.extend(compress(listed.places[begin : begin + _PIECE], flags))
            chosen.numbers.extend(compress(numbers, flags))
            if pace.due():
                await pace.rest()
    if wanted.last is None:
        return chosen
    begin = max(len(chosen.numbers) - wanted.last, 0)
    return chosen._replace(places=chosen.places[begin:], numbers=chosen.numbers[begin:])


async def _in_order(listed: Listed, wanted: Wanted) -> Iterable[tuple[int, int]]:
    """Return places and numbers as they are to be sorted; those of equal value by time."""
    if wanted.by.key is None:
        step = -1 if wanted.descending else 1
        return zip(listed.places[::step], listed.numbers[::step], strict=True)
    key, index, numbers = wanted.by.key, listed.conversations.index, listed.numbers
    pace = Pace()
    runs: list[array[int]] = []
    for begin in range(0, len(listed.numbers), _TOGETHER):
        keys = []
        for at in range(begin, min(begin + _TOGETHER, len(listed.numbers))):
            keys.append(key(index, numbers[at]))
            if pace.due():
                await pace.rest()
        # By what was found: messages that come change it.
        run = sorted(range(len(keys)), key=keys.__getitem__, reverse=wanted.descending)
        runs.append(array("I", [begin + at for at in run]))
    # No key is kept, there are many. What was given up meanwhile has one of nothing, or of another
    # conversation, and isn't shown.
    merged = merge(*runs, key=lambda at: key(index, numbers[at]), reverse=wanted.descending)
    return ((listed.places[at], listed.numbers[at]) for at in merged)


def _there(listed: Listed, placed: Iterable[tuple[int, int]]) -> Iterator[Row]:
    """Yield those that are still there: while lines wait for the terminal, some may be given up."""
    for place, number in placed:
        if listed.conversations.index.is_there(number, listed.batch):
            yield Row(place, listed.conversations[number])


def _times(listed: Listed) -> tuple[int, int]:
    """Return the times (ns) of the first and the last conversation by time."""
    index = listed.conversations.index
    first, last = (index.m_time[index.c_first[listed.numbers[end]]] for end in (0, -1))
    return first, last


def _texts(console: Console, rows: Iterator[Row], listed: Listed, wanted: Wanted) -> Iterator[str]:
    """Yield the heading, the lines, and what had no room of the columns that were asked for."""
    ends, with_findings = _times(listed), len(listed.numbers) <= LISTED_FINDINGS
    paint = console.out.paint
    by_days = wanted.by.key is None
    usual = [COLUMNS[name] for name in console.session.settings.names("columns")]
    every = [one for one in COLUMNS.values() if with_findings or one.name != FINDING]
    layout = Layout(
        wanted.columns or usual or every,
        console.table_width,
        highest=listed.places[-1],
        dated=not by_days and date(ends[0]) != date(ends[1]),
    )
    yield layout.heading(paint)
    lines = ((row.one.time, layout.line(row, paint)) for row in rows)
    if by_days:
        yield from lists.under_days(lines, *ends, paint)
    else:
        yield from (text for _, text in lines)
    if not (wanted.columns or usual or with_findings):
        yield paint.dim("too many to look for what is wrong with each: show findings does")
    if wanted.columns and layout.left_out:
        left_out = f"no room for {', '.join(layout.left_out)}"
        yield from map(paint.dim, broken(left_out, console.table_width or len(left_out)))
