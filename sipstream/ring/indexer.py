"""The process that writes the indexes of a ring while it is captured: the capture has its own.

It is forked at the start, while there is one thread, looks at the folder from time to time, reads what
is new there at a low priority, and ends with the process that captures. All of it may be done again by
whoever asks: an index that is missing costs time, nothing else.
"""

from __future__ import annotations

import gc
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream import suspects
from sipstream.errors import SourceError
from sipstream.ring.contents import ContentsError, Preface, most_bytes, preface_of
from sipstream.ring.files import RingFiles, RingStore, fits
from sipstream.segments import label_of

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from sipstream.ring.indexing import Indexing

_SECONDS = 5.0
"""How often it looks at the folder."""
_PATIENCE = 5.0
"""Seconds that it has at the end for what came last."""
_NICE = 10
_LEAST_NEW = 1 << 20
"""Bytes more than an index covers at which that of a file being written is written anew: or an eighth,
where that is more."""
_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH)
"""What it leaves to the process that captures; SIGTERM ends it, as a system that shuts down wants it."""


class Indexes:
    """The indexes of a folder: `step` brings them up to date."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading: dict[str, tuple[RingStore, Indexing]] = {}
        """Captures that are being written, each as far as it was read."""
        self._finished: set[str] = set()

    def step(self, *, all_of_it: bool = False) -> None:
        """Read what is new; `all_of_it`: write that of files that aren't full as well.

        Raises:
            SourceError: the folder can't be read.
        """
        files = RingFiles(self._path)
        try:
            there = files.names()
            newest = {label_of(name): name for name in there}
            self._finished.intersection_update(there)
            for gone in self._reading.keys() - set(there):
                del self._reading[gone]
            for name in reversed(there):
                if name in self._finished:
                    continue
                written_to = newest[label_of(name)] == name
                with suppress(SourceError, FileNotFoundError):
                    self._bring(files, name, written_to=written_to and not all_of_it)
                if not written_to:
                    self._finished.add(name)
                    self._reading.pop(name, None)
        finally:
            files.close()

    def _bring(self, files: RingFiles, name: str, *, written_to: bool) -> None:
        """Bring one index up to date."""
        from sipstream.ring.indexing import Indexing

        preface = _preface(files, name)
        store = RingStore(files, name)
        size = store.size()
        known = preface is not None and fits(preface, store, size)
        covered = preface.covered if preface is not None and known else 0
        if covered == size:
            return
        if name not in self._reading:
            self._reading[name] = store, Indexing(store)
        store, indexing = self._reading[name]
        store.use(files)
        for _ in indexing.advance(size):
            pass
        new = indexing.covered - covered
        if new and (not written_to or not covered or new >= max(_LEAST_NEW, covered // 8)):
            contents = indexing.contents()
            if contents.size <= most_bytes(size):
                files.save(name, contents)


def _preface(files: RingFiles, name: str) -> Preface | None:
    try:
        return preface_of(files.read_index(name, whole=False))
    except ContentsError:
        return None


class Indexer:
    """The process; None of it runs where it couldn't be started."""

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self._process = process
        self._pipe = pipe

    @property
    def runs(self) -> bool:
        """Whether it still does."""
        return self._process.is_alive()

    def end(self) -> None:
        """Have it write what came last, and end."""
        self._pipe.close()
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def begin(path: Path) -> Indexer | None:
    """Start the process for a folder, None where none can be had. While there is one thread only."""
    import multiprocessing

    context = multiprocessing.get_context("fork")
    theirs, ours = context.Pipe(duplex=False)
    gc.freeze()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_SIGNALS, signal.SIGTERM))
    try:
        process = context.Process(target=_work, args=(path, theirs, ours), daemon=True)
        process.start()
    except OSError:
        return None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        gc.unfreeze()
    return Indexer(process, ours)


def _work(path: Path, pipe: Connection, not_ours: Connection) -> None:
    """Look at the folder until the other end of the pipe is closed, what the kernel does for the dead."""
    not_ours.close()
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_SIGNALS, signal.SIGTERM))
    with suppress(OSError):
        os.nice(_NICE)
    indexes = Indexes(path)
    ended = False
    while not ended:
        ended = pipe.poll(_SECONDS)
        try:
            indexes.step(all_of_it=ended)
        except SourceError:
            # It isn't there yet.
            continue
        except Exception as error:
            suspects.keep_traceback(error)
            indexes = Indexes(path)
