"""Pieces of GitHub-flavoured Markdown: text from traffic that neither marks up nor calls anybody.

A mention such as `@somebody` in a ticket sends a mail, an address becomes a link: what holds more than
harmless characters stands in a code span, which no renderer looks into.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape as entities
from typing import TYPE_CHECKING

from sipstream.escape import beginning
from sipstream.render.lists import shown_kind
from sipstream.render.message import whole

if TYPE_CHECKING:
    from sipstream.findings import Finding
    from sipstream.views import Message

MOST_PROOFS = 12
"""Messages named as a finding's proof; the others are counted."""
_CELLS = 300
_HARMLESS = re.compile(r"(?!.*www\.)[A-Za-z0-9 ,.;()'+%/-]*\Z")
_TICKS = re.compile(r"`+")


def text(value: str) -> str:
    """Return text from traffic as it may stand in a line."""
    shown = beginning(value, _CELLS)
    return shown if _HARMLESS.match(shown) else code(value)


def code(value: str) -> str:
    """Return text from traffic as a code span, also in a table."""
    shown = beginning(value, _CELLS).replace("|", r"\|")
    ticks = "`" * (max(map(len, _TICKS.findall(shown)), default=0) + 1)
    space = " " if not shown or "`" in (shown[0], shown[-1]) else ""
    return f"{ticks}{space}{shown}{space}{ticks}"


def fenced(lines: str, language: str = "") -> str:
    """Return lines as a block that is shown as it is."""
    ticks = "`" * max(3, max(map(len, _TICKS.findall(lines)), default=0) + 1)
    return f"{ticks}{language}\n{lines}\n{ticks}"


def facts(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a list of facts."""
    for name, value in rows:
        yield f"- {text(name)}: {code(value)}"


def findings(found: Sequence[Finding]) -> Iterator[str]:
    """Yield what was found, with the places of the messages that prove it."""
    if not found:
        yield "Nothing is found wrong."
    for one in found:
        places = ", ".join(f"\\[{place}\\]" for place in one.evidence[:MOST_PROOFS])
        more = len(one.evidence) - MOST_PROOFS
        rest = f" and {more} more" if more > 0 else ""
        head = f"- **{one.severity.word}: {text(one.name)}** ({text(one.source)})"
        yield f"{head}: {text(one.sentence)}. Proof: {places}{rest}"


def message(one: Message) -> str:
    """Return a message, folded up under its line."""
    line = entities(f"[{one.index}] {shown_kind(one)}")
    # The empty lines end the HTML, so that the block between is Markdown again.
    return f"<details><summary><code>{line}</code></summary>\n\n{fenced(whole(one))}\n\n</details>"
