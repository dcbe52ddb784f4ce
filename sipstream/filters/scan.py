"""Terms that look into messages: each message is tested once, and only where its bytes may pass.

A first look at a million messages is reading and searching: neighbours are read together, and text
that isn't in their bytes is in no header of theirs.
"""

from __future__ import annotations

import weakref
from array import array
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from sipstream.filters.sieve import Sieve
from sipstream.filters.term import Due, Numbers, Unfinished
from sipstream.runs import Run, runs
from sipstream.views import Message

if TYPE_CHECKING:
    from sipstream.index import Index

_TOGETHER, _BYTES = 256, 1 << 17
"""Messages, or bytes of them, tested between two looks at the time: a few ms where each is parsed."""


class Scan:
    """Whether any message of a conversation passes a test.

    Remembers per conversation how far it got, so that asking again after each new message costs the
    new message only. Asked about another index (after `clear`, or in a script) it begins anew.
    `kind` is the only kind of message worth testing, if there is one; `sieve` tells bytes apart in which
    none can be that passes.
    """

    _FOUND = -1

    def __init__(
        self,
        test: Callable[[Message], bool],
        kind: int | None = None,
        sieve: Sieve | None = None,
    ) -> None:
        self._test = test
        self._kind = kind
        self._sieve = sieve
        self._next = array("i")
        """A conversation's first message that may be untested, or _FOUND."""
        self._begun = array("I")
        """When it began: the same number may be another's later."""
        self._lost: dict[int, tuple[int, int]] = {}
        """How many messages it had lost, and how many of all that ever came were tested at least."""
        self._origin: weakref.ref[Index] | None = None

    def __call__(self, index: Index, numbers: Numbers, due: Due) -> bytes:
        """Tell of which conversations a message passes, as far as these have come in."""
        self._make_room(index)
        following, last, length = self._next, index.c_last, index.m_length
        messages: list[int] = []
        upto: dict[int, int] = {}
        size = 0
        for number in numbers:
            begin = self._first_untested(index, number)
            if begin == self._FOUND or begin == last[number] + 1:
                continue
            for message in index.arrived(number, begin - 1):
                upto[number] = message + 1
                if self._kind is not None and index.m_code[message] != self._kind:
                    continue
                messages.append(message)
                size += length[message]
                if len(messages) >= _TOGETHER or size >= _BYTES:
                    self._go_on(index, messages, upto)
                    if due():
                        raise Unfinished
                    messages, upto, size = [], {}, 0
                    if following[number] == self._FOUND:
                        break
        self._go_on(index, messages, upto)
        if index.c_left_out:
            for number in numbers:
                if lost := index.c_left_out.get(number):
                    self._lost[number] = lost, lost + index.c_count[number]
        return bytes([following[number] == self._FOUND for number in numbers])

    def forget(self, numbers: Numbers) -> None:
        """Test the messages of these conversations again when next asked."""
        for number in numbers:
            self._next[number] = 0

    def _make_room(self, index: Index) -> None:
        if self._origin is None or self._origin() is not index:
            self._origin = weakref.ref(index)
            self._next, self._begun, self._lost = array("i"), array("I"), {}
        more = len(index.c_state) - len(self._next)
        for column in (self._next, self._begun):
            column.frombytes(bytes(column.itemsize * more))

    def _first_untested(self, index: Index, number: int) -> int:
        """Return a conversation's first message that may be untested, 0 for its first, or _FOUND."""
        if self._begun[number] != index.c_begun[number]:
            self._begun[number] = index.c_begun[number]
            self._next[number] = 0
            self._lost.pop(number, None)
        upto = self._next[number]
        if upto > 0 and number in index.c_left_out:
            lost = index.c_left_out[number]
            before, tested = self._lost.get(number, (0, 0))
            if lost != before:
                # What was tested last may be given up: nothing leads on from it. What wasn't stands
                # at the end, behind as many as these.
                self._lost[number] = lost, tested
                last = islice(index.arrived(number), max(tested - lost, 1) - 1, None)
                upto = self._next[number] = next(last) + 1 if tested > lost else 0
        return upto

    def _go_on(self, index: Index, messages: list[int], upto: dict[int, int]) -> None:
        """Test messages, then note up to where the conversations they are of were tested."""
        found: set[int] = set()
        for run in runs(index, messages):
            if self._may_pass(run.block):
                self._test_run(index, run, found)
        for number, message in upto.items():
            self._next[number] = self._FOUND if number in found else message

    def _test_run(self, index: Index, run: Run, found: set[int]) -> None:
        for number in run.messages:
            conversation = index.m_conversation[number]
            if conversation in found:
                continue
            begin = index.m_offset[number] - run.begin
            raw = run.block[begin : begin + index.m_length[number]]
            if not self._may_pass(raw):
                continue
            message = Message(index, number)
            message.raw = raw
            if self._test(message):
                found.add(conversation)

    def _may_pass(self, raw: bytes) -> bool:
        """Tell whether it is worth testing what lies in these bytes."""
        return self._sieve is None or self._sieve.may_pass(raw)


class Anew:
    """Whether any message of a conversation passes a test whose answer changes as time goes on.

    What it has found out is remembered only until it is told.
    """

    def __init__(self, test: Callable[[Message], bool]) -> None:
        self._scan = Scan(test)

    def __call__(self, index: Index, numbers: Numbers, due: Due) -> bytes:
        """Test all messages there are."""
        flags = self._scan(index, numbers, due)
        self._scan.forget(numbers)
        return flags
