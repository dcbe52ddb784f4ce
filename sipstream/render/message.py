"""Messages as text: the line above them, the whole of them.

Texts look the same whether the capture had CRLF or, as printed by tcpdump, LF line ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sipstream.escape import escape, escape_lines
from sipstream.render import sighted, syntax, times
from sipstream.render.colours import PLAIN, Paint
from sipstream.sip.bodies import readable

if TYPE_CHECKING:
    from sipstream.views import Message

LOST = "(the file that held this message no longer has it)"
CUT = "(the capture holds no more of this message)"


def headline(message: Message) -> str:
    """Return the line above a message: as tcpdump printed it, or as it would have."""
    printed = message.headline
    if printed:
        return escape(printed.rstrip())
    family = "IP6" if ":" in message.source_address else "IP"
    ends = f"{escape(message.source)} > {escape(message.destination)}"
    what = "SIP" if message.transport == "UDP" else f"SIP over {message.transport}"
    line = f"{times.clock(message.time)} {family} {ends}: {what}, length: {len(message.raw)}"
    ways = [("on", message.tap), ("in", message.outer)]
    how = ", ".join(f"{word} {escape(way)}" for word, way in ways if way)
    return f"{line} ({how})" if how else line


def comments(message: Message) -> list[str]:
    """Return a line for each thing that the capture file says of a message's packet, and one for where
    it was seen.
    """
    told = [f"comment: {escape(line)}" for line in message.comment.split("\n") if line]
    return [*told, sighted.seen(message)] if message.is_of_network else told


def whole(message: Message, paint: Paint = PLAIN) -> str:
    """Return headline and text of a message: several lines, without a line end behind the last."""
    # Each line has colours of its own: it may be shown without the others.
    first = "\n".join(map(paint.dim, [headline(message), *comments(message)]))
    if not message.raw:
        return f"{first}\n{paint.dim(LOST)}"
    start, newline, rest = escape_lines(readable(message.raw)).rstrip("\n").partition("\n")
    text = f"{first}\n{paint.status(start, message.kind)}{newline}{syntax.painted(rest, paint)}"
    return f"{text}\n{paint.dim(CUT)}" if message.cut else text


def numbered(message: Message, paint: Paint = PLAIN) -> str:
    """Return a message whole under `===== Message #N =====`, which says if it is a copy."""
    remarks = []
    original = message.copy_of
    if original is not None:
        remarks.append(f"copy of #{original}")
    if message.cut:
        remarks.append("cut short")
    remark = f" ({', '.join(remarks)})" if remarks else ""
    title = paint.strong(f"===== Message #{message.index}{remark} =====")
    return f"{title}\n{whole(message, paint)}"


def every(messages: Iterable[Message], paint: Paint = PLAIN) -> Iterator[str]:
    """Yield each message whole and numbered, a blank line before all but the first."""
    before = ""
    for message in messages:
        yield before + numbered(message, paint)
        before = "\n"
