"""What every term of a filter is, and how terms that look into messages avoid looking twice.

The terms themselves are in terms.py. A term answered by the index looks at no message; the others
test each message of a conversation once, however often they are asked (Scan).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    from sipstream.views import Conversation, Message

Predicate: TypeAlias = "Callable[[Conversation], bool]"


class Shape(Enum):
    """What stands behind a term's name; the grammar has a rule for each."""

    LIST = "LIST"
    """One value or more, alternatives: `srcnum 4151500 4151502`."""
    NAMED = "NAMED"
    """One name: `has diversion`."""
    NAMED_LIST = "NAMED_LIST"
    """A name, then values: `header User-Agent asterisk kamailio`."""


@dataclass(frozen=True, slots=True)
class Term(ABC):
    """One condition of a filter. Terms with the same name and values are equal."""

    values: tuple[str, ...] = ()
    subject: str = ""
    """The name behind the term's own, where its shape has one."""

    name: ClassVar[str]
    syntax: ClassVar[str]
    help: ClassVar[str]
    needs: ClassVar[str]
    """What is missing when nothing stands behind the name."""
    example: ClassVar[str]
    shape: ClassVar[Shape] = Shape.LIST
    value_kind: ClassVar[str] = ""
    """What the values are, for completion."""
    subject_kind: ClassVar[str] = ""
    choices: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Values (or names) worth offering, each with a few words on it."""

    @classmethod
    def check_value(cls, value: str) -> str:
        """Return a value in its one spelling; raise FilterError where it can't be one."""
        return value

    @classmethod
    def check_subject(cls, subject: str) -> str:
        """Return a name in its one spelling; raise FilterError where it can't be one."""
        return subject

    @abstractmethod
    def predicate(self) -> Predicate:
        """Return a new function that tells whether a conversation matches."""


class Scan:
    """Whether any message of a conversation passes a test.

    Remembers per conversation how far it got, so that asking again after each new message costs the
    new message only. Conversations are known by their number in one index; asked about those of
    another (after `clear`, or in a script) it begins anew.
    """

    _FOUND = -1

    def __init__(self, test: Callable[[Message], bool], method: str | None = None) -> None:
        self._test = test
        self._method = method
        """The only kind of request worth testing, if there is one."""
        self._next = array("q")
        """A conversation's first message that may be untested, or _FOUND."""
        self._origin: object = None

    def __call__(self, conversation: Conversation) -> bool:
        """Tell whether one of the conversation's messages passes, as far as they have come in."""
        if self._method is not None and self._method not in conversation.kinds:
            return False
        if conversation.origin is not self._origin:
            self._origin = conversation.origin
            self._next = array("q")
        number, following = conversation.id, self._next
        if number >= len(following):
            # Numbers rise one by one: doubling keeps the copying linear.
            following.frombytes(bytes(8 * (number + 1)))
        upto = following[number]
        if upto == self._FOUND:
            return True
        for message in conversation.arrived(upto - 1):
            upto = message.id + 1
            if (self._method is None or message.method == self._method) and self._test(message):
                following[number] = self._FOUND
                return True
        following[number] = upto
        return False
