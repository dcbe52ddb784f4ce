"""Conversations of an archive: which Call-IDs a filter may hold for, and all their messages as envelopes.

All here runs in the engine's thread. A file that is damaged, or isn't one of ours, is left out and named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sipstream.archive import layout, pushdown
from sipstream.archive.conditions import Asked, Sql
from sipstream.archive.engine import DamagedError, Engine
from sipstream.archive.layout import Part
from sipstream.archive.schema import traffic_bytes
from sipstream.bus.names import partition_of
from sipstream.decode.endpoints import key_of_name
from sipstream.envelopes import envelope
from sipstream.escape import brief, escape
from sipstream.filters.grammar import Node
from sipstream.limits import MAX_CALL_ID
from sipstream.newest import newest_of

CONVERSATIONS = 10_000
"""Conversations brought at a time: a list of more is no answer, and as many enter in a second or two."""
MESSAGES = 100_000
"""Messages brought at a time, but for one conversation's: some ten seconds."""
_DISTINCT = 50_000
"""Values of a column that are judged one by one: some tenths of a second."""
_BLOCK = 2000
"""Call-IDs whose messages are read before those of older ones, a partition at a time."""
_LARGEST = 64 << 20
"""Bytes of a conversation that is brought: ten thousand messages, which is all that is kept of one, have
a tenth of it."""
_COLUMNS = (
    "time_ns, tap, source, source_port, destination, destination_port, transport, cut_off, raw"
)
_LONGEST_TEXT = 4 * MAX_CALL_ID + 1024
"""Bytes of a Call-ID, or of any other text that names something, escaped."""
_HONEST = "size = octet_length(raw) AND " + " AND ".join(
    f"strlen({one}) <= {_LONGEST_TEXT}" for one in ("tap", "source", "destination", "transport")
)
"""What holds for all rows that were ever written: a small file may hold a thousand times the same bytes,
as many as it likes."""

Came = TypeVar("Came")


class Found(NamedTuple):
    """Call-IDs, those with the newest messages first."""

    call_ids: list[str]
    total: int
    """How many there are; more than the list has where that would be too long."""


