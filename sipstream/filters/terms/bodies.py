"""What bodies say: texts, codecs, where media goes; and what an Identity header vouches for."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from sipstream.errors import FilterError
from sipstream.filters.addresses import AddressSet, EndpointSet, address_text, endpoint_text
from sipstream.filters.scan import Scan
from sipstream.filters.sieve import Words
from sipstream.filters.term import REGEX, MessageTerm, Predicate, Registry, Shape, Test
from sipstream.filters.terms.texts import Texts
from sipstream.filters.texts import TextSet, has_wildcard, text_test
from sipstream.filters.values import shown
from sipstream.sip import sdp
from sipstream.sip.passport import attestation

if TYPE_CHECKING:
    from sipstream.sip.sdp import Media

registry = Registry("bodies, media")

_PORT = re.compile(r"[0-9]{1,5}")
_PORTS = 1 << 16


@registry
class Body(Texts):
    """What a body says."""

    name = "body"
    syntax = "<text> [text(s)]"
    help = "<text> is in a message's body, capital or small letters"
    example = "body telephone-event"
    operators = (REGEX,)

    def test(self) -> Test:
        """Look into the body."""
        holds = text_test(self.operator, self.values)
        return lambda message: holds(message.body.decode("utf-8", "surrogateescape"))


@registry
class Codec(MessageTerm):
    """Which codecs are offered or chosen."""

    name = "codec"
    syntax = "<codec> [codec(s)]"
    help = "<codec> is in a session description: G729, PCMA, opus, telephone-event"
    needs = "a codec"
    example = "codec G729"
    value_kind = "value-codec"

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return the codec as session descriptions have it, in capitals."""
        if not value:
            raise FilterError("'' is no codec such as G729")
        has_wildcard(value)
        return sdp.codec_name(value)

    def test(self) -> Test:
        """Compare the codecs of all media, also those that have no name but a number."""
        holds = TextSet(self.values).holds
        return lambda message: any(
            holds(codec.upper()) for one in sdp.media(message.raw) for codec in one.codecs
        )

    def predicate(self) -> Predicate:
        """Test all messages that may have media."""
        return Scan(self.test(), sieve=Words([b"m="]))


@registry
class MediaTerm(MessageTerm):
    """Where media is to be sent."""

    name = "media"
    syntax = "<ip|port|ip:port> [...]"
    help = "<ip>, <port> or both is where a session description wants media sent"
    needs = "an address or a port"
    example = "media 10.20.0.22"
    value_kind = "value-media"

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return an address, a port, or both."""
        if _PORT.fullmatch(value) and int(value) < _PORTS:
            return str(int(value))
        try:
            return endpoint_text(value)
        except FilterError:
            return address_text(value)

    def test(self) -> Test:
        """Compare address and port of all media."""
        ports = frozenset(int(value) for value in self.values if value.isdecimal())
        others = [value for value in self.values if not value.isdecimal()]
        with_port = [value for value in others if _is_endpoint(value)]
        endpoints = EndpointSet(with_port).holds
        addresses = AddressSet(value for value in others if value not in with_port).holds

        def wanted(one: Media) -> bool:
            return one.port in ports or (
                bool(one.address) and (addresses(one.address) or endpoints(one.address, one.port))
            )

        return lambda message: any(map(wanted, sdp.media(message.raw)))

    def predicate(self) -> Predicate:
        """Test all messages that may have media."""
        return Scan(self.test(), sieve=Words([b"m="]))


def _is_endpoint(value: str) -> bool:
    try:
        endpoint_text(value)
    except FilterError:
        return False
    return True


@registry
class Stir(MessageTerm):
    """Whether and how the caller's number is vouched for (RFC 8224, RFC 8588)."""

    name = "stir"
    syntax = "[A|B|C ...]"
    help = "an Identity header is present, with attestation A, B or C where one is asked for"
    needs = "an attestation"
    example = "stir A"
    shape = Shape.OPTIONAL
    value_kind = "value-stir"
    choices = MappingProxyType(
        {
            "A": "full attestation",
            "B": "partial attestation",
            "C": "gateway attestation",
        }
    )

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return the attestation."""
        if value.upper() not in cls.choices:
            raise FilterError(f"'{shown(value)}' is no attestation: A, B or C")
        return value.upper()

    def test(self) -> Test:
        """Read what the token in the header claims; nothing is verified."""
        wanted = frozenset(self.values)
        return lambda message: any(
            not wanted or attestation(value) in wanted for value in message.headers("Identity")
        )

    def predicate(self) -> Predicate:
        """Test all messages: the header has a compact form."""
        return Scan(self.test())
