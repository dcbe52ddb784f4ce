"""A thread for what may take long with files: a disk that stands still must hold up nothing else."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread, current_thread

from sipstream import suspects

_PATIENCE = 5.0
"""Seconds that what is still to be done has at the end."""


class Worker:
    """Does one thing after the other, in a thread that begins with the first."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._ended = False

    @property
    def runs(self) -> bool:
        """Whether the thread has begun and not ended."""
        return self._thread is not None

    def do(self, job: Callable[[], None]) -> None:
        """Have something done soon; at once where there can be no thread, or no more."""
        if self._thread is None and not self._ended:
            thread = Thread(target=self._work, name="spool", daemon=True)
            try:
                thread.start()
                self._thread = thread
            except RuntimeError:
                self._ended = True
        if self._thread is None:
            job()
        else:
            self._jobs.put(job)

    def end(self) -> None:
        """Wait until all is done, but not for ever; the thread itself doesn't wait for itself."""
        self._ended = True
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            if thread is not current_thread():
                thread.join(_PATIENCE)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as error:
                suspects.keep_traceback(error)
