"""What a message is called, in lists, on arrows and in files alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipstream.sip.startline import NO_CODE

if TYPE_CHECKING:
    from sipstream.views import Message


def title(message: Message) -> str:
    """Return the method of a request, code and reason of a response; the traffic's own text."""
    if message.status is None:
        # The index names a limited number of methods; the message itself knows its own.
        known = message.method or ""
        return known if known != "OTHER" else message.start_line.partition(" ")[0]
    if message.status == NO_CODE:
        return message.start_line.partition(" ")[2].strip()
    return f"{message.status:03d} {message.reason}".rstrip()
