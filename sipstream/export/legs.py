"""What reports and pictures share: ladders of a conversation or of all legs, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from sipstream.ladder import Building, Ladder, NameOf

if TYPE_CHECKING:
    from sipstream.ladder import Arrow
    from sipstream.views import Conversation, Message

MASKED = "Numbers, names, credentials and texts are masked."
"""What a report says of itself where that is so."""
_LETTERS = 26
_SENDINGS = 10
"""Messages that an arrow may stand for before those behind are left out: seven sendings of an INVITE
(RFC 3261 17.1.1.2), some of them seen twice."""


def leg_name(place: int) -> str:
    """Return what a leg is called in a ladder of several: A, B … Z, A1 …"""
    more, letter = divmod(place, _LETTERS)
    return chr(ord("A") + letter) + (str(more) if more else "")


class Laddered:
    """A ladder that is made in steps, of `most` arrows at most; what comes behind them is counted."""

    def __init__(self, name_of: NameOf | None, most: int, due: Callable[[], bool]) -> None:
        self._building = Building(name_of)
        self._most, self._due = most, due
        self.ladder = Ladder((), (), ())
        """What was made, once `steps` has ended."""
        self.left_out = 0
        """How many messages aren't in it."""

    def steps(self, messages: Sequence[Message]) -> Iterator[None]:
        """Make it of messages in order of time; yield where a turn is over.

        Sendings and copies are folded into one arrow: of ten times as many messages as there may be
        arrows each is looked at.
        """
        looked_at = messages[: self._most * _SENDINGS]
        for message in looked_at:
            self._building.enter(message)
            if self._due():
                yield
        arrows: list[Arrow] = []
        for arrow in islice(self._building.arrows(), self._most):
            arrows.append(arrow)
            if self._due():
                yield
        self.ladder = self._building.ladder(arrows)
        self.left_out = len(messages) - sum(len(one.messages) for one in arrows)


def of_all(
    conversations: Iterable[Conversation], laddered: Laddered, due: Callable[[], bool]
) -> Iterator[None]:
    """Make one ladder of all messages of conversations; yield where a turn is over."""
    messages: list[Message] = []
    for one in conversations:
        messages += one.messages
        if due():
            yield
    messages.sort(key=lambda message: message.time)
    yield from laddered.steps(messages)
