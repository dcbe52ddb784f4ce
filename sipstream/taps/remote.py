"""All taps on a bus as one remote: what the session is asked for is asked of each of them.

Nobody is waited for who says nothing for two seconds; what comes later still comes in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sipstream.bus.names import CONVERSATION, FIND, STATS
from sipstream.filters import Filter
from sipstream.taps import account, chosen
from sipstream.taps.exchange import Exchange, Question
from sipstream.taps.following import Followings
from sipstream.taps.intake import TakenIn
from sipstream.taps.known import DISCOVERY_SECONDS, GONE_SECONDS, Known, Tap
from sipstream.taps.recent import Asked, Recent

if TYPE_CHECKING:
    from nats.aio.client import Client

    from sipstream.session import Session

PATIENCE = 2.0
"""Seconds without a word after which nobody waits for a tap."""
_LITTLE_PATIENCE = 0.3
"""The same of a tap that left the last question without an answer, and of taps that may still name
themselves once the first has."""
_LONGEST = 15.0
"""Seconds that an answer is waited for that keeps coming."""
_LATE = 60.0
"""Seconds without a word after which nothing more is taken in of an answer."""
_CONVERSATIONS, _LEAST, _LEAST_FOUND = 20_000, 200, 1000
"""Conversations that are asked for in all, and of each tap at least, with a filter more: the session has
room for a hundred thousand."""
_AGAIN = 10.0
"""Seconds after which the same is said again of who doesn't answer, or gives less than there is."""
_LOOK_SECONDS = 0.5
"""How often it is looked at what is due."""