class Finder:
    """Asks the files of an archive; `tell` gets a line for each that is left out."""

    def __init__(self, folder: Path, engine: Engine, tell: Callable[[str], None]) -> None:
        self.parts: list[Part] = []
        """The files there are, but for those left out."""
        self._folder = folder
        self._engine = engine
        self._tell = tell
        self._left_out: set[str] = set()
        self._told_strange = False

    def look(self) -> bool:
        """Look which files there are now; return whether they are others than before.

        Raises:
            SourceError: the folder can't be read.
        """
        foreign: list[str] = []
        there = list(layout.parts(self._folder, foreign))
        for place in foreign:
            self._leave_out(str(self._folder / place), "is none of an archive's files")
        before = self.parts
        self.parts = [one for one in there if one.path not in self._left_out]
        for part in self.parts.copy():
            if part not in before and not self._engine.is_whole(part.path):
                self._leave_out(part.path, "is damaged")
        return self.parts != before

    @property
    def newest(self) -> int:
        """The time of the newest message, 0 where there is none."""
        return newest_of(0, [one.last for one in self.parts if one.hour != layout.UNDATED])

    def find(self, node: Node | None, newest: int) -> Found:
        """Return the Call-IDs that a filter may hold for, without a filter the newest ones."""
        return self._robust(partial(self._find, node, newest))

    def _find(self, node: Node | None, newest: int) -> Found:
        if not self.parts:
            return Found([], 0)
        self._engine.see("messages", self.parts)
        wanted = None
        if node is not None:
            wanted = pushdown.query(node, Asked(newest, self._distinct), "messages")
        if wanted is None:
            return self._newest()
        rows = self._engine.fetch(
            Sql(
                f"SELECT call_id, count(*) OVER () FROM ({wanted.text})"
                f" WHERE strlen(call_id) <= {_LONGEST_TEXT}"
                f" ORDER BY latest DESC, call_id LIMIT {CONVERSATIONS}",
                wanted.values,
            )
        )
        return Found([row[0] for row in rows], rows[0][1] if rows else 0)

    def _newest(self) -> Found:
        """Return the newest conversations: hour by hour backwards, until these are enough."""
        latest: dict[str, int] = {}
        hours = sorted({one.hour for one in self.parts}, reverse=True)
        for number, hour in enumerate(hours, 1):
            self._engine.see("an_hour", [one for one in self.parts if one.hour == hour])
            rows = self._engine.fetch(
                Sql(
                    "SELECT call_id, max(time_ns) AS latest FROM an_hour"
                    f" WHERE strlen(call_id) <= {_LONGEST_TEXT} GROUP BY call_id"
                    f" ORDER BY latest DESC, call_id LIMIT {CONVERSATIONS + 1}"
                )
            )
            for call_id, time in rows:
                latest[call_id] = max(time, latest.get(call_id, time))
            if len(latest) > CONVERSATIONS or number == len(hours):
                break
        in_order = sorted(latest, key=latest.__getitem__, reverse=True)
        return Found(in_order[:CONVERSATIONS], len(in_order))

    def _distinct(self, columns: tuple[str, ...]) -> list[tuple[Any, ...]] | None:
        rows = self._engine.fetch(
            Sql(
                f"SELECT DISTINCT {', '.join(columns)} FROM messages"
                f" WHERE strlen(concat({', '.join(columns)})) <= {_LONGEST_TEXT}"
                f" LIMIT {_DISTINCT + 1}"
            )
        )
        return rows if len(rows) <= _DISTINCT else None

    def messages(self, call_ids: Sequence[str]) -> Iterator[tuple[list[str], list[bytes]]]:
        """Yield Call-IDs, some at a time, with all their messages in envelopes."""
        for begin in range(0, len(call_ids), _BLOCK):
            by_partition: dict[int, list[str]] = {}
            for call_id in call_ids[begin : begin + _BLOCK]:
                partition = partition_of(traffic_bytes(call_id))
                by_partition.setdefault(partition, []).append(call_id)
            for partition, some in sorted(by_partition.items()):
                for few, count in self._robust(partial(self._in_pieces, partition, some)):
                    yield few, self._robust(partial(self._messages, partition, few, count))

    def _messages(self, partition: int, call_ids: list[str], count: int) -> list[bytes]:
        """Return the messages of some Call-IDs, of which there are so many rows."""
        there = [one for one in self.parts if one.partition == partition]
        if not there:
            return []
        self._engine.see("partition", there)
        marks = ", ".join("?" * len(call_ids))
        rows = self._engine.fetch(
            Sql(
                f"SELECT {_COLUMNS} FROM partition WHERE call_id IN ({marks}) AND {_HONEST}",
                tuple(call_ids),
            )
        )
        if len(rows) < count and not self._told_strange:
            self._told_strange = True
            self._tell("rows that no archive has (texts too long, sizes that lie) are left out")
        # States of calls are told by the order of messages: the files' isn't that of times.
        rows.sort(key=itemgetter(0))
        return [one for one in map(_enveloped, rows) if one is not None]

    def _in_pieces(self, partition: int, call_ids: list[str]) -> list[tuple[list[str], int]]:
        """Return Call-IDs, as many together as have _LARGEST bytes of messages, with their rows' count.

        Those that alone have more are left out and named.
        """
        there = [one for one in self.parts if one.partition == partition]
        if not there:
            return [(call_ids, 0)]
        self._engine.see("partition", there)
        marks = ", ".join("?" * len(call_ids))
        known = self._engine.fetch(
            Sql(
                "SELECT call_id, sum(greatest(size, 0)), count(*) FROM partition"
                f" WHERE call_id IN ({marks}) GROUP BY call_id",
                tuple(call_ids),
            )
        )
        rows_of = {call_id: (int(size), count) for call_id, size, count in known}
        pieces: list[tuple[list[str], int]] = []
        together: list[str] = []
        room, total = _LARGEST, 0
        for call_id in call_ids:
            size, count = rows_of.get(call_id, (0, 0))
            if size > _LARGEST:
                self._tell(
                    f"{brief(call_id)} has more than {_LARGEST >> 20} MiB of messages:"
                    " it is left out"
                )
                continue
            if size > room:
                pieces.append((together, total))
                together, room, total = [], _LARGEST, 0
            together.append(call_id)
            room -= size
            total += count
        return [*pieces, (together, total)]

    def _robust(self, work: Callable[[], Came]) -> Came:
        """Return what work comes to, without the files that it fails on.

        Raises:
            DamagedError: no file can be told that is to blame.
        """
        while True:
            try:
                return work()
            except DamagedError:
                # It may have been merged with others meanwhile, or be damaged.
                if self.look():
                    continue
                bad = [one.path for one in self.parts if not self._engine.is_readable(one.path)]
                if not bad:
                    raise
                for path in bad:
                    self._leave_out(path, "is damaged")

    def _leave_out(self, path: str, why: str) -> None:
        self.parts = [one for one in self.parts if one.path != path]
        if path not in self._left_out:
            self._left_out.add(path)
            self._tell(f"{escape(path)} {why}: it is left out")


def _enveloped(row: tuple[Any, ...]) -> bytes | None:
    time, tap, source, source_port, destination, destination_port, transport, cut, raw = row
    return envelope(
        time, key_of_name(source, source_port), key_of_name(destination, destination_port),
        transport, raw, node=tap, cut=cut,
    )  # fmt: skip
