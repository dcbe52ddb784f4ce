"""The terms of filters: one small class each, with name, syntax, help and predicate.

The registry TERMS is what the grammar, the help screens and completion are made of: a new term is
a class here and nothing elsewhere. Knows nothing of how a filter's text is cut into values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from sipstream.errors import FilterError
from sipstream.escape import escape
from sipstream.filters.columns import Addresses, CallIds, Kinds, Users
from sipstream.filters.scan import Scan, needle
from sipstream.filters.term import Predicate, Shape, Term
from sipstream.filters.values import (
    AddressSet,
    NumberSet,
    TextSet,
    address_text,
    has_privacy_parameter,
    number_text,
    shown,
    status_codes,
    status_text,
)
from sipstream.sip.headers import COMPACT, split_values
from sipstream.sip.startline import INVITE, KNOWN
from sipstream.sip.uri import user_of

if TYPE_CHECKING:
    from sipstream.views import Message

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_LONG_NAMES = {short: long for long, short in COMPACT.items()}

_registered: dict[str, type[Term]] = {}


def _register(term: type[Term]) -> type[Term]:
    _registered[term.name] = term
    return term


# Numbers of the first message


class _Numbers(Term):
    needs = "a number"
    syntax = "<telnum> [telnum(s)]"
    value_kind = "value-number"

    @classmethod
    def check_value(cls, value: str) -> str:
        return number_text(value)


@_register
class SourceNumber(_Numbers):
    """Who calls."""

    name = "srcnum"
    help = "<telnum> is the source number"
    example = "srcnum 4151500"

    def predicate(self) -> Predicate:
        """Compare the first message's From."""
        return Users(NumberSet(self.values), source=True)


@_register
class DestinationNumber(_Numbers):
    """Who is called."""

    name = "dstnum"
    help = "<telnum> is the destination number"
    example = "dstnum 5660066"

    def predicate(self) -> Predicate:
        """Compare the first message's To."""
        return Users(NumberSet(self.values), destination=True)


@_register
class EitherNumber(_Numbers):
    """Who takes part."""

    name = "telnum"
    help = "<telnum> is either of the two"
    example = "telnum 5660066"

    def predicate(self) -> Predicate:
        """Compare the first message's From and To."""
        return Users(NumberSet(self.values), source=True, destination=True)


# Addresses of the first message


class _Addresses(Term):
    needs = "an address"
    syntax = "<ip> [ip(s)]"
    value_kind = "value-address"

    @classmethod
    def check_value(cls, value: str) -> str:
        return address_text(value)


@_register
class SourceAddress(_Addresses):
    """Where the first message came from."""

    name = "srcip"
    help = "<ip> is the source address"
    example = "srcip 10.20.0.22"

    def predicate(self) -> Predicate:
        """Compare the first message's source."""
        return Addresses(AddressSet(self.values), source=True)


@_register
class DestinationAddress(_Addresses):
    """Where the first message went."""

    name = "dstip"
    help = "<ip> is the destination address"
    example = "dstip 10.20.0.0/16"

    def predicate(self) -> Predicate:
        """Compare the first message's destination."""
        return Addresses(AddressSet(self.values), destination=True)


@_register
class EitherAddress(_Addresses):
    """Between whom the first message went."""

    name = "ip"
    help = "<ip> is either the source or the destination address"
    example = "ip 2001:db8::/32"

    def predicate(self) -> Predicate:
        """Compare the first message's source and destination."""
        return Addresses(AddressSet(self.values), source=True, destination=True)


# Numbers and presence of an INVITE's headers


class _HeaderNumbers(_Numbers):
    header: ClassVar[str]

    def predicate(self) -> Predicate:
        """Compare the numbers in all headers of that name of all INVITEs."""
        holds = NumberSet(self.values).holds
        header = self.header
        return Scan(
            lambda message: any(
                holds(user_of(part))
                for value in message.headers(header)
                for part in split_values(value)
            ),
            INVITE,
            [needle(header)],
        )


@_register
class Diversion(_HeaderNumbers):
    """Who forwarded the call (RFC 5806)."""

    name = "diversion"
    help = "<telnum> is in one of the Diversion headers"
    example = "diversion 1502"
    header = "Diversion"


@_register
class AssertedIdentity(_HeaderNumbers):
    """Who calls, as the network vouches (RFC 3325)."""

    name = "pai"
    syntax = "<telnum>"
    help = "<telnum> is in one of the P-Asserted-Identity headers"
    example = "pai 4151500"
    header = "P-Asserted-Identity"


@_register
class PreferredIdentity(_HeaderNumbers):
    """Who the caller wishes to be (RFC 3325)."""

    name = "ppi"
    syntax = "<telnum>"
    help = "<telnum> is in one of the P-Preferred-Identity headers"
    example = "ppi 4151500"
    header = "P-Preferred-Identity"


_PRESENT = {
    "diversion": "Diversion",
    "pai": "P-Asserted-Identity",
    "ppi": "P-Preferred-Identity",
    "rpid": "Remote-Party-ID",
}


