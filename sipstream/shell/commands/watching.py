"""watch and unwatch: an answer that is asked for again and again."""

from __future__ import annotations

import asyncio
import re
from itertools import count
from typing import TYPE_CHECKING, Annotated, NamedTuple

from sipstream.errors import CommandError
from sipstream.escape import brief
from sipstream.settings import SETTINGS
from sipstream.shell import pipes, registry
from sipstream.shell.arguments import CommandLine
from sipstream.shell.console import Console
from sipstream.shell.offered import Offer
from sipstream.shell.registry import command
from sipstream.shell.watch import Watch
from sipstream.wording import listed

if TYPE_CHECKING:
    from sipstream.session import Session

_BEHIND = re.compile(r"\s+(every\s+(?P<seconds>\d+)\s*s?|times\s+(?P<times>\d{1,9}))$")
_WRONG = re.compile(r"\s(every|times)(?:\s+(\S+))?$")
"""The same, with what is no number behind it."""
_TAKES = {
    "every": f"{SETTINGS['watch_seconds'].kind.wanted}, as in every 2s",
    "times": "a number from 1, as in times 5",
}


class Wanted(NamedTuple):
    """What is watched, how often and how many times; None where that wasn't said."""

    command: str
    seconds: int | None = None
    times: int | None = None


class Looking(CommandLine):
    """A command of show, list or help."""

    syntax = "<command> [every <seconds>s] [times <number>]"
    begins = pipes.PIPED
    behind = (
        Offer("every", "2s: the pause between two looks"),
        Offer("times", "5: how many looks"),
    )

    @classmethod
    def parse(cls, session: Session, text: str) -> Wanted:
        """Return what is watched.

        Raises:
            CommandError: the command may change something, or the numbers are none.
        """
        found: dict[str, int] = {}
        while (behind := _BEHIND.search(text)) is not None:
            text = text[: behind.start()]
            found |= {
                name: int(digits[:9]) for name, digits in behind.groupdict("").items() if digits
            }
        if (wrong := _WRONG.search(text)) is not None:
            found_there = f", not {brief(wrong[2])}" if wrong[2] else ""
            raise CommandError(f"{wrong[1]} takes {_TAKES[wrong[1]]}{found_there}")
        text = session.settings.expanded(text)
        first = text.split(maxsplit=1)[0]
        meant = {one for one in registry.first_words() if one.startswith(first)}
        if first not in pipes.PIPED and not (meant and meant <= set(pipes.PIPED)):
            raise CommandError(f"only {listed(pipes.PIPED, 'and')} are watched, not {brief(first)}")
        if pipes.read(text)[1].saved is not None:
            raise CommandError("what is watched saves nothing: leave out the last | save")
        if "seconds" in found:
            try:
                SETTINGS["watch_seconds"].kind.read(found["seconds"])
            except ValueError:
                raise CommandError(f"every takes {_TAKES['every']}") from None
        if found.get("times") == 0:
            raise CommandError(f"times takes {_TAKES['times']}")
        return Wanted(text, **found)


@command("watch {what}")
async def watch(console: Console, what: Annotated[Wanted, Looking]) -> None:
    """Draws an answer above the prompt, again and again

    The first lines of it, in a third of the terminal at most, while one goes on typing. The pause is
    that of the setting watch_seconds unless every says another. unwatch, or Ctrl-C on an empty line,
    ends it; so does another watch. Without a terminal it is printed each time. It ends by itself
    after so many times.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: watch show conversations sorted dstnum 5660066 every 1s times 1
    [10] 16:41:37.979995: INVITE 4151502->5660066
    sipstream: watch show states | count times 2
    6
    6
    sipstream: watch clear
    *** Error! only show, list, diagnose and help are watched, not clear
    """
    seconds = what.seconds or console.session.settings.number("watch_seconds")
    if console.in_shell:
        console.end_watch()
        made = Watch(console, what.command, seconds, what.times)
        if complaint := await made.begin():
            raise CommandError(complaint)
        console.watch = made
        return
    looking = console.looking(console.out)
    for time in count(1):
        if not await looking.execute(what.command):
            raise CommandError("nothing more is watched")
        await console.out.drained()
        if time == what.times:
            return
        await asyncio.sleep(seconds)


@command("unwatch")
def unwatch(console: Console) -> None:
    """Ends what is drawn above the prompt

    So does Ctrl-C on an empty line, before it ends follows.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: watch show states | count times 1
    6
    sipstream: unwatch
    *** Error! nothing is watched
    sipstream: unwatch
    *** Error! nothing is watched
    """
    if not console.end_watch():
        raise CommandError("nothing is watched")
