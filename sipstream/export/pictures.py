"""The formats svg and mermaid: one ladder of all that was selected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from sipstream.export.legs import Laddered, leg_name, of_all
from sipstream.render import mermaid, svg

if TYPE_CHECKING:
    from sipstream.export.selected import Selected

MOST_CONVERSATIONS = 20
"""Conversations of one picture: nobody follows more."""


def svg_pieces(selected: Selected, due: Callable[[], bool]) -> Iterator[bytes]:
    """Yield a picture that stands by itself."""
    laddered = Laddered(selected.name_of, svg.MOST_ARROWS, due)
    for _ in _made(selected, laddered, due):
        yield b""
    _tell(selected, laddered.left_out)
    yield b'<?xml version="1.0" encoding="UTF-8"?>\n'
    picture = svg.picture(
        laddered.ladder, names=_names(laddered), left_out=laddered.left_out, standalone=True
    )
    for text in picture:
        yield text.encode("utf-8") + b"\n" if text else b""


def mermaid_pieces(selected: Selected, due: Callable[[], bool]) -> Iterator[bytes]:
    """Yield a sequence diagram."""
    laddered = Laddered(selected.name_of, mermaid.MOST_ARROWS, due)
    for _ in _made(selected, laddered, due):
        yield b""
    drawn = mermaid.diagram(laddered.ladder, _names(laddered), laddered.left_out)
    _tell(selected, drawn.left_out)
    yield "\n".join([*drawn.lines, ""]).encode("utf-8")


def _made(selected: Selected, laddered: Laddered, due: Callable[[], bool]) -> Iterator[None]:
    """Make the ladder; yield where a turn is over."""
    parts = list(islice(selected.views(), MOST_CONVERSATIONS))
    beyond = len(selected.numbers) - MOST_CONVERSATIONS
    if beyond > 0:
        selected.missing.append(f"{beyond} conversations have no room in one picture")
    yield from of_all(parts, laddered, due)


def _names(laddered: Laddered) -> list[str]:
    """Return the names of the legs, where there are several."""
    legs = len(laddered.ladder.legs)
    return [leg_name(place) for place in range(legs)] if legs > 1 else []


def _tell(selected: Selected, left_out: int) -> None:
    if left_out:
        selected.missing.append(f"{left_out} messages have no room in one picture")
