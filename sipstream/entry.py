"""Where packets are put in that no source of ours draws: answers of taps, an archive, a ring."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Container, Iterator, Sequence

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


class Putting:
    """Takes batches through all stages; `conversations` returns where they go to."""

    def __init__(
        self,
        source: Source,
        intake: Callable[[Source], pipeline.Intake],
        conversations: Callable[[], Conversations],
        publish: Callable[..., Iterator[None]],
    ) -> None:
        self._from = source
        self._conversations = conversations
        self._publish = publish
        self._made = intake
        self._intake = intake(source)

    def begin_anew(self) -> None:
        """What comes has nothing to do with what came: streams begin anew."""
        self._intake = self._made(self._from)

    def only(self, call_ids: Container[bytes]) -> None:
        """Leave out messages of other Call-IDs from now on."""
        self._intake.only = call_ids

    async def put(
        self,
        batch: Batch | None,
        *,
        former: bool = False,
        between: Callable[[], Awaitable[None]] | None = None,
    ) -> list[int]:
        """Put a batch in, None at the end; return the numbers of the messages that are new.

        `former`: follows don't show them, they are of before.
        """
        added: list[int] = []

        def publish(numbers: list[int]) -> Iterator[None]:
            added.extend(numbers)
            return self._publish(numbers, former)

        self._intake.regroup(self._conversations())
        if batch is None:
            for _ in publish(self._intake.finish()):
                pass
        else:
            await pipeline.through(self._intake, batch, publish, between=between)
        return added


class Entry(Putting):
    """Takes envelopes through all stages."""

    def __init__(
        self,
        source: Entered,
        intake: Callable[[Source], pipeline.Intake],
        conversations: Callable[[], Conversations],
        publish: Callable[..., Iterator[None]],
    ) -> None:
        super().__init__(source, intake, conversations, publish)
        self.source = source

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

        `sender` and `tap` are as with `EnvelopeSpool.batch`, `former` as with `put`.
        """
        added: list[int] = []
        for begin in range(0, len(envelopes), _TOGETHER):
            batch = self.source.spool.batch(envelopes[begin : begin + _TOGETHER], sender, tap)
            added += await self.put(batch, former=former, between=between)
        return added
