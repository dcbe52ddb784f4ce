"""Words offered for values: those that what was captured has, as far as they begin as typed.

Nothing here takes long: of hundreds of thousands of Call-IDs most are passed over by their bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress, count, islice, repeat
from typing import TYPE_CHECKING, NamedTuple

from sipstream.escape import escape
from sipstream.filters import Suggestion, quote
from sipstream.render import lists
from sipstream.shell.words import unquoted
from sipstream.sip.uri import is_number

if TYPE_CHECKING:
    from sipstream.session import Session

OFFERED = 200
"""Values offered at most: a menu of a hundred thousand Call-IDs helps nobody."""


class Offer(NamedTuple):
    """A word that may be typed next, and a few words on it."""

    text: str
    about: str = ""


def beginning(session: Session, numbers: Sequence[int], begun: str) -> list[tuple[int, bool]]:
    """Return the places, each with False, of conversations whose Call-ID is shown as begun."""
    call_ids = session.conversations.index.c_call_id
    # What stands before the first escape is shown as it is: few are left to be looked at closely.
    plain = begun.partition("\\")[0].encode("utf-8", "surrogateescape")
    begins = map(bytes.startswith, map(call_ids.__getitem__, numbers), repeat(plain))
    near = compress(count(), begins) if plain else range(len(numbers))
    return [
        (place, False)
        for place in islice(near, 10 * OFFERED)
        if escape(call_ids[numbers[place]]).startswith(begun)
    ]


def places(typed: str, end: int) -> Iterator[tuple[int, bool]]:
    """Yield the places below `end`, each with True, that begin as typed."""
    if not (typed.isascii() and typed.isdigit()):
        return
    first, width = int(typed[:18]), 1
    # 0 begins no other place: these have no zeros in front.
    while first < end and str(first).startswith(typed):
        yield from ((place, True) for place in range(first, min(first + width, end)))
        if not first:
            return
        first, width = first * 10, width * 10


def filled(session: Session, suggestions: Iterable[Suggestion], typed: str = "") -> Iterator[Offer]:
    """Turn what the filter language suggests into words; kinds are filled from the data.

    `typed` is the word that stands there already.
    """
    for kind, text, about in suggestions:
        if text:
            yield Offer(text, about)
        elif kind in _VALUES:
            yield from _VALUES[kind](session, typed)


def _numbers(session: Session, typed: str) -> Iterator[Offer]:
    users = islice(session.conversations.index.seen_users(), 10_000)
    return (Offer(escape(user)) for user in users if is_number(user))


def _addresses(session: Session, typed: str) -> Iterator[Offer]:
    endpoints = session.conversations.index.endpoints
    seen = {endpoints.address(number): None for number in islice(endpoints.numbers(), 10_000)}
    return (Offer(escape(address)) for address in seen)


def _call_ids(session: Session, typed: str) -> Iterator[Offer]:
    numbers = session.matching()
    for place, _ in beginning(session, numbers, unquoted(typed)):
        conversation = session.conversations[numbers[place]]
        yield Offer(quote(escape(conversation.call_id)), lists.summary(conversation))


_VALUES: dict[str, Callable[[Session, str], Iterator[Offer]]] = {
    "value-number": _numbers,
    "value-address": _addresses,
    "call-id": _call_ids,
}
"""Kinds of values that are filled from what was captured."""
