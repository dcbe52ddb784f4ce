"""Follows of an agent: messages go out as they come, to whoever goes on asking for them.

What comes within a few hundredths of a second goes in one message. Nothing is kept for who reads
slowly, or while the server is away: what there is no room for is counted, and told with what comes next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sipstream.agent import asked
from sipstream.agent.answer import PART_BYTES
from sipstream.agent.asked import RefusedError
from sipstream.agent.counts import Counts
from sipstream.agent.courtesy import Turns
from sipstream.bus.coding import pack
from sipstream.envelopes import Enveloper
from sipstream.follow import Follow
from sipstream.session import Session
from sipstream.views import Message

LEASE_SECONDS = 30.0
"""How long a follow goes on without being asked for again: shells ask each ten seconds."""
MOST_FOLLOWS = 32
"""Follows at a time: each message that comes is judged by all of them."""
MOST_LOOKING = 64
"""Terms that look into messages, in all follows: each is asked of each message, and remembers eight
bytes a conversation."""
_GATHER_SECONDS = 0.025
"""How long messages are gathered: who watches a test call doesn't notice."""
_WAITING_BYTES = 1 << 20
"""Bytes of messages that wait for a follow's turn to send."""

Send = Callable[[bytes, int], Awaitable[bool]]
"""Sends a part to who asked, with how many messages he missed; False when there was no room for it."""


@dataclass(slots=True, eq=False)
class Following:
    """One follow and whom it is for; `ends` is a time of the monotonic clock."""

    follow: Follow
    text: str
    send: Send
    ends: float
    waiting: list[bytes] = field(default_factory=list)
    bytes: int = 0
    missed: int = 0
    """Messages that weren't sent, and that he wasn't told of yet."""


class Followings:
    """All follows that shells have of an agent."""

    def __init__(
        self,
        session: Session,
        enveloper: Enveloper,
        turns: Turns,
        counts: Counts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._enveloper = enveloper
        self._turns = turns
        self._counts = counts
        self._clock = clock
        self._all: dict[str, Following] = {}
        self._looking: dict[str, int] = {}
        """How many terms of each look into messages, also of those that are about to begin."""
        self._sending: asyncio.Task[None] | None = None
        session.deliver = self._deliver

    def renew(self, wanted: asked.Follow, send: Send) -> bool:
        """Go on with a follow that is asked for again; return whether it is on."""
        known = self._all.get(wanted.id)
        if known is None or known.text != wanted.text or not self._is_on(known):
            return False
        known.ends, known.send = self._clock() + LEASE_SECONDS, send
        return True

    async def begin(self, wanted: asked.Follow, send: Send) -> None:
        """Begin a follow, in place of another one of that name.

        Raises:
            RefusedError: there are too many, or its filter makes no sense.
        """
        if self.renew(wanted, send):
            # It was asked for again before it had begun.
            return
        node = asked.filter_of(wanted.text)
        looking = 0 if node is None else asked.looking(node)
        self.end(wanted.id)
        self._check_room(looking)
        self._looking[wanted.id] = looking
        try:
            async with self._turns.turn() as turn:
                follow = await self._session.follow(wanted.text or None, pace=turn)
        except BaseException:
            self._looking.pop(wanted.id, None)
            raise
        # Another one of that name may have begun meanwhile.
        self.end(wanted.id)
        self._looking[wanted.id] = looking
        ends = self._clock() + LEASE_SECONDS
        self._all[wanted.id] = Following(follow, wanted.text, send, ends)
        self._counts.follows = len(self._all)

    def end(self, name: str) -> None:
        """End a follow, if there is one of that name."""
        self._looking.pop(name, None)
        known = self._all.pop(name, None)
        if known is not None and self._is_on(known):
            self._session.unfollow(known.follow.number)
        self._counts.follows = len(self._all)

    def end_old(self) -> None:
        """End those that weren't asked for again."""
        now = self._clock()
        for name in [name for name, one in self._all.items() if one.ends <= now]:
            self.end(name)

    def end_all(self) -> None:
        """End all of them: nobody is there to send to."""
        for name in list(self._all):
            self.end(name)

    def _is_on(self, known: Following) -> bool:
        """Tell whether the session still follows: one that failed too often has ended."""
        return any(one is known.follow for one in self._session.follows)

    def _check_room(self, looking: int) -> None:
        if len(self._looking) >= MOST_FOLLOWS:
            raise RefusedError(f"busy: {MOST_FOLLOWS} follows are on here already")
        if sum(self._looking.values()) + looking > MOST_LOOKING:
            raise RefusedError(
                f"busy: the follows that are on here look into messages by {MOST_LOOKING} terms"
            )

    # What comes

    def _deliver(self, follow: Follow, messages: list[Message]) -> None:
        """Take messages that a follow found; they are packed now, for later they may be gone."""
        known = next((one for one in self._all.values() if one.follow is follow), None)
        if known is None:
            return
        if known.bytes >= _WAITING_BYTES:
            self._miss(known, len(messages))
            return
        packed = self._enveloper.pack(
            self._session.conversations.index, [message.id for message in messages]
        )
        known.waiting += packed
        known.bytes += sum(map(len, packed))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_soon(), name="follows")

    async def _send_soon(self) -> None:
        """Send what was gathered, as long as there is some."""
        try:
            while any(one.waiting for one in self._all.values()):
                await asyncio.sleep(_GATHER_SECONDS)
                for known in list(self._all.values()):
                    while known.waiting:
                        await self._send_part(known)
        except Exception as error:
            self._session.faults.note("follows", error)
        finally:
            self._sending = None

    async def _send_part(self, known: Following) -> None:
        """Send some of what waits for a follow."""
        size = count = 0
        for one in known.waiting:
            size += len(one)
            count += 1
            if size >= PART_BYTES:
                break
        part, known.waiting = known.waiting[:count], known.waiting[count:]
        known.bytes -= size
        missed, known.missed = known.missed, 0
        if await known.send(pack(part), missed):
            self._counts.messages += count
        else:
            known.missed += missed
            self._miss(known, count)
        # To pack a part takes a turn's time.
        await asyncio.sleep(0)

    def _miss(self, known: Following, count: int) -> None:
        known.missed += count
        self._counts.missed += count

    async def close(self) -> None:
        """End all, and what is being sent."""
        self.end_all()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
