"""The clocks of a session's taps: how far they are apart, told once, and corrected where that is wanted.

Messages that several taps saw tell it (skew.py). Corrected are times that are shown, and the order of
messages within conversations and calls; filters and lists go by what the taps said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sipstream.escape import brief
from sipstream.pace import Pace
from sipstream.wording import seconds

if TYPE_CHECKING:
    from sipstream.conversations import Conversations
    from sipstream.skew import Skew

FAR = 100 * 10**6
"""Clocks so far apart (ns) that it is told: NTP keeps them within some milliseconds."""
_SECONDS = 0.1
"""How often it is looked at, at most, what messages tell of clocks."""
_STEP = 50_000
"""Corrections change when a difference does by so much (ns): no order is made anew for less."""


class Clock(NamedTuple):
    """How far a tap's clock is ahead of another one's."""

    tap: str
    reference: str
    """The tap whose clock is taken for right; the tap itself where nothing is to be compared."""
    offset: int
    """ns; below 0 it is behind."""
    within: int | None
    """ns that it isn't known better than; None where all messages went the same way: then the time
    that they took is in it."""
    sightings: int
    """How many messages it was measured from, of the newest ones."""

    def __str__(self) -> str:
        """Return it in words: `1.2 s ahead of sbc1's`."""
        side = "ahead of" if self.offset >= 0 else "behind"
        return f"{seconds(abs(self.offset))} {side} {brief(self.reference)}'s"


class Clocks:
    """What is known of the clocks of taps.

    `conversations` returns those that there are, `corrects` whether times are to be corrected; `tell`
    says something to the user, `clock` tells seconds.
    """

    def __init__(
        self,
        conversations: Callable[[], Conversations],
        corrects: Callable[[], bool],
        tell: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._conversations = conversations
        self._corrects = corrects
        self._tell = tell
        self._clock = clock
        self._due = 0.0
        self._told: set[str] = set()

    def of(self, tap: str) -> Clock | None:
        """Return what is known of a tap's clock by its name, None for nothing yet."""
        conversations = self._conversations()
        number = conversations.index.known_tap(tap)
        skew = None if number is None else conversations.skews.of(number)
        return None if skew is None else self._named(tap, skew)

    async def settle(self) -> None:
        """Have all that messages told so far count."""
        await Pace().through(self._conversations().skews.settle())
        self.apply()

    def saw(self) -> None:
        """Messages got sightings: tell of clocks that are far apart, correct by what is known."""
        now = self._clock()
        if now >= self._due:
            self._due = now + _SECONDS
            self.apply()

    def apply(self) -> None:
        """Correct times, or don't, as the setting says; tell of clocks that are far apart."""
        conversations = self._conversations()
        index = conversations.index
        corrects = self._corrects()
        offsets: dict[int, int] = {}
        for number, skew in conversations.skews.known().items():
            tap = index.taps[number]
            offsets[number] = skew.apart.offset
            if abs(skew.apart.offset) >= FAR and not corrects and tap not in self._told:
                self._told.add(tap)
                self._tell(
                    f"the clock of {brief(tap)} is {self._named(tap, skew)}:"
                    " 'set correct_clocks on' corrects the times that are shown"
                )
        if not corrects:
            index.correct({})
        elif _differ(offsets, index.corrections):
            index.correct(offsets)

    def _named(self, tap: str, skew: Skew) -> Clock:
        return Clock(tap, self._conversations().index.taps[skew.reference], *skew.apart)


def _differ(some: dict[int, int], others: dict[int, int]) -> bool:
    return some.keys() != others.keys() or any(
        abs(offset - others[tap]) >= _STEP for tap, offset in some.items()
    )
