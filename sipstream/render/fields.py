"""The values of some headers in each message of a conversation, a line a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sipstream.escape import cells, escape
from sipstream.render import times
from sipstream.render.colours import PLAIN, Paint
from sipstream.render.lists import shown_kind
from sipstream.titles import title

if TYPE_CHECKING:
    from sipstream.views import Message

NOTHING = "-"
"""Stands where a message has no such header."""
_BETWEEN = "  |  "
_FIRST = 256
"""Messages that the width of the kinds' column is taken from; a conversation may have a million."""


def lines(messages: Sequence[Message], names: Sequence[str], paint: Paint = PLAIN) -> Iterator[str]:
    """Yield place, time, kind and the values of each message; several names stand before theirs."""
    places = len(f"[{len(messages) - 1}]")
    kinds = max((cells(shown_kind(message)) for message in messages[:_FIRST]), default=0)
    for place, message in enumerate(messages):
        what = shown_kind(message)
        number = f"[{place}]".ljust(places)
        fill = " " * (kinds - cells(what))
        before = f"{number} {times.clock(message.time)}  {paint.status(what, message.kind)}{fill}"
        yield f"{before}  {_values(message, names, paint)}"


def as_object(message: Message, call_id: str, names: Sequence[str]) -> dict[str, object]:
    """Return a message's values as an object, for `--json`."""
    return {
        "call_id": call_id,
        "index": message.index,
        "time": times.iso(message.time),
        "kind": title(message),
        "headers": {name: message.headers(name) for name in names},
    }


def _values(message: Message, names: Sequence[str], paint: Paint) -> str:
    found = [
        (name, _BETWEEN.join(map(escape, message.headers(name))) or paint.dim(NOTHING))
        for name in names
    ]
    if len(names) == 1:
        return found[0][1]
    return _BETWEEN.join(f"{paint.name(escape(name) + ':')} {values}" for name, values in found)
