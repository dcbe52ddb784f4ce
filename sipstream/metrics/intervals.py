"""What came in each interval of time: messages, failures, calls at once. Sans-IO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from itertools import compress, repeat
from operator import floordiv
from typing import NamedTuple

from sipstream.filters.term import Due
from sipstream.index import Index
from sipstream.metrics.block import SECOND
from sipstream.metrics.values import Metrics

MOST = 10_000
"""Intervals that are told at most: a day has 8640 of 10 s."""
_STEPS = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, 86_400),
)
"""Seconds of an interval, of which the shortest is taken that fits."""
_PIECE = 4096
"""Messages, or steps of calls, that are gone through together."""


class Interval(NamedTuple):
    """What came from `begin`, ns, on; `calls` is how many there were at once, at most."""

    begin: int
    messages: int
    failures: int
    calls: int


def fitting(metrics: Metrics, room: int) -> int:
    """Return the seconds of the shortest round interval of which no more than `room` are needed."""
    seconds = next((step for step in _STEPS if needed(metrics, step) <= room), 0)
    if not seconds:
        seconds = _STEPS[-1] * -(-needed(metrics, _STEPS[-1]) // max(room - 1, 1))
    return seconds


def needed(metrics: Metrics, seconds: int) -> int:
    """Return how many intervals of so many seconds there are from the first message to the last."""
    return metrics.last // SECOND // seconds - metrics.first // SECOND // seconds + 1


def intervals(
    metrics: Metrics, index: Index, chosen: bytes, seconds: int, due: Due
) -> Generator[None, None, list[Interval]]:
    """Return all intervals, of `seconds` each, giving control back whenever it is due.

    `chosen` has a 1 for each conversation that the figures are about.
    """
    if not metrics.messages:
        return []
    begin = metrics.first // SECOND // seconds
    count = needed(metrics, seconds)
    messages: Counter[int] = Counter()
    for place in range(0, len(index.m_time), _PIECE):
        times = _times(index, chosen, place)
        messages.update(map(floordiv, times, repeat(seconds * SECOND)))
        if due():
            yield
    failures: Counter[int] = Counter()
    for place, (second, number) in enumerate(metrics.failures.items()):
        failures[second // seconds] += number
        if place % _PIECE == 0 and due():
            yield
    calls = [0] * count
    yield from _fill_at_once(metrics.calls, seconds, begin, calls, due)
    numbers = range(begin, begin + count)
    return [
        Interval(number * seconds * SECOND, messages[number], failures[number], at_once)
        for number, at_once in zip(numbers, calls, strict=True)
    ]


def _times(index: Index, chosen: bytes, begin: int) -> Iterable[int]:
    """Return the times of those of some messages that belong to what was chosen."""
    end = begin + _PIECE
    times: Iterable[int] = index.m_time[begin:end]
    if index.free_messages:
        # Places that no message has belong to no store.
        times = compress(times, index.m_store[begin:end])
        conversations: Iterable[int] = compress(
            index.m_conversation[begin:end], index.m_store[begin:end]
        )
    else:
        conversations = index.m_conversation[begin:end]
    if 0 in chosen or len(chosen) < len(index.c_state):
        known = len(chosen)
        times = compress(times, (one < known and chosen[one] for one in conversations))
    return times


def _fill_at_once(
    steps: list[int], seconds: int, begin: int, most: list[int], due: Due
) -> Iterator[None]:
    """Fill in how many calls there were at once in each interval, at most."""
    width, now, place = seconds * SECOND * 2, 0, 0
    for number, step in enumerate(steps):
        reached = step // width - begin
        if reached > place:
            most[place + 1 : reached + 1] = [now] * (reached - place)
            place = reached
        now += 1 if step & 1 else -1
        most[place] = max(most[place], now)
        if number % _PIECE == 0 and due():
            yield
    most[place + 1 :] = [now] * (len(most) - place - 1)
