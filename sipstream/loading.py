"""What is on its way in: how far a file is, who waits for it, what came of it; what runs meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from sipstream.errors import SourceError
from sipstream.figures import CaptureStatus, Loaded, Progress
from sipstream.pipeline import Intake
from sipstream.sources import Source


@dataclass(slots=True, eq=False)
class Load:
    """A file that is being loaded; `begun` is the time in the clock's seconds."""

    intake: Intake
    show: Callable[[Progress], None] | None
    begun: float
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends it early, with what came in kept."""
    waited_for: bool = True
    came: Loaded | None = None
    error: SourceError | None = None
    task: asyncio.Task[None] | None = None

    @property
    def how_far(self) -> str:
        """The file's name and how much of it was read."""
        return how_far(self.intake.source)

    def cancel(self) -> None:
        """End it where it is."""
        if self.task is not None:
            self.task.cancel()

    def show_progress(self, now: float) -> None:
        """Show how far it is to who waits."""
        if self.show is not None and self.waited_for:
            source = self.intake.source
            done, total = source.progress() or (0, 0)
            self.show(Progress(done, total, source.tally.messages, now - self.begun))


@dataclass(slots=True)
class Running:
    """A source that runs in the background, since a time in the clock's seconds."""

    intake: Intake
    task: asyncio.Task[None]
    since: float

    def status(self, filter_text: str, now: float) -> CaptureStatus:
        """Return the figures of a capture with that kernel filter."""
        source = self.intake.source
        tally = source.tally
        return CaptureStatus(
            source.name, filter_text, tally.packets, tally.messages, tally.drops, now - self.since
        )


def how_far(source: Source) -> str:
    """Return a source's name, and how much of it was read where it has an end."""
    progress = source.progress()
    return source.name if progress is None else f"{source.name} {_percent(*progress)}%"


def _percent(done: int, total: int) -> int:
    return done * 100 // max(total, 1)
