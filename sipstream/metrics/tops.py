"""Whose numbers stand in most conversations, in most failed ones, and with which user agents they began.

Numbers come from the index's columns; user agents from the bytes of first messages, of a sample where
there are many conversations. Sans-IO.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import compress

from sipstream import states
from sipstream.filters.term import Due
from sipstream.index import UNUSED, Index
from sipstream.runs import runs
from sipstream.sip import headers

SAMPLE = 2000
"""Conversations whose first messages are read for their user agents: some milliseconds of reading, and
the share of one is off by two parts of a hundred at most, 19 times of 20."""
_PIECE = 4096
"""Conversations counted together, in a millisecond or two."""
_READ = 32
"""Messages read together."""
_FAILED = bytes(state == states.FAILED for state in range(256))
_AGENT_HEADERS = ("User-Agent", "Server")
_AGENT = 200
"""Characters of a user agent that are told apart."""


class Numbers:
    """User parts by how many conversations have them, as the index codes them."""

    def __init__(self) -> None:
        self.callers: Counter[int] = Counter()
        """In From."""
        self.callees: Counter[int] = Counter()
        """In To."""
        self.failing_callers: Counter[int] = Counter()
        self.failing_callees: Counter[int] = Counter()

    def count(self, index: Index, chosen: bytes, due: Due) -> Iterator[None]:
        """Count the conversations with a 1 in `chosen`, giving control back whenever it is due."""
        source, destination = index.c_src_user, index.c_dst_user
        for begin in range(0, len(chosen), _PIECE):
            flags = chosen[begin : begin + _PIECE]
            self.callers.update(compress(source[begin : begin + _PIECE], flags))
            self.callees.update(compress(destination[begin : begin + _PIECE], flags))
            yield from _when(due)
        yield from self.count_failing(index, chosen, due)

    def count_failing(self, index: Index, chosen: bytes, due: Due) -> Iterator[None]:
        """Count those of them that failed."""
        source, destination = index.c_src_user, index.c_dst_user
        failed = index.c_state.translate(_FAILED)
        number = failed.find(1)
        while number >= 0 and number < len(chosen):
            if chosen[number]:
                self.failing_callers[source[number]] += 1
                self.failing_callees[destination[number]] += 1
            number = failed.find(1, number + 1)
            if due():
                yield


class Agents:
    """User agents by how many conversations began with them, and of how many that is known."""

    def __init__(self) -> None:
        self.counter: Counter[str] = Counter()
        """"" where the first message names none."""
        self.sampled = 0

    def count(self, index: Index, chosen: bytes, due: Due) -> Iterator[None]:
        """Look at the first messages of so many conversations, evenly spread over all of them."""
        numbers = list(compress(range(len(chosen)), chosen))
        yield from _when(due)
        step = max(-(-len(numbers) // SAMPLE), 1)
        wanted = numbers[::step]
        for begin in range(0, len(wanted), _READ):
            there = [one for one in wanted[begin : begin + _READ] if index.c_state[one] != UNUSED]
            self.sampled += len(there)
            for run in runs(index, [index.c_first[one] for one in there]):
                for message in run.messages:
                    start = index.m_offset[message] - run.begin
                    self._take(run.block, start, start + index.m_length[message])
            yield from _when(due)

    def _take(self, block: bytes, start: int, end: int) -> None:
        for name in _AGENT_HEADERS:
            value = headers.first(block, start, end, name)
            if value is not None:
                self.counter[value.decode("utf-8", "surrogateescape")[:_AGENT]] += 1
                return
        self.counter[""] += 1


def _when(due: Due) -> Iterator[None]:
    if due():
        yield
