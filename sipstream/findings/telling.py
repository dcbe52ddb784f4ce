"""Words and small figures that rules share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sipstream.limits import COPY_WINDOW

if TYPE_CHECKING:
    from sipstream.views import Message

SECOND = 1_000_000_000
"""Nanoseconds."""
_QUOTED = 80
"""Characters of a text that a sentence quotes; numbers and names are shorter."""


def answer(response: Message) -> str:
    """Return what a response says, `403 Forbidden`."""
    return f"{response.status} {quoted(response.reason)}".rstrip()


def quoted(text: str) -> str:
    """Return what a sentence quotes of a text: a long one mustn't hide what the sentence says."""
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"


def sent_anew(messages: Iterable[Message]) -> list[Message]:
    """Return of messages that say the same, by time, those that aren't seen again at another tap."""
    found: list[Message] = []
    for message in messages:
        if not found or message.time - found[-1].time > COPY_WINDOW:
            found.append(message)
    return found
