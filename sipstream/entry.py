"""Where envelopes are put in that no source of ours draws: answers of taps, rows of an archive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence

from sipstream import pipeline
from sipstream.conversations import Conversations
from sipstream.decode.endpoints import NOBODY, Key
from sipstream.packets import Batch, Tally
from sipstream.segments import Room
from sipstream.sources import Source
from sipstream.sources.enveloped import EnvelopeSpool

_TOGETHER = 256
"""Envelopes that are spooled together: some ms."""


class Entered:
    """A source in name: what is put in is counted by its tally, and lies in its spool."""

    live = False

    def __init__(self, name: str, room: Room) -> None:
        self.name = name
        self.tally = Tally(name)
        self.notes: list[str] = []
        self.spool = EnvelopeSpool(room, label=name)
        self.store = self.spool.store

    def progress(self) -> None:
        """Return None: there is no end to speak of."""
        return

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield nothing: nothing is drawn from it."""
        return
        yield


class Entry:
    """Takes envelopes through all stages; `conversations` returns where they go to."""

    def __init__(
        self,
        source: Entered,
        intake: Callable[[Source], pipeline.Intake],
        conversations: Callable[[], Conversations],
        publish: Callable[..., Iterator[None]],
    ) -> None:
        self.source = source
        self._conversations = conversations
        self._publish = publish
        self._intake = intake(source)

    async def take(
        self,
        envelopes: Sequence[bytes],
        *,
        sender: Key = NOBODY,
        tap: str = "",
        former: bool = False,
        between: Callable[[], Awaitable[None]] | None = None,
    ) -> list[int]:
        """Put envelopes in, return the numbers of the messages that are new.

        `sender` and `tap` are as with `EnvelopeSpool.batch`. `former`: follows don't show them, they
        are of before.
        """
        added: list[int] = []

        def publish(numbers: list[int]) -> Iterator[None]:
            added.extend(numbers)
            return self._publish(numbers, former)

        for begin in range(0, len(envelopes), _TOGETHER):
            self._intake.regroup(self._conversations())
            batch = self.source.spool.batch(envelopes[begin : begin + _TOGETHER], sender, tap)
            await pipeline.through(self._intake, batch, publish, between=between)
        return added
