"""What speaks for two conversations being legs of one call beside what they share: times, ends, media.

Numbers alone never do: who redials, or two that call one another often, would be one call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sipstream import states
from sipstream.calls.interest import messages_of
from sipstream.index import Index
from sipstream.sip import sdp
from sipstream.sip.startline import is_request, kind_in

NUMBERS_WINDOW = 5 * 10**9
"""Time within which a B2BUA begins the next leg (ns): it may look the number up somewhere first."""
_SLACK = 2 * 10**9
"""Time (ns) after its end at which a conversation still counts as going on: clocks differ, and a B2BUA
tries the next target when one has failed."""
_UNANSWERED = 180 * 10**9
"""How long a call may ring (ns): timer C of RFC 3261 16.6."""
_IN_COMMON = 4
"""Digits that two spellings of a number have in common at least; there may be a prefix."""
KEYED_DIGITS = 6
"""Last digits of a number by which two spellings of it are found; a shorter one counts whole."""
_ANYWHERE = ("", "0.0.0.0", "::")
_OVER = frozenset((states.ENDED, states.CANCELLED, states.FAILED, states.DONE))


class Described(NamedTuple):
    """What session descriptions of a conversation say."""

    origins: frozenset[tuple[str, str, str]]
    """User, session and address of the o= lines."""
    media: frozenset[tuple[str, int]]
    """Address and port of streams."""
    offered: frozenset[str]
    """Addresses to which whoever calls wants media."""
    answered: frozenset[str]
    """Addresses to which whoever is called wants them."""


def described(index: Index, number: int) -> Described:
    """Read the session descriptions of a conversation."""
    origins: set[tuple[str, str, str]] = set()
    media: set[tuple[str, int]] = set()
    sides: tuple[set[str], set[str]] = (set(), set())
    for message in messages_of(index, number):
        side = sides[0 if is_request(kind_in(index.m_code[message])) else 1]
        for session in sdp.sessions(index.raw(message)):
            if session.session_id:
                origins.add((session.origin_user, session.session_id, session.origin_address))
            for stream in session.media:
                if stream.port and stream.address not in _ANYWHERE:
                    media.add((stream.address, stream.port))
                    side.add(stream.address)
    return Described(frozenset(origins), frozenset(media), *map(frozenset, sides))


def begin(index: Index, number: int) -> int:
    """Return when a conversation began, ns."""
    return index.m_time[index.c_first[number]]


def end(index: Index, number: int) -> int:
    """Return up to when a conversation goes on as far as is known, ns."""
    state = index.c_state[number]
    if state in _OVER:
        return index.c_latest[number] + _SLACK
    if state == states.ANSWERED:
        return 2**63
    return index.c_latest[number] + _UNANSWERED


def overlap(index: Index, one: int, other: int) -> bool:
    """Tell whether two conversations go on at the same time."""
    return begin(index, one) <= end(index, other) and begin(index, other) <= end(index, one)


def ends(index: Index, number: int) -> tuple[str, str]:
    """Return the addresses from where and to where a conversation's first message went."""
    source, destination = index.ways.ends(index.m_way[index.c_first[number]])
    return index.endpoints.address(source), index.endpoints.address(destination)


def parallel(index: Index, one: int, other: int) -> bool:
    """Tell whether two conversations go from the same machine to the same other one: two calls do.

    Where all run on one machine, its ports tell programs apart.
    """
    if ends(index, one) != ends(index, other):
        return False
    source, destination = ends(index, one)
    if source != destination:
        return True
    ways = index.ways
    return ways.ends(index.m_way[index.c_first[one]]) == ways.ends(
        index.m_way[index.c_first[other]]
    )


def users(index: Index, number: int) -> tuple[str, str]:
    """Return the user parts of From and To."""
    return index.user(index.c_src_user[number]), index.user(index.c_dst_user[number])


def same_number(one: str, other: str) -> bool:
    """Tell whether two user parts are one number, with another prefix perhaps, or one name."""
    if one == other:
        return bool(one)
    one, other = one.lstrip("+"), other.lstrip("+")
    shorter, longer = sorted((one, other), key=len)
    return len(shorter) >= _IN_COMMON and shorter.isdecimal() and longer.endswith(shorter)


def same_numbers(index: Index, one: int, other: int) -> tuple[bool, bool]:
    """Tell whether caller and callee of two conversations are the same."""
    pairs = zip(users(index, one), users(index, other), strict=True)
    source, destination = (same_number(*pair) for pair in pairs)
    return source, destination


def may_be_one(index: Index, one: int, other: int) -> bool:
    """Tell whether two conversations have the same numbers at about the same time, on another way."""
    apart = abs(begin(index, one) - begin(index, other))
    return (
        apart <= NUMBERS_WINDOW
        and all(same_numbers(index, one, other))
        and overlap(index, one, other)
        and not parallel(index, one, other)
    )


def goes_on(index: Index, one: int, other: int) -> bool:
    """Tell whether the machine that got a conversation sent another one while that was going on."""
    source, middle = ends(index, one)
    return source != middle == ends(index, other)[0] and begin(index, one) <= begin(
        index, other
    ) <= end(index, one)


def evidence(
    index: Index, one: int, other: int, of_same_numbers: Callable[[int], list[int]]
) -> str:
    """Return what media say for two conversations of the same numbers being one call, "" for nothing.

    `of_same_numbers` gives all others that have about the same numbers at about the same time.
    """
    one, other = sorted((one, other), key=lambda each: begin(index, each))
    first, second = described(index, one), described(index, other)
    for user, session, address in first.origins & second.origins:
        return f"the same session {session} of {user} at {address}"
    for address, port in first.media & second.media:
        return f"the same media address {address}:{port}"
    middle = ends(index, one)[1]
    if not goes_on(index, one, other) or not second.offered & {middle, *first.answered}:
        return ""
    # Of two calls at once it isn't known whose leg that is.
    before = [each for each in of_same_numbers(other) if goes_on(index, each, other)]
    return f"{middle} got one, sent the other and takes its media" if before == [one] else ""
