"""Conversations and messages as views in which what tells of people is masked (redact).

What lists, ladders and exports ask of a view they ask of these: nobody else has to know of masks.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from sipstream.sip.startline import KNOWN
from sipstream.views import Conversation, Message

if TYPE_CHECKING:
    from sipstream.index import Index
    from sipstream.redact import Redactor

_ENDS = re.compile(r"[-0-9:. ]{0,40}IP6? [^\s>]{1,255} > [^\s>]{1,255}:")
_METHODS = frozenset(name.decode("ascii") for name in KNOWN)


class RedactedMessage(Message):
    """A message of which `redactor` masks what tells of people."""

    def __init__(self, index: Index, number: int, redactor: Redactor) -> None:
        super().__init__(index, number)
        self._redactor = redactor

    @cached_property
    def raw(self) -> bytes:
        """The message's bytes, masked; b"" when its file has lost them."""
        return self._redactor.message(self._index.raw(self.id))

    @property
    def method(self) -> str | None:
        """A request's method, as its start line has it; None for a response."""
        return _method(super().method, self._redactor)

    @property
    def kind(self) -> int | str:
        """The status code of a response, the method of a request."""
        method = self.method
        return super().kind if method is None else method

    @property
    def comment(self) -> str:
        """What the capture file says of its packet, with each word masked; "" for nothing."""
        return self._redactor.words(super().comment)

    @property
    def headline(self) -> str | None:
        """Of the line that tcpdump printed time and ends; the rest may tell anything."""
        printed = super().headline
        if printed is None:
            return None
        match = _ENDS.match(printed)
        return f"{match[0]} SIP, length: {len(self.raw)}" if match else ""

    @property
    def cut(self) -> bool:
        """The capture holds less of it than there was."""
        return self._plain.cut

    @property
    def copy_of(self) -> int | None:
        """The index of the same message seen shortly before at another capture point, or None."""
        return self._plain.copy_of

    @property
    def _plain(self) -> Message:
        """The same message without masks."""
        return Message(self._index, self.id)


class RedactedConversation(Conversation):
    """A conversation of which `redactor` masks what tells of people."""

    def __init__(self, index: Index, number: int, redactor: Redactor) -> None:
        super().__init__(index, number)
        self._redactor = redactor

    @property
    def call_id(self) -> str:
        """The Call-ID, masked as in its messages."""
        return self._redactor.call_id(super().call_id)

    @property
    def first(self) -> Message:
        """The message with the earliest time."""
        return RedactedMessage(self._index, super().first.id, self._redactor)

    def _views(self, begin: int) -> list[Message]:
        return [self._masked(one) for one in super()._views(begin)]

    def arrived(self, after: int = -1) -> list[Message]:
        """Return the messages in order of arrival, those behind the message numbered `after`."""
        return [self._masked(one) for one in super().arrived(after)]

    @property
    def kinds(self) -> frozenset[int | str]:
        """The methods (text) and status codes (int) of its messages."""
        return frozenset(
            kind if isinstance(kind, int) else _method(kind, self._redactor) or ""
            for kind in super().kinds
        )

    @property
    def src_user(self) -> str:
        """The user part of From, masked; "" where it has none."""
        return self._redactor.user(super().src_user)

    @property
    def dst_user(self) -> str:
        """The user part of To, masked; "" where it has none."""
        return self._redactor.user(super().dst_user)

    def _masked(self, plain: Message) -> Message:
        made = RedactedMessage(self._index, plain.id, self._redactor)
        # What was worked out for all of them together stays known.
        made.__dict__.update(
            {name: vars(plain)[name] for name in ("_siblings", "index") if name in vars(plain)}
        )
        return made


def _method(method: str | None, redactor: Redactor) -> str | None:
    """Return a method, masked where it is none that is known: it may be any word."""
    return method if method is None or method in _METHODS else redactor.words(method)
