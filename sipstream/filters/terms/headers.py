"""What headers say: which are there, and texts, patterns and numbers in them."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from sipstream.errors import FilterError
from sipstream.filters.scan import Scan
from sipstream.filters.sieve import Words, needle
from sipstream.filters.term import (
    EQUALS,
    ORDER,
    REGEX,
    MessageTerm,
    Predicate,
    Registry,
    Shape,
    Test,
)
from sipstream.filters.terms.startlines import TOKEN
from sipstream.filters.terms.texts import Texts
from sipstream.filters.texts import text_test
from sipstream.filters.values import COMPARE, amount_text, has_privacy_parameter, shown
from sipstream.sip.headers import COMPACT
from sipstream.sip.startline import INVITE

if TYPE_CHECKING:
    from sipstream.views import Message

registry = Registry("headers")

_LONG_NAMES = {short: long for long, short in COMPACT.items()}
_LEADING_NUMBER = re.compile(r"\s*(\d{1,18})(?!\d)", re.ASCII)
_OF_INVITES = {
    "diversion": "Diversion",
    "pai": "P-Asserted-Identity",
    "ppi": "P-Preferred-Identity",
    "rpid": "Remote-Party-ID",
}
"""Headers that SIPvestigator's `has` looks for in INVITEs, by their short names."""
_SHORT_NAMES = {long.lower(): short for short, long in _OF_INVITES.items()}
_AGENTS = ("User-Agent", "Server")
_AGENTS_REMEMBERED = 512
"""Their values, of 64 KiB at most each, of which a term remembers what it found."""
KNOWN_HEADERS = (
    "Accept", "Alert-Info", "Allow", "Allow-Events", "Authorization", "Call-Info", "Contact",
    "Content-Disposition", "Content-Type", "CSeq", "Date", "Event", "Expires", "From",
    "Geolocation", "History-Info", "Identity", "In-Reply-To", "Max-Forwards", "Min-SE",
    "P-Access-Network-Info", "P-Called-Party-ID", "P-Charging-Vector", "Path",
    "Proxy-Authenticate", "Proxy-Authorization", "RAck", "Reason", "Record-Route", "Refer-To",
    "Referred-By", "Replaces", "Require", "Retry-After", "Route", "RSeq", "Server",
    "Service-Route", "Session-Expires", "Session-ID", "Subject", "Supported", "To",
    "Unsupported", "User-Agent", "Via", "Warning", "WWW-Authenticate",
)  # fmt: skip
"""Headers that people look for (IANA lists them all): a name nearly one of these is a slip."""


_KNOWN = {name.lower(): name for name in (*_OF_INVITES, *KNOWN_HEADERS, *_OF_INVITES.values())}


def header_name(text: str) -> str:
    """Return a header's long name in small letters.

    Raises:
        FilterError: it is none.
    """
    name = text.removesuffix(":").lower()
    if not TOKEN.fullmatch(name):
        raise FilterError(f"'{shown(text)}' is no header name such as User-Agent")
    return _LONG_NAMES.get(name, name)


def _nearly_known(text: str) -> str | None:
    """Return the well-known header that a name is nearly, None for a known one or another."""
    name = text.removesuffix(":").lower()
    if name in _KNOWN or name in _LONG_NAMES or name in COMPACT or name == "privacy":
        return None
    return next(
        (_KNOWN[one] for one in difflib.get_close_matches(name[:64], _KNOWN, 1, 0.85)), None
    )


@registry
class Has(MessageTerm):
    """Which header there is."""

    name = "has"
    syntax = "<header>"
    help = "<header> is present, see `help add has`"
    needs = "a header"
    example = "has diversion"
    shape = Shape.NAMED
    subject_kind = "header"
    choices = MappingProxyType(
        {short: f"an INVITE carries {header}" for short, header in _OF_INVITES.items()}
        | {"privacy": "an INVITE asks for privacy"}
        | {
            header: "any message carries it"
            for header in KNOWN_HEADERS
            if header not in ("Call-ID", "CSeq", "From", "To", "Via", "Max-Forwards")
        }
    )

    @classmethod
    def doubt(cls, subject: str) -> str | None:
        """Return the well-known header that a name is nearly."""
        return _nearly_known(subject)

    @classmethod
    def check_subject(cls, subject: str) -> str:
        """Return the header's name, its short one if it has one."""
        name = header_name(subject)
        return _SHORT_NAMES.get(name, name)

    def test(self) -> Test:
        """Look for the header; the short names mean INVITEs only."""
        if self.subject == "privacy":
            return lambda message: message.method == "INVITE" and asks_privacy(message)
        header = _OF_INVITES.get(self.subject)
        if header is not None:
            return lambda message: message.method == "INVITE" and message.header(header) is not None
        name = self.subject
        return lambda message: message.header(name) is not None

    def predicate(self) -> Predicate:
        """Test the messages that hold the name."""
        if self.subject == "privacy":
            return Scan(self.test(), INVITE, Words([b"privacy"]))
        header = _OF_INVITES.get(self.subject)
        if header is not None:
            return Scan(self.test(), INVITE, Words([needle(header)]))
        return Scan(self.test(), sieve=name_sieve(self.subject))


def name_sieve(name: str) -> Words | None:
    """Return what tells messages apart that have no header of a name; one of one letter hides."""
    return None if name in COMPACT else Words([needle(name)])


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


@registry
class Header(Texts):
    """What a header of any message says."""

    name = "header"
    syntax = "<name> [[op] <text> ...]"
    help = "<text> is in a header <name>; op is = (the whole), ~ (a regex), > >= < <= (a number)"
    needs = "a header's name"
    example = "header User-Agent asterisk"
    shape = Shape.NAMED_LIST
    subject_kind = "header-name"
    operators = (REGEX, EQUALS, *ORDER)
    choices = MappingProxyType(dict.fromkeys(KNOWN_HEADERS, "a header"))

    @classmethod
    def doubt(cls, subject: str) -> str | None:
        """Return the well-known header that a name is nearly."""
        return _nearly_known(subject)

    @classmethod
    def check_subject(cls, subject: str) -> str:
        """Return the header's long name in small letters."""
        return header_name(subject)

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return a text, a regular expression or a number."""
        return amount_text(value) if operator in ORDER else super().check_value(value, operator)

    def test(self) -> Test:
        """Look into all headers of that name; without a text they only have to be there."""
        header = self.subject
        if not self.values:
            return lambda message: message.header(header) is not None
        if self.operator in ORDER:
            compare, limit = COMPARE[self.operator], int(self.values[0])
            return lambda message: any(
                compare(int(number[1]), limit)
                for number in map(_LEADING_NUMBER.match, message.headers(header))
                if number is not None
            )
        holds = text_test(self.operator, self.values)
        return lambda message: any(map(holds, message.headers(header)))

    def predicate(self) -> Predicate:
        """Test all messages that may hold the texts."""
        if not self.values or self.operator in (REGEX, *ORDER):
            return Scan(self.test(), sieve=name_sieve(self.subject))
        return super().predicate()


@registry
class UserAgent(Texts):
    """Which product it is."""

    name = "ua"
    syntax = "<text> [text(s)]"
    help = "<text> is in a User-Agent or Server header"
    example = "ua asterisk"
    value_kind = "value-agent"

    def test(self) -> Test:
        """Look into both headers, once at what few products say."""
        holds = lru_cache(maxsize=_AGENTS_REMEMBERED)(text_test(self.operator, self.values))
        return lambda message: any(map(holds, message.headers_of(_AGENTS)))
