"""A ladder in the words of Mermaid, which GitHub, GitLab and others draw: a sequence diagram.

In texts all but letters, digits and a few harmless characters are written as `#NNN;`, so traffic can
neither end a line nor begin a comment, a directive or markup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sipstream.escape import beginning
from sipstream.render import times
from sipstream.render.arrows import delta, labels
from sipstream.render.sighted import hops

if TYPE_CHECKING:
    from sipstream.ladder import Arrow, Ladder

MOST_LETTERS = 40_000
"""Letters of a diagram: Mermaid draws none that has over 50,000."""
MOST_ARROWS = 400
"""Arrows of a diagram: Mermaid gives up beyond 500 edges."""
_CELLS = 100
"""Of a name, a label or a note."""
_ODD = re.compile(r"[^A-Za-z0-9 .,/()+_-]")


class Diagram(NamedTuple):
    """A diagram's lines, and how many messages it has no room for: a note in it tells them."""

    lines: list[str]
    left_out: int


def diagram(ladder: Ladder, names: Sequence[str] = (), left_out: int = 0) -> Diagram:
    """Return a ladder's diagram; `names` are those of its legs, put before the index of a message.

    `left_out` is how many messages are not in the ladder.
    """
    used: dict[int, None] = {}
    drawn: list[str] = []
    size = 0
    for one in ladder.arrows:
        text = _arrow(one, names)
        size += len(text)
        if size > MOST_LETTERS:
            break
        drawn.append(text)
        used |= dict.fromkeys((one.source, one.target))
    ends = (
        f"    participant p{place} as {quoted(ladder.columns[place].shown)}"
        for place in sorted(used)
    )
    lines = ["sequenceDiagram", *ends, *drawn]
    left_out += sum(len(one.messages) for one in ladder.arrows[len(drawn) :])
    if left_out and used:
        lines.append(f"    Note over p{min(used)}: {left_out} more messages are left out")
    return Diagram(lines, left_out)


def quoted(text: str) -> str:
    """Return a text as names and labels of a diagram have it."""
    return _ODD.sub(lambda found: f"#{ord(found[0])};", beginning(text, _CELLS))


def _arrow(arrow: Arrow, names: Sequence[str]) -> str:
    sign = "->>" if isinstance(arrow.kind, str) else "-->>"
    index = f"{names[arrow.leg] if names else ''}[{arrow.messages[0]}]"
    since = f" {delta(arrow.delta)}" if arrow.delta > 0 else f" {times.clock(arrow.time)}"
    text = (
        f"    p{arrow.source}{sign}p{arrow.target}: {quoted(f'{index} {labels(arrow)[0]}{since}')}"
    )
    notes = [hops(arrow.sightings)] if arrow.sightings else []
    notes += [arrow.media] if arrow.media else []
    ends = sorted((arrow.source, arrow.target))
    over = f"p{ends[0]},p{ends[1]}" if ends[0] != ends[1] else f"p{ends[0]}"
    return "\n    ".join([text, *(f"Note over {over}: {quoted(note)}" for note in notes)])
