"""Filters that were saved under a name, and aliases: the two tables of names in the settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from sipstream.errors import CommandError, FilterError
from sipstream.escape import brief, escape
from sipstream.filters import FilterSet, FilterTextError
from sipstream.settings import ALIASES, FILTERS, Named, check_alias, check_name
from sipstream.shell.arguments import Argument, CommandLine
from sipstream.shell.console import Console
from sipstream.shell.offered import Offer
from sipstream.shell.registry import FILTER, GENERAL, command, first_words
from sipstream.wording import aligned

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.views import Conversation


class FilterName(Argument):
    """A filter that was saved."""

    syntax = "<name>"

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the filters there are."""
        return _offers(session.settings.filters)


class AliasName(Argument):
    """An alias."""

    syntax = "<name>"

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the aliases there are."""
        return _offers(session.settings.aliases)


def _offers(there: dict[str, Named]) -> Iterable[Offer]:
    return (Offer(name, escape(one.text)) for name, one in there.items())


class Definition(CommandLine):
    """A name and the command it stands for."""

    syntax = "<name> = <command>"

    @classmethod
    def parse(cls, session: Session, text: str) -> tuple[str, str]:
        """Return both.

        Raises:
            CommandError: the name can't be one, or no command begins so.
        """
        name, sign, meaning = (part.strip() for part in text.partition("="))
        if not (name and sign and meaning):
            raise CommandError("missing argument: alias takes NAME = COMMAND")
        try:
            check_alias(name, first_words())
        except ValueError as error:
            raise CommandError(str(error)) from None
        first = meaning.split()[0]
        if not any(word.startswith(first) for word in first_words()):
            raise CommandError(f"unknown command {brief(first)}: 'help' lists them")
        if not meaning.isprintable():
            raise CommandError("an alias has one line")
        return name, meaning

    @classmethod
    def command(cls, typed: str) -> str | None:
        """Return what is typed behind the sign."""
        _, sign, meaning = typed.partition("=")
        return meaning.lstrip() if sign else None


def _rows(there: dict[str, Named], none: str) -> tuple[list[str], list[dict[str, object]]]:
    """Return a line and an object for each name; `none` is the line where there is no name."""
    if not there:
        return [none], []
    by_name = sorted(there.items())
    return (
        aligned((name, escape(one.text)) for name, one in by_name),
        [{"name": name, "text": one.text} for name, one in by_name],
    )


@command("save filter {name}")
async def save_filter(console: Console, name: Annotated[str, FilterName]) -> None:
    """Keeps the active filter under a name

    load filter <name> makes it the active one again, in later runs too. A filter of that name that
    is there already is replaced.

    Examples:

    $ sipstream captures/timeout.txt --filter 'dstnum 5660066'
    sipstream*: save filter customer-x
    Filter customer-x: dstnum 5660066
    sipstream*: filter
    sipstream[filter]*: add has diversion
    1 conversations
    sipstream[filter]*: save filter customer-x
    Filter customer-x: dstnum 5660066 or has diversion
    sipstream[filter]*: exit
    sipstream*: save filter forwarded
    Filter forwarded: dstnum 5660066 or has diversion
    sipstream*: delete filter customer-x
    sipstream*: delete filter forwarded
    """
    try:
        check_name(name)
    except ValueError as error:
        raise CommandError(str(error)) from None
    text = console.session.filters.expression()
    if not text:
        raise CommandError("no filter is active: 'filter' and 'add' make one that can be saved")
    keep = console.session.settings.change_named(FILTERS, name, text)
    console.out.line(f"Filter {name}: {escape(text)}")
    await console.keep(keep)


@command("load filter! {name}", GENERAL)
@command("load filter {name}", FILTER)
async def load_filter(console: Console, name: Annotated[str, FilterName]) -> None:
    """Makes a filter that was saved the active one

    It takes the place of all terms that are set.

    Examples:

    $ sipstream captures/timeout.txt --filter 'dstnum 5660066'
    sipstream*: save filter customer-x
    Filter customer-x: dstnum 5660066
    sipstream*: filter
    sipstream[filter]*: reset
    0 conversations
    sipstream[filter]: load filter customer-x
    1 conversations
    sipstream[filter]*: exit
    sipstream*: load filter customer-x
    1 conversations
    sipstream*: load filter customer-y
    *** Error! no filter customer-y: 'show filters' lists them
    sipstream*: delete filter customer-x
    """
    saved = _named(console.session.settings.filters, name, "filter")

    def replace(filters: FilterSet) -> None:
        filters.reset()
        filters.add(saved.text)

    where = f" ({saved.place})" if saved.place else ""
    try:
        console.counted(await console.session.change_filter(replace))
    except FilterTextError as error:
        placed = FilterTextError(f"filter {name}{where}: {error.message}", error.column)
        placed.text = error.text
        raise placed from error
    except FilterError as error:
        raise CommandError(f"filter {name}{where}: {error}") from error


@command("show filters")
async def show_filters(console: Console) -> None:
    """Shows the filters that were saved

    Each under its name, as add would take it.

    Examples:

    $ sipstream captures/timeout.txt --filter 'dstnum 5660066'
    sipstream*: save filter customer-x
    Filter customer-x: dstnum 5660066
    sipstream*: show filters
    customer-x  dstnum 5660066
    sipstream*: show filters | count
    1
    sipstream*: delete filter customer-x
    sipstream*: show filters
    no filter is saved: 'save filter NAME' saves the active one
    """
    none = "no filter is saved: 'save filter NAME' saves the active one"
    await console.out.rows(*_rows(console.session.settings.filters, none))


@command("delete filter {name}")
async def delete_filter(console: Console, name: Annotated[str, FilterName]) -> None:
    """Forgets a filter that was saved

    Where it is the active one it stays that.

    Examples:

    $ sipstream captures/timeout.txt --filter 'dstnum 5660066'
    sipstream*: save filter customer-x
    Filter customer-x: dstnum 5660066
    sipstream*: delete filter customer-x
    sipstream*: delete filter customer-x
    *** Error! no filter customer-x: 'show filters' lists them
    sipstream*: show conversations | count
    1
    sipstream*: delete filter customer-y
    *** Error! no filter customer-y: 'show filters' lists them
    """
    _named(console.session.settings.filters, name, "filter")
    await console.keep(console.session.settings.change_named(FILTERS, name, None))


@command("alias [{definition}]")
async def alias(
    console: Console, definition: Annotated[tuple[str, str] | None, Definition] = None
) -> None:
    """Lets a word of your own stand for a command; alone it lists these words

    What is typed behind the word is put behind the command. A word that a command begins with can't
    be taken, and an alias that stands for another one isn't looked up again.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: alias sc = show conversations
    sipstream: sc sorted dstnum 5660066
    [10] 16:41:37.979995: INVITE 4151502->5660066
    sipstream: alias
    sc  show conversations
    sipstream: alias show = help
    *** Error! show is a command, and no alias may hide it
    sipstream: unalias sc
    """
    settings = console.session.settings
    if definition is None:
        none = "no alias so far: 'alias NAME = COMMAND' makes one"
        await console.out.rows(*_rows(settings.aliases, none))
        return
    await console.keep(settings.change_named(ALIASES, *definition))


@command("unalias {name}")
async def unalias(console: Console, name: Annotated[str, AliasName]) -> None:
    """Forgets an alias

    The word is unknown again, in later runs too.

    Examples:

    $ sipstream
    sipstream: alias sc = show conversations
    sipstream: alias ll = list
    sipstream: unalias sc
    sipstream: unalias ll
    sipstream: unalias sc
    *** Error! no alias sc: 'alias' lists them
    """
    _named(console.session.settings.aliases, name, "alias")
    await console.keep(console.session.settings.change_named(ALIASES, name, None))


def _named(there: dict[str, Named], name: str, what: str) -> Named:
    """Return what a name stands for.

    Raises:
        CommandError: there is no such name.
    """
    found = there.get(name)
    if found is None:
        lists = {"filter": "show filters", "alias": "alias"}[what]
        raise CommandError(f"no {what} {brief(name)}: '{lists}' lists them")
    return found
