"""Which conversations to give up when there is no room for all: what is over, and the longest idle.

Sans-IO. A hand goes round over the conversations (the clock algorithm): each that is as idle as the
idlest eighth of a sample goes, so that none has to be sorted and no step takes long.
"""

from __future__ import annotations

from sipstream import states
from sipstream.index import UNUSED, Index

_IN_PROGRESS = {states.CALLING: 1, states.RINGING: 1, states.ANSWERED: 2}
WORTH = bytes(_IN_PROGRESS.get(state, 0) for state in range(UNUSED)) + b"\xff"
"""By state: 0 for what is over or no call, 1 for a call being set up, 2 for one that is answered."""
_MOST_WORTH = 2
_SAMPLE = 1024
_STRIDE = 256
"""Places looked at together."""
_PART = 8
"""One in so many goes in a round, if it is worth as little."""


class Idle:
    """Goes round over an index; `next` returns the conversations that are to go next.

    `most` is what the worthiest of them may be worth: 0 for those that are over only.
    """

    def __init__(self, index: Index, most: int = _MOST_WORTH) -> None:
        self._index = index
        self._most = most
        self._hand = 0
        self._left = 0
        """Places of this round that weren't looked at."""
        self._worth = 0
        self._heard = 0
        """What goes in this round: worth no more than this, and last heard of no later."""

    def next(self, count: int) -> list[int]:
        """Return about so many conversations to give up; none when there is none."""
        state, heard = self._index.c_state, self._index.c_heard
        going: list[int] = []
        # Not over two rounds: what is found goes only afterwards, and would be found again.
        while len(going) < count and (self._left or (not going and self._begin_round())):
            first = self._hand
            last = min(first + self._left, first + _STRIDE, len(state))
            # Those of one time lie together, and places without any: most of a round is passed over.
            used = last - first - state.count(UNUSED, first, last)
            if used and min(heard[first:last]) <= self._heard:
                going += [
                    number
                    for number in range(first, last)
                    if heard[number] <= self._heard and WORTH[state[number]] <= self._worth
                ]
            self._left -= last - first
            self._hand = last if last < len(state) else 0
        return going

    def _begin_round(self) -> bool:
        """Decide what goes in the next round; return whether there is anything."""
        state, heard = self._index.c_state, self._index.c_heard
        step = max(len(state) // _SAMPLE, 1)
        places = range(self._hand % step, len(state), step)
        sample = [number for number in places if state[number] != UNUSED]
        if not sample and step > 1:
            sample = [number for number in range(len(state)) if state[number] != UNUSED]
        for worth in range(self._most + 1):
            times = sorted(heard[number] for number in sample if WORTH[state[number]] <= worth)
            if times and (len(times) * _PART >= len(sample) or worth == self._most):
                self._worth, self._heard = worth, times[len(times) // _PART]
                self._left = len(state)
                return True
        return False
