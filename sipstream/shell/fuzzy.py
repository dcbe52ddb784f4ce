"""Which words may be meant by what was typed: those that begin so, hold it, or have its letters in order.

A text is matched with one word, or with very many at once: as lines, in which regular expressions find
those that fit. Of letters only ASCII ones fit both as capital and as small ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from heapq import nsmallest

from sipstream.plan import normal_number

BEGINS, HOLDS, SCATTERED = range(3)
"""How a word fits, the best first."""
_LONGEST_SCATTERED = 64
"""Letters of a typed text that may stand apart in a word: who types more means them together."""
_FLAGS = re.IGNORECASE | re.ASCII | re.MULTILINE
_INTERNATIONAL = r"(?:\+(?=.)|00(?=[1-9*?]))*+"
"""What `normal_number` takes away."""


class Typed:
    """A text that was typed. With `numbers` a leading + or 00 doesn't count, in it or in words."""

    def __init__(self, text: str, *, numbers: bool = False) -> None:
        self.text = text
        beginnings = re.escape(text)
        letters = text
        if numbers and text:
            letters = normal_number(text)
            beginnings = f"{beginnings}|{_INTERNATIONAL}{re.escape(letters)}"
        self._begins = re.compile(f"^(?:{beginnings})[^\n]*", _FLAGS)
        self._holds = re.compile(re.escape(text), _FLAGS)
        if len(letters) <= _LONGEST_SCATTERED:
            apart = "".join(f"[^\n{re.escape(one)}]*+{re.escape(one)}" for one in letters)
        else:
            apart = f"[^\n]*{re.escape(text)}"
        self._scattered = re.compile(f"^{apart}[^\n]*", _FLAGS)

    def rank(self, word: str) -> int | None:
        """Return how a word of one line fits, None where it doesn't."""
        if self._begins.match(word):
            return BEGINS
        if self._holds.search(word):
            return HOLDS
        return SCATTERED if self._scattered.match(word) else None

    def beginning(self, lines: str) -> list[str]:
        """Return those of some lines that begin as typed."""
        return self._begins.findall(lines)

    def others(self, lines: str) -> dict[int, list[str]]:
        """Return those of some lines that fit otherwise, by rank."""
        found: dict[int, list[str]] = {HOLDS: [], SCATTERED: []}
        for line in self._scattered.findall(lines):
            rank = self.rank(line)
            if rank in found:
                found[rank].append(line)
        return found


class Best:
    """The words that fit best: by rank, then the most frequent, then in alphabetical order."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[tuple[int, int, str]] = []
        self.total = 0
        """How many were added, those that aren't kept too."""

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[tuple[int, int, str]]:
        """Yield rank, frequency and word, the best first."""
        return ((rank, -frequency, word) for rank, frequency, word in self._kept)

    def add(self, rank: int, words: list[str], frequency: int) -> None:
        """Add words of a rank that occur so often each."""
        self.total += len(words)
        full = len(self._kept) == self._most
        if words and not (full and self._kept[-1][:2] < (rank, -frequency)):
            fresh = [(rank, -frequency, word) for word in nsmallest(self._most, words)]
            self._kept = sorted(self._kept + fresh)[: self._most]
