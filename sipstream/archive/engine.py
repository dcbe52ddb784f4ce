"""DuckDB over an archive's files: what is asked runs in a thread, and ends when who asks goes away.

It reads the archive's folder and nothing else: no other file, no network, no extensions.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sipstream.archive.conditions import Sql
from sipstream.archive.layout import Part
from sipstream.errors import SourceError
from sipstream.escape import escape
from sipstream.extras import how_to_install

_MEMORY = "1GB"
"""What DuckDB may take; to find the Call-IDs of ten million messages takes a tenth of it."""
_THREADS = 4
_FEWEST_BYTES = 12
_MAGIC = b"PAR1"
"""What a whole Parquet file begins and ends with."""

Came = TypeVar("Came")


class DamagedError(SourceError):
    """DuckDB can't do what it is asked for; a file may be damaged."""


class Engine:
    """One connection of DuckDB, which one asks at a time.

    Raises:
        SourceError: DuckDB isn't there.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import duckdb
        except ImportError as error:
            raise SourceError(
                f"an archive is read by duckdb, which is missing: {how_to_install('archive')}"
            ) from error
        self._duckdb = duckdb
        self._lock = asyncio.Lock()
        self._connection = duckdb.connect(":memory:")
        settings: dict[str, Any] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": _MEMORY,
            "threads": min(len(os.sched_getaffinity(0)), _THREADS),
            "temp_directory": "",
            "allowed_directories": [str(folder)],
            "enable_external_access": False,
            "lock_configuration": True,
        }
        for name, value in settings.items():
            self._connection.execute(f"SET {name} = ?", [value])

    async def run(self, work: Callable[[], Came]) -> Came:
        """Return what work comes to that asks here; cancelled, it ends early."""
        async with self._lock:
            running = asyncio.get_running_loop().run_in_executor(None, work)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                self._connection.interrupt()
                with suppress(Exception):
                    await running
                raise

    def see(self, name: str, parts: Iterable[Part]) -> None:
        """Have queries see the rows of some files, one at least, by a name.

        Raises:
            DamagedError: the first of them can't be read.
        """
        paths = [part.path for part in parts]
        try:
            self._connection.from_parquet(paths, hive_partitioning=False).create_view(name)
        except self._duckdb.Error as error:
            raise self._damaged(error) from error

    def fetch(self, sql: Sql) -> list[tuple[Any, ...]]:
        """Return what a query gives.

        Raises:
            DamagedError: a file is damaged, or the query takes too much memory.
        """
        try:
            return self._connection.execute(sql.text, list(sql.values)).fetchall()
        except self._duckdb.InterruptException:
            raise InterruptedError from None
        except self._duckdb.Error as error:
            raise self._damaged(error) from error

    def is_whole(self, path: str) -> bool:
        """Tell whether a file begins and ends as Parquet files do."""
        try:
            # A FIFO would be waited for, and a link leads out of the folder.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
                status = os.fstat(descriptor)
                size = status.st_size if stat.S_ISREG(status.st_mode) else 0
                if size < _FEWEST_BYTES or file.read(len(_MAGIC)) != _MAGIC:
                    return False
                file.seek(size - len(_MAGIC))
                return file.read() == _MAGIC
        except OSError:
            return False

    def is_readable(self, path: str) -> bool:
        """Tell whether all of a file can be read, and is what an archive has."""
        query = "SELECT max(hash(COLUMNS(*))) FROM one"
        try:
            self._connection.from_parquet([path], hive_partitioning=False).create_view("one")
            self._connection.execute(query).fetchall()
        except self._duckdb.InterruptException:
            raise InterruptedError from None
        except self._duckdb.Error:
            return False
        return True

    def close(self) -> None:
        """End it."""
        self._connection.close()

    def _damaged(self, error: Exception) -> DamagedError:
        return DamagedError(f"DuckDB: {escape(str(error).splitlines()[0])}")
