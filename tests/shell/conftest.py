"""A console with a capture loaded, for tests of what commands answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from consoles import Shell
from support import CAPTURES


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    made = Shell(tmp_path)
    async with made.console.session as session:
        await session.sources.load(CAPTURES / "timeout.pcap")
        yield made
        made.console.end_watch()
    made.close()
