"""What is to be exported, and how: conversations, where their packets lie, what is asked for beside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sipstream.redacted import RedactedConversation

if TYPE_CHECKING:
    from sipstream.conversations import Conversations
    from sipstream.packets import Store
    from sipstream.redact import Redactor
    from sipstream.views import Conversation


class Selected:
    """Conversations by the time of their first message, and the options they are exported with.

    A format counts what it wrote and says what it has to say; who writes the file tells it. `captures`
    are the stores of all sources, in their order.
    """

    def __init__(
        self,
        conversations: Conversations,
        numbers: Sequence[int],
        captures: Iterable[Store] = (),
        *,
        redactor: Redactor | None = None,
        rtp: bool = False,
        is_call: bool = False,
    ) -> None:
        self.conversations = conversations
        self.numbers = numbers
        self.captures = tuple(captures)
        self.redactor = redactor
        """Masks what tells of people; None: all is written as it is."""
        self.rtp = rtp
        """Whether the media of the conversations is asked for too."""
        self.is_call = is_call
        """Whether the conversations are the legs of one call."""
        self.packets: int | None = None
        """How many packets were written, None for formats without packets."""
        self.written = 0
        """How many conversations were written."""
        self.messages = 0
        """How many messages were written."""
        self.remarks: list[str] = []
        """What there is to say of the file."""
        self.missing: list[str] = []
        """What isn't in the file, and why: as errors are told."""
        self._batch = conversations.index.batch

    def views(self) -> Iterator[Conversation]:
        """Yield the conversations, masked where that is asked for, but for those given up meanwhile."""
        gone = 0
        for number in self.numbers:
            if not self.conversations.index.is_there(number, self._batch):
                gone += 1
                continue
            one = self._view(number)
            self.written += 1
            self.messages += one.count
            yield one
        if gone:
            self.missing.append(f"{gone} conversations were given up meanwhile to make room")

    def _view(self, number: int) -> Conversation:
        if self.redactor is None:
            return self.conversations[number]
        return RedactedConversation(self.conversations.index, number, self.redactor)
