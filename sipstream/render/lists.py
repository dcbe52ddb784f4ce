"""One line a conversation in lists, one line a message in a follow.

Values from traffic are escaped and, where they are endless, cut: the message itself has the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sipstream.escape import beginning, cells, cut, escape
from sipstream.render import sighted, times
from sipstream.render.colours import PLAIN, SGR, Paint, cut_painted
from sipstream.titles import title

if TYPE_CHECKING:
    from sipstream.views import Conversation, Message

KIND_CELLS = 64
"""Cells of a method, or of code and reason: `100 Trying -- your call is important to us` fits."""

_LEAST_CALL_ID = 6
"""Cells of a Call-ID in a line that is cut."""

PARTY_CELLS = 128
"""Cells of a number, or of the From or To value that stands in its place."""


def shown_kind(message: Message) -> str:
    """Return a message's method or code and reason, fit for a line."""
    return beginning(title(message), KIND_CELLS)


def parties(view: Conversation | Message) -> str:
    """Return `src->dst`: the numbers, or the whole From and To values where there is none.

    `?` stands for a header that is missing or empty.
    """
    return f"{party(view.src_num)}->{party(view.dst_num)}"


def users(one: Conversation) -> tuple[str, str]:
    """Return who calls whom, by their users: a whole From value would leave no room."""
    return party(one.src_user or one.src_num), party(one.dst_user or one.dst_num)


def by_time(place: int, conversation: Conversation, paint: Paint = PLAIN) -> str:
    """Return the line of `show conversations sorted`: `[0] 15:49:30.333525: INVITE src->dst`."""
    number = paint.call_id(f"[{place}]", conversation.call_id)
    return f"{number} {_summary(conversation, paint)}"


def by_call_id(conversation: Conversation, paint: Paint = PLAIN) -> str:
    """Return the line of `show conversations`: `CALL-ID: 15:49:30.333525: INVITE src->dst`."""
    call_id = paint.call_id(escape(conversation.call_id), conversation.call_id)
    return f"{call_id}: {_summary(conversation, paint)}"


def under_days(
    rows: Iterable[tuple[int, str]], first: int, last: int, paint: Paint = PLAIN
) -> Iterator[str]:
    """Yield lines in order of time (ns), under a date each where they are of several days.

    `first` and `last` are the times of the first and the last line.
    """
    day = times.date(first) if times.date(first) != times.date(last) else None
    before = ""
    for time, text in rows:
        if day is not None and (today := times.date(time)) != before:
            before = today
            yield paint.dim(f"--- {today} ---")
        yield text


def summary(conversation: Conversation) -> str:
    """Return `15:49:30.333525: INVITE src->dst`, which completion shows beside a Call-ID."""
    return _summary(conversation, PLAIN)


def followed(
    message: Message,
    call_id: str,
    *,
    number: int | None = None,
    paint: Paint = PLAIN,
    width: int | None = None,
) -> str:
    """Return the line of a message in a follow; `number` is the follow's, where there are several.

    Time, endpoints, kind, numbers, Call-ID, `(copy)` when another capture point gave it before,
    `(cut short)` when the capture lacks its end, and the taps that saw it. In `width` cells as much of
    the Call-ID as there is room for: its colour tells calls apart.
    """
    follow = "" if number is None else f"#{number} "
    ends = f"{escape(message.source_uri)} -> {escape(message.destination_uri)}"
    what = paint.status(shown_kind(message), message.kind)
    remark = ("" if message.copy_of is None else " (copy)") + " (cut short)" * message.cut
    before = f"{follow}{times.clock(message.time)} {ends} {what} {parties(message)} "
    whose = escape(call_id)
    if width is not None:
        whose = cut(whose, max(width - cells(SGR.sub("", before)) - len(remark), _LEAST_CALL_ID))
    line = f"{before}{paint.call_id(whose, call_id)}{paint.dim(remark)}"
    if message.is_of_network:
        return _with_taps(line, before + whose + remark, message, paint, width)
    return line if width is None else cut_painted(line, width)


def _with_taps(line: str, plain: str, message: Message, paint: Paint, width: int | None) -> str:
    """Return the line of a message in a follow with the taps that saw it, or with a line of them."""
    if width is not None:
        line = cut_painted(line, width)
    seen = sighted.below(SGR.sub("", plain), message, width)
    return line + "\n".join(map(paint.dim, seen))


def party(value: str) -> str:
    """Return a number, or what stands in its place, fit for a line; `?` for nothing."""
    return beginning(value, PARTY_CELLS) or "?"


def heading(place: int | None, conversation: Conversation, paint: Paint = PLAIN) -> str:
    """Return what stands above an answer on a conversation: as `by_time`, with users."""
    number = "" if place is None else f"{paint.call_id(f'[{place}]', conversation.call_id)} "
    return f"{number}{_summary(conversation, paint, '->'.join(users(conversation)))}"


def _summary(conversation: Conversation, paint: Paint, numbers: str = "") -> str:
    first = conversation.first
    what = paint.status(shown_kind(first), first.kind)
    return f"{times.clock(first.time)}: {what} {numbers or parties(conversation)}"
