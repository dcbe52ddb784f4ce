"""Numbers, users, domains and URIs: who calls, who is called, who else is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from sipstream.errors import FilterError
from sipstream.filters.columns import Users
from sipstream.filters.numbers import NumberSet, number_text
from sipstream.filters.scan import Scan
from sipstream.filters.sieve import Digits, Sieve, Words, needle
from sipstream.filters.term import EQUALS, REGEX, MessageTerm, Predicate, Registry, Test
from sipstream.filters.texts import (
    TextSet,
    has_wildcard,
    longest_piece,
    regex_test,
    regex_text,
    text_test,
)
from sipstream.sip.headers import split_values
from sipstream.sip.startline import INVITE
from sipstream.sip.uri import uri_in, user_of

if TYPE_CHECKING:
    from sipstream.views import Message

registry = Registry("who")

PARTIES = (
    "From",
    "To",
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Remote-Party-ID",
    "Diversion",
    "History-Info",
    "Contact",
)
_REMEMBERED = 512
"""Values of headers, of 64 KiB at most each, of which a term remembers what it found."""
"""Headers that name who takes part, beside the request URI."""


def parties(message: Message) -> Iterator[str]:
    """Yield all values of a message that hold the URI of someone."""
    if message.status is None:
        yield " ".join(message.start_line.split(" ")[1:2])
    for value in message.headers_of(PARTIES):
        yield from split_values(value)


def remembered(holds: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return the same function, which is asked once of what is the same in all messages of a call."""
    return lru_cache(maxsize=_REMEMBERED)(holds)


def _any_part(part: Callable[[str], str], holds: Callable[[str], bool]) -> Test:
    """Return a test of a part of all URIs of a message; "" is none."""
    known = remembered(lambda value: (text := part(value)) != "" and holds(text))
    return lambda message: any(map(known, parties(message)))


# Numbers of the first message


class _Numbers(MessageTerm):
    needs = "a number"
    syntax = "<telnum> [telnum(s)]"
    value_kind = "value-number"
    operators = (REGEX,)

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        return regex_text(value) if operator == REGEX else number_text(value)

    def holds(self) -> Callable[[str], bool]:
        """Return a function that tells whether a user part is wanted."""
        if self.operator != REGEX:
            return NumberSet(self.values).holds
        found = regex_test(self.values)
        return lambda user: bool(user) and found(user)


class _OfFirst(_Numbers):
    """From and To of the first message, which the index has."""

    source: ClassVar[bool] = False
    destination: ClassVar[bool] = False

    def test(self) -> Test:
        """Compare a message's own From and To."""
        holds = self.holds()
        names = [name for name, on in (("From", self.source), ("To", self.destination)) if on]
        return lambda message: any(holds(user_of(message.header(name) or "")) for name in names)

    def predicate(self) -> Predicate:
        """Compare the first message's."""
        codes = None if self.operator == REGEX else NumberSet(self.values).codes
        return Users(self.holds(), codes, source=self.source, destination=self.destination)


@registry
class SourceNumber(_OfFirst):
    """Who calls."""

    name = "srcnum"
    help = "<telnum> is the source number"
    example = "srcnum 4151500"
    source = True


@registry
class DestinationNumber(_OfFirst):
    """Who is called."""

    name = "dstnum"
    help = "<telnum> is the destination number"
    example = "dstnum 5660066"
    destination = True


@registry
class EitherNumber(_OfFirst):
    """Who takes part."""

    name = "telnum"
    help = "<telnum> is either of the two"
    example = "telnum 5660066"
    source = destination = True


# Numbers of an INVITE's headers


class _HeaderNumbers(_Numbers):
    header: ClassVar[str]

    def test(self) -> Test:
        """Compare the numbers in all headers of that name of an INVITE."""
        holds, header = self.holds(), self.header
        return lambda message: (
            message.method == "INVITE"
            and any(
                holds(user_of(part))
                for value in message.headers(header)
                for part in split_values(value)
            )
        )

    def predicate(self) -> Predicate:
        """Test all INVITEs."""
        return Scan(self.test(), INVITE, Words([needle(self.header)]))


