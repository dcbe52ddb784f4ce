"""What every term of a filter is, and how terms that look into messages avoid looking twice.

The terms themselves are in terms.py. A term answered by the index looks at no message (columns.py);
the others test each message of a conversation once, however often they are asked (scan.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    from sipstream.index import Index

Numbers: TypeAlias = Sequence[int]
"""Conversations of an index by their numbers; a range where they are neighbours."""
Due: TypeAlias = Callable[[], bool]
"""Tells whether the time is over that a judgement may take."""
Predicate: TypeAlias = "Callable[[Index, Numbers, Due], bytes | bytearray]"
"""Returns 1 for each conversation that matches, 0 for any other.

Raises Unfinished when it is due before all is known; what it has read it doesn't read again.
"""


class Unfinished(Exception):  # noqa: N818 - no error
    """The time for a judgement is over before it is made: ask again."""


def never() -> bool:
    """Be due never: a judgement that takes as long as it takes."""
    return False


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
        """Return a new function that tells which conversations match."""
