"""Tables of messages as Parquet files, and which rows of one are in others already."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sipstream.archive.schema import schema

if TYPE_CHECKING:
    import pyarrow

ROW_GROUP = 16_384
"""Rows read together: of a file sorted by Call-ID a look for one conversation reads one group or two."""
_PLAIN = ("time", "time_ns", "size", "raw")
"""Columns whose values differ from row to row: a dictionary of them would only take time."""
_LEVEL = 1
"""Of zstd: neighbours in a file are messages of one call, higher levels make it hardly smaller."""
_SAME = (
    "time_ns", "raw", "call_id", "tap", "source", "source_port", "destination",
    "destination_port", "transport",
)  # fmt: skip
"""What makes two rows one message, as it does when captures are loaded (duplicates.py)."""


def write(tables: Iterable[pyarrow.Table], path: Path) -> int:
    """Write tables one behind the other to a new file, and have it survive a loss of power.

    Returns how many rows they have.

    Raises:
        OSError: the disk is full, or the like.
    """
    import pyarrow.parquet as pq

    columns = schema().names
    count = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        with pq.ParquetWriter(
            file, schema(), compression="zstd", compression_level=_LEVEL,
            use_dictionary=[name for name in columns if name not in _PLAIN],
            write_statistics=[name for name in columns if name != "raw"],
            sorting_columns=[pq.SortingColumn(columns.index("call_id"))],
        ) as writer:  # fmt: skip
            for table in tables:
                writer.write_table(table, row_group_size=ROW_GROUP)
                count += len(table)
        file.flush()
        os.fsync(file.fileno())
    return count


def count(path: Path) -> int:
    """Return how many rows a file of ours has."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def read(path: Path | str, columns: tuple[str, ...] | None = None) -> pyarrow.Table:
    """Return a file's table, or some columns of it.

    Raises:
        OSError: it can't be read, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns=None if columns is None else list(columns))
    except (pa.ArrowException, KeyError) as error:
        raise OSError(str(error)) from error


def new_rows(table: pyarrow.Table, others: list[str]) -> pyarrow.Table:
    """Return the rows of a table that other files don't have.

    Few messages are of one time: only those that are get compared.

    Raises:
        OSError: one of the files can't be read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for path in others:
        times = read(path, ("time_ns",)).column("time_ns").combine_chunks()
        alike = pc.is_in(table.column("time_ns"), value_set=times)
        if not pc.any(alike).as_py():
            continue
        wanted = table.column("time_ns").filter(alike).combine_chunks()
        there = read(path, _SAME)
        known = set(_keys(there.filter(pc.is_in(there.column("time_ns"), value_set=wanted))))
        is_new = iter([key not in known for key in _keys(table.filter(alike))])
        kept = [next(is_new) if one else True for one in alike.to_pylist()]
        table = table.filter(pa.array(kept))
    return table


def ends(table: pyarrow.Table) -> tuple[int, int]:
    """Return the times of the first message and of the last, ns since the epoch."""
    import pyarrow.compute as pc

    found = pc.min_max(table.column("time_ns")).as_py()
    return found["min"], found["max"]


def _keys(table: pyarrow.Table) -> Any:
    """Yield what makes each row of a table the message that it is."""
    return zip(*(table.column(name).to_pylist() for name in _SAME), strict=True)
