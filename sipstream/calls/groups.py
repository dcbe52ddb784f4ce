"""Sets of conversations that are joined; each is in one at most."""

from __future__ import annotations

from array import array
from collections.abc import Sequence


class Groups:
    """The sets of two and more; none has more than `most` members."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[int, array[int]] = {}
        """One array for all members of a set."""

    def of(self, number: int) -> Sequence[int]:
        """Return the members of a conversation's set, in no order; itself alone where it is in none."""
        return self._of.get(number) or (number,)

    def are_joined(self, one: int, other: int) -> bool:
        """Tell whether two conversations are in one set."""
        group = self._of.get(one)
        return group is not None and group is self._of.get(other)

    def join(self, one: int, other: int) -> bool:
        """Unite the sets of two conversations; return whether that leaves room for all."""
        if one == other or self.are_joined(one, other):
            return True
        longer, shorter = (self._of.get(each) or array("I", [each]) for each in (one, other))
        if len(longer) + len(shorter) > self._most:
            return False
        if len(longer) < len(shorter):
            longer, shorter = shorter, longer
        for each in (longer[0], *shorter):
            self._of[each] = longer
        longer.extend(shorter)
        return True

    def break_up(self, number: int) -> Sequence[int]:
        """Take all members of a conversation's set apart, and return them."""
        group = self._of.get(number, ())
        for one in group:
            del self._of[one]
        return group
