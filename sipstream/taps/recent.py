"""What was asked and answered lately, so that the same question costs what changed since. Sans-IO."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from sipstream.taps.answers import Answer
from sipstream.taps.known import Tap

FRESH_SECONDS = 1.0
"""For which an answer serves the same question again: commands ask it one behind the other."""
_QUESTIONS = 4096
"""Questions that are remembered: forty a tap where there are a hundred."""
_MARK = 100
"""Characters of a mark; an agent's own have some thirty."""

Asked = tuple[Tap, str]
"""A tap, and what it was asked."""


class _Answered(NamedTuple):
    when: float
    mark: str
    state: object


class Recent:
    """Answers by their questions; of another `state` of the session what came is there no more."""

    def __init__(self) -> None:
        self._all: OrderedDict[Asked, _Answered] = OrderedDict()

    def is_fresh(self, asked: Asked, state: object, now: float) -> bool:
        """Tell whether a question was answered just now."""
        known = self._all.get(asked)
        return known is not None and known.state == state and now - known.when < FRESH_SECONDS

    def mark(self, asked: Asked, state: object) -> str:
        """Return what the tap called its answer to a question, "" where all is to be asked for."""
        known = self._all.get(asked)
        return known.mark if known is not None and known.state == state else ""

    def note(self, asked: Asked, answer: Answer, state: object, now: float) -> None:
        """Remember an answer that came whole; one with less than there was can't be added to."""
        mark = answer.fields.get("mark")
        came = answer.messages >= answer.number("messages") and not answer.number("left_out")
        if not came or answer.number("given") < answer.number("matching"):
            mark = ""
        if not isinstance(mark, str) or len(mark) > _MARK:
            mark = ""
        self._all[asked] = _Answered(now, mark, state)
        self._all.move_to_end(asked)
        if len(self._all) > _QUESTIONS:
            self._all.popitem(last=False)
