"""Conversations made by hand for tests of filters: what filters may look at, and nothing else."""

from __future__ import annotations

from itertools import count

from sipstream.sip.headers import COMPACT

_numbers = count()


class FakeMessage:
    """A message; it counts how often its headers were looked at."""

    def __init__(self, kind: int | str = "INVITE", *headers: tuple[str, str]) -> None:
        self.id = next(_numbers)
        self.method = kind if isinstance(kind, str) else None
        self.status = kind if isinstance(kind, int) else None
        self.kind = kind
        self.fields = headers
        self.looks = 0

    def headers(self, name: str) -> list[str]:
        self.looks += 1
        lower = name.lower()
        names = {lower, COMPACT.get(lower)}
        return [value for field, value in self.fields if field.lower() in names]

    def header(self, name: str) -> str | None:
        return next(iter(self.headers(name)), None)


class FakeConversation:
    """A conversation that grows by `messages.append`."""

    origin: object = "one index"

    def __init__(
        self,
        *messages: FakeMessage,
        id: int = 0,  # noqa: A002
        call_id: str = "call-1",
        src_user: str = "4151500",
        dst_user: str = "5660066",
        source: str = "10.20.0.22",
        destination: str = "10.11.12.13",
    ) -> None:
        self.id = id
        self.call_id = call_id
        self.src_user = src_user
        self.dst_user = dst_user
        self.source = source
        self.destination = destination
        self.messages = list(messages) or [FakeMessage()]

    @property
    def kinds(self) -> frozenset[int | str]:
        return frozenset(message.kind for message in self.messages)

    @property
    def count(self) -> int:
        return len(self.messages)

    def arrived(self, after: int = -1) -> list[FakeMessage]:
        return [message for message in self.messages if message.id > after]
