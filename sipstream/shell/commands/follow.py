"""follow and unfollow: messages as they arrive."""

from __future__ import annotations

from typing import Annotated

from sipstream.escape import escape
from sipstream.shell.arguments import Expression, FollowNumber
from sipstream.shell.console import Console
from sipstream.shell.registry import command

_WHOLE = "messages"


@command("follow [{text}]")
async def follow(console: Console, text: Annotated[str, Expression] = "") -> None:
    """Prints each message of matching conversations as it arrives

    Without terms those of the active filter. The prompt stays usable; with messages as the last
    word whole messages are printed. When a conversation starts to match late, its earlier messages
    come first. unfollow, or Ctrl-C on an empty line, ends it.

    Examples:

    sipstream: follow dstnum 5660066
    sipstream: follow status 5xx or status 4xx
    sipstream*: follow messages
    """
    terms, _, last = text.rpartition(" ")
    whole = last == _WHOLE
    expression = (terms if whole else text).strip()
    one = await console.session.follow(expression or None, whole=whole)
    console.out.line(f"Follow {one.number}: {escape(one.text)}")


@command("unfollow [{number}]")
def unfollow(console: Console, number: Annotated[int | None, FollowNumber] = None) -> None:
    """Ends a follow, or all of them

    Captures go on.

    Examples:

    sipstream: unfollow 1
    """
    for one in console.session.unfollow(number):
        console.out.line(f"Follow {one.number} ended ({one.shown} messages shown)")
