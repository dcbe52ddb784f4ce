"""follow and unfollow: messages as they arrive."""

from __future__ import annotations

from typing import Annotated

from sipstream.errors import CommandError
from sipstream.escape import escape
from sipstream.follow import Follow
from sipstream.shell.console import Console
from sipstream.shell.ongoing import Followed, FollowedCalls, FollowNumber
from sipstream.shell.registry import FOLLOW, command


def described(one: Follow) -> str:
    """Return a follow's filter, and how it shows messages unless that is a line each."""
    how = " (whole messages)" if one.whole else " (flow)" if one.flow else ""
    return "call " * one.calls + escape(one.text) + how


@command("follow call [{what}]")
async def follow_call(
    console: Console, what: Annotated[tuple[str, str], FollowedCalls] = ("", "")
) -> None:
    """Prints each message of all legs of matching calls as it arrives

    As follow does, and also the messages of conversations that turn out to be other legs of calls of
    which one leg matches: those that a B2BUA begins, those that a call is sent on to. A leg that is
    known as one only later has its earlier messages printed then. show calls tells what joins legs.

    Examples:

    $ sipstream --live lo
    sipstream: follow call dstnum 5660066
    Follow 1: call dstnum 5660066
    sipstream: follow call status 5xx messages
    Follow 2: call status 5xx (whole messages)
    sipstream: follow call number 566???? flow
    Follow 3: call number 566???? (flow)
    sipstream: show follows | last 1
    3: call number 566???? (flow) (0 messages shown)
    """
    text, how = what
    await _follow(console, text, how, calls=True)


@command("follow [{what}]")
async def follow(console: Console, what: Annotated[tuple[str, str], Followed] = ("", "")) -> None:
    """Prints each message of matching conversations as it arrives

    Without terms those of the active filter. The prompt stays usable. With messages as the last word
    whole messages are printed; with flow ladders, an arrow for each message but for copies from
    other capture points, below the names of the endpoints. When a conversation starts to match late,
    its earlier messages come first. unfollow, or Ctrl-C on an empty line, ends it. With the number
    of a follow alone: enters that one, to look at what it found, to pause it or change its filter.

    Examples:

    $ sipstream --live lo
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: follow status 5xx or status 4xx messages
    Follow 2: status 5xx or status 4xx (whole messages)
    sipstream: follow dstnum 5660066 flow
    Follow 3: dstnum 5660066 (flow)
    sipstream: follow
    Follow 4: everything
    """
    text, how = what
    if text.isascii() and text.isdigit() and not how:
        enter(console, FollowNumber.parse(console.session, text))
        return
    await _follow(console, text, how, calls=False)


async def _follow(console: Console, text: str, how: str, *, calls: bool) -> None:
    whole, flow = how == Followed.WHOLE, how == Followed.FLOW
    one = await console.session.follow(text or None, whole=whole, flow=flow, calls=calls)
    console.out.line(f"Follow {one.number}: {described(one)}")


def enter(console: Console, number: int) -> None:
    """Go into the context of a follow.

    Raises:
        CommandError: there is none of this number.
    """
    found = [one for one in console.session.follows if one.number == number]
    if not found:
        raise CommandError(f"no follow {number}: 'show follows' lists them")
    console.enter(FOLLOW)
    console.chosen_follow = found[0]


@command("unfollow [{number}]")
def unfollow(console: Console, number: Annotated[int | None, FollowNumber] = None) -> None:
    """Ends a follow, or all of them

    Captures go on.

    Examples:

    $ sipstream --live lo
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: follow status 5xx
    Follow 2: status 5xx
    sipstream: unfollow 1
    Follow 1 ended (0 messages shown)
    sipstream: unfollow
    Follow 2 ended (0 messages shown)
    sipstream: unfollow
    *** Error! nothing is followed
    """
    for one in console.session.unfollow(number):
        console.out.line(f"Follow {one.number} ended ({one.shown} messages shown)")
