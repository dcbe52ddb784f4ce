"""What filters cost on hostile fields, and that the prompt answers while they are worked out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import batch, ethernet, ipv4, sip, udp

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.decode.decoder import Decoder
from sipstream.filters.numbers import NumberSet
from sipstream.filters.texts import TextSet
from sipstream.filters.values import has_privacy_parameter
from sipstream.packets import Tally
from sipstream.session import Session
from sipstream.shell.console import Console
from sipstream.shell.output import Output, Writer
from sipstream.sip.scan import Scanner

LONG = 65_536
ALLOWED = 0.05
"""Seconds of the processor that one match may take."""
ANSWER = 0.2
"""Seconds of the processor that the prompt may have to wait for an answer."""

PATTERNS = [
    *("*a" * count + "*b" for count in (1, 2, 5, 15, 100, 4000)),
    *("a*" * count + "b" for count in (1, 5, 100, 4000)),
    *("*" * count + "b" for count in (1, 2, 1000, 16_000)),
    *("*" + "a" * count + "b*" for count in (1, 10, 99, 100, 1000, 8000)),
    *("*b" + "a" * count + "*" for count in (1, 10, 1000, 8000)),
    *("*" + "ab" * count + "b*a" for count in (1, 10, 1000, 4000)),
    *("*" + "aab" * count + "*" + "baa" * count + "*c" for count in (1, 10, 1000)),
    *("*1" * count + "*2" for count in (10, 4000)),
    "*" + "*".join("ab" * n for n in range(100)) + "*c",
    "*é*é*電*b",
]
TEXTS = ["a" * LONG, "ab" * (LONG // 2), "aab" * (LONG // 3), "1" * LONG, "a" * (LONG - 1) + "é"]


def cost(work: Callable[[], object]) -> float:
    """Seconds of this thread's processor time, the better of two."""
    times = []
    for _ in range(2):
        begun = time.thread_time()
        work()
        times.append(time.thread_time() - begun)
    return min(times)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: f"{pattern[:12]}-{len(pattern)}")
def test_no_pattern_takes_long(pattern: str) -> None:
    """Row X1: `*` in a Call-ID or a number, however often, against fields of 64 KiB."""
    texts, numbers = TextSet([pattern]), NumberSet([pattern])
    slowest = max(
        cost(lambda one=one, holds=holds: holds(one))  # type: ignore[misc]
        for one in TEXTS
        for holds in (texts.holds, numbers.holds)
    )
    assert slowest < ALLOWED


@pytest.mark.parametrize("piece", ['"', '\\"', "<", ";privacy", ";privacy=", '"\\', ";", "; "])
def test_no_header_value_takes_long(piece: str) -> None:
    """Row X1: the one pattern of ours that looks into values which an attacker writes."""
    value = piece * (LONG // len(piece))
    assert cost(lambda: has_privacy_parameter(value)) < ALLOWED


# A filter that changes while messages come


class Feed:
    """A session whose conversations are put in by hand."""

    def __init__(self, session: Session) -> None:
        self.session = session
        tally = Tally("test")
        self._decoder = Decoder(tally, session.conversations.index.endpoints)
        self._scanner = Scanner(tally)

    def put(self, messages: list[bytes]) -> None:
        """Have messages come in, as a source does."""
        given = batch([ethernet(ipv4(udp(one))) for one in messages])
        found = self._scanner.feed(self._decoder.feed(given))
        self.session._publish(self.session.conversations.feed(found, given.store))


async def longest_wait(
    console: Console, feed: Feed, command: str, coming: Iterator[bytes]
) -> float:
    """The longest time that a command at the prompt had to wait while another ran and messages came.

    Each time the loop comes round a message opens a conversation: that must not keep the other from
    its end.
    """
    working = asyncio.ensure_future(console.execute(command))
    waits = []
    while not working.done():
        begun = time.thread_time()
        await asyncio.sleep(0)
        assert await console.execute("show follows")
        waits.append(time.thread_time() - begun)
        feed.put([message for message, _ in zip(coming, range(2), strict=False)])
    assert await working
    assert next(coming, b""), "the filter was not done before the last message"
    assert len(waits) >= 3
    return max(waits)


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    with (tmp_path / "out").open("wb") as file:
        writer = Writer(file.fileno())
        yield Console(Session(), Output(writer, writer))
        writer.close()


async def test_a_filter_change_on_100_000_conversations(console: Console) -> None:
    """Row X1: the prompt answers within 200 ms, and what comes meanwhile is judged too."""
    feed = Feed(console.session)
    for block in range(0, 100_000, 1000):
        feed.put([sip(call_id="a" * 200 + str(block + n)) for n in range(1000)])
    coming = (sip(call_id=f"{'a' * 120}b{n}@late") for n in range(100_000))
    for text in ("callid " + "*a" * 100 + "*b*", "not has privacy and header From zz"):
        console.context = "filter"
        await console.execute("reset")
        assert await longest_wait(console, feed, f"add {text}", coming) < ANSWER
        late = sum(one.call_id.endswith("@late") for one in console.session.conversations)
        matching = console.session.matching()
        if text.startswith("callid"):
            assert len(matching) == late
        assert late > 100


async def test_a_filter_change_on_long_conversations(console: Console) -> None:
    """Row X1: one call of very many messages, and calls of very long ones."""
    feed = Feed(console.session)
    filler = "".join(f"X-{n}: {'x' * 50}\r\n" for n in range(900))
    feed.put([sip(call_id=f"long{n}", extra=filler) for n in range(600)])
    for _ in range(20):
        feed.put([sip(call_id="many", cseq=f"{n} INVITE") for n in range(2000)])
    coming = (sip(call_id=f"{n}@late") for n in range(100_000))
    console.context = "filter"
    for text in ("header From zz", "has privacy", "callid x or not header Subject q"):
        await console.execute("reset")
        assert await longest_wait(console, feed, f"add {text}", coming) < ANSWER
