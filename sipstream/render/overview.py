"""A conversation's messages, one line each: `[0] 15:49:30.333525  INVITE  (src->dst)`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sipstream.escape import cells, escape
from sipstream.render import sighted, times
from sipstream.render.colours import PLAIN, Paint
from sipstream.render.lists import parties, shown_kind, under_days

if TYPE_CHECKING:
    from sipstream.views import Conversation, Message

_TIME_CELLS = 17
"""A time of day and two blanks, or a mark and one."""
_FIRST = 256
"""Messages that the width of the kinds' column is taken from; a conversation may have a million."""


def heading(call_id: str, paint: Paint = PLAIN) -> str:
    """Return the line above an overview asked for by index."""
    return f"=== Conversation Call-ID: {paint.call_id(escape(call_id), call_id)} ==="


def left_out(conversation: Conversation, paint: Paint = PLAIN) -> str:
    """Return the line that says how many messages of a conversation were given up."""
    return paint.dim(f"({conversation.left_out} messages behind the first ones are given up)")


def lines(
    conversation: Conversation, paint: Paint = PLAIN, width: int | None = None
) -> Iterator[str]:
    """Yield a line a message: place, time, kind, its own From and To numbers, the taps that saw it.

    A message of which the capture lacks a part says so; a copy from a second capture point is dim.
    Taps that have no room in `width` cells stand in a line below.
    """
    messages = conversation.messages
    places = len(f"[{len(messages) - 1}]")
    kinds = max((cells(shown_kind(message)) for message in messages[:_FIRST]), default=0)
    if conversation.left_out:
        yield left_out(conversation, paint)
    rows = (
        (message.time, _line(f"[{place}]".ljust(places), message, kinds, paint, width))
        for place, message in enumerate(messages)
    )
    if messages:
        yield from under_days(rows, messages[0].time, messages[-1].time, paint)


def _line(number: str, message: Message, kinds: int, paint: Paint, width: int | None) -> str:
    kind = shown_kind(message)
    fill = " " * (kinds - cells(kind))
    before = f"{number} {times.clock(message.time):<{_TIME_CELLS}}"
    behind = f"{fill}  ({parties(message)})" + ("  (cut short)" if message.cut else "")
    if paint.enabled and message.copy_of is not None:
        return paint.dim(f"{before}{kind}{behind}")
    seen = sighted.below(before + kind + behind, message, width) if message.is_of_network else ()
    return before + paint.status(kind, message.kind) + behind + "\n".join(map(paint.dim, seen))