class AllTaps:
    """The taps whose agents answer on a connection; begin with `open`."""

    def __init__(self, name: str, client: Client, session: Session) -> None:
        self.name = name
        self.known = Known(self._tell)
        self._client = client
        self._session = session
        self._exchange = Exchange(client, self._took, self._named)
        self._followings = Followings(self._exchange, self.known, PATIENCE)
        self._taken_in = TakenIn(session, name, self._followings.since)
        self._came: list[Tap] = []
        """Taps that are new, or back, and weren't told of yet."""
        self._was_found = asyncio.Event()
        """Those that are there have had their time to name themselves."""
        self._waits = 0
        self._hurries = False
        self._recent = Recent()
        self._told: dict[str, float] = {}
        """What was said of answers lately, and when."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to listen, and to look for taps."""
        await self._exchange.open()
        self._begin(self._exchange.take_in())
        self._begin(self._find())
        self._begin(self._look_after())

    async def close(self) -> None:
        """End follows, and the connection."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LITTLE_PATIENCE):
                await self._followings.end_all()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._exchange.close()
        await self._client.close()

    @property
    def words(self) -> str:
        """What the bottom line says: how many of the taps answer."""
        there = self.known.there if self._client.is_connected else []
        answering = sum(not tap.silent for tap in there)
        return f"taps {answering}/{len(self.known.all)}"

    def hurry(self) -> bool:
        """Wait for answers no longer; return whether anybody did."""
        self._hurries = bool(self._waits)
        self._exchange.settled.set()
        return self._hurries

    # What the session asks for

    async def bring(self, expression: str) -> None:
        """Have conversations enter that may match, from taps that an expression asks."""
        node = Filter.parse(expression).node if expression else None
        there = await self.ready()
        texts = {tap: chosen.question(node, tap.name) for tap in there}
        wanted = {tap: text for tap, text in texts.items() if text is not None}
        least = _LEAST if node is None else _LEAST_FOUND
        if not wanted:
            self._say_nobody(there)
        limit = max(_CONVERSATIONS // max(len(wanted), 1), least)
        await self._bring(
            FIND, {tap: {"filter": text, "limit": limit} for tap, text in wanted.items()}
        )

    async def complete(self, call_id: str) -> None:
        """Have all messages of a Call-ID enter, from all taps."""
        fields = {"call_ids": [call_id.encode("utf-8", "replace").decode()]}
        await self._bring(CONVERSATION, dict.fromkeys(await self.ready(), fields))

    async def follow(self, number: int, expression: str) -> None:
        """Have messages of matching conversations enter from now on."""
        there = await self.ready()
        questions = await self._followings.begin(number, expression)
        if not questions:
            self._say_nobody(there)
        await self._wait(questions)
        for question in questions:
            question.told = question.answer.error

    def unfollow(self, number: int) -> None:
        """A follow has ended."""
        following = self._followings.end(number)
        if following is not None:
            self._begin(self._followings.tell_end(following))

    async def ask_how_they_are(self) -> list[Tap]:
        """Ask all taps how they are; return all that are known, gone ones too."""
        there = await self.ready()
        questions = [await self._ask(tap, STATS, {}) for tap in there]
        await self._wait(questions)
        for question in questions:
            self._exchange.forget(question)
            if question.answer.fields:
                question.tap.stats = question.answer.fields
                question.tap.took = question.heard - question.asked
        return self.known.all

    # Asking

    async def ready(self) -> list[Tap]:
        """Return the taps that are there, once they had time to say so; none while the bus is away."""
        await self._was_found.wait()
        if self._client.is_connected:
            return self.known.there
        self._tell(f"{self.name}: the server is away, nothing comes from taps")
        return []

    async def _bring(self, verb: str, fields: dict[Tap, dict[str, Any]]) -> None:
        """Ask taps for what they weren't asked just now, wait for it, say what doesn't come."""
        loop, recent, state = asyncio.get_running_loop(), self._recent, self._taken_in.state
        questions: dict[Asked, Question] = {}
        for tap, wanted in fields.items():
            asked = tap, f"{verb} {wanted}"
            if not recent.is_fresh(asked, state, loop.time()):
                mark = recent.mark(asked, state)
                since = {"since": mark} if mark else {}
                questions[asked] = await self._ask(tap, verb, wanted | since)
        await self._wait(list(questions.values()))
        for asked, question in questions.items():
            if question.is_settled():
                self._exchange.forget(question)
                if question.answer.fields and self._taken_in.state == state:
                    recent.note(asked, question.answer, state, loop.time())

    async def _ask(self, tap: Tap, verb: str, fields: dict[str, Any]) -> Question:
        question = Question(tap, verb, _LITTLE_PATIENCE if tap.silent else PATIENCE)
        await self._exchange.ask(question, fields)
        return question

    async def _wait(self, questions: list[Question]) -> None:
        """Wait until all is answered, or the others have been silent for too long; tell who that is."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _LONGEST
        with self._waiting(questions):
            while not self._hurries:
                self._exchange.settled.clear()
                now = loop.time()
                left = [one for one in questions if not one.is_settled()]
                times = [time for one in left if (time := min(one.patient_for(now), end - now)) > 0]
                if not times:
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(times)):
                        await self._exchange.settled.wait()
        self._say(account.lines(questions))

    def _say_nobody(self, there: list[Tap]) -> None:
        """Tell that none of those that are there is asked, as a term names others."""
        if there:
            self._say([f"no tap that is there has such a name: there are {account.names(there)}"])

    def _say(self, lines: Iterable[str]) -> None:
        """Tell what wasn't told just now: what is watched is asked for every other second."""
        now = asyncio.get_running_loop().time()
        self._told = {line: when for line, when in self._told.items() if now - when < _AGAIN}
        for line in lines:
            if line not in self._told:
                self._told[line] = now
                self._tell(line)

    @contextmanager
    def _waiting(self, questions: Iterable[Question]) -> Iterator[None]:
        """While this is open somebody waits; behind it those are known that weren't waited for."""
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1
            if not self._waits:
                self._hurries = False
            now = asyncio.get_running_loop().time()
            for one in questions:
                if one.answer.is_nobody:
                    one.tap.gone = True
                elif not one.is_settled():
                    one.was_left = True
                    one.tap.silent = one.tap.silent or one.patient_for(now) <= 0

    # What comes

    async def _took(self, question: Question, packed: bytes) -> None:
        """Take a part of an answer in; a fault costs that part."""
        try:
            await self._taken_in.take(question.answer, packed)
        except Exception as error:
            self._session.faults.note("answers of taps", error)

    def _named(self, data: bytes) -> None:
        """One has said that it is there."""
        tap = self.known.take(data, asyncio.get_running_loop().time())
        if tap is None or not self._was_found.is_set():
            return
        self._came.append(tap)
        self._begin(self._followings.renew_at(tap))

    async def _find(self) -> None:
        """Ask who is there, give them time to answer, say what came of it."""
        loop = asyncio.get_running_loop()
        end, quiet = loop.time() + PATIENCE, PATIENCE
        await self._exchange.who_is_there()
        while not self._exchange.nobody and (left := min(quiet, end - loop.time())) > 0:
            self._exchange.settled.clear()
            try:
                async with asyncio.timeout(left):
                    await self._exchange.settled.wait()
            except TimeoutError:
                break
            quiet = _LITTLE_PATIENCE
        there = self.known.there
        if there:
            self._tell(f"{len(there)} tap{'s' * (len(there) > 1)}: {account.names(there)}")
        else:
            self._tell(f"{self.name}: no tap answers; 'sipstream agent --nats {self.name}' is one")
        self._was_found.set()

    async def _look_after(self) -> None:
        """Ask again who is there, and for follows; say who is gone, and what came late."""
        loop = asyncio.get_running_loop()
        await self._was_found.wait()
        asked, was_away = loop.time(), False
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                is_back = was_away and self._client.is_connected
                was_away = not self._client.is_connected
                if is_back or was_away:
                    self.known.excuse(loop.time())
                if is_back or loop.time() - asked >= DISCOVERY_SECONDS:
                    asked = loop.time()
                    await self._exchange.who_is_there()
                await self._followings.renew(at_once=is_back)
                self._look(loop.time())
            except Exception as error:
                self._session.faults.note("taps", error)

    def _look(self, now: float) -> None:
        """Tell what has changed by itself."""
        came, self._came = self._came, []
        for question in self._exchange.left:
            if question.is_settled() or now - question.heard > _LATE:
                self._exchange.forget(question)
                if question.answer.messages:
                    self._tell(account.late(question))
        gone = self.known.settle(now)
        for line in (*account.there(came), *account.gone(gone, GONE_SECONDS)):
            self._tell(line)
        for line in (*self._followings.news(), *account.left_out(self.known.all)):
            self._tell(line)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, text: str) -> None:
        self._session.sources.notices.tell(text)
