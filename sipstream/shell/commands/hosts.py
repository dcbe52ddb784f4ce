"""Names of addresses, which ladders show above their columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from sipstream.addresses import check_shown, read_address
from sipstream.errors import CommandError
from sipstream.escape import brief, escape
from sipstream.filters import Suggestion
from sipstream.settings import NAMES
from sipstream.shell.arguments import Argument
from sipstream.shell.console import Console
from sipstream.shell.offered import Offer, Offers, filled
from sipstream.shell.registry import command
from sipstream.wording import aligned

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.views import Conversation


class Address(Argument):
    """An address, with or without a port."""

    syntax = "<address[:port]>"

    @classmethod
    def parse(cls, session: Session, text: str) -> str:
        """Return the address as it is shown.

        Raises:
            CommandError: it is none.
        """
        try:
            return read_address(text)
        except ValueError as error:
            raise CommandError(str(error)) from None

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Offers:
        """Return addresses that have a name already, and those that were captured."""
        named = session.settings.addresses
        yield from (Offer(text, escape(one.text)) for text, one in named.items())
        for offer in filled(session, [Suggestion("value-address", "", "")], typed):
            if not isinstance(offer, Offer) or offer.text not in named:
                yield offer


class NamedAddress(Address):
    """An address that has a name."""

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the addresses that have one."""
        there = session.settings.addresses.items()
        return (Offer(text, escape(named.text)) for text, named in there)


class ShownName(Argument):
    """What an address is called."""

    syntax = "<name>"

    @classmethod
    def parse(cls, session: Session, text: str) -> str:
        """Return the name.

        Raises:
            CommandError: it can't be one.
        """
        try:
            check_shown(text)
        except ValueError as error:
            raise CommandError(str(error)) from None
        return text


@command("set name {address} {name}")
async def set_name(
    console: Console, address: Annotated[str, Address], name: Annotated[str, ShownName]
) -> None:
    """Gives an address a name, which ladders show in its place

    With a port it is the name of that endpoint alone. It is kept with the settings; unset name takes
    it away, show names lists all.

    Examples:

    $ sipstream captures/callerid-problem.txt --filter 'dstnum 5660066'
    sipstream*: set name 10.20.0.22 pbx
    sipstream*: set name 10.11.12.13:5060 "sip trunk"
    sipstream*: show conversation 0 flow | match pbx
                                pbx             sip trunk
    sipstream*: set name trunk 10.11.12.13
    *** Error! 'trunk' is no address: 10.20.0.22, 10.20.0.22:5060 or [2001:db8::1]:5060
    sipstream*: unset name 10.20.0.22
    sipstream*: unset name 10.11.12.13:5060
    """
    await console.keep(console.session.settings.change_named(NAMES, address, name))


@command("unset name! {address}")
async def unset_name(console: Console, address: Annotated[str, NamedAddress]) -> None:
    """Takes an address' name away

    It is shown as itself again, in later runs too.

    Examples:

    $ sipstream
    sipstream: set name 10.20.0.22 pbx
    sipstream: set name 10.20.0.22:5080 proxy
    sipstream: unset name 10.20.0.22
    sipstream: unset name 10.20.0.22:5080
    sipstream: unset name 10.20.0.22
    *** Error! 10.20.0.22 has no name: 'show names' lists those that have
    """
    settings = console.session.settings
    if address not in settings.addresses:
        raise CommandError(f"{brief(address)} has no name: 'show names' lists those that have")
    await console.keep(settings.change_named(NAMES, address, None))


@command("show names")
async def show_names(console: Console) -> None:
    """Shows the names that addresses were given

    Each with its address.

    Examples:

    $ sipstream
    sipstream: show names
    no address has a name: 'set name ADDRESS NAME' gives one
    sipstream: set name 10.20.0.22 pbx
    sipstream: set name 10.11.12.13:5060 trunk
    sipstream: show names
    10.11.12.13:5060  trunk
    10.20.0.22        pbx
    sipstream: show names | count
    2
    sipstream: unset name 10.20.0.22
    sipstream: unset name 10.11.12.13:5060
    """
    there = sorted(console.session.settings.addresses.items())
    lines = aligned((text, escape(named.text)) for text, named in there) if there else []
    await console.out.rows(
        lines or ["no address has a name: 'set name ADDRESS NAME' gives one"],
        ({"address": text, "name": named.text} for text, named in there),
    )
