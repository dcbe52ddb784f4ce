"""Which messages were there already: the same bytes of the same time from the same capture point.

Sans-IO. The times of a conversation are put into a table when a message is first not the latest, so
that loading a file twice stays linear.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sipstream.index import Index

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Flow


@dataclass(slots=True)
class _SameTime:
    """A conversation's messages of one time: not read yet, or known by the hash of their bytes."""

    unread: list[int] = field(default_factory=list)
    known: dict[int, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class _Times:
    """A conversation's messages by time, up to the message `upto` of its chain."""

    upto: int = -1
    size: int = 0
    messages: dict[int, _SameTime] = field(default_factory=dict)


class Duplicates:
    """Tables of times, of the conversations that need one."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._tables: dict[int, _Times] = {}
        self.size = 0
        """Messages in all tables."""

    def has(self, number: int, time: int, flow: Flow, tap: int, raw: bytes) -> bool:
        """Tell whether a capture point gave a conversation the same bytes of the same time before."""
        index = self._index
        times = self._tables.get(number)
        if times is None:
            times = self._tables[number] = _Times()
        before = times.size
        for message in index.arrived(number, times.upto):
            times.messages.setdefault(index.m_time[message], _SameTime()).unread.append(message)
            times.upto = message
            times.size += 1
        self.size += times.size - before
        same = times.messages.get(time)
        if same is None:
            return False
        for message in same.unread:
            # Each is read once: many of one time are an attack, or a capture without times.
            same.known.setdefault(hash(index.raw(message)), []).append(message)
        same.unread.clear()
        return any(
            index.m_source[message] == flow.source
            and index.m_tap[message] == tap
            and index.m_outer[message] == flow.outer
            and index.raw(message) == raw
            for message in same.known.get(hash(raw), ())
        )

    def forget(self, number: int) -> None:
        """Messages of a conversation were given up: its table is made anew when it is needed."""
        times = self._tables.pop(number, None)
        if times is not None:
            self.size -= times.size
