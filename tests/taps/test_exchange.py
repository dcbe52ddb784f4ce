"""What comes of taps' answers waits within limits: of one answer, and of all."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("nats")

from sipstream.bus import coding  # noqa: E402
from sipstream.bus.names import FIND  # noqa: E402
from sipstream.taps import exchange  # noqa: E402
from sipstream.taps.exchange import Exchange, Question  # noqa: E402
from sipstream.taps.known import Tap  # noqa: E402


class Connection:
    """One that everything goes out of."""

    def new_inbox(self) -> str:
        return "_INBOX.us"

    async def publish(self, subject: str, data: bytes, reply: str) -> None:
        pass


@pytest.mark.parametrize(("limit", "taken"), [("WAITING_BYTES", 3), ("ALL_WAITING_BYTES", 2)])
async def test_answers_wait_within_limits(
    monkeypatch: pytest.MonkeyPatch, limit: str, taken: int
) -> None:
    monkeypatch.setattr(exchange, limit, 250)
    took: list[bytes] = []

    async def take(question: Question, packed: bytes) -> None:
        took.append(packed)

    asking: Any = Connection()
    one = Exchange(asking, take, lambda data: None)
    questions = [Question(Tap(name), FIND, 2.0) for name in ("sbc1", "sbc2")]

    async def comes(question: Question) -> None:
        message: Any = SimpleNamespace(
            subject=f"_INBOX.us.{question.token}",
            headers={coding.KIND: coding.PART},
            data=bytes(100),
        )
        await one._came(message)

    for question in questions:
        await one.ask(question, {})
    for question in (*questions, questions[0], questions[0]):
        await comes(question)
    taking = asyncio.create_task(one.take_in())
    await asyncio.sleep(0.01)
    assert len(took) == taken
    left_out = sum(question.tap.left_out.total() for question in questions)
    assert left_out == 4 - taken
    # What was taken in makes room.
    await comes(questions[1])
    await asyncio.sleep(0.01)
    assert len(took) == taken + 1
    taking.cancel()
