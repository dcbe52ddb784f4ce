"""An export, written: piece by piece, while others have their turn, and what there is to say of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sipstream.pace import Pace

if TYPE_CHECKING:
    from sipstream.export.formats import Pieces
    from sipstream.export.selected import Selected
    from sipstream.export.target import Target


async def write(
    pieces: Pieces,
    selected: Selected,
    target: Target,
    progress: Callable[[int], None] = lambda written: None,
) -> None:
    """Write what was selected; `progress` is called with the bytes written so far.

    Raises:
        SipstreamError: it can't be written, or the format can't hold it.
        BrokenPipeError: whoever read standard output has gone.
    """
    pace = Pace()
    for piece in pieces(selected, pace.due):
        if piece:
            await target.write(piece)
            progress(target.written)
        if pace.due():
            await pace.rest()
    target.finish()


def told(selected: Selected, name: str) -> str:
    """Return the sentence that says what was written."""
    what = f"{selected.written} conversations ({selected.messages} SIP messages)"
    if selected.packets is not None:
        return f"{selected.packets} packets written to {name}: {what}"
    return f"{what} written to {name}"
