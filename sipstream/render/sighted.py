"""At which taps a message was seen, and how much later at each: `sbc1, sbc2 +0.4 ms, sbc3 +0.9 ms`.

Names of taps come from a network: they are escaped and, where they are long, cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from sipstream.escape import beginning, cells
from sipstream.render import times
from sipstream.render.fold import broken

if TYPE_CHECKING:
    from sipstream.views import Message, Sighting

_NAMED = 8
"""Taps named in a line; a call crosses a handful of machines."""
_NAME_CELLS = 32
_MS, _SECOND = 10**6, 10**9
_INDENT = "    "


def seen(message: Message) -> str:
    """Return where a message was seen, "" for one that no tap of a network told of."""
    return f"seen at {at(message.sightings)}" if message.is_of_network else ""


def at(sightings: Sequence[Sighting]) -> str:
    """Return taps in order of time, each with how much later than the first one it saw a message."""
    first = sightings[0].time
    told = [
        _name(one) + (f" +{later(one.time - first)}" if place else "")
        for place, one in enumerate(sightings[:_NAMED])
    ]
    return ", ".join([*told, *_more(sightings)])


def hops(sightings: Sequence[Sighting], shown: Callable[[str], str] | None = None) -> str:
    """Return taps with the time that each hop took: `sbc1 -0.4 ms-> sbc2 -0.5 ms-> sbc3`.

    `shown` makes a tap's name fit for where it stands, None for a terminal.
    """
    name = shown or (lambda text: beginning(text, _NAME_CELLS))
    told = [name(sightings[0].tap)]
    for one, other in pairwise(sightings[:_NAMED]):
        told.append(f"-{later(other.time - one.time)}-> {name(other.tap)}")
    return " ".join([*told, *_more(sightings)])


def later(ns: int) -> str:
    """Return a delay: `0.04 ms`, `0.4 ms`, `12.3 ms`, `1.200 s`."""
    if ns >= _SECOND:
        return f"{ns / _SECOND:.3f} s"
    return f"{ns / _MS:.2f} ms" if ns < _MS // 10 else f"{ns / _MS:.1f} ms"


def below(line: str, message: Message, width: int | None) -> Iterator[str]:
    """Yield what tells the sightings of a message behind its line, or below it where there is no room.

    `line` is as it is shown, without colours.
    """
    text = seen(message)
    if not text:
        return
    if width is None or cells(line) + 2 + cells(text) <= width:
        yield f"  {text}"
        return
    yield ""
    yield from (_INDENT + one for one in broken(text, max(width - len(_INDENT), 1)))


def as_objects(sightings: Sequence[Sighting]) -> list[dict[str, object]]:
    """Return sightings as objects; `after` is in seconds since the first one."""
    first = sightings[0].time
    return [
        {"tap": one.tap, "time": times.iso(one.time), "after": (one.time - first) / _SECOND}
        for one in sightings
    ]


def _name(one: Sighting) -> str:
    return beginning(one.tap, _NAME_CELLS) or "?"


def _more(sightings: Sequence[Sighting]) -> list[str]:
    more = len(sightings) - _NAMED
    return [f"and {more} more"] if more > 0 else []
