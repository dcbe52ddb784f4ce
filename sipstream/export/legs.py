"""Ladders of what is exported: one a conversation, or one of all legs of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sipstream.ladder import Building, Ladder, NameOf

if TYPE_CHECKING:
    from sipstream.views import Conversation, Message

_LETTERS = 26


def leg_name(place: int) -> str:
    """Return what a leg is called in a ladder of several: A, B … Z, A1 …"""
    more, letter = divmod(place, _LETTERS)
    return chr(ord("A") + letter) + (str(more) if more else "")


def one_ladder(
    conversations: Sequence[Conversation], name_of: NameOf | None, due: Callable[[], bool]
) -> Iterator[Ladder | None]:
    """Yield None where a turn is over, at last the ladder of all messages of conversations."""
    messages: list[Message] = []
    for one in conversations:
        messages += one.messages
        if due():
            yield None
    messages.sort(key=lambda message: message.time)
    building = Building(name_of)
    for _ in entering(building, messages, due):
        yield None
    yield building.ladder()


def entering(
    building: Building, messages: Iterable[Message], due: Callable[[], bool]
) -> Iterator[None]:
    """Enter messages into a ladder; yield where a turn is over."""
    for message in messages:
        building.enter(message)
        if due():
            yield
