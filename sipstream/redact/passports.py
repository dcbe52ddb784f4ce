"""Identity (RFC 8224): what it claims of a call stays, of whom it claims it is masked. Sans-IO.

The token's parts are JSON in base64 (RFC 8225): its strings are masked where they stand, so that it is as
long as it was. The signature is masked too; it wouldn't fit any more.
"""

from __future__ import annotations

import base64
import binascii
import re

from sipstream.redact.masks import Masks
from sipstream.redact.uris import Uris

_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"([ \t\r\n]*:)?|[0-9]+|[A-Za-z\x80-\xff]+', re.DOTALL)
_CLAIMS = frozenset(
    b"alg ppt typ x5u attest orig dest tn uri iat origid div opt rph auth mky".split()
)
"""Names that stay (RFC 8225, RFC 8588, RFC 8946)."""
_OPEN = {
    b"alg": re.compile(rb"(?:ES|RS)(?:256|384|512)"),
    b"ppt": re.compile(rb"shaken|div|div-o|rph"),
    b"typ": re.compile(rb"passport"),
    b"attest": re.compile(rb"[ABC]"),
}
"""Claims whose values stay, and what these have to be."""
_WORDS = frozenset((b"true", b"false", b"null"))
_SECONDS = 11
"""Digits of a time in seconds."""
_NUMBER = re.compile(rb"[0-9]{10,15}")


class Passports:
    """Masks the tokens of Identity headers."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._uris = Uris(masks)

    def identity(self, value: bytes) -> bytes:
        """Return an Identity header's value; what isn't the token of a PASSporT is masked whole."""
        token, semicolon, parameters = value.partition(b";")
        parts = token.split(b".")
        shown = [self._part(part) for part in parts[:2]]
        shown += map(self._masks.opaque, parts[2:])
        return b".".join(shown) + self._uris.parties(semicolon + parameters)

    def _part(self, part: bytes) -> bytes:
        """Return a part of a token, decoded, masked and encoded again."""
        bare = part.strip()
        try:
            text = base64.b64decode(bare + b"=" * (-len(bare) % 4), b"-_", validate=True)
        except binascii.Error:
            return self._masks.opaque(part)
        claim = b""

        def masked(match: re.Match[bytes]) -> bytes:
            nonlocal claim
            inner = match[1]
            if inner is None:
                is_open = match[0] in _WORDS or (claim == b"iat" and len(match[0]) <= _SECONDS)
                return match[0] if is_open else self._masks.opaque(match[0])
            if match[2] is not None:
                claim = inner
                name = inner if inner in _CLAIMS else self._masks.opaque(inner)
                return b'"' + name + b'"' + match[2]
            return b'"' + self._value(claim, inner) + b'"'

        coded = base64.urlsafe_b64encode(_STRING.sub(masked, text)).rstrip(b"=")
        if not text.startswith(b"{") or len(coded) != len(bare):
            return self._masks.opaque(part)
        return part.replace(bare, coded)

    def _value(self, claim: bytes, value: bytes) -> bytes:
        pattern = _OPEN.get(claim)
        if pattern is not None and pattern.fullmatch(value):
            return value
        if claim == b"tn" and _NUMBER.fullmatch(value):
            # It has no + although it is international (RFC 8225 section 5.2.1).
            return self._masks.number(f"+{value.decode('ascii')}").encode("ascii")[1:]
        return self._uris.identifier(value)
