"""What every term of a filter is: a name, what may stand behind it, and which messages it holds for.

A term is defined once, by its `test` on a single message: a conversation matches when any of its
messages passes. A term about the whole of a conversation has no test, only a `predicate`. The terms
themselves are in terms/. A term answered by the index looks at no message (columns.py, whole.py); the
others test each message of a conversation once, however often they are asked (scan.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, TypeAlias, TypeVar

from sipstream.errors import FilterError

if TYPE_CHECKING:
    from sipstream.index import Index
    from sipstream.views import Message

Numbers: TypeAlias = Sequence[int]
"""Conversations of an index by their numbers; a range where they are neighbours."""
Due: TypeAlias = Callable[[], bool]
"""Tells whether the time is over that a judgement may take."""
Predicate: TypeAlias = "Callable[[Index, Numbers, Due], bytes | bytearray]"
"""Returns 1 for each conversation that matches, 0 for any other.

Raises Unfinished when it is due before all is known; what it has read it doesn't read again.
"""
Test: TypeAlias = "Callable[[Message], bool]"
"""Tells whether one message passes."""


class Unfinished(Exception):  # noqa: N818 - no error
    """The time for a judgement is over before it is made: ask again."""


def never() -> bool:
    """Be due never: a judgement that takes as long as it takes."""
    return False


class Shape(Enum):
    """What stands behind a term's name; the grammar has a rule for each."""

    LIST = "LIST"
    """One value or more, alternatives: `srcnum 4151500 4151502`."""
    OPTIONAL = "OPTIONAL"
    """No value, one or more: `stir`, `stir A B`."""
    NAMED = "NAMED"
    """One name: `has diversion`."""
    NAMED_LIST = "NAMED_LIST"
    """A name, behind which values may stand: `header User-Agent asterisk kamailio`."""


NAMED_SHAPES = (Shape.NAMED, Shape.NAMED_LIST)

REGEX, EQUALS = "~", "="
ORDER = (">", ">=", "<", "<=")
OPERATORS: Mapping[str, str] = MappingProxyType(
    {
        REGEX: "matches a regular expression",
        EQUALS: "is exactly this; * and ? stand for any characters, any one",
        ">": "is more than",
        ">=": "is at least",
        "<": "is less than",
        "<=": "is at most",
    }
)
"""What may stand between a term and its value, each with a few words on it."""
ONE_VALUE = frozenset(ORDER)
"""Operators behind which one value stands, not several."""


@dataclass(frozen=True, slots=True)
class Term(ABC):
    """One condition of a filter. Terms with the same name, operator and values are equal."""

    values: tuple[str, ...] = ()
    subject: str = ""
    """The name behind the term's own, where its shape has one."""
    operator: str = ""
    """One of `operators`, "" where none stands before the values."""

    name: ClassVar[str]
    syntax: ClassVar[str]
    help: ClassVar[str]
    needs: ClassVar[str]
    """What is missing when nothing stands behind the name."""
    example: ClassVar[str]
    shape: ClassVar[Shape] = Shape.LIST
    operators: ClassVar[tuple[str, ...]] = ()
    """The operators that it takes."""
    needs_operator: ClassVar[bool] = False
    """One of them has to stand before the value."""
    single: ClassVar[bool] = False
    """It takes one value: alternatives of it are terms of their own."""
    moves: ClassVar[bool] = False
    """What matches depends on how late it is: other conversations' messages change it."""
    slow: ClassVar[bool] = False
    """Its predicate takes far longer than any other: of several terms it is asked last."""
    value_kind: ClassVar[str] = ""
    """What the values are, for completion."""
    subject_kind: ClassVar[str] = ""
    choices: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Values (or names) worth offering, each with a few words on it."""

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return a value in its one spelling; raise FilterError where it can't be one."""
        return value

    @classmethod
    def check_values(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        """Return all values, each checked already; raise FilterError where they don't go together."""
        if cls.single and len(values) > 1:
            raise FilterError(f"{cls.name} takes one value, as in `{cls.example}`")
        return values

    @classmethod
    def check_subject(cls, subject: str) -> str:
        """Return a name in its one spelling; raise FilterError where it can't be one."""
        return subject

    @classmethod
    def doubt(cls, subject: str) -> str | None:
        """Return the name that was probably meant by one without quotes, None where all is well."""
        return None

    @abstractmethod
    def predicate(self) -> Predicate:
        """Return a new function that tells which conversations match."""


class MessageTerm(Term):
    """A condition on messages; any other one is about a conversation as a whole."""

    @abstractmethod
    def test(self) -> Test:
        """Return a new function that tells whether a message passes."""


_TermClass = TypeVar("_TermClass", bound=type[Term])


class Registry(dict[str, type[Term]]):
    """Terms by name; used as a decorator it takes a class in.

    `about` is what they are about, in a word or two.
    """

    def __init__(self, about: str) -> None:
        super().__init__()
        self.about = about

    def __call__(self, term: _TermClass) -> _TermClass:
        """Take a term in, return it."""
        self[term.name] = term
        return term
