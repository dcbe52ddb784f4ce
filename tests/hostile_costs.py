"""What hostile input costs: memory and work, in figures that don't depend on the machine."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from support import MemoryStore, batch

from sipstream.packets import Batch, Linktype

LONG = "HOSTILE_LONG" in os.environ
"""The long form runs: sizes are those that the matrix names, not those that do for each change."""
FACTOR = 4
LINEAR = 10
"""At most this many times the work for FACTOR times the input: in proportion it is 4, squared 16."""
_NOWHERE = MemoryStore()


@contextmanager
def allocating_at_most(size: int) -> Iterator[None]:
    """Fail when the block holds more bytes at once than `size`."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= size


def growth(work: Callable[[int], Callable[[], object]], size: int) -> float:
    """How many times the processor time `work(FACTOR * size)` takes of what `work(size)` takes.

    What work returns is timed, the best of two; what it does before isn't.
    """
    return _best(work(FACTOR * size)) / max(_best(work(size)), 1e-4)


def _best(run: Callable[[], object]) -> float:
    times = []
    for _ in range(2):
        begun = time.process_time()
        run()
        times.append(time.process_time() - begun)
    return min(times)


def passing(packets: list[bytes]) -> Batch:
    """A batch of IP packets whose bytes no store keeps."""
    given = batch(packets, Linktype.RAW)
    given.store = _NOWHERE
    return given
