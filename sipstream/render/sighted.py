"""At which taps a message was seen, and how much later at each: `sbc1, sbc2 +0.4 ms, sbc3 +0.9 ms`.

Names of taps come from a network: they are escaped and, where they are long, cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from sipstream.escape import beginning, cells
from sipstream.render import times
from sipstream.render.fold import broken

if TYPE_CHECKING:
    from sipstream.views import Message, Sighting

_NAMED = 8
"""Taps named in a line; a call crosses a handful of machines."""
_NAME_CELLS, _LEAST_NAME = 32, 8
_TIED = "\xa0"
"""Between what mustn't be torn apart; escaped names have none."""
_MS, _SECOND = 10**6, 10**9
_INDENT = "    "


def seen(message: Message) -> str:
    """Return where a message was seen, "" for one that no tap of a network told of."""
    return f"seen at {at(message.sightings)}" if message.is_of_network else ""


def at(sightings: Sequence[Sighting]) -> str:
    """Return taps in order of time, each with how much later than the first one it saw a message."""
    return _at(sightings).replace(_TIED, " ")


def hops(sightings: Sequence[Sighting]) -> str:
    """Return taps with the time that each hop took: `sbc1 -> 0.4 ms -> sbc2 -> 0.5 ms -> sbc3`.

    The names are as they came: who draws a picture makes them fit for it.
    """
    told = [sightings[0].tap]
    for step, one in zip(_steps(sightings), sightings[1:], strict=False):
        told += (step, one.tap)
    return " ".join([*told, *_more(sightings)])


def hop_notes(sightings: Sequence[Sighting], room: int) -> list[str]:
    """Return the same for a terminal, in notes of at most `room` cells.

    A further one begins with the tap that the one before it ends with.
    """
    steps = list(_steps(sightings))
    # A hop has two names.
    most = (room - max(map(cells, steps), default=0) - 2) // 2
    most = min(max(most, _LEAST_NAME), _NAME_CELLS)
    taps = [_name(one, most) for one in sightings[:_NAMED]]
    notes = taps[:1]
    for step, (before, tap) in zip(steps, pairwise(taps), strict=True):
        longer = f"{notes[-1]} {step} {tap}"
        if cells(longer) <= room:
            notes[-1] = longer
        else:
            notes.append(f"{before} {step} {tap}")
    return notes + _more(sightings)


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
    lines = broken(f"seen at {_at(message.sightings)}", max(width - len(_INDENT), 1))
    yield from (_INDENT + one.replace(_TIED, " ") for one in lines)


def as_objects(sightings: Sequence[Sighting]) -> list[dict[str, object]]:
    """Return sightings as objects; `after` is in seconds since the first one."""
    first = sightings[0].time
    return [
        {"tap": one.tap, "time": times.iso(one.time), "after": (one.time - first) / _SECOND}
        for one in sightings
    ]


def _at(sightings: Sequence[Sighting]) -> str:
    """Return what `at` does, each tap tied to its delay."""
    first = sightings[0].time
    told = [
        _name(one) + (f"{_TIED}+{later(one.time - first)}".replace(" ", _TIED) if place else "")
        for place, one in enumerate(sightings[:_NAMED])
    ]
    return ", ".join([*told, *_more(sightings)])


def _steps(sightings: Sequence[Sighting]) -> Iterator[str]:
    """Yield the hops between the taps that are named."""
    for one, other in pairwise(sightings[:_NAMED]):
        yield f"-> {later(other.time - one.time)} ->"


def _name(one: Sighting, most: int = _NAME_CELLS) -> str:
    return beginning(one.tap, most) or "?"


def _more(sightings: Sequence[Sighting]) -> list[str]:
    more = len(sightings) - _NAMED
    return [f"and {more} more"] if more > 0 else []
