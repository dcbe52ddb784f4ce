"""The context of one follow: what it found, what it shows, and how."""

from __future__ import annotations

from typing import Annotated

from sipstream.shell.arguments import Expression
from sipstream.shell.clauses import EVERYTHING, Clauses, Wanted
from sipstream.shell.commands.follow import described
from sipstream.shell.commands.table import show_table
from sipstream.shell.console import Console
from sipstream.shell.registry import FOLLOW, command


@command("show", FOLLOW)
async def show_here(console: Console) -> None:
    """Show the follow: its filter, and what it found so far"""
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
        "conversations": one.matches.count,
        "shown": one.shown,
        "paused": one.paused,
        "passed_over": one.passed_over,
    }
    await console.out.rows(lines, [found])


@command("list [{what}]", FOLLOW)
async def list_here(console: Console, what: Annotated[Wanted, Clauses] = EVERYTHING) -> None:
    """Show the follow's conversations as a table"""
    await show_table(console, what, console.in_follow().matches)


@command("lines", FOLLOW)
def show_lines(console: Console) -> None:
    """Print a line for each message from now on"""
    console.in_follow().whole = False


@command("messages", FOLLOW)
def show_messages(console: Console) -> None:
    """Print whole messages from now on"""
    console.in_follow().whole = True


@command("pause", FOLLOW)
def pause(console: Console) -> None:
    """Pass over what comes, until resume"""
    one = console.in_follow()
    one.paused, one.passed_over = True, 0


@command("resume", FOLLOW)
def resume(console: Console) -> None:
    """Print again what comes"""
    one = console.in_follow()
    if one.paused:
        console.out.line(f"{one.passed_over} messages were passed over")
    one.paused = False


@command("filter {text}", FOLLOW)
async def change_filter(console: Console, text: Annotated[str, Expression]) -> None:
    """Follow what matches another filter"""
    one = console.in_follow()
    session = console.session
    await one.change(text, await session.select(text), session.conversations)
    console.counted(one.matches.count)


@command("end", FOLLOW)
def end(console: Console) -> None:
    """End the follow, and leave its context"""
    one = console.in_follow()
    console.session.unfollow(one.number)
    console.out.line(f"Follow {one.number} ended ({one.shown} messages shown)")
    console.leave()


@command("exit", FOLLOW)
def leave(console: Console) -> None:
    """Leave the follow; it goes on"""
    console.leave()
