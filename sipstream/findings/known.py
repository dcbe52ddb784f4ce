"""Which findings the conversations of an index have: each is looked at once, until it has more messages.

What filters, lists and counts ask; who wants the sentences and their proofs calls `diagnose`.
"""

from __future__ import annotations

import weakref
from array import array
from typing import TYPE_CHECKING

from sipstream.findings import FINDINGS, Rule, diagnose
from sipstream.findings.around import here
from sipstream.views import Conversation

if TYPE_CHECKING:
    from sipstream.index import Index

_RANKED = tuple(sorted(FINDINGS.values(), key=lambda rule: -rule.severity))
"""The worst first: its place is a rule's bit."""
_BITS = {rule.name: 1 << place for place, rule in enumerate(_RANKED)}
_known: weakref.WeakKeyDictionary[Index, Known] = weakref.WeakKeyDictionary()


class Known:
    """What was found, as a number a conversation that has a bit for each finding."""

    def __init__(self, index: Index) -> None:
        self._index = weakref.ref(index)
        self._around = here()
        self._found = array("Q")
        self._upto = array("I")
        """The last message there was when it was looked at, counted from 1; 0: never looked at."""
        self._begun = array("I")
        """When it began: the same number may be another's later."""

    def of(self, number: int) -> int:
        """Return the findings that a conversation has, looked for where that wasn't done yet."""
        index = self._index()
        if index is None:
            return 0
        if self._around is not here():
            self._around = here()
            self._upto = array("I")
        self._make_room(number)
        upto, begun = index.c_last[number] + 1, index.c_begun[number]
        if self._upto[number] != upto or self._begun[number] != begun:
            found = diagnose(Conversation(index, number))
            self._found[number] = sum(_BITS[one.name] for one in found)
            self._upto[number], self._begun[number] = upto, begun
        return self._found[number]

    def _make_room(self, number: int) -> None:
        for column in (self._found, self._upto, self._begun):
            more = number + 1 - len(column)
            if more > 0:
                column.frombytes(bytes(column.itemsize * more))


def known(index: Index) -> Known:
    """Return what is known of an index's conversations."""
    if index not in _known:
        _known[index] = Known(index)
    return _known[index]


def bits(names: frozenset[str]) -> int:
    """Return the number that stands for some findings."""
    return sum(_BITS[name] for name in names)


def rules(found: int) -> list[Rule]:
    """Return the findings that a number stands for, the worst first."""
    return [rule for place, rule in enumerate(_RANKED) if found >> place & 1]
