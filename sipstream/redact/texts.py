"""What servers say in words: words that tell nothing of anybody stay, all others are masked. Sans-IO."""

from __future__ import annotations

import re

from sipstream.redact.masks import Masks

_WORD = re.compile(rb"[0-9A-Za-z\x80-\xff]+")
_BETWEEN = re.compile(rb"([^0-9A-Za-z\x80-\xff._-])")
"""What stands between words, each character by itself."""
_PRODUCT = re.compile(rb"\((?:[^()\\]|\\.)*|[^\s()]+", re.DOTALL)
"""A comment, which may name anybody's telephone, or a product (RFC 3261 section 20.41)."""
_VERSIONED = re.compile(rb"[A-Za-z][A-Za-z0-9._+~-]{0,47}(?:/[A-Za-z0-9._+~:-]{1,40})?")
_RELEASE = re.compile(rb"v?[0-9]{1,4}(?:\.[0-9]{1,4}){1,5}(?:[~+_-][A-Za-z0-9.~+_-]{1,24})?")
_PLAIN_VERSION = re.compile(rb"v?[0-9]{1,4}(?:\.[0-9]{1,4}){1,5}(?:[-_][A-Za-z]{1,8}[0-9]{0,3})?")
_DEVICE = re.compile(rb"[0-9A-Fa-f]{12}|[0-9]{5}")
"""What a product's name holds where it tells the device: its hardware address, a serial number."""
_WORDS = frozenset(
    b"""
    trying ringing call is being forwarded queued session progress early dialog terminated ok
    accepted no notification multiple choices moved permanently temporarily use proxy alternative
    service bad request unauthorized payment required forbidden not found method allowed acceptable
    authentication timeout gone conditional failed entity too large uri long unsupported media type
    scheme unknown resource priority extension interval brief location information domain version
    provide referrer identity flow anonymity auth unauthorised disallowed invalid credentials
    certificate first hop lacks outbound support max breadth exceeded consent needed does exist
    transaction loop detected many hops address incomplete ambiguous busy here event pending
    undecipherable security agreement server internal error implemented gateway unavailable time out
    message push declined decline anywhere everywhere unwanted rejected null sip http normal
    clearing unallocated unassigned number route to destination user responding answer absent
    subscriber changed order format facility channel congestion network temporary failure switching
    equipment interworking unspecified cause recovery on timer expiry protocol the a an of in for by
    your and or caller id calling called party blocked barred permitted codec codecs negotiation
    incompatible sdp body header missing malformed value values completed elsewhere cancelled cancel
    canceled hangup up hung bye ack invite register update prack options subscribe notify publish
    refer info device phone offline registered registration expired try again later maintenance
    overload overloaded limit reached license licence account credit balance insufficient denied
    access policy violation reason response reply released release originator terminator rtp
    inactivity dead peer connection refused unreachable host port transport udp tcp tls dns lookup
    resolution stale nonce wrong password username mismatch spam fraud robot privacy trunk outgoing
    incoming calls external dialplan source valid full stop ended end state wait waiting duplicate
    merged
    """.split()
)
"""Words of reason phrases (IANA's list of response codes), of causes (ITU-T Q.850), and such as servers
put into texts of their own."""
_HARMLESS = frozenset(
    b"linux x86_64 amd64 arm64 i386 windows macos ios android debian ubuntu centos openssl".split()
)


class Texts:
    """Masks what servers say of a call and of themselves."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks

    def spoken(self, text: bytes) -> bytes:
        """Return a reason phrase or the like: with numbers, names and all unknown words masked."""
        return _WORD.sub(
            lambda hit: hit[0] if hit[0].lower() in _WORDS else self._masks.token(hit[0]), text
        )

    def product(self, text: bytes) -> bytes:
        """Return User-Agent or Server: products with their versions; names in comments are masked."""
        return _PRODUCT.sub(self._product, text)

    def _product(self, match: re.Match[bytes]) -> bytes:
        piece = match[0]
        if not piece.startswith(b"("):
            named = _VERSIONED.fullmatch(piece) or _RELEASE.fullmatch(piece)
            return piece if named and not _DEVICE.search(piece) else self._masks.opaque(piece)
        words = _BETWEEN.split(piece[1:])
        return b"(" + b"".join(
            word if self._tells_nothing(word) else self._masks.opaque(word) for word in words
        )

    @staticmethod
    def _tells_nothing(word: bytes) -> bool:
        return word.lower() in _HARMLESS or _PLAIN_VERSION.fullmatch(word) is not None
