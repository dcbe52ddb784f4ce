"""A console without a terminal: lines in, what it wrote out; messages come in by hand."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from support import batch, ethernet, ipv4, udp

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.decode.decoder import Decoder
from sipstream.packets import Tally
from sipstream.render.colours import PLAIN, Paint
from sipstream.session import Session
from sipstream.settings import Settings
from sipstream.shell.console import Console
from sipstream.shell.output import Output, Writer
from sipstream.sip.scan import Scanner


class Shell:
    """A console; called with a line it returns the lines written since."""

    def __init__(self, folder: Path, *, as_json: bool = False, paint: Paint = PLAIN) -> None:
        self._paths = folder / "out", folder / "errors"
        self._files = [path.open("ab") for path in self._paths]
        writer = Writer(self._files[0].fileno())
        # As text both are one, so that it is seen what comes first.
        errors = Writer(self._files[1].fileno()) if as_json else writer
        out = Output(writer, errors, json=as_json, paint=paint)
        self.console = Console(Session(), out)
        self.config = folder / "config" / "config.toml"
        self.session.settings = Settings(self.config)
        self.good = True
        """The last line did what it says."""
        self._read = dict.fromkeys(self._paths, 0)
        self._clock = 10**18
        self._scanner = Scanner(Tally("test"))

    @property
    def session(self) -> Session:
        return self.console.session

    async def __call__(self, line: str) -> list[str]:
        self.good = await self.console.execute(line)
        return await self.written()

    async def written(self) -> list[str]:
        """What was written since, that to standard error last."""
        out = self.console.out
        await out.writer.drain(0)
        await out.errors.drain(0)
        found: list[str] = []
        for path, begin in self._read.items():
            text = path.read_bytes()[begin:]
            self._read[path] += len(text)
            found += text.decode().splitlines()
        return found

    def put(self, *messages: bytes) -> None:
        """Have messages come in, a millisecond apart, as a source does."""
        session = self.session
        times = [self._clock + place * 10**6 for place in range(len(messages))]
        self._clock = times[-1] + 10**6
        given = batch([ethernet(ipv4(udp(one))) for one in messages], times=times)
        decoder = Decoder(Tally("test"), session.conversations.index.endpoints)
        found = self._scanner.feed(decoder.feed(given))
        deque(session.publishing.publish(session.conversations.feed(found, given.store)), 0)

    def close(self) -> None:
        self.console.out.close()
        for file in self._files:
            file.close()