@_register
class Has(Term):
    """Which header an INVITE carries."""

    name = "has"
    syntax = "<header>"
    help = "<header> is present, see `help add has`"
    needs = "a header"
    example = "has diversion"
    shape = Shape.NAMED
    subject_kind = "header"
    choices = MappingProxyType(
        {short: f"an INVITE carries {header}" for short, header in _PRESENT.items()}
        | {"privacy": "an INVITE asks for privacy"}
    )

    @classmethod
    def check_subject(cls, subject: str) -> str:
        """Return the header's short name."""
        if subject.lower() not in cls.choices:
            *most, last = sorted(cls.choices)
            raise FilterError(
                f"has knows no '{shown(subject)}': it takes {', '.join(most)} or {last}"
            )
        return subject.lower()

    def predicate(self) -> Predicate:
        """Look for the header in all INVITEs."""
        if self.subject == "privacy":
            return Scan(asks_privacy, INVITE, [b"privacy"])
        header = _PRESENT[self.subject]
        return Scan(lambda message: message.header(header) is not None, INVITE, [needle(header)])


def asks_privacy(message: Message) -> bool:
    """Tell whether a message asks that its caller's identity be withheld.

    That is a privacy parameter other than `off` in an identity header (draft-ietf-sip-privacy), or
    a Privacy header other than `none` (RFC 3323 4.2).
    """
    for header in ("P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"):
        for value in message.headers(header):
            if has_privacy_parameter(value):
                return True
    return any(
        wish not in ("", "none")
        for value in message.headers("Privacy")
        for wish in re.split(r"[\s;,]+", value.lower())
    )


# Start lines and texts


@_register
class Method(Term):
    """Which requests there are."""

    name = "method"
    syntax = "<method> [method(s)]"
    help = "a request's method is <method>"
    needs = "a method"
    example = "method REGISTER"
    value_kind = "method"
    choices = MappingProxyType({method.decode(): "a request's method" for method in KNOWN})

    @classmethod
    def check_value(cls, value: str) -> str:
        """Return the method in capitals."""
        if not _TOKEN.fullmatch(value):
            raise FilterError(f"'{shown(value)}' is no method such as INVITE or OPTIONS")
        return value.upper()

    def predicate(self) -> Predicate:
        """Ask the index."""
        methods = frozenset(self.values)
        return Kinds(
            lambda kinds: any(isinstance(kind, str) and kind.upper() in methods for kind in kinds)
        )


@_register
class Status(Term):
    """Which responses there are."""

    name = "status"
    syntax = "<code> [code(s)]"
    help = "a response's status is <code>: 403, 4xx or 100-199"
    needs = "a status code"
    example = "status 403"
    value_kind = "status"
    choices = MappingProxyType(
        {
            "1xx": "provisional",
            "2xx": "success",
            "3xx": "redirection",
            "4xx": "refused",
            "5xx": "server failure",
            "6xx": "refused everywhere",
        }
    )

    @classmethod
    def check_value(cls, value: str) -> str:
        """Return the code, class or range in small letters."""
        return status_text(value)

    def predicate(self) -> Predicate:
        """Ask the index."""
        codes = frozenset(code for value in self.values for code in status_codes(value))
        return Kinds(lambda kinds: not codes.isdisjoint(kinds))


@_register
class CallId(Term):
    """Which conversation it is."""

    name = "callid"
    syntax = "<call-id> [call-id(s)]"
    help = "the Call-ID is <call-id>, in which * stands for any text"
    needs = "a Call-ID"
    example = "callid *@10.20.0.22"
    value_kind = "call-id"

    def predicate(self) -> Predicate:
        """Compare the Call-ID, whose case counts (RFC 3261 20.8), as it is and as it is shown."""
        holds = TextSet(self.values).holds

        def found(call_id: str) -> bool:
            return holds(call_id) or ((shown := escape(call_id)) != call_id and holds(shown))

        return CallIds(found)


@_register
class Header(Term):
    """What a header of any message says."""

    name = "header"
    syntax = "<name> <text> [text(s)]"
    help = "<text> is in a header <name> of any message, capital or small letters"
    needs = "a header's name and a text"
    example = "header User-Agent asterisk"
    shape = Shape.NAMED_LIST
    subject_kind = "header-name"
    value_kind = "text"
    choices = MappingProxyType(
        dict.fromkeys(
            ("From", "To", "Contact", "Reason", "Server", "User-Agent", "Via"), "a header"
        )
    )

    @classmethod
    def check_subject(cls, subject: str) -> str:
        """Return the header's long name in small letters."""
        name = subject.removesuffix(":").lower()
        if not _TOKEN.fullmatch(name):
            raise FilterError(f"'{shown(subject)}' is no header name such as User-Agent")
        return _LONG_NAMES.get(name, name)

    def predicate(self) -> Predicate:
        """Look for the texts in all headers of that name of all messages."""
        header = self.subject
        texts = [value.lower() for value in self.values]

        def found(message: Message) -> bool:
            return any(
                text in value for value in map(str.lower, message.headers(header)) for text in texts
            )

        return Scan(found, needles=map(needle, texts))


TERMS: Mapping[str, type[Term]] = MappingProxyType(dict(sorted(_registered.items())))
"""All terms by name, in alphabetical order."""
