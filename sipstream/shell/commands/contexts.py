"""Ways between contexts, and commands of the general one from within the others."""

from __future__ import annotations

from typing import Annotated

from sipstream.errors import CommandError
from sipstream.shell.arguments import CommandLine
from sipstream.shell.console import Console
from sipstream.shell.registry import CONVERSATION, FILTER, FOLLOW, GENERAL, RUN, command, split


@command("up", GENERAL)
@command("up", FILTER)
@command("up", CONVERSATION)
@command("up", FOLLOW)
def go_up(console: Console) -> None:
    """Go to the context above

    The one that this was entered from; so do exit and Ctrl-D. Above the general context there is
    none: exit ends the program.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: filter
    sipstream[filter]: up
    sipstream: conversation 10
    sipstream[conversation 10]: run filter
    sipstream[filter]: up
    sipstream[conversation 10]: up
    sipstream:
    """
    if console.context == GENERAL:
        raise CommandError("this is the general context, the uppermost: 'exit' ends the program")
    console.leave()


@command("top", GENERAL)
@command("top", FILTER)
@command("top", CONVERSATION)
@command("top", FOLLOW)
def go_to_top(console: Console) -> None:
    """Go to the general context

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: filter
    sipstream[filter]: run conversation 10
    sipstream[conversation 10]: top
    sipstream: filter
    sipstream[filter]: top
    sipstream: top
    """
    console.leave_all()


@command("run {line}", GENERAL)
@command("run {line}", FILTER)
@command("run {line}", CONVERSATION)
@command("run {line}", FOLLOW)
async def run(console: Console, line: Annotated[str, CommandLine]) -> bool:
    """Run a command of the general context

    From any other, with what may stand behind | too. One that enters a context leads there, and up
    leads back.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: filter
    sipstream[filter]: run show conversations dstnum 5660066 | count
    1
    sipstream[filter]: run list dstnum 5660066 columns index,numbers,state
     #  numbers                           state
    10  4151502->5660066                  calling
    sipstream[filter]: run conversation 10
    sipstream[conversation 10]:
    """
    # An alias may stand for it, and would never come to an end.
    if RUN.startswith(split(console.session.settings.expanded(line))[0].text):
        raise CommandError("run takes a command of the general context, not another run")
    return await console.execute(line, GENERAL)
