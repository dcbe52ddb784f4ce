"""The context of one follow: what it found, what it shows, and how."""

from __future__ import annotations

from typing import Annotated

from sipstream.errors import CommandError
from sipstream.shell.arguments import Expression
from sipstream.shell.clauses import EVERYTHING, Clauses, Wanted
from sipstream.shell.commands.follow import described
from sipstream.shell.commands.table import show_table
from sipstream.shell.console import Console
from sipstream.shell.registry import FOLLOW, command


@command("show", FOLLOW)
async def show_here(console: Console) -> None:
    """Show the follow: its filter, and what it found so far

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: follow 1
    sipstream[follow 1]: show
    Follow 1: dstnum 5660066
    1 conversations match
    0 messages shown
    sipstream[follow 1]: show | count
    3
    sipstream[follow 1]: show follows
    1: dstnum 5660066 (0 messages shown)
    """
    one = console.in_follow()
    lines = [
        f"Follow {one.number}: {described(one)}",
        f"{one.matches.count} conversations match",
        f"{one.shown} messages shown",
    ]
    if one.paused:
        lines.append(f"paused: {one.passed_over} messages passed over so far, 'resume' goes on")
    found = {
        "follow": one.number,
        "filter": one.text,
        "whole": one.whole,
        "flow": one.flow and not one.whole,
        "conversations": one.matches.count,
        "shown": one.shown,
        "paused": one.paused,
        "passed_over": one.passed_over,
        **({"calls": True} if one.calls else {}),
    }
    await console.out.rows(lines, [found])


@command("list [{what}]", FOLLOW)
async def list_here(console: Console, what: Annotated[Wanted, Clauses] = EVERYTHING) -> None:
    """Show the follow's conversations as a table

    As list in the general context does, those that the active filter shows.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: follow status 4xx
    Follow 1: status 4xx
    sipstream: follow 1
    sipstream[follow 1]: list last 2 columns index,numbers,status
     #  numbers                           last
    37  5523815->5523815                  200
    38  4156757->4156757                  200
    sipstream[follow 1]: list method INVITE columns index,numbers,status
     #  numbers                           last
     1  5660066->6644298                  486
    31  4157670->6928298                  487
    sipstream[follow 1]: list | count
    18
    """
    await show_table(console, what, console.in_follow().matches)


@command("lines", FOLLOW)
def show_lines(console: Console) -> None:
    """Print a line for each message from now on

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: follow 1
    sipstream[follow 1]: messages
    sipstream[follow 1]: lines
    sipstream[follow 1]: show
    Follow 1: dstnum 5660066
    1 conversations match
    0 messages shown
    """
    one = console.in_follow()
    one.whole = one.flow = False


@command("messages", FOLLOW)
def show_messages(console: Console) -> None:
    """Print whole messages from now on

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: follow 1
    sipstream[follow 1]: messages
    sipstream[follow 1]: show follows
    1: dstnum 5660066 (whole messages) (0 messages shown)
    sipstream[follow 1]: lines
    """
    console.in_follow().whole = True


@command("flow", FOLLOW)
def show_ladders(console: Console) -> None:
    """Draw ladders from now on, an arrow for each message

    Below the names of the endpoints, which stand there again when a new one appears or another
    call's arrows came between.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: follow 1
    sipstream[follow 1]: flow
    sipstream[follow 1]: show follows
    1: dstnum 5660066 (flow) (0 messages shown)
    sipstream[follow 1]: lines
    sipstream[follow 1]: show follows
    1: dstnum 5660066 (0 messages shown)
    sipstream[follow 1]: flow
    sipstream[follow 1]: flow
    """
    one = console.in_follow()
    one.whole, one.flow = False, True


@command("pause", FOLLOW)
def pause(console: Console) -> None:
    """Pass over what comes, until resume

    It is counted, and not printed later: list and show conversation have it.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: follow 1
    sipstream[follow 1]: pause
    sipstream[follow 1]: show
    Follow 1: dstnum 5660066
    1 conversations match
    0 messages shown
    paused: 0 messages passed over so far, 'resume' goes on
    sipstream[follow 1]: resume
    0 messages were passed over
    """
    one = console.in_follow()
    one.paused, one.passed_over = True, 0


@command("resume", FOLLOW)
def resume(console: Console) -> None:
    """Print again what comes

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: follow 1
    sipstream[follow 1]: pause
    sipstream[follow 1]: resume
    0 messages were passed over
    sipstream[follow 1]: resume
    *** Error! the follow isn't paused
    """
    one = console.in_follow()
    if not one.paused:
        raise CommandError("the follow isn't paused")
    one.paused = False
    console.out.line(f"{one.passed_over} messages were passed over")


@command("filter {text}", FOLLOW)
async def change_filter(console: Console, text: Annotated[str, Expression]) -> None:
    """Follow what matches another filter

    Only what comes from now on is printed. run filter leads to the context of the active filter.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: follow 1
    sipstream[follow 1]: filter srcnum 4151502
    1 conversations
    sipstream[follow 1]: filter status 4xx and method INVITE
    2 conversations
    sipstream[follow 1]: filter number 566????
    11 conversations
    sipstream[follow 1]: show
    Follow 1: number 566????
    11 conversations match
    0 messages shown
    """
    one = console.in_follow()
    session = console.session
    await one.change(text, await session.select(text, calls=one.calls), session.conversations)
    session.remotes.unfollow(one.number)
    await session.remotes.follow(one.number, text)
    console.counted(one.matches.count)


@command("end", FOLLOW)
def end(console: Console) -> None:
    """End the follow, and leave its context

    As unfollow does; captures go on.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: follow 1
    sipstream[follow 1]: end
    Follow 1 ended (0 messages shown)
    sipstream: show follows
    nothing is followed
    sipstream: follow 1
    *** Error! no follow 1: 'show follows' lists them
    """
    one = console.in_follow()
    console.session.unfollow(one.number)
    console.out.line(f"Follow {one.number} ended ({one.shown} messages shown)")
    console.leave()


@command("exit", FOLLOW)
def leave(console: Console) -> None:
    """Leave the follow; it goes on

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: follow 1
    sipstream[follow 1]: exit
    sipstream: show follows
    1: dstnum 5660066 (0 messages shown)
    sipstream: unfollow
    Follow 1 ended (0 messages shown)
    """
    console.leave()
