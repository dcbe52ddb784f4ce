"""Terms about a conversation as a whole, and about when its messages came."""

from __future__ import annotations

from abc import abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from sipstream import states
from sipstream.errors import FilterError
from sipstream.filters import whole
from sipstream.filters.columns import States
from sipstream.filters.moments import moment_of, moment_text
from sipstream.filters.term import EQUALS, ORDER, MessageTerm, Predicate, Registry, Term, Test
from sipstream.filters.terms.startlines import StatusCodes
from sipstream.filters.values import (
    COMPARE,
    amount_text,
    code_test,
    shown,
    span_of,
    span_text,
)
from sipstream.filters.whole import Walked, Whole

if TYPE_CHECKING:
    from sipstream.index import Index

registry = Registry("whole, time")

_UNANSWERED = "unanswered"
_AHEAD, _DAY = 3600 * 10**9, 86_400 * 10**9
"""How far ahead of the newest message a time without a date may be and still be of its day; a day."""


@registry
class State(Term):
    """How far it has come."""

    name = "state"
    syntax = "<state> [state(s)]"
    help = "the conversation is <state>: calling, ringing, answered, ended, failed ..."
    needs = "a state"
    example = "state ringing answered"
    value_kind = "value-state"
    choices = MappingProxyType(
        {
            "calling": "an INVITE without a response that tells more than 100",
            "ringing": "18x came",
            "answered": "the call is up",
            "ended": "BYE came",
            "cancelled": "CANCEL came before an answer",
            "failed": "refused: the last final response is 3xx to 6xx",
            "registering": "a REGISTER without success so far",
            "registered": "a REGISTER succeeded",
            "open": "another request without a final response",
            "done": "another request succeeded",
            _UNANSWERED: "no response at all came",
        }
    )

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return the state in small letters."""
        if value.lower() not in cls.choices:
            raise FilterError(f"'{shown(value)}' is no state: {', '.join(cls.choices)}")
        return value.lower()

    def predicate(self) -> Predicate:
        """Ask the index."""
        numbers = frozenset(
            states.NAMES.index(value) for value in self.values if value != _UNANSWERED
        )
        return States(numbers, unanswered=_UNANSWERED in self.values)


@registry
class Final(StatusCodes):
    """How it ended."""

    name = "final"
    help = "the last final response to its INVITE (else to anything) is <code>: 486, 4xx, >=400"
    example = "final 4xx"

    def predicate(self) -> Predicate:
        """Ask the index."""
        wanted = code_test(self.operator, self.values)

        def judge(index: Index, number: int) -> bool:
            status = whole.final_status(index, number)
            return status is not None and wanted(status)

        return Walked(judge)


class _Measured(Term):
    """What is counted or measured of a conversation."""

    single = True
    operators: ClassVar[tuple[str, ...]] = (*ORDER, EQUALS)
    syntax = "<op> <number>"
    needs = "a number"

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        return amount_text(value)

    @abstractmethod
    def measure(self, index: Index, number: int) -> int | None:
        """Return what is compared of a conversation, None where it has no such thing."""

    def limit(self) -> int:
        """Return the number to compare with."""
        return int(self.values[0])

    def predicate(self) -> Predicate:
        """Measure each conversation."""
        measure, limit = self.measure, self.limit()
        compare = COMPARE[self.operator or EQUALS]

        def judge(index: Index, number: int) -> bool:
            found = measure(index, number)
            return found is not None and compare(found, limit)

        return Walked(judge)


class _Lasting(_Measured):
    syntax = "<op> <duration>"
    needs = "a comparison and a duration"
    needs_operator = True
    operators = ORDER
    value_kind = "value-span"
    choices = MappingProxyType({"30s": "seconds", "5m": "minutes", "2h": "hours"})

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        return span_text(value)

    def limit(self) -> int:
        """Return the nanoseconds to compare with."""
        return span_of(self.values[0])


@registry
class Duration(_Lasting):
    """How long it took."""

    name = "duration"
    help = "the time from its first message to its last is above or below <duration>"
    example = "duration > 30s"

    def measure(self, index: Index, number: int) -> int:
        """Return the time in ns."""
        return whole.duration(index, number)


@registry
class Setup(_Lasting):
    """How long the caller waited."""

    name = "setup"
    help = "INVITE to first response but 100 and challenges took more or less than <duration>"
    example = "setup > 4s"

    def measure(self, index: Index, number: int) -> int | None:
        """Return the time in ns."""
        return whole.setup(index, number)


@registry
class Messages(_Measured):
    """How many messages it has."""

    name = "messages"
    help = "it has more, or fewer, messages than <number>"
    example = "messages > 20"

    def measure(self, index: Index, number: int) -> int:
        """Return the number."""
        return whole.count(index, number)


@registry
class Retransmissions(_Measured):
    """How often messages were repeated."""

    name = "retransmissions"
    help = "more, or fewer, messages than <number> were sent again (copies don't count)"
    example = "retransmissions > 3"

    def measure(self, index: Index, number: int) -> int:
        """Return the number."""
        return whole.retransmissions(index, number)


# When


class _Moment(MessageTerm):
    syntax = "<time>"
    needs = "a time"
    single = True
    value_kind = "value-time"

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        return moment_text(value)

    @classmethod
    def check_values(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(values) == 2 and ":" not in values[0] and "T" not in values[1] and ":" in values[1]:
            return (f"{values[0]}T{values[1]}",)
        return super().check_values(values)


@registry
class Since(_Moment):
    """From when on."""

    name = "since"
    help = "a message came at <time> or later: 15:40, 15:40:30, 2018-04-16, 2018-04-16 15:40"
    example = "since 15:40"

    def test(self) -> Test:
        """Compare a message's time."""
        moment = _Remembered(self.values[0], past=True)
        return lambda message: message.time >= moment.of(message.origin)

    def predicate(self) -> Predicate:
        """Compare the last message's time."""
        moment = _Remembered(self.values[0], past=True)
        return Whole(lambda index, number: index.c_latest[number] >= moment.of(index))


