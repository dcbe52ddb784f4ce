"""Calls as lines and objects: one line each in a table, its legs, and why they are one call."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sipstream.escape import beginning, escape
from sipstream.render import lists, message, times
from sipstream.render.colours import PLAIN, Paint
from sipstream.render.fold import broken
from sipstream.render.table import COLUMNS, Column, Row, span
from sipstream.wording import aligned

if TYPE_CHECKING:
    from sipstream.calls import Call
    from sipstream.views import Conversation

_NONE = "-"
_REASON_CELLS = 160
"""Cells of a reason; what it quotes may be endless."""
_VALUE_CELLS = 40
_INDENT = "   "
_LETTERS = len(string.ascii_uppercase)
_SECOND = 1_000_000_000


def table(call_at: Callable[[int], Call]) -> list[Column]:
    """Return the columns of a table of calls; `call_at` gives the call at a place."""

    def status(row: Row, room: int) -> str:
        worst = call_at(row.place).worst_status
        return _NONE if worst is None else f"{worst:03d}"

    def painted_status(row: Row, text: str, paint: Paint) -> str:
        return text if text == _NONE else paint.status(text, int(text))

    return [
        replace(COLUMNS["index"], about="its index, which show call takes"),
        COLUMNS["time"],
        COLUMNS["numbers"],
        Column(
            "legs", "legs", "how many conversations it has", 1, range(4, 5),
            lambda row, room: str(len(call_at(row.place).legs)), None, right=True,
        ),
        Column(
            "status", "worst", "the highest status code that a leg ended with", 4, (5,),
            status, None, painted=painted_status,
        ),
        Column(
            "duration", "lasted", "from the first message of any leg to the last", 6, (7,),
            lambda row, room: span(call_at(row.place).duration), None, right=True,
        ),
        Column(
            "state", "state", "how far its first leg has come", 5, (11,),
            lambda row, room: row.one.state, None,
        ),
        Column(
            "reasons", "joined by", "what joins its legs", 3, range(9, 41),
            lambda row, room: ", ".join(map(escape, call_at(row.place).reasons)), None,
        ),
    ]  # fmt: skip


def heading(place: str, call: Call, paint: Paint = PLAIN) -> str:
    """Return the line above a call's legs."""
    legs = f"{len(call.legs)} legs" if len(call.legs) > 1 else "1 leg"
    status = "" if call.worst_status is None else f", worst status {call.worst_status:03d}"
    return paint.dim(f"=== Call {place}: {_users(call.first)}, {legs}, {call.state}{status} ===")


def leg_name(place: int) -> str:
    """Return what a leg is called: A for the first, B ... Z, AA: messages have numbers already."""
    name = ""
    while place >= 0:
        name = string.ascii_uppercase[place % _LETTERS] + name
        place = place // _LETTERS - 1
    return name


def legs(call: Call, paint: Paint = PLAIN, width: int | None = None) -> Iterator[str]:
    """Yield two lines for each leg, then two for each link: what it is, and what more is known of it.

    What is longer than `width` is broken at blanks.
    """
    there = call.conversations
    for place, (one, about) in enumerate(zip(there, aligned(map(_about, there)), strict=True)):
        yield f"{leg_name(place)}: {paint.call_id(escape(one.call_id), one.call_id)}"
        yield from _below(about, width)
    places = {number: leg_name(place) for place, number in enumerate(call.legs)}
    for link in call.links:
        ends = f"{places[link.first]} and {places[link.second]}"
        yield f"{ends}: {escape(link.name)}, {paint.strong(link.strength)}"
        yield from _below(beginning(link.reason, _REASON_CELLS), width)


def _below(text: str, width: int | None) -> Iterator[str]:
    """Yield what stands below a line, a little to the right."""
    lines = [text] if width is None else broken(text, max(width - len(_INDENT), 1))
    return (f"{_INDENT}{line}" for line in lines)


def _users(one: Conversation) -> str:
    return "->".join(lists.users(one))


def _about(one: Conversation) -> tuple[str, ...]:
    first, status = one.first, one.last_status
    return (
        times.clock(first.time),
        f"{escape(first.source_uri)} -> {escape(first.destination_uri)}",
        _users(one),
        one.state,
        _NONE if status is None else f"{status:03d}",
    )


def messages(call: Call, paint: Paint = PLAIN) -> Iterator[str]:
    """Yield each message of all legs whole, in order of time, a blank line before all but the first."""
    places = {number: place for place, number in enumerate(call.legs)}
    before = ""
    for one in call.messages:
        original = one.copy_of
        remark = "" if original is None else f" (copy of #{original})"
        leg = leg_name(places[one.conversation])
        title = f"===== Leg {leg} message #{one.index}{remark} ====="
        yield f"{before}{paint.strong(title)}\n{message.whole(one, paint)}"
        before = "\n"


def common(call_headers: dict[str, tuple[int, bytes]]) -> Iterator[str]:
    """Yield a sentence for each kind of value that too many conversations share to be one call's."""
    for label, (count, value) in call_headers.items():
        shown = beginning(value.decode("utf-8", "surrogateescape"), _VALUE_CELLS)
        what = "value" if count == 1 else "values"
        yield f"{escape(label)}: {count} {what} joined nothing, too many share them, as {shown}"


def listed(place: int | None, call: Call) -> dict[str, object]:
    """Return a call as an object; `place` is its index in the list, None where none was asked for."""
    first = call.first
    return {
        "call": place,
        "time": times.iso(call.time),
        "src_num": first.src_num,
        "dst_num": first.dst_num,
        "legs": [one.call_id for one in call.conversations],
        "messages": call.count,
        "state": call.state,
        "worst_status": call.worst_status,
        "duration": call.duration / _SECOND,
        "reasons": call.reasons,
    }


def whole(place: int | None, call: Call) -> dict[str, object]:
    """Return a call as an object with its legs and links; these name legs by their places."""
    places = {number: at for at, number in enumerate(call.legs)}
    found = listed(place, call)
    found["legs"] = [
        {
            "call_id": one.call_id,
            "time": times.iso(one.time),
            "src_num": one.src_num,
            "dst_num": one.dst_num,
            "source": one.first.source_uri,
            "destination": one.first.destination_uri,
            "messages": one.count,
            "state": one.state,
            "last_status": one.last_status,
        }
        for one in call.conversations
    ]
    found["links"] = [
        {
            "first": places[link.first],
            "second": places[link.second],
            "strength": link.strength,
            "name": link.name,
            "reason": link.reason,
        }
        for link in call.links
    ]
    return found
