"""What triggers do: append a line to a file, or run a command.

A command never sees traffic in its arguments, and no shell takes part: it gets escaped text in its
environment and a JSON object on standard input. Files and commands may hang: nothing waits for them.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sipstream.errors import SourceError, words
from sipstream.escape import cut, escape
from sipstream.worker import Worker

LARGEST = 1 << 30
"""Bytes of a file that lines are appended to: what attackers make match must not fill a disk."""
WAITING = 1000
"""Lines, or commands, that wait for a disk or for their turn; beyond, new ones are left out."""
RUNNING = 4
"""Processes of a trigger at a time."""
RUN_SECONDS = 30.0
"""How long each may take; then it is killed with all that it started."""
_KILL_SECONDS = 1.0
"""How long one that was killed is waited for."""
RUNS_A_MINUTE = 60
"""How many are started; a few at once are allowed."""
_SAID = 400
"""Cells of a process's errors that are told."""
_READ = 4096
"""Bytes of them that are read."""
_VALUE = 1000
"""Cells of a value in the environment."""
_TOLD_SECONDS = 60.0
"""How often it is told that some were left out."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME")
"""What a command gets of our own environment."""


class Action(Protocol):
    """Does something for a conversation."""

    def do(self, line: str, values: Mapping[str, str]) -> None:
        """Do it soon; `line` is a JSON object, `values` what goes into an environment."""

    async def end(self, patience: float) -> None:
        """Wait until all is done, but not for ever."""


class Told:
    """Sentences for the user: each kind once, how many were left out once a minute."""

    def __init__(self, name: str, tell: Callable[[str], None]) -> None:
        self._name = name
        self._tell = tell
        self._once: set[str] = set()
        self._left_out = 0
        self._due = 0.0

    def once(self, kind: str, text: str) -> None:
        """Say something whose kind wasn't said before."""
        if kind not in self._once:
            self._once.add(kind)
            self._tell(f"{self._name}: {text}")

    def left_out(self, why: str) -> None:
        """One was left out."""
        self._left_out += 1
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _TOLD_SECONDS
            self._tell(f"{self._name}: {self._left_out:,} left out so far: {why}")


class Append:
    """Appends lines to a file of ours, 0600; it may be rotated by others at any time.

    Raises:
        SourceError: it can't be written.
    """

    def __init__(self, path: Path, told: Told, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._told = told
        self._loop = loop
        self._worker = Worker()
        self._waiting = 0
        try:
            os.close(self._open())
        except OSError as error:
            raise SourceError(f"--append {escape(str(path))}: {words(error)}") from error

    def do(self, line: str, values: Mapping[str, str]) -> None:
        """Append a line, in a thread."""
        if self._waiting >= WAITING:
            self._told.left_out("the file can't be written as fast")
            return
        self._waiting += 1
        self._worker.do(lambda: self._write(line.encode() + b"\n"))

    async def end(self, patience: float) -> None:
        """Wait until all is written."""
        await asyncio.to_thread(self._worker.end)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._path, flags | os.O_NONBLOCK, 0o600)

    def _write(self, data: bytes) -> None:
        text = ""
        try:
            fd = self._open()
            try:
                if os.fstat(fd).st_size + len(data) > LARGEST:
                    text = f"{escape(str(self._path))} has {LARGEST >> 30} GiB: no more is appended"
                elif os.write(fd, data) < len(data):
                    text = f"{escape(str(self._path))}: a line was cut short: is the disk full?"
            finally:
                os.close(fd)
        except OSError as error:
            text = f"{escape(str(self._path))}: {words(error)}; what matches goes on being tried"
        finally:
            self._waiting -= 1
        if text:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._told.once, text, text)


