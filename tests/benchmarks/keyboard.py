"""A person at sipstream's prompt, on a pseudo-terminal: keys, their echo, answers, and their times."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measuring import environment, percentiles

_CONTROLS = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[=>]|\x1b\][^\x07]*\x07")
_RARE = "zxjZXQ"
"""Letters that stand in nothing sipstream prints by itself: whoever sees one sees an echo."""
_CLEAR = b"\x15"
_ROWS, _COLUMNS = 40, 160
_PATIENCE = 30.0
"""Seconds after which a key or a command counts as not answered."""


class Shell:
    """sipstream's shell on a terminal; `seen` is what it wrote, without control sequences."""

    def __init__(self, folder: Path, arguments: Sequence[str], prefix: Sequence[str] = ()) -> None:
        self.seen = b""
        self.lag = folder / "lag.txt"
        self._raw = b""
        self._random = random.Random(3)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        wrapper = Path(__file__).with_name("lag.py")
        homes = {"HOME": str(folder), "XDG_STATE_HOME": str(folder), "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(wrapper), str(self.lag), *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment(), **homes},
            start_new_session=True,
        )
        os.close(slave)

    def pump(self, seconds: float) -> bool:
        """Take what comes within a time, return at the first piece; tell whether one came."""
        if not select.select([self._master], [], [], max(seconds, 0))[0]:
            return False
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            return False
        # The cursor's place, which the line editor asks for.
        os.write(self._master, b"\x1b[20;1R" * data.count(b"\x1b[6n"))
        # A sequence may be cut by the end of a piece.
        data = self._raw + data
        cut = data.rfind(b"\x1b", max(len(data) - 32, 0))
        whole = cut < 0 or _CONTROLS.match(data, cut) is not None
        self._raw = b"" if whole else data[cut:]
        self.seen += _CONTROLS.sub(b"", data if whole else data[:cut])
        return True

    def rest(self, seconds: float) -> None:
        """Do nothing for a time but take what comes."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self.pump(left) and self.process.poll() is not None:
                raise SystemExit(f"sipstream ended: {self.seen[-500:]!r}")

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def until(
        self, pattern: bytes, since: int, seconds: float = _PATIENCE
    ) -> re.Match[bytes] | None:
        """Wait until something was written behind place `since`; None when it isn't in time."""
        end, wanted = time.monotonic() + seconds, re.compile(pattern)
        while (found := wanted.search(self.seen, since)) is None:
            left = end - time.monotonic()
            if left <= 0:
                return None
            if not self.pump(left) and self.process.poll() is not None:
                raise SystemExit(f"sipstream ended: {self.seen[-500:]!r}")
        return found

    def at_prompt(self) -> None:
        """Wait until the line editor reads the keys."""
        end = time.monotonic() + _PATIENCE
        while not self.edits():
            if time.monotonic() > end:
                raise SystemExit(f"no prompt: {self.seen[-500:]!r}")
            self.rest(0.01)

    def ask(
        self, command: str, answer: bytes, seconds: float = _PATIENCE
    ) -> tuple[float, bytes] | None:
        """Type a command, return the seconds from Enter to its answer, and the answer."""
        self.type(_CLEAR + command.encode())
        self.rest(0.1)
        since, begun = len(self.seen), time.monotonic()
        self.type(b"\r")
        found = self.until(answer, since, seconds)
        return None if found is None else (time.monotonic() - begun, found[0])

    def echo(self, letter: str) -> float | None:
        """Press a letter's key, return the seconds until it is shown."""
        since, begun = len(self.seen), time.monotonic()
        self.type(letter.encode())
        found = self.until(letter.encode(), since)
        return None if found is None else time.monotonic() - begun

    def edits(self) -> bool:
        """Tell whether the program reads keys itself; otherwise the terminal echoes them."""
        return not termios.tcgetattr(self._master)[3] & termios.ECHO

    def pause(self, shortest: float, longest: float) -> None:
        """Wait for a random time: keys in an even rhythm might keep step with something."""
        self.rest(self._random.uniform(shortest, longest))

    def letters(self) -> list[str]:
        """Return the rare letters in a random order."""
        return self._random.sample(_RARE, len(_RARE))

    def leave(self) -> None:
        """Leave the shell, so that the wrapper writes its figures."""
        self.type(_CLEAR + b"exit\r")
        end = time.monotonic() + _PATIENCE
        while self.process.poll() is None:
            if time.monotonic() > end:
                self.process.kill()
                raise SystemExit(f"sipstream didn't end: {self.seen[-500:]!r}")
            self.pump(0.1)
        os.close(self._master)


@dataclass
class Typing:
    """Typing while sipstream works: the times of echoes and answers."""

    echoes: list[float] = field(default_factory=list)
    by_terminal: int = 0
    """Keys echoed by the terminal alone, because no prompt was there: not among the echoes."""
    lost: int = 0
    """Keys never echoed."""
    answers: dict[str, list[float]] = field(default_factory=dict)
    no_prompt: dict[str, int] = field(default_factory=dict)
    """How often a command could not be typed, because no prompt was there."""
    refused: dict[str, str] = field(default_factory=dict)
    """Commands that sipstream doesn't know, and what it said."""

    def line(
        self, shell: Shell, shortest: float, longest: float, goes_on: Callable[[], bool]
    ) -> None:
        """Type a few letters, each when the one before is shown, and take them away."""
        for letter in shell.letters():
            if not goes_on():
                break
            edits = shell.edits()
            took = shell.echo(letter)
            if took is None:
                self.lost += 1
            elif edits:
                self.echoes.append(took)
            else:
                self.by_terminal += 1
            shell.pause(shortest, longest)
        shell.type(_CLEAR)
        shell.pause(shortest, longest)

    def ask(self, shell: Shell, command: str, answer: bytes) -> None:
        """Type a command and note the time to its answer, unless it was refused before."""
        if command in self.refused:
            return
        if not shell.edits():
            self.no_prompt[command] = self.no_prompt.get(command, 0) + 1
            return
        told = shell.ask(command, answer + rb"|\*\*\* Error[^\r\n]*")
        if told is None:
            self.answers.setdefault(command, []).append(_PATIENCE)
        elif told[1].startswith(b"***"):
            self.refused[command] = told[1].decode()
        else:
            self.answers.setdefault(command, []).append(told[0])

    def lines(self) -> list[str]:
        """Return the figures as lines."""
        told = [f"key to echo: {percentiles(self.echoes)}"]
        if self.by_terminal:
            told.append(
                f"  {self.by_terminal} keys beside these were echoed by the terminal: no prompt was there"
            )
        if self.lost:
            told.append(f"  {self.lost} KEYS WERE NEVER ECHOED")
        told += [f"{command}: {percentiles(times)}" for command, times in self.answers.items()]
        told += [
            f"{command}: {count} times NO PROMPT to type it at"
            for command, count in self.no_prompt.items()
        ]
        told += [f"{command}: SKIPPED, {said}" for command, said in self.refused.items()]
        return told
