"""Which messages were there already: the same bytes of the same time from the same capture point.

Sans-IO. The times of a conversation are put into a table when a message is first not the latest, so
that loading a file twice stays linear.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sipstream.index import Index


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

    def has(self, number: int, new: int, raw: bytes | None) -> bool:
        """Tell whether a conversation has one of the same bytes and time that came the same way.

        `new` isn't in its chain yet; `raw` are its bytes, None where they can be read from its store.
        """
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
        same = times.messages.get(index.m_time[new])
        if same is None:
            return False
        if raw is None:
            raw = index.raw(new)
        for message in same.unread:
            # Each is read once: many of one time are an attack, or a capture without times.
            same.known.setdefault(hash(index.raw(message)), []).append(message)
        same.unread.clear()
        return any(
            index.m_way[message] == index.m_way[new] and index.raw(message) == raw
            for message in same.known.get(hash(raw), ())
        )

    def forget(self, number: int) -> None:
        """Messages of a conversation were given up: its table is made anew when it is needed."""
        times = self._tables.pop(number, None)
        if times is not None:
            self.size -= times.size
