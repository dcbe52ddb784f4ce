"""Every capture at hand: no traceback, no hang, and each packet a message or counted by reason."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from support import CAPTURES, SHARED

from sipstream.errors import SourceError
from sipstream.reasons import FAULT
from sipstream.session import Session
from sipstream.shell.commands import show
from sipstream.shell.console import Console
from sipstream.shell.output import Output, Writer

MESSAGES = (".sip", ".dat", ".bin", ".tsv", ".md", ".json", ".commands", ".toml")
"""Of the torture sets: single messages and lists, which are no captures."""


def _files() -> list[Path]:
    folders = (CAPTURES, SHARED / "captures-real", SHARED / "torture")
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


async def show_sources(session: Session, path: Path) -> list[str]:
    """The lines that the command writes."""
    with path.open("wb") as file:
        writer = Writer(file.fileno())
        out = Output(writer, writer)
        await show.show_sources(Console(session, out))
        out.close(10)
    return path.read_text().splitlines()


@pytest.mark.parametrize("path", _files(), ids=lambda path: f"{path.parent.name}/{path.name}")
async def test_every_file(path: Path, tmp_path: Path) -> None:
    """Rows F4 and P1 to P4: in 2 s, and what `show sources` tells adds up to the unit."""
    begun = time.process_time()
    async with Session() as session:
        refused = None
        try:
            await session.sources.load(path)
        except SourceError as error:
            refused = str(error)
        assert time.process_time() - begun < 2
        if refused is not None:
            assert path.suffix in MESSAGES, refused
            assert len(refused.splitlines()) == 1
            return
        first, *rest = await show_sources(session, tmp_path / "shown")
    numbers = re.fullmatch(r".*: (\d+) packets, (\d+) bytes, (\d+) messages", first)
    assert numbers is not None
    packets, size, _ = map(int, numbers.groups())
    # Before them stands what a pcapng file says of itself.
    while not rest[0].endswith(" packets with messages"):
        rest.pop(0)
    counts = {
        reason: int(count)
        for count, _, reason in (line.strip().partition(" ") for line in rest if line[0] == " ")
    }
    assert packets == sum(counts.values())
    assert size <= path.stat().st_size or path.suffix == ".gz"
    assert not any(FAULT in reason for reason in counts)
