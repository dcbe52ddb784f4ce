"""The one place that writes to standard output and standard error: a queue, and a thread behind it.

A terminal may stop reading for hours (Ctrl-S, a dead ssh), and that must cost neither a packet nor
the prompt. So what is to be written goes into a bounded queue that a thread empties with os.write;
nothing here ever waits in the event loop. What the bytes mean isn't known here.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import locale
import os
import select
import stat
import threading
from collections.abc import Callable
from contextlib import suppress

from sipstream import suspects
from sipstream.faults import Restarts
from sipstream.limits import OUTPUT_QUEUE

_CHUNK = 32_768
"""Bytes written at once: what Ctrl-C can't take back."""

_LOW = 65_536
"""Bytes in the queue below which producers go on: the thread always has something to write."""


class Writer:
    """A queue of bytes and the thread that writes them to a descriptor.

    Three ways in, none of which ever waits. `write` is for lines that may be lost, those of a
    follow: when the queue is full they are counted, and `N lines not shown` stands in their place
    once half of it is free. `put` is for answers, which are kept: who has many awaits `drain` in
    between. `draw` is for the prompt's drawing: once some was lost the rest is too, until there is
    room and a redraw is asked for. The descriptor stays blocking or not, as others share it.
    """

    def __init__(self, fd: int, *, limit: int = OUTPUT_QUEUE, encoding: str | None = None) -> None:
        self.encoding = encoding or _terminal_encoding()
        """utf-8, or ascii for a terminal of another encoding: to it UTF-8 may be control codes."""
        self.dropped = 0
        """Lines lost so far."""
        self.error: OSError | None = None
        """Why nothing is written any more: EPIPE, EIO of a terminal gone, ENOSPC …"""
        self.on_recovery: Callable[[int], None] = self._tell_loss
        """Called once after a loss, as soon as there is room, with the number of lines (0: only
        drawing was lost). It runs in the thread with the queue locked: it may put, or hand over to
        an event loop, and must not wait. By default it puts `N lines not shown`."""
        self._fd = fd
        self._limit = limit
        self._change = threading.Condition()
        self._queue = bytearray()
        self._writing = 0
        self._lost_lines = 0
        self._lost_drawing = False
        self._closing = False
        self._thread: threading.Thread | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def broken(self) -> bool:
        """Whether whoever read this has gone; what is added from then on is forgotten."""
        return self.error is not None

    @property
    def pending(self) -> int:
        """Bytes not yet written."""
        return len(self._queue) + self._writing

    def write(self, text: str) -> bool:
        """Add lines that may be lost; False when they were.

        Once some were lost no others get in before that is told, so their order is kept.
        """
        return self._add(text, keep=False)

    def put(self, text: str) -> bool:
        """Add lines to be kept; False when even they were lost: twice the limit is pending."""
        return self._add(text, keep=True)

    def draw(self, text: str) -> bool:
        """Add a piece of the prompt's drawing; False when it was lost."""
        data = self._encode(text)
        with self._change:
            if self._lost_drawing or self.pending + len(data) > self._limit + self._limit // 8:
                self._lost_drawing = True
                self._settle()
                return False
            return self._queued(data)

    def flush(self) -> None:
        """Do nothing: what was added is on its way."""

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return os.isatty(self._fd)

    async def drain(self, below: int = _LOW) -> None:
        """Wait until at most `below` bytes are pending (0: all is written).

        Returns too when whoever read this has gone: nothing is pending then.
        """
        with self._change:
            if self.broken or self.pending <= below:
                return
            future = self._future(below)
        await future

    async def wait_broken(self) -> None:
        """Wait until whoever read this has gone, also while nothing is written to a pipe."""
        with self._change:
            if self.broken:
                return
            future = self._future(-1)
        loop = asyncio.get_running_loop()
        watched = _is_pipe(self._fd)
        if watched:
            # The writing end of a pipe counts as readable when its reader has gone.
            loop.add_reader(self._fd, self._break, BrokenPipeError(errno.EPIPE, "reader has gone"))
        try:
            await future
        finally:
            if watched:
                loop.remove_reader(self._fd)

    def discard(self) -> None:
        """Forget what is pending and not being written: the user interrupted a long answer."""
        with self._change:
            self._queue.clear()
            self._settle()

    def close(self, timeout: float = 1.0) -> bool:
        """Write the rest within `timeout` seconds and end; return whether all was written."""
        with self._change:
            self._closing = True
            self._change.notify_all()
            ended = self._change.wait_for(lambda: not self.pending or self.broken, timeout)
        if ended and self._thread is not None:
            # Nobody touches the descriptor from here on, whatever it becomes.
            self._thread.join(timeout)
        return ended and not self.broken

    def _add(self, text: str, *, keep: bool) -> bool:
        data = self._encode(text)
        with self._change:
            limit = 2 * self._limit if keep else 0 if self._lost_lines else self._limit
            if self.pending + len(data) <= limit or self.broken:
                return self._queued(data)
            lines = max(text.count("\n"), 1)
            self.dropped += lines
            self._lost_lines += lines
            self._settle()
            return False

    def _encode(self, text: str) -> bytes:
        return text.encode(self.encoding, "backslashreplace")

    def _queued(self, data: bytes) -> bool:
        if self.broken or self._closing:
            return False
        self._queue += data
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="output", daemon=True)
            self._thread.start()
        self._change.notify_all()
        return True

    def _run(self) -> None:
        restarts = Restarts()
        while True:
            try:
                self._write_on()
                return
            except Exception as error:
                # Without this thread nothing is shown any more, and nobody would be told why.
                suspects.keep_traceback(error)
                if not restarts.again():
                    self._break(OSError(errno.EIO, "writing failed too often"))
                    return

    def _write_on(self) -> None:
        """Write what is in the queue until it is closed, or broken."""
        while chunk := self._next():
            error = _write_all(self._fd, chunk)
            if error is not None:
                self._break(error)
                return
            with self._change:
                self._writing = 0
                self._settle()

    def _next(self) -> bytes:
        """Wait for something to write, take a chunk of whole lines; b"" at the end."""
        with self._change:
            self._change.wait_for(lambda: self._queue or self._closing or self.broken)
            end = min(len(self._queue), _CHUNK)
            if end < len(self._queue):
                end = self._queue.rfind(b"\n", 0, end) + 1 or end
            chunk = bytes(self._queue[:end])
            del self._queue[:end]
            self._writing = len(chunk)
            return chunk

    def _break(self, error: OSError) -> None:
        with self._change:
            self.error = self.error or error
            self._queue.clear()
            self._writing = 0
            self._settle()

    def _settle(self) -> None:
        """Something was written or lost: tell of a loss once there is room, wake who waits."""
        lost = self._lost_lines
        if (lost or self._lost_drawing) and self.pending <= self._limit // 2:
            self._lost_lines = 0
            self._lost_drawing = False
            if not self.broken:
                self.on_recovery(lost)
        waiting, self._waiting = self._waiting, []
        for below, future in waiting:
            if self.broken or self.pending <= below:
                _wake(future)
            else:
                self._waiting.append((below, future))
        self._change.notify_all()

    def _tell_loss(self, lines: int) -> None:
        if lines:
            self.put(f"{lines} lines not shown\n")

    def _future(self, below: int) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((below, future))
        return future


def open_writers(stdout: int = 1, stderr: int = 2) -> tuple[Writer, Writer]:
    """Return writers for standard output and standard error.

    It is one and the same where both are the same terminal, pipe or file: so order is kept.
    """
    out = Writer(stdout)
    with suppress(OSError):
        if os.path.samestat(os.fstat(stdout), os.fstat(stderr)):
            return out, out
    return out, Writer(stderr)


def _write_all(fd: int, chunk: bytes) -> OSError | None:
    """Write a chunk however long it takes, return the error that ended it."""
    view = memoryview(chunk)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            # Someone who shares the descriptor made it non-blocking.
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
        except OSError as error:
            return error
    return None


def _is_pipe(fd: int) -> bool:
    """Tell whether a descriptor is the writing end of a pipe, and nothing else."""
    try:
        writes_only = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
        return writes_only and stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False


def _wake(future: asyncio.Future[None]) -> None:
    # The loop may have ended meanwhile.
    with suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(_resolve, future)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _terminal_encoding() -> str:
    name = locale.getpreferredencoding(False).lower().replace("_", "-")
    return "utf-8" if name in ("utf-8", "utf8") else "ascii"
