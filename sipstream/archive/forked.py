"""Work done in processes forked for it: what one has to do with pyarrow, or with a million messages.

They see all that is there when they begin, and send back what came of it. The process that forks them
loads no pyarrow: it has one thread.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sipstream.errors import SipstreamError, SourceError, words

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH)

Came = TypeVar("Came")


async def forked(works: Sequence[Callable[[], Came]]) -> list[Came]:
    """Return what each work comes to, all done at the same time, each in a process of its own.

    Cancelled, it ends them.

    Raises:
        SourceError: one failed, or its process was ended.
    """
    context = multiprocessing.get_context("fork")
    gc.freeze()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    running = []
    try:
        for work in works:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(work, theirs), daemon=True)
            process.start()
            theirs.close()
            running.append((process, ours))
    except OSError as error:
        raise SourceError(f"no process can be started: {words(error)}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        gc.unfreeze()
    try:
        return [await _result(ours) for _, ours in running]
    finally:
        for process, ours in running:
            process.kill()
            process.join()
            process.close()
            ours.close()


async def _result(pipe: Connection) -> Any:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(pipe.fileno())
    try:
        came, error = pipe.recv()
    except (EOFError, OSError):
        raise SourceError("a process that wrote the archive was ended from outside") from None
    if error:
        raise SourceError(error)
    return came


def _work(work: Callable[[], object], pipe: Connection) -> None:
    """Do the work, send what came of it, or the sentence that says what was wrong."""
    gc.disable()
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    try:
        pipe.send((work(), ""))
    except SipstreamError as error:
        pipe.send((None, str(error)))
    except OSError as error:
        pipe.send((None, words(error)))
