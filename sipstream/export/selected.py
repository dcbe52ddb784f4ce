"""What is to be exported, and how: conversations, where their packets lie, what is asked for beside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipstream.conversations import Conversations
    from sipstream.packets import Store
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
        rtp: bool = False,
        is_call: bool = False,
    ) -> None:
        self.conversations = conversations
        self.numbers = numbers
        self.captures = tuple(captures)
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
        """Yield the conversations but for those given up meanwhile."""
        gone = 0
        for number in self.numbers:
            if not self.conversations.index.is_there(number, self._batch):
                gone += 1
                continue
            one = self.conversations[number]
            self.written += 1
            self.messages += one.count
            yield one
        if gone:
            self.missing.append(f"{gone} conversations were given up meanwhile to make room")
