"""What is to be exported, and how: conversations, where their packets lie, what is asked for beside."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from typing import TYPE_CHECKING

from sipstream.redacted import RedactedConversation, RedactedMessage

if TYPE_CHECKING:
    from sipstream.conversations import Conversations
    from sipstream.packets import Store
    from sipstream.redact import Redactor
    from sipstream.views import Conversation, Message

_TOGETHER = 2048
"""Messages sorted together, in a millisecond or two."""


class Selected:
    """Conversations by the time of their first message, and the options they are exported with.

    A format counts what it wrote and says what it has to say; who writes the file tells it. `places` are
    their indexes in the list that is shown, `captures` the stores of all sources, in their order.
    """

    def __init__(
        self,
        conversations: Conversations,
        numbers: Sequence[int],
        places: Sequence[int],
        captures: Iterable[Store] = (),
        *,
        redactor: Redactor | None = None,
        rtp: bool = False,
        is_call: bool = False,
        joined_by: Sequence[str] = (),
        name_of: Callable[[str], str] | None = None,
    ) -> None:
        self.conversations = conversations
        self.numbers = numbers
        self.places = places
        self.captures = tuple(captures)
        self.redactor = redactor
        """Masks what tells of people; None: all is written as it is."""
        self.rtp = rtp
        """Whether the media of the conversations is asked for too."""
        self.is_call = is_call
        """Whether the conversations are the legs of one call."""
        self.joined_by = tuple(joined_by)
        """What makes the legs one call, a few words for each link."""
        self.name_of = name_of
        """What an endpoint or address is called, "" for nothing; None: they have no names."""
        self.packets: int | None = None
        """How many packets were written, None for formats without packets."""
        self.written = 0
        """How many conversations were written."""
        self.messages = 0
        """How many messages were written."""
        self.remarks: list[str] = []
        """What there is to say of the file."""
        self.missing: list[str] = []
        """What isn't in the file, and why."""
        self._batch = conversations.index.batch

    def views(self) -> Iterator[Conversation]:
        """Yield the conversations, masked where that is asked for, but for those given up meanwhile."""
        return (one for _, one in self.placed())

    def placed(self) -> Iterator[tuple[int, Conversation]]:
        """Yield the same, each behind its index in the list."""
        gone = 0
        index = self.conversations.index
        for place, number in zip(self.places, self.numbers, strict=True):
            if not index.is_there(number, self._batch):
                gone += 1
                continue
            one = self.view(number)
            self.written += 1
            self.messages += one.count
            yield place, one
        if gone:
            self.missing.append(f"{gone} conversations were given up meanwhile to make room")

    def by_time(self) -> Iterator[Message | None]:
        """Yield the messages of all of them by time; None where others may have their turn."""
        runs: list[array[int]] = []
        run: list[int] = []
        index = self.conversations.index
        time = index.m_time.__getitem__
        for one in self.views():
            for number in index.arrived(one.id):
                run.append(number)
                if len(run) == _TOGETHER:
                    runs.append(array("I", sorted(run, key=time)))
                    run = []
                    yield None
        runs.append(array("I", sorted(run, key=time)))
        for number in merge(*runs, key=time):
            yield self._message(number)

    def view(self, number: int) -> Conversation:
        """Return a conversation, masked where that is asked for."""
        if self.redactor is None:
            return self.conversations[number]
        return RedactedConversation(self.conversations.index, number, self.redactor)

    def _message(self, number: int) -> Message:
        if self.redactor is None:
            return self.conversations.message(number)
        return RedactedMessage(self.conversations.index, number, self.redactor)
