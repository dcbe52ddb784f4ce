"""An agent as a NATS service: four requests and who answers them, on a connection that comes and goes.

Discovery, ping, information and statistics are those of nats.micro. Of requests a few are worked on
at a time and a few wait; more are refused, so that no flood of them costs the capture anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

from nats import errors, micro
from nats.aio.client import Client
from nats.micro.request import Request
from nats.micro.service import Service as MicroService

from sipstream.agent import asked
from sipstream.agent.answer import Answer, of_call_ids, of_search
from sipstream.agent.asked import RefusedError
from sipstream.agent.counts import Counts
from sipstream.agent.courtesy import Turn, Turns
from sipstream.agent.following import Followings
from sipstream.agent.marks import Marks
from sipstream.agent.outlet import Outlet, is_inbox
from sipstream.agent.searching import Search
from sipstream.agent.standing import Standing
from sipstream.bus.coding import BEGUN, END, ERROR, pack
from sipstream.bus.names import CONVERSATION, FIND, FOLLOW, SERVICE, STATS, VERBS, request_subject
from sipstream.envelopes import Enveloper
from sipstream.errors import SipstreamError
from sipstream.filters import Filter, Node
from sipstream.filters.recent import Recent
from sipstream.session import Session
from sipstream.version import __version__

AT_ONCE = 4
"""Requests that are worked on at a time."""
WAITING = 16
"""Requests that wait beside these: a shell sends one at a time."""
_SECONDS = 60.0
"""For one request, with the time that it waits: most shells leave long before."""
_TICK_SECONDS = 1.0
_STOP_SECONDS = 1.0
"""That the server has to take note that we answer no more."""
_SOON, _SIGN = 0.1, 1.0
"""Seconds after which what was found is sent although it is little, or an empty part says that somebody
is still looking."""
_REMEMBERED, _REMEMBERED_TERMS = 4, 4
"""Filters that remember what they found, and how many terms of such a one may look into messages: each
takes eight bytes a conversation."""
_EMPTY = pack([])

Answering = Callable[[bytes, Outlet], Awaitable[None]]


class Service:
    """Answers what shells ask of a session; `tap` is the agent's name."""

    def __init__(
        self, session: Session, tap: str, standing: Standing, turns: Turns, counts: Counts
    ) -> None:
        self.followings = Followings(session, Enveloper(tap), turns, counts)
        self._session = session
        self._tap = tap
        self._standing = standing
        self._turns = turns
        self._counts = counts
        self._enveloper = Enveloper(tap)
        self._recent = Recent(_REMEMBERED)
        self._marks = Marks()
        self._free = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._answering: dict[str, Answering] = {
            FIND: self._find,
            CONVERSATION: self._conversation,
            STATS: self._stats,
            FOLLOW: self._follow,
        }

    @asynccontextmanager
    async def on(self, client: Client, metadata: dict[str, str]) -> AsyncIterator[MicroService]:
        """Answer on a connection as long as this is open."""
        service = await micro.add_service(
            client,
            name=SERVICE,
            version=__version__,
            description="SIP messages of a tap",
            metadata=metadata,
        )
        ticking = asyncio.create_task(self._tick(), name="leases")
        try:
            for verb in VERBS:
                # nats.micro knows no endpoint without a queue group: one of its own is none.
                await service.add_endpoint(
                    name=verb,
                    subject=request_subject(self._tap, verb),
                    queue_group=service.id,
                    handler=self._handler(client, verb),
                )
            # What is asked from now on is answered.
            await client.flush()
            yield service
        finally:
            ticking.cancel()
            await asyncio.wait([ticking])
            with suppress(errors.Error, TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await service.stop()
            await self._end_all()

    async def _tick(self) -> None:
        """End follows that nobody asks for any more."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.followings.end_old()

    async def _end_all(self) -> None:
        """End what is being answered: there is no connection to answer on."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.followings.close()

    def _handler(self, client: Client, verb: str) -> Callable[[Request], Awaitable[None]]:
        async def handle(request: Request) -> None:
            reply = request._msg.reply
            self._counts.requests[verb] += 1
            if not is_inbox(reply):
                self._counts.refused += 1
                return
            outlet = Outlet(client, reply, self._counts)
            # nats.micro hands on one request of an endpoint after the other: none may take long.
            await self._answer(verb, self._answering[verb](request.data, outlet), outlet)

        return handle

    async def _answer(self, what: str, work: Awaitable[None], outlet: Outlet) -> None:
        """Do what answers a request; whatever is wrong with it is its answer."""
        try:
            await work
        except SipstreamError as error:
            await self._refuse(outlet, str(error))
        except TimeoutError:
            await self._refuse(outlet, f"it took more than {_SECONDS:.0f} s")
        except Exception as error:
            self._session.faults.note(f"request {what}", error)
            await self._refuse(outlet, f"a fault in sipstream ({type(error).__name__})")

    async def _refuse(self, outlet: Outlet, why: str) -> None:
        self._counts.refused += 1
        await outlet.tell(ERROR, {"error": why})

    def _later(self, what: str, work: Callable[[], Awaitable[None]], outlet: Outlet) -> None:
        """Have something done that may take long, when it has its turn.

        Raises:
            RefusedError: too much waits already.
        """
        if len(self._tasks) >= AT_ONCE + WAITING:
            raise RefusedError(f"busy: {len(self._tasks)} requests are being answered")

        async def bounded() -> None:
            async with asyncio.timeout(_SECONDS):
                await self._begin(outlet)
                try:
                    await work()
                finally:
                    self._free.release()

        task = asyncio.create_task(self._answer(what, bounded(), outlet), name=f"request {what}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin(self, outlet: Outlet) -> None:
        """Wait until one more may be worked on, and say at times that somebody is there."""
        while True:
            try:
                async with asyncio.timeout(_SIGN):
                    await self._free.acquire()
                    return
            except TimeoutError:
                await outlet.part(_EMPTY)

    # The four requests

    async def _find(self, data: bytes, outlet: Outlet) -> None:
        async def found() -> None:
            wanted = asked.find(data)
            async with self._turns.turn() as turn:
                chosen = None if wanted.node is None else self._filter_of(wanted.node)
                since = self._marks.since(wanted.since, wanted.node)
                search = Search(self._session.conversations, chosen, since)
                answer = Answer(search, self._enveloper, wanted.limit)
                if not await self._send(of_search(search, answer, turn.due), answer, outlet, turn):
                    return
            mark = self._marks.give(wanted.node, search.seen) if answer.is_whole else ""
            await outlet.tell(END, answer.fields() | self._about() | {"mark": mark})

        self._later(FIND, found, outlet)

    async def _conversation(self, data: bytes, outlet: Outlet) -> None:
        async def found() -> None:
            call_ids = asked.conversation(data).call_ids
            async with self._turns.turn() as turn:
                search = Search(self._session.conversations, None)
                answer = Answer(search, self._enveloper, len(call_ids))
                parts = of_call_ids(search, answer, call_ids)
                if not await self._send(parts, answer, outlet, turn):
                    return
            await outlet.tell(END, answer.fields() | self._about())

        self._later(CONVERSATION, found, outlet)

    async def _stats(self, data: bytes, outlet: Outlet) -> None:
        asked.stats(data)
        await outlet.tell(END, self._standing.fields())

    async def _follow(self, data: bytes, outlet: Outlet) -> None:
        wanted = asked.follow(data)
        if wanted.ends:
            self.followings.end(wanted.id)
            await outlet.tell(END, self._about())
        elif self.followings.renew(wanted, outlet.part):
            await outlet.tell(BEGUN, self._about())
        else:

            async def begun() -> None:
                await self.followings.begin(wanted, outlet.part)
                # Nothing of it is sent before: messages are gathered first.
                await outlet.tell(BEGUN, self._about())

            self._later(FOLLOW, begun, outlet)

    def _filter_of(self, node: Node) -> Filter:
        """Return the filter of a node; a cheap one knows what it found when it was asked before."""
        return self._recent(node) if asked.looking(node) <= _REMEMBERED_TERMS else Filter(node)

    async def _send(
        self, parts: Iterator[bytes], answer: Answer, outlet: Outlet, turn: Turn
    ) -> bool:
        """Send parts as they are made, in turns; return whether all could be sent."""
        sent = time.monotonic()
        for made in parts:
            since = time.monotonic() - sent
            part = made or (answer.part() if since > _SOON else b"")
            if part or since > _SIGN:
                if not await outlet.part_of_answer(part or _EMPTY, turn.pause):
                    return False
                sent = time.monotonic()
            if turn.due():
                await turn.rest()
        if (part := answer.part()) and not await outlet.part_of_answer(part, turn.pause):
            return False
        self._counts.messages += answer.messages
        return True

    def _about(self) -> dict[str, str | int]:
        """Return what each answer says of whom it is from."""
        return {"tap": self._tap, "version": __version__, "time": time.time_ns()}