@registry
class Until(_Moment):
    """Up to when."""

    name = "until"
    help = "a message came at <time> or earlier"
    example = "until 15:50"

    def test(self) -> Test:
        """Compare a message's time."""
        moment = _Remembered(self.values[0])
        return lambda message: message.time <= moment.of(message.origin)

    def predicate(self) -> Predicate:
        """Compare the first message's time."""
        moment = _Remembered(self.values[0])
        return Whole(lambda index, number: index.m_time[index.c_first[number]] <= moment.of(index))


class _Remembered:
    """A moment, worked out anew when there is a newer message.

    `past`: a time of day without a date that is still to come is the day before's, so that what was asked
    for before midnight is found behind it too.
    """

    def __init__(self, text: str, *, past: bool = False) -> None:
        self._text = text
        self._past = past
        self._newest = -1
        self._moment = 0

    def of(self, index: Index) -> int:
        """Return the moment, ns since the epoch."""
        if index.newest != self._newest:
            self._newest = index.newest
            self._moment = _moment(self._text, index.newest, past=self._past)
        return self._moment


def _moment(text: str, newest: int, *, past: bool) -> int:
    moment = moment_of(text, newest)
    if past and moment > newest + _AHEAD:
        moment = moment_of(text, newest - _DAY)
    return moment


def times_of(term: Term, newest: int) -> tuple[int | None, int | None] | None:
    """Return the times that messages have to reach (the latest, the first) for a term about time.

    `newest` is the time of the newest message of all. None for any other term.
    """
    if isinstance(term, Since):
        return _moment(term.values[0], newest, past=True), None
    if isinstance(term, Until):
        return None, _moment(term.values[0], newest, past=False)
    if isinstance(term, Last):
        return newest - span_of(term.values[0]), None
    return None


@registry
class Last(MessageTerm):
    """How long ago."""

    name = "last"
    syntax = "<duration>"
    help = "a message came within <duration> before the newest one of all: 30s, 5m, 2h"
    needs = "a duration"
    example = "last 5m"
    single = True
    value_kind = "value-span"
    choices = MappingProxyType({"30s": "seconds", "5m": "minutes", "2h": "hours"})
    moves = True

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return the duration."""
        return span_text(value)

    def test(self) -> Test:
        """Compare a message's time."""
        span = span_of(self.values[0])
        return lambda message: message.time >= message.origin.newest - span

    def predicate(self) -> Predicate:
        """Compare the last message's time."""
        span = span_of(self.values[0])
        return Whole(lambda index, number: index.c_latest[number] >= index.newest - span)
