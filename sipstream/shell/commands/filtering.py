"""The filter context: terms are added and removed, and a condition joins them."""

from __future__ import annotations

from typing import Annotated

from sipstream.filters import FilterSet
from sipstream.shell.arguments import Condition, Expression, SetTerm
from sipstream.shell.commands.show import show_filter
from sipstream.shell.console import Console
from sipstream.shell.registry import FILTER, command


@command("add {text}", FILTER)
async def add(console: Console, text: Annotated[str, Expression]) -> None:
    """Add a filter condition

    Select conversations where the term holds; several values of one term are alternatives. A whole
    filter with and, or, not and parentheses is one condition too.

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: filter
    sipstream[filter]: add srcnum 4151509
    8 conversations
    sipstream[filter]*: add dstnum 8969669
    8 conversations
    sipstream[filter]*: add ua asterisk and not (status 2xx or method OPTIONS)
    59 conversations
    """
    console.counted(await console.session.change_filter(lambda filters: filters.add(text)))


@command("del {text}", FILTER)
async def delete(console: Console, text: Annotated[str, SetTerm]) -> None:
    """Remove a filter condition

    The whole term, or some of its values.

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: filter
    sipstream[filter]: add srcnum 4151509 4151502
    8 conversations
    sipstream[filter]*: add has diversion
    63 conversations
    sipstream[filter]*: del srcnum 4151502
    63 conversations
    sipstream[filter]*: del srcnum
    55 conversations
    sipstream[filter]*: del has diversion
    0 conversations
    """
    console.counted(await console.session.change_filter(lambda filters: filters.remove(text)))


@command("set condition {condition}", FILTER)
async def set_condition(console: Console, condition: Annotated[str, Condition]) -> None:
    """Set a filter condition

    and: a conversation matches when all terms do; or: when any term does.

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: filter
    sipstream[filter]: set condition and
    1083 conversations
    sipstream[filter]*: add srcnum 4151509
    8 conversations
    sipstream[filter]*: add dstnum 8969669
    2 conversations
    sipstream[filter]*: set condition or
    8 conversations
    sipstream[filter]*: set condition and
    2 conversations
    """
    change = console.session.change_filter
    console.counted(await change(lambda filters: filters.set_condition(condition)))


@command("reset", FILTER)
async def reset(console: Console) -> None:
    """Remove all filter conditions

    The condition is or again; with no term set it matches nothing, and all is shown.

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: filter
    sipstream[filter]: add srcnum 4151509
    8 conversations
    sipstream[filter]*: reset
    0 conversations
    sipstream[filter]: show
    condition or
    """
    console.counted(await console.session.change_filter(FilterSet.reset))


@command("show", FILTER)
async def show(console: Console) -> None:
    """Show the filter: its condition and its terms

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: filter
    sipstream[filter]: show
    condition or
    sipstream[filter]: add srcnum 4151509
    8 conversations
    sipstream[filter]*: show
    condition or
    srcnum 4151509
    sipstream[filter]*: show | count
    2
    """
    await show_filter(console)


@command("exit", FILTER)
def leave(console: Console) -> None:
    """Exit filter configuration

    The filter stays active; the asterisk before the colon says so.

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: filter
    sipstream[filter]: add srcnum 4151509
    8 conversations
    sipstream[filter]*: exit
    sipstream*: show conversations | count
    8
    """
    console.leave()
