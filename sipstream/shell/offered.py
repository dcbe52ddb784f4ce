"""Words offered for values: those that what was captured has, the most frequent first.

Nothing here takes long at once: iterators yield None wherever others may have their turn.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress, count, islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sipstream.escape import escape
from sipstream.filters import Suggestion, quote
from sipstream.render import lists
from sipstream.shell import sampled, seen
from sipstream.shell.fuzzy import BEGINS, HOLDS, SCATTERED, Typed
from sipstream.shell.steps import Steps
from sipstream.shell.words import unquoted

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.taps.known import Tap
    from sipstream.views import Conversation

OFFERED = 100
"""Values offered at most: a menu of a hundred thousand Call-IDs helps nobody."""
_PIECE = 1024
"""Call-IDs looked at together."""

_NAMES = ("header", "header-name")
"""Kinds of words that stand behind `has` and `header`."""
_COUNTS: dict[str, seen.Count] = {
    "value-user": seen.users,
    "value-endpoint": seen.endpoints,
    "value-port": seen.ports,
    "value-transport": seen.transports,
    "value-tap": seen.taps,
    "value-state": seen.in_states,
    "method": seen.methods,
    "status": seen.statuses,
    "header": sampled.header_names,
    "header-name": sampled.header_names,
    "value-agent": sampled.agents,
    "value-reason": sampled.reasons,
    "value-domain": sampled.domains,
    "value-uri": sampled.uris,
    "value-codec": sampled.codecs,
    "value-media": sampled.media,
}
"""Kinds of values that are filled from what was captured, the same for each term."""


class Offer(NamedTuple):
    """A word that may be typed next, and a few words on it."""

    text: str
    about: str = ""
    rank: int | None = None
    """How it fits what is typed (fuzzy.py); None where that is still to be seen: a fixed word."""


class More(NamedTuple):
    """So many values fit as well and aren't offered."""

    left: int


Offers: TypeAlias = "Iterable[Offer | More | None]"
"""A None says that others may have their turn."""


def matching(session: Session) -> Steps[array[int]]:
    """Return the conversations that are shown, by time."""
    numbers = array("I")
    for piece in session.matching_pieces():
        numbers.extend(piece)
        yield
    return numbers


def indexes(typed: str, end: int) -> Iterator[int]:
    """Yield the places below `end` that begin as typed."""
    if not (typed.isascii() and typed.isdigit()):
        return
    first, width = int(typed[:18]), 1
    # 0 begins no other place: these have no zeros in front.
    while first < end and str(first).startswith(typed):
        yield from range(first, min(first + width, end))
        if not first:
            return
        first, width = first * 10, width * 10


class _Place(NamedTuple):
    """A conversation's place among those that are shown, and how its Call-ID fits."""

    rank: int
    place: int


def call_ids(
    session: Session, begun: str, offer: Callable[[int, Conversation], tuple[str, str]]
) -> Iterator[Offer | More | None]:
    """Yield those conversations that are shown whose Call-ID, as it is shown, fits what is typed.

    `offer` makes text and words of a place and its conversation. Those that fit equally well come in
    order of time: each Call-ID occurs once.
    """
    numbers = yield from matching(session)
    for found in _fitting(session.conversations.index.c_call_id, numbers, begun):
        if not isinstance(found, _Place):
            yield found
        elif session.conversations.has(number := numbers[found.place]):
            # Others may have been given up meanwhile.
            yield Offer(*offer(found.place, session.conversations[number]), found.rank)


def _fitting(
    ids: list[bytes], numbers: Sequence[int], begun: str
) -> Iterator[_Place | More | None]:
    typed = Typed(begun)
    total = 0
    for begin in range(0, len(numbers), _PIECE):
        shown = _shown(ids, numbers, begin)
        fits = len(typed.beginning("\n".join(shown)))
        if fits and total < OFFERED:
            begins = (typed.rank(text) == BEGINS for text in shown)
            places = islice(compress(count(begin), begins), OFFERED - total)
            yield from (_Place(BEGINS, place) for place in places)
        total += fits
        yield None
    if total > OFFERED:
        yield More(total - OFFERED)
    elif begun:
        yield from _otherwise(ids, numbers, typed)


def _otherwise(
    ids: list[bytes], numbers: Sequence[int], typed: Typed
) -> Iterator[_Place | More | None]:
    """Yield those that fit otherwise than by their beginning."""
    found: dict[int, list[int]] = {HOLDS: [], SCATTERED: []}
    total = 0
    for begin in range(0, len(numbers), _PIECE):
        shown = _shown(ids, numbers, begin)
        fits = sum(map(len, typed.others("\n".join(shown)).values()))
        total += fits
        for place, text in enumerate(shown, begin) if fits else ():
            rank = typed.rank(text)
            if rank in found and len(found[rank]) < OFFERED:
                found[rank].append(place)
        yield None
    best = [_Place(rank, place) for rank in found for place in found[rank]][:OFFERED]
    yield from best
    if total > len(best):
        yield More(total - len(best))


def _shown(ids: list[bytes], numbers: Sequence[int], begin: int) -> list[str]:
    return [escape(ids[number]) for number in numbers[begin : begin + _PIECE]]


def filled(
    session: Session, suggestions: Iterable[Suggestion], typed: str = "", term: str = ""
) -> Iterator[Offer | More | None]:
    """Turn what the filter language suggests into words; kinds are filled from the data.

    `typed` is the word that stands there already, `term` the name of the term whose value it is.
    What was captured stands before the values that a term knows by itself.
    """
    waiting = list(suggestions)
    captured: set[str] = set()
    for kind in dict.fromkeys(one.kind for one in waiting):
        for one in _captured(session, kind, typed, term):
            yield one
            if isinstance(one, Offer):
                captured.add(one.text.lower())
    for _, text, about in waiting:
        if text and text.lower() not in captured:
            yield Offer(text, about)


def _captured(session: Session, kind: str, typed: str, term: str) -> Iterator[Offer | More | None]:
    """Yield the words of a kind that were captured."""
    if kind == "call-id":
        yield from call_ids(
            session,
            unquoted(typed),
            lambda _, one: (quote(escape(one.call_id)), lists.summary(one)),
        )
        return
    counts = {
        "value-number": seen.NUMBERS.get(term, seen.ANY_NUMBER),
        "value-address": seen.ADDRESSES.get(term, seen.ANY_ADDRESS),
    }
    count = counts.get(kind) or _COUNTS.get(kind)
    if count is None:
        return
    wanted = Typed(unquoted(typed), numbers=kind == "value-number")
    words = yield from seen.words(session.conversations.index, count)
    best = yield from words.find(wanted, OFFERED)
    for rank, number, word in best:
        yield Offer(quote(word, subject=kind in _NAMES), words.about(number), rank)
    if best.total > len(best):
        yield More(best.total - len(best))
    if kind == "value-tap" and session.remotes.taps is not None:
        brought = {word for _, _, word in best}
        yield from _on_the_bus(
            tap for tap in session.remotes.taps.known.there if tap.name not in brought
        )


def _on_the_bus(taps: Iterable[Tap]) -> Iterator[Offer]:
    """Yield the names of taps that nothing came from yet, those that can be typed as they are shown."""
    for tap in taps:
        if escape(tap.name) == tap.name:
            yield Offer(quote(tap.name), f"a tap at {escape(tap.host)}")
