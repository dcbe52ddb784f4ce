"""sipstream as it is, beside a task that measures how late the event loop wakes it.

    python tests/benchmarks/lag.py FILE [ARGUMENTS OF SIPSTREAM]

At the end FILE has a line for each awakening: when, as time.monotonic() tells it, and how late, in
seconds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from array import array
from contextlib import suppress
from pathlib import Path

from sipstream import cli, program

EVERY = 0.005
"""Seconds that the task sleeps."""


async def _sample(woke: array[float], late: array[float]) -> None:
    while True:
        due = time.monotonic() + EVERY
        await asyncio.sleep(EVERY)
        now = time.monotonic()
        woke.append(now)
        late.append(now - due)


def main() -> int:
    """Run sipstream, write the figures, return its exit status."""
    woke, late = array("d"), array("d")
    work = program._main

    async def with_samples(*arguments: object) -> int:
        task = asyncio.create_task(_sample(woke, late))
        try:
            return await work(*arguments)  # type: ignore[arg-type]
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    program._main = with_samples  # type: ignore[assignment]
    try:
        return cli.run(sys.argv[2:])
    finally:
        lines = (f"{when:.6f} {by:.6f}\n" for when, by in zip(woke, late, strict=True))
        Path(sys.argv[1]).write_text("".join(lines))


def read(path: Path, begun: float, ended: float) -> list[float]:
    """Return how late whatever came at an even rhythm would have been served, in seconds.

    While the loop is held there is one late awakening where there would have been many: those that
    fell into it are put in, each as late as it would have been. Else one long hold counted as little
    as one short.
    """
    found = []
    for line in path.read_text().splitlines():
        when, late = map(float, line.split())
        if when >= begun and when - late <= ended:
            while True:
                found.append(late)
                late -= EVERY
                if late <= 0:
                    break
    return found


if __name__ == "__main__":
    sys.exit(main())
