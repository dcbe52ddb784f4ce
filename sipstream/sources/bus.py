"""The stream of messages on a bus: from some time on what all taps published, then what they publish.

Its batches of envelopes are kept in a spool, as what HEP brings is; each envelope's node is the tap.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from sipstream.bus.connecting import Server, connect
from sipstream.decode import hep
from sipstream.errors import SourceError
from sipstream.packets import Batch, Tally
from sipstream.reasons import BAD_BATCH
from sipstream.segments import Room
from sipstream.sources.enveloped import EnvelopeSpool

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from sipstream.bus.reading import Reader

_LONGEST = 1 << 20
"""Bytes of a batch that is taken: a server takes no more, and ours have a sixteenth."""
_MOST = 1024
"""Envelopes of a batch that is taken: ours have 50, and each takes time."""
_TOGETHER = 512
"""Envelopes spooled together: some 4 ms."""
_TOLD_SECONDS = 5.0
"""How often the user is told how far the replay is."""
_NS = 10**9


class BusSource:
    """The messages of the stream on a server, since a time in ns since the epoch.

    `since` None is from now on, 0 from the stream's start. `room` is where what comes is spooled;
    `clock` tells seconds. Never ends by itself.
    """

    live = False
    """The stream keeps what comes while a follow's output isn't taken."""

    def __init__(
        self,
        server: Server,
        since: int | None = None,
        *,
        room: Room | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = server.name
        self.tally = Tally(self.name)
        self.notes: list[str] = []
        self.caught_up = asyncio.Event()
        """What was there at the beginning has come."""
        self._server = server
        self._since = since
        self._clock = clock
        self._spool = EnvelopeSpool(room)
        self._reader: Reader | None = None
        self._read = 0
        """Batches so far."""
        self._told = self._begun = clock()

    @property
    def store(self) -> object:
        """Where what came lies: exports find its packets again there."""
        return self._spool.store

    def progress(self) -> tuple[int, int] | None:
        """Return the batches read and in all while what was there is read, then None."""
        if self._reader is None or self.caught_up.is_set():
            return None
        return self._read, self._read + self._reader.left

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield what the stream holds, then what comes.

        Raises:
            SourceError: the server can't be reached, or refuses us.
        """
        client = await connect(self._server, self._note)
        # Where nats-py is missing, connecting has said so.
        from nats.errors import ConnectionClosedError

        from sipstream.bus.reading import Reader

        reader = self._reader = Reader(client.jetstream(), self._since, self._note, self.caught_up)
        try:
            async for came in reader.batches():
                for batch in self._take(came):
                    yield batch
                self._read += len(came)
                self._tell(reader)
        except ConnectionClosedError:
            raise SourceError(f"{self.name}: the connection was closed for good") from None
        finally:
            await client.close()
            if not self.tally.packets:
                self._spool.close()

    def _take(self, came: Iterable[Msg]) -> Iterator[Batch]:
        """Yield what NATS messages hold, spooled in pieces: all that comes at a time would take long."""
        envelopes: list[bytes] = []
        for one in came:
            envelopes += self._split(one.data)
            if len(envelopes) >= _TOGETHER:
                yield self._spool.batch(envelopes)
                envelopes = []
        if envelopes:
            yield self._spool.batch(envelopes)

    def _split(self, data: bytes) -> list[bytes]:
        """Return the envelopes of a batch; anyone who may publish may have sent it."""
        too_much = len(data) > _LONGEST or data.count(hep.MAGIC) > _MOST
        envelopes = [] if too_much else hep.split(data)
        if not envelopes or sum(map(len, envelopes)) < len(data):
            self.tally.packets += 1
            self.tally.reasons[BAD_BATCH] += 1
        return envelopes

    def _note(self, text: str) -> None:
        # Who passes notes on says of which source they are.
        self.notes.append(text.removeprefix(f"{self.name}: "))

    def _tell(self, reader: Reader) -> None:
        """Say how far the replay is, now and then, and when it is over."""
        now = self._clock()
        if self.caught_up.is_set():
            return
        count = f"{self.tally.messages:,} messages"
        if not reader.left:
            if self._since is not None:
                self.notes.append(f"{count} of before, in {now - self._begun:.1f} s; now live")
        elif now - self._told >= _TOLD_SECONDS:
            self._told = now
            total = self._read + reader.left
            self.notes.append(f"{count} so far, {self._read * 100 // total}% of what is there")
