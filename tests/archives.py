"""Archives made of captures, and what they hold, asked of DuckDB alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sipstream.decode.keylog import Secrets
from sipstream.notices import Notices
from sipstream.opening import Opened
from sipstream.session import Session

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

from sipstream.archive import layout  # noqa: E402
from sipstream.archive.files import Archiving  # noqa: E402


async def archive(folder: Path, *captures: Path) -> list[str]:
    """Put captures into an archive, return what is said of it."""
    said: list[str] = []
    notices = Notices(Secrets())
    notices.tell = notices.complain = said.append
    layout.require(folder)
    archiving = Archiving(folder, Opened(), Secrets(), notices, said.append)
    for path in captures:
        await archiving.take(path)
    return said


def asked(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return what a query of `messages` gives: of all Parquet files, as any reader finds them."""
    with duckdb.connect() as connection:
        files = f"{folder}/hour=*/partition=*/*.parquet"
        connection.read_parquet(files, hive_partitioning=True).create_view("messages")
        return list(connection.execute(sql).fetchall())


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """Return what each row holds, in order."""
    return asked(folder, "SELECT * EXCLUDE (hour, partition) FROM messages ORDER BY ALL")


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return all files by their places, with size and time."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def messages(session: Session) -> list[tuple[Any, ...]]:
    """Return what each message of a session is, in order."""
    return sorted(
        (one.time, one.source, one.destination, one.transport, one.raw, one.cut_off)
        for conversation in session.conversations
        for one in conversation.messages
    )
