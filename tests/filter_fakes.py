"""Conversations made by hand for tests of filters: each of an index of its own, filled as a source does.

What came is grouped by the real `Conversations`; only the store counts how often it is read.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from sipstream.conversations import Conversations
from sipstream.decode.endpoints import Flow, key_of_name
from sipstream.sip.found import Found
from sipstream.sip.startline import code_of, intern_method

if TYPE_CHECKING:
    from sipstream.index import Index

_numbers = count()
APART = 1 << 20
"""Bytes between two messages in the store: each is read by itself."""


class FakeMessage:
    """A message; it counts how often its bytes were read."""

    def __init__(self, kind: int | str = "INVITE", *headers: tuple[str, str]) -> None:
        self.id = next(_numbers)
        self.method = kind if isinstance(kind, str) else None
        self.status = kind if isinstance(kind, int) else None
        self.kind = kind
        self.fields = headers
        self.looks = 0
        self.raw = b""

    @property
    def code(self) -> str:
        return code_of(intern_method(self.method.encode()) if self.method else self.status or 0)

    def written(self, call_id: str, source: str, destination: str) -> bytes:
        """The message's bytes."""
        line = f"{self.kind} sip:a SIP/2.0" if self.method else f"SIP/2.0 {self.kind} X"
        fields = [("From", f"<sip:{source}@a>"), ("To", f"<sip:{destination}@b>")]
        fields += [("Call-ID", call_id), ("CSeq", f"{self.id} X"), *self.fields]
        text = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"{line}\r\n{text}\r\n".encode("utf-8", "surrogateescape")


class CountingStore:
    """Where the messages' bytes are, each far from the others."""

    def __init__(self) -> None:
        self.messages: list[FakeMessage] = []

    def read(self, offset: int, length: int) -> bytes:
        message = self.messages[offset // APART]
        message.looks += 1
        assert offset % APART == 0
        return message.raw[:length]

    def headline(self, offset: int) -> bytes | None:
        return None


class FakeConversation:
    """A conversation that grows by `messages.append`."""

    def __init__(
        self,
        *messages: FakeMessage,
        call_id: str = "call-1",
        src_user: str = "4151500",
        dst_user: str = "5660066",
        source: str = "10.20.0.22",
        destination: str = "10.11.12.13",
        among: Conversations | None = None,
    ) -> None:
        self.call_id = call_id
        self.src_user = src_user
        self.dst_user = dst_user
        self.source = source
        self.destination = destination
        self.messages = list(messages) or [FakeMessage()]
        self._conversations = among if among is not None else Conversations()
        self._store = CountingStore()

    @property
    def origin(self) -> Index:
        """The index, with all messages in it."""
        self.arrive()
        return self._conversations.index

    @property
    def id(self) -> int:  # noqa: A003
        """Its number in the index."""
        self.arrive()
        made = self._conversations.by_call_id(self.call_id)
        assert made is not None
        return made.id

    def arrive(self) -> None:
        """Put the messages into the index that aren't there yet."""
        for message in self.messages[len(self._store.messages) :]:
            self._enter(message)

    def _enter(self, message: FakeMessage) -> None:
        message.raw = message.written(self.call_id, self.src_user, self.dst_user)
        ends = key_of_name(self.source, 5060), key_of_name(self.destination, 5060)
        place = len(self._store.messages)
        raw = message.raw
        row = (10**9 + message.id, Flow(*ends, "UDP", 0), raw, 0, len(raw), place * APART, 0)
        found = Found()
        found.add(row, message.code, self.call_id.encode("utf-8", "surrogateescape"))
        found.gather()
        self._store.messages.append(message)
        self._conversations.feed(found, self._store)
