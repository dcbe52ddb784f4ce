"""The formats svg and mermaid: one ladder of all that was selected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from sipstream.export.legs import leg_name, one_ladder
from sipstream.render import mermaid, svg

if TYPE_CHECKING:
    from sipstream.export.selected import Selected
    from sipstream.ladder import Ladder

MOST_CONVERSATIONS = 20
"""Conversations of one picture: nobody follows more."""


def svg_pieces(selected: Selected, due: Callable[[], bool]) -> Iterator[bytes]:
    """Yield a picture that stands by itself."""
    for ladder, names in _ladder(selected, due):
        if ladder is None:
            yield b""
            continue
        _tell(selected, len(ladder.arrows) - svg.MOST_ARROWS)
        yield b'<?xml version="1.0" encoding="UTF-8"?>\n'
        for text in svg.picture(ladder, names=names, standalone=True):
            yield text.encode("utf-8") + b"\n"


def mermaid_pieces(selected: Selected, due: Callable[[], bool]) -> Iterator[bytes]:
    """Yield a sequence diagram."""
    for ladder, names in _ladder(selected, due):
        if ladder is None:
            yield b""
            continue
        drawn = mermaid.diagram(ladder, names)
        _tell(selected, drawn.left_out)
        yield "\n".join([*drawn.lines, ""]).encode("utf-8")


def _tell(selected: Selected, left_out: int) -> None:
    if left_out > 0:
        selected.missing.append(f"{left_out} messages have no room in one picture")


def _ladder(
    selected: Selected, due: Callable[[], bool]
) -> Iterator[tuple[Ladder | None, list[str]]]:
    """Yield None where a turn is over, at last the ladder and the names of its legs."""
    parts = list(islice(selected.views(), MOST_CONVERSATIONS))
    beyond = len(selected.numbers) - MOST_CONVERSATIONS
    if beyond > 0:
        selected.missing.append(f"{beyond} conversations have no room in one picture")
    for ladder in one_ladder(parts, selected.name_of, due):
        legs = len(ladder.legs) if ladder is not None else 0
        yield ladder, [leg_name(place) for place in range(legs)] if legs > 1 else []