@registry
class Diversion(_HeaderNumbers):
    """Who forwarded the call (RFC 5806)."""

    name = "diversion"
    help = "<telnum> is in one of the Diversion headers"
    example = "diversion 1502"
    header = "Diversion"


@registry
class AssertedIdentity(_HeaderNumbers):
    """Who calls, as the network vouches (RFC 3325)."""

    name = "pai"
    syntax = "<telnum>"
    help = "<telnum> is in one of the P-Asserted-Identity headers"
    example = "pai 4151500"
    header = "P-Asserted-Identity"


@registry
class PreferredIdentity(_HeaderNumbers):
    """Who the caller wishes to be (RFC 3325)."""

    name = "ppi"
    syntax = "<telnum>"
    help = "<telnum> is in one of the P-Preferred-Identity headers"
    example = "ppi 4151500"
    header = "P-Preferred-Identity"


# Anywhere in any message


@registry
class Number(_Numbers):
    """Whoever takes part or is named."""

    name = "number"
    help = "<telnum> is anywhere: From, To, URI, PAI, PPI, RPID, Diversion, History-Info, Contact"
    example = "number 5660066"

    def test(self) -> Test:
        """Compare the user parts of all URIs."""
        holds = self.holds()
        known = remembered(lambda value: holds(user_of(value)))
        return lambda message: any(map(known, parties(message)))

    def predicate(self) -> Predicate:
        """Test all messages that hold the digits."""
        digits = None if self.operator == REGEX else NumberSet(self.values).digits
        return Scan(self.test(), sieve=None if digits is None else Digits(digits))


class _UriTexts(MessageTerm):
    """Texts that parts of URIs are compared with."""

    operators = (REGEX,)

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        if operator == REGEX:
            return regex_text(value)
        if not value:
            raise FilterError(f"'' is no {cls.value_kind.partition('-')[2]}")
        has_wildcard(value)
        return value

    def predicate(self) -> Predicate:
        """Test all messages that hold the texts."""
        return Scan(self.test(), sieve=self._sieve())

    def _sieve(self) -> Sieve | None:
        """Return what tells messages apart without the texts."""
        if self.operator == REGEX:
            return None
        # Before @ a password or parameters may stand that don't count.
        parts = (longest_piece(value.replace("@", "*")) for value in self.values)
        return Words(map(needle, parts))


@registry
class User(_UriTexts):
    """Whose user part it is, letter by letter."""

    name = "user"
    syntax = "<user> [user(s)]"
    help = "<user> is the user part of a URI, as it is written (case counts)"
    needs = "a user part"
    example = "user alice"
    value_kind = "value-user"

    def test(self) -> Test:
        """Compare the user parts of all URIs."""
        holds = regex_test(self.values) if self.operator else TextSet(self.values).holds
        return _any_part(lambda value: uri_in(value).user, holds)

    def _sieve(self) -> Sieve | None:
        # Percent signs hide some letters.
        return None if self.operator else Digits(map(longest_piece, self.values))


@registry
class Domain(_UriTexts):
    """Whose host or domain it is."""

    name = "domain"
    syntax = "<domain> [domain(s)]"
    help = "<domain> is the host of a URI: example.com, *.example.com"
    needs = "a domain"
    example = "domain *.example.com"
    value_kind = "value-domain"

    def test(self) -> Test:
        """Compare the hosts of all URIs; their case doesn't count (RFC 3261 section 19.1.4)."""
        holds = text_test(self.operator or EQUALS, self.values)
        return _any_part(lambda value: uri_in(value).host, holds)


@registry
class Uri(_UriTexts):
    """What URI it is."""

    name = "uri"
    syntax = "<uri> [uri(s)]"
    help = "<uri> is a URI without its parameters: sip:alice@example.com, *@example.com"
    needs = "a URI"
    example = "uri sip:*@example.com"
    value_kind = "value-uri"

    def test(self) -> Test:
        """Compare all URIs."""
        holds = text_test(self.operator or EQUALS, self.values)
        return _any_part(lambda value: uri_in(value).text, holds)
