"""Conversations and messages as plain values, for tests of what is shown of them."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sipstream.views import Conversation, Message

TRANSCRIPTS = Path(__file__).parent / "transcripts"


@dataclass
class FakeMessage:
    raw: bytes = b""
    time: int = 0
    source_address: str = "10.20.0.22"
    destination_address: str = "10.11.12.13"
    transport: str = "UDP"
    method: str | None = None
    status: int | None = None
    reason: str = ""
    src_num: str = "4151509"
    dst_num: str = "8969669"
    cseq: str = "102 INVITE"
    headline: str | None = None
    index: int = 0
    copy_of: int | None = None
    is_of_network: bool = False
    outer: str = ""
    tap: str = ""
    comment: str = ""
    cut: bool = False

    @property
    def kind(self) -> int | str:
        return self.method or self.status or 0

    @property
    def start_line(self) -> str:
        return self.raw.split(b"\n")[0].decode("utf-8", "surrogateescape").rstrip("\r")

    @property
    def source(self) -> str:
        return f"{self.source_address}.5060"

    @property
    def destination(self) -> str:
        return f"{self.destination_address}.5060"

    @property
    def source_uri(self) -> str:
        return _uri(self.source_address)

    @property
    def destination_uri(self) -> str:
        return _uri(self.destination_address)


def _uri(address: str) -> str:
    return f"[{address}]:5060" if ":" in address else f"{address}:5060"


@dataclass
class FakeConversation:
    call_id: str
    messages: list[Message] = field(default_factory=list)
    state: str = "calling"
    left_out: int = 0

    @property
    def first(self) -> Message:
        return self.messages[0]

    @property
    def src_num(self) -> str:
        return self.first.src_num

    @property
    def dst_num(self) -> str:
        return self.first.dst_num

    @property
    def count(self) -> int:
        return len(self.messages)


def message(kind: str, clock: str = "15:49:30.333525", **values: Any) -> Message:
    """A message of a kind as lists show it (`INVITE`, `100 Trying`) at a time of 2018-04-16 UTC."""
    if re.match(r"\d{3}\b", kind):
        values = {"status": int(kind[:3]), "reason": kind[4:], **values}
    else:
        values = {"method": kind, **values}
    return cast(Message, FakeMessage(time=at(clock), **values))


def conversation(call_id: str, *messages: Message) -> Conversation:
    """A conversation of messages, which get their places."""
    for place, one in enumerate(messages):
        cast(FakeMessage, one).index = place
    return cast(Conversation, FakeConversation(call_id, list(messages)))


def at(clock: str) -> int:
    """The time in ns of a time of day on 2018-04-16 UTC."""
    hours, minutes, rest = clock.split(":")
    seconds, _, micros = rest.partition(".")
    whole = calendar.timegm((2018, 4, 16, int(hours), int(minutes), int(seconds)))
    return whole * 10**9 + int(micros.ljust(6, "0")) * 1000


def printed(figure: str) -> list[str]:
    """A transcript's lines without its prompts."""
    [path] = TRANSCRIPTS.glob(f"{figure}-*.txt")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("sipstream")]


def words(text: str) -> str:
    """A line without blanks that only pad."""
    return " ".join(text.split())
