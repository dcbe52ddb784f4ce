"""Questions to taps over the bus, and what they answer, in the order in which it came.

Answers go to inboxes whose names nobody else can guess, so that no tap answers for another. What came
waits within a limit for who takes it in: a flood of one tap costs its own answer, not the others'.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from sipstream.bus import coding
from sipstream.bus.names import FOLLOW, SERVICE, request_subject
from sipstream.pace import Pace
from sipstream.taps.answers import Answer
from sipstream.taps.known import MOST, Tap

WAITING_BYTES = 32 << 20
"""Bytes of one answer, as they came, that wait to be taken in: a second's work or two."""
ALL_WAITING_BYTES = 256 << 20
"""The same of all answers: fifty taps that give as much as they may at once."""
_PENDING = 64 << 20
"""Bytes of all answers that nats-py holds for us while the event loop is busy."""
_DISCOVERY = f"$SRV.INFO.{SERVICE}"
_WHO = "who"
"""Where answers go to the question who is there."""
_NAMED = 2 * MOST
"""Answers to that which are looked at: what more come are a flood."""
_NOBODY = "503"
"""The status by which the server says that nobody listens (NATS's ADR-4)."""


class Question:
    """One question to one tap; times are of the event loop's clock.

    `patience` is how many seconds without a word somebody waits for the answer.
    """

    def __init__(self, tap: Tap, verb: str, patience: float) -> None:
        self.tap = tap
        self.verb = verb
        self.patience = patience
        self.answer = Answer(tap.name, tap.left_out, is_followed=verb == FOLLOW)
        self.asked = self.heard = asyncio.get_running_loop().time()
        self.waiting = self.waiting_bytes = 0
        """Parts of the answer that wait to be taken in, and their bytes."""
        self.was_left = False
        """Nobody waited for the answer's end."""
        self.told = ""
        """The error of it that the user was told."""
        self.token = secrets.token_hex(16)
        """What its inbox is called."""
        self.since: int | None = None
        """Of a follow: when the tap began with it, ns by its own clock."""

    def is_settled(self) -> bool:
        """Tell whether all has come that is waited for."""
        return (self.answer.ended or self.answer.begun) and not self.waiting

    def patient_for(self, now: float) -> float:
        """Return the seconds that are still to be waited; what waits here isn't the tap's fault."""
        return self.patience if self.waiting else self.heard + self.patience - now

    def renew(self) -> None:
        """Of a follow: it is asked for again."""
        self.answer.renew()


class Exchange:
    """Asks taps on a connection. `took` is awaited with each question's packed envelopes, `found` called
    with what answers who is there."""

    def __init__(
        self,
        client: Client,
        took: Callable[[Question, bytes], Awaitable[None]],
        found: Callable[[bytes], None],
    ) -> None:
        self.settled = asyncio.Event()
        """Is set whenever an answer, or the question who is there, may have come to its end."""
        self.nobody = False
        """The server said that there is no agent."""
        self._client = client
        self._took = took
        self._found = found
        self._inbox = client.new_inbox()
        self._questions: dict[str, Question] = {}
        self._come: deque[tuple[Question, bytes]] = deque()
        self._waiting_bytes = 0
        """Bytes of these."""
        self._has_come = asyncio.Event()
        self._subscription: Subscription | None = None
        self._named = 0
        """Answers to the question who is there, since it was asked last."""
        self._pace = Pace()

    async def open(self) -> None:
        """Begin to listen for answers."""
        self._subscription = await self._client.subscribe(
            f"{self._inbox}.*", cb=self._came, pending_bytes_limit=_PENDING
        )

    async def close(self) -> None:
        """End it; nothing comes any more."""
        self._questions.clear()
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()

    async def who_is_there(self) -> None:
        """Ask all agents to name themselves."""
        self.nobody = False
        self._named = 0
        await self._publish(_DISCOVERY, b"", _WHO)

    async def ask(self, question: Question, fields: dict[str, Any]) -> None:
        """Ask a tap, or ask again."""
        self._questions[question.token] = question
        await self.tell(question, fields)

    async def tell(self, question: Question, fields: dict[str, Any]) -> None:
        """Send something to a tap of which no answer is taken in that isn't already."""
        subject = request_subject(question.tap.name, question.verb)
        await self._publish(subject, coding.dump(fields), question.token)

    @property
    def left(self) -> list[Question]:
        """Those that nobody waits for, and that may still be answered; no follows."""
        asked = self._questions.values()
        return [one for one in asked if one.was_left and not one.answer.is_followed]

    def forget(self, question: Question) -> None:
        """Take in no more of an answer."""
        self._questions.pop(question.token, None)

    async def _publish(self, subject: str, data: bytes, token: str) -> None:
        # While the connection is away little is kept, and nobody waits for it.
        with suppress(errors.Error, OSError):
            await self._client.publish(subject, data, reply=f"{self._inbox}.{token}")

    async def _came(self, message: Msg) -> None:
        """Sort what came; nothing is worked on here, so that nobody is thought silent who isn't."""
        if self._pace.due():
            await self._pace.rest()
        token = message.subject.rpartition(".")[2]
        headers = message.headers or {}
        is_nobody = headers.get("Status") == _NOBODY
        if token == _WHO:
            self.nobody = is_nobody
            self._named += 1
            if not is_nobody and self._named <= _NAMED:
                self._found(message.data)
            self.settled.set()
            return
        question = self._questions.get(token)
        if question is None:
            return
        question.heard = asyncio.get_running_loop().time()
        if is_nobody:
            question.answer.nobody()
        else:
            question.tap.hear(question.heard)
            packed = question.answer.take(headers, message.data)
            if question.answer.begun and question.since is None:
                question.since = question.answer.number("time") or None
            if packed and not self._has_room(question, len(packed)):
                question.answer.reasons["more than could be taken in"] += 1
            elif packed:
                question.waiting += 1
                question.waiting_bytes += len(packed)
                self._waiting_bytes += len(packed)
                self._come.append((question, packed))
                self._has_come.set()
        if question.is_settled():
            self.settled.set()

    def _has_room(self, question: Question, size: int) -> bool:
        """Tell whether so many bytes more of an answer may wait."""
        return (
            question.waiting_bytes + size <= WAITING_BYTES
            and self._waiting_bytes + size <= ALL_WAITING_BYTES
        )

    async def take_in(self) -> None:
        """Take in what comes, for as long as it comes."""
        while True:
            await self._has_come.wait()
            self._has_come.clear()
            while self._come:
                question, packed = self._come.popleft()
                try:
                    await self._took(question, packed)
                finally:
                    question.waiting -= 1
                    question.waiting_bytes -= len(packed)
                    self._waiting_bytes -= len(packed)
                    if question.is_settled():
                        self.settled.set()
