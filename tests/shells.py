"""A console without a terminal, for tests of what commands answer."""

from __future__ import annotations

from pathlib import Path

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.render.colours import PLAIN, Paint
from sipstream.session import Session
from sipstream.settings import Settings
from sipstream.shell.console import Console
from sipstream.shell.output import Output, Writer


class Shell:
    """A console, and what it wrote since it was last asked."""

    def __init__(self, folder: Path, *, as_json: bool = False, paint: Paint = PLAIN) -> None:
        self.path = folder / "out"
        self.file = self.path.open("ab")
        self.writer = Writer(self.file.fileno())
        out = Output(self.writer, self.writer, json=as_json, paint=paint)
        self.console = Console(Session(), out)
        self.config = folder / "config" / "config.toml"
        self.console.session.settings = Settings(self.config)
        self._read = 0

    async def __call__(self, line: str) -> list[str]:
        await self.console.execute(line)
        return await self.written()

    async def written(self) -> list[str]:
        await self.writer.drain(0)
        text = self.path.read_text()[self._read :]
        self._read += len(text)
        return text.splitlines()

    def close(self) -> None:
        self.writer.close()
        self.file.close()