class Run:
    """Runs a command, some at a time.

    Raises:
        SourceError: there is no such program.
    """

    def __init__(self, command: str, told: Told) -> None:
        try:
            self._arguments = shlex.split(command)
        except ValueError as error:
            raise SourceError(f"--run {escape(command)}: {error}") from error
        program = shutil.which(self._arguments[0]) if self._arguments else None
        if program is None:
            name = escape(self._arguments[0]) if self._arguments else "''"
            raise SourceError(f"--run: no program {name} that may be run")
        self._arguments[0] = str(Path(program).absolute())
        self._name = escape(Path(program).name)
        self._told = told
        self._waiting: deque[tuple[str, dict[str, str]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._allowed = float(RUNNING)
        """How many may be started now; it grows with time."""
        self._counted = time.monotonic()
        self._later: asyncio.TimerHandle | None = None

    def do(self, line: str, values: Mapping[str, str]) -> None:
        """Start it soon."""
        if len(self._waiting) >= WAITING:
            self._told.left_out(f"{RUNS_A_MINUTE} a minute are run, {RUNNING} at a time")
            return
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        for name, value in values.items():
            environment[f"SIPSTREAM_{name}"] = cut(escape(value), _VALUE)
        self._waiting.append((line, environment))
        self._start()

    async def end(self, patience: float) -> None:
        """Wait for what runs or waits, then kill what is left."""
        end = time.monotonic() + patience
        while (self._tasks or self._waiting) and (left := end - time.monotonic()) > 0:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(min(left, 60 / RUNS_A_MINUTE))
        self._waiting.clear()
        if self._later is not None:
            self._later.cancel()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self) -> None:
        """Start what may be started now."""
        now = time.monotonic()
        grown = (now - self._counted) * RUNS_A_MINUTE / 60
        self._allowed, self._counted = min(self._allowed + grown, RUNNING), now
        while self._waiting and len(self._tasks) < RUNNING and self._allowed >= 1:
            self._allowed -= 1
            line, environment = self._waiting.popleft()
            task = asyncio.create_task(self._run(line, environment), name="trigger")
            self._tasks.add(task)
            task.add_done_callback(self._done)
        if self._waiting and self._later is None and len(self._tasks) < RUNNING:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(60 / RUNS_A_MINUTE, self._start_later)

    def _start_later(self) -> None:
        self._later = None
        self._start()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._told.once("fault", f"{self._name} couldn't be run")
        if not task.cancelled():
            self._start()

    async def _run(self, line: str, environment: dict[str, str]) -> None:
        """Run it once."""
        starting = asyncio.create_task(
            asyncio.create_subprocess_exec(
                *self._arguments, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, env=environment,
                cwd="/", start_new_session=True,
            )
        )  # fmt: skip
        try:
            process = await asyncio.shield(starting)
        except OSError as error:
            self._told.once("start", f"{self._name} can't be run: {words(error)}")
            return
        except asyncio.CancelledError:
            # What has begun has to be known to be ended.
            with suppress(OSError):
                await _kill(await starting)
            raise
        try:
            async with asyncio.timeout(RUN_SECONDS):
                said = await _talk(process, line.encode() + b"\n")
                status = await process.wait()
        except TimeoutError:
            self._told.once("time", f"{self._name} took over {RUN_SECONDS:.0f} s and was killed")
            return
        finally:
            await _kill(process)
        if status:
            text = cut(escape(said.decode("utf-8", "surrogateescape").strip()), _SAID)
            self._told.once(
                "status", f"{self._name} failed with status {status}{f': {text}' if text else ''}"
            )


async def _talk(process: Process, given: bytes) -> bytes:
    """Give a process its input, return the beginning of what it has to say."""
    assert process.stdin is not None, "it has a pipe"
    assert process.stderr is not None, "it has a pipe"
    with suppress(OSError):
        process.stdin.write(given)
        process.stdin.close()
    said = b""
    while data := await process.stderr.read(_READ):
        said = (said + data)[:_READ]
    return said


async def _kill(process: Process) -> None:
    """End a process and all of its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # One that left the group may hold a pipe: it isn't waited for.
    with suppress(TimeoutError):
        async with asyncio.timeout(_KILL_SECONDS):
            await process.wait()
