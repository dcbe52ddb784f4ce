"""The real program on a real pseudo-terminal, and what a person sees there (pyte)."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pexpect
import pyte

PROMPT = re.compile(r"^sipstream(\[[^\]]*\])?\*?: ?$")
_ENVIRONMENT = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class Terminal:
    """`sipstream ARGUMENTS` on a terminal of `columns` x `rows`; `screen` is what it shows."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        columns: int = 160,
        rows: int = 200,
        prefix: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self._open(
            [*prefix, sys.executable, "-m", "sipstream", *arguments],
            cwd,
            columns,
            rows,
            environment,
        )

    @classmethod
    def of(
        cls, command: Sequence[str], *, cwd: Path, columns: int = 160, rows: int = 200
    ) -> Terminal:
        """Return a terminal in which another program runs."""
        made = cls.__new__(cls)
        made._open(command, cwd, columns, rows, None)
        return made

    def _open(
        self,
        command: Sequence[str],
        cwd: Path,
        columns: int,
        rows: int,
        environment: dict[str, str] | None,
    ) -> None:
        state = {
            "XDG_STATE_HOME": str(cwd / "state"),
            "XDG_CONFIG_HOME": str(cwd / "config"),
            "HOME": str(cwd),
        }
        self.child = pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=str(cwd),
            env={**os.environ, **_ENVIRONMENT, **state, **(environment or {})},
            dimensions=(rows, columns),
            timeout=20,
        )
        self.screen = pyte.HistoryScreen(columns, rows, history=20_000)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""

    def pump(self, seconds: float = 0.05) -> None:
        """Take what the program writes within a time, answer what it asks the terminal."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                data = self.child.read_nonblocking(65536, timeout=0.02)
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                return
            self.raw += data
            if b"\x1b[6n" in data:
                # The cursor's place, which prompt_toolkit asks for.
                self.child.send(f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R")
            self._stream.feed(data)

    def lines(self) -> list[str]:
        """Return what was shown, scrolled away lines included, without trailing blanks."""
        gone = [
            "".join(line[x].data for x in range(self.screen.columns))
            for line in self.screen.history.top
        ]
        return [line.rstrip() for line in [*gone, *self.screen.display]]

    def until(self, pattern: str, seconds: float = 20) -> str:
        """Wait until a line shown matches, return that line."""
        end = time.monotonic() + seconds
        while True:
            for line in reversed(self.lines()):
                if re.search(pattern, line):
                    return line
            if time.monotonic() > end:
                shown = "\n".join(line for line in self.lines() if line)
                raise AssertionError(f"{pattern!r} was not shown within {seconds} s:\n{shown}")
            self.pump()

    def at_prompt(self, seconds: float = 20) -> None:
        """Wait until the cursor stands behind an empty prompt."""
        end = time.monotonic() + seconds
        quiet = 0
        while quiet < 2:
            line = self.screen.display[self.screen.cursor.y].rstrip()
            quiet = quiet + 1 if PROMPT.match(line) else 0
            if time.monotonic() > end:
                shown = "\n".join(line for line in self.lines() if line)
                raise AssertionError(f"no prompt within {seconds} s:\n{shown}")
            self.pump(0.03)

    def editing(self, text: str, seconds: float = 20) -> None:
        """Wait until the cursor's line is `text`."""
        end = time.monotonic() + seconds
        while (line := self.screen.display[self.screen.cursor.y].rstrip()) != text:
            assert time.monotonic() < end, f"the cursor's line is {line!r}"
            self.pump()

    def type(self, text: str) -> None:
        """Send keys as they are."""
        self.child.send(text)

    def command(self, text: str) -> None:
        """Type a command at the prompt and wait for the next prompt."""
        self.at_prompt()
        self.type(text + "\r")
        self.pump(0.05)
        self.at_prompt()

    def end(self, seconds: float = 5) -> int | None:
        """Wait for the program's end, return its exit status; one still there is killed."""
        limit = time.monotonic() + seconds
        while self.child.isalive() and time.monotonic() < limit:
            self.pump()
        if self.child.isalive():
            self.child.kill(signal.SIGKILL)
            self.child.wait()
            raise AssertionError(f"the program didn't end within {seconds} s")
        self.child.close()
        status: int | None = self.child.exitstatus
        return status

    def close(self) -> None:
        """End the program whatever it does."""
        if self.child.isalive():
            self.child.kill(signal.SIGKILL)
        self.child.close(force=True)
