"""What filters cost on hostile fields, and that the prompt answers while they are worked out."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import batch, ethernet, ipv4, sip, udp

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.decode.decoder import Decoder
from sipstream.filters.numbers import NumberSet
from sipstream.filters.texts import TextSet, regex_test
from sipstream.filters.values import has_privacy_parameter
from sipstream.packets import Tally
from sipstream.session import Session
from sipstream.shell.console import Console
from sipstream.shell.output import Output, Writer
from sipstream.sip.passport import attestation
from sipstream.sip.scan import Scanner
from sipstream.sip.sdp import media

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
    *("?" * count + "b" for count in (1, 32)),
    *("*" + "?a" * count + "*b*" for count in (1, 16)),
    *("*" + "a?" * count + "*" + "?b" * count + "*c*" for count in (1, 8, 16)),
    *("*a?" * count + "*b" for count in (1, 32)),
    "*é?é*",
    "*\udcff?*z",
]
REGEXES = [
    *("(a+)+$", "(a*)*b", "(a|a)*b", "(a|b|ab)*c", "(x+x+)+y", "([a-z]+)+[A-Z]", "(?i)é+$"),
    *(".*.*.*=.*", "(.*)(.*)(.*)(.*)b$", "(?s).*x.*y.*z", "[^b]*b", "\\pL+\\d", "(a.*b.*){60}[cd]"),
    *("(?:a?b?){200}c", "(a?[ab]?){200}[cd]", "a[ab]{300}[cd]", "(x?y?z?a?b?){80}q", ".{150}z"),
    *("(a|b)*a(a|b){12}[cd]", "(a|b|ab|ba|aab){90}[cd]", "(.{1,10}){1,9}b", "a.{110}[^ab]"),
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


@pytest.mark.parametrize("pattern", REGEXES)
def test_no_regular_expression_takes_long(pattern: str) -> None:
    """Row X1: what other engines go back for, and what comes to as many states as may be."""
    found = regex_test([pattern])
    texts = [*TEXTS, "".join(random.Random(1).choices("ab", k=LONG)), "é" * (LONG // 2)]
    assert max(cost(lambda one=one: found(one)) for one in texts) < ANSWER  # type: ignore[misc]


SDP = "v=0\r\nm=audio 1 RTP/AVP 0\r\n"
PART = f"--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}"
BODIES = {
    "streams": ("application/sdp", "m=audio 1 RTP/AVP 0\r\n" * 3200),
    "formats": ("application/sdp", "m=audio 1 RTP/AVP " + "0 " * 32_000),
    "addresses": ("application/sdp", SDP + "c=IN IP4 1.1.1.1\r\n" * 3600),
    "maps": ("application/sdp", "m=audio 1 RTP/AVP 96\r\n" + "a=rtpmap:96 x/1\r\n" * 3500),
    "blanks": ("application/sdp", "m=audio" + " " * 64_000),
    "breaks": ("application/sdp", "\r" * 64_000),
    "parts": ("multipart/mixed;boundary=b", PART * 900),
    "delimiters": ("multipart/mixed;boundary=b", "--b\r\n" * 13_000),
}


@pytest.mark.parametrize("name", BODIES)
def test_no_body_takes_long(name: str) -> None:
    """Row X1: session descriptions for codec and media."""
    kind, body = BODIES[name]
    raw = sip(extra=f"Content-Type: {kind}\r\n", body=body)
    assert cost(lambda: media(raw)) < ALLOWED


@pytest.mark.parametrize("claims", ["[" * 12_000, '{"a":' * 2400, "1" * 12_000, '{"attest":"', ""])
def test_no_identity_takes_long(claims: str) -> None:
    """Row X1: what an Identity header carries, for stir."""
    token = base64.urlsafe_b64encode(claims.encode()).decode()
    for value in (f"e.{token}.x", "e." + "A" * LONG, "." * LONG, ";" * LONG):
        assert attestation(value) == ""
        assert cost(lambda value=value: attestation(value)) < ALLOWED  # type: ignore[misc]


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
        deque(
            self.session.publishing.publish(self.session.conversations.feed(found, given.store)), 0
        )


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
