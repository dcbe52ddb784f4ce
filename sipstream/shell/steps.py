"""Work in small steps: generators that yield wherever others may have their turn, and return a result."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

from sipstream.pace import Pace

_T = TypeVar("_T")

Steps: TypeAlias = Generator[None, None, _T]


def at_once(steps: Steps[_T]) -> _T:
    """Do all steps and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result


async def in_turns(steps: Steps[_T]) -> _T:
    """Do all steps, letting others have their turn every few milliseconds, and return the result."""
    pace = Pace()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result
        if pace.due():
            await pace.rest()
