"""Messages of an index to files of the archive: by hour and partition, in each sorted by Call-ID."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sipstream.archive import rows
from sipstream.archive.layout import HOUR, UNDATED, hour_of
from sipstream.archive.parquet import ROW_GROUP
from sipstream.bus.names import PARTITIONS, partition_of

if TYPE_CHECKING:
    from sipstream.archive.staging import Staging
    from sipstream.index import Index

_HOURS = 1000
"""Hours that messages written together may be of: six weeks. Whoever forges times makes no more files;
messages of further ones lie with those without a time."""

_BYTES = 64 << 20
"""Bytes of messages that are written together: usual ones have a sixth, the longest twenty times as many
as there is memory for."""


def write(
    index: Index,
    numbers: Sequence[int],
    staging: Staging,
    origin: str,
    partitions: Iterable[int] = range(PARTITIONS),
    raws: Callable[[Sequence[int]], list[bytes]] | None = None,
) -> int:
    """Write messages, by their numbers, of some partitions; return how many were left out.

    Those have lost their bytes. `origin` is a part of the files' names; `raws` brings messages' bytes,
    where that is done in another way than the index does it.

    Raises:
        OSError: the disk is full, or the like.
    """
    import pyarrow

    # Tables come and go: the system's memory is the quickest to be had again.
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    raws = raws or _read(index)
    wanted = set(partitions)
    by_partition = _by_partition(index, numbers, wanted)
    hours = _hours(index, numbers)
    lost = 0
    for partition in sorted(wanted):
        for hour, messages in _by_hour(index, by_partition[partition], hours).items():
            times = [index.m_time[number] for number in messages]
            tables = (rows.table(index, some, raws(some)) for some in _together(index, messages))
            ends = min(times), max(times)
            lost += len(messages) - staging.write(tables, hour, partition, ends, origin)
    return lost


def _read(index: Index) -> Callable[[Sequence[int]], list[bytes]]:
    return lambda numbers: list(map(index.raw, numbers))


def _together(index: Index, messages: list[int]) -> Iterator[list[int]]:
    """Yield messages that become rows together."""
    some: list[int] = []
    size = 0
    for number in messages:
        size += index.m_length[number]
        if some and (len(some) == ROW_GROUP or size > _BYTES):
            yield some
            some, size = [], index.m_length[number]
        some.append(number)
    if some:
        yield some


def _by_partition(index: Index, numbers: Sequence[int], wanted: set[int]) -> dict[int, list[int]]:
    """Return the messages of each partition, by Call-ID and in order of arrival."""
    of, call_ids = index.m_conversation, index.c_call_id
    conversations = set(map(of.__getitem__, numbers))
    by_conversation: dict[int, list[int]] = {}
    found: dict[int, list[int]] = {partition: [] for partition in wanted}
    for conversation in sorted(conversations, key=call_ids.__getitem__):
        if partition_of(call_ids[conversation]) in wanted:
            by_conversation[conversation] = []
    for number in numbers:
        messages = by_conversation.get(of[number])
        if messages is not None:
            messages.append(number)
    for conversation, messages in by_conversation.items():
        found[partition_of(call_ids[conversation])] += messages
    return found


def _hours(index: Index, numbers: Sequence[int]) -> set[int]:
    """Return the hours that have files of their own, counted since the epoch."""
    times = index.m_time
    hours = {time // HOUR for time in map(times.__getitem__, numbers)}
    return set(sorted(hours, reverse=True)[:_HOURS])


def _by_hour(index: Index, numbers: list[int], hours: set[int]) -> dict[str, list[int]]:
    if len(hours) == 1:
        return {hour_of(hour * HOUR): numbers for hour in hours} if numbers else {}
    found: dict[int | None, list[int]] = {}
    times = index.m_time
    for number in numbers:
        hour: int | None = times[number] // HOUR
        found.setdefault(hour if hour in hours else None, []).append(number)
    named: dict[str, list[int]] = {}
    for hour, messages in found.items():
        named.setdefault(UNDATED if hour is None else hour_of(hour * HOUR), []).extend(messages)
    return named
