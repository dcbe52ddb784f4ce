"""What a PASSporT in an Identity header claims (RFC 8224, RFC 8225, RFC 8588). Nothing is verified."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import NamedTuple

_LONGEST = 16_384
"""Characters of a token that is looked at; those of telephone numbers have some hundreds."""
_MOST = 100
"""Numbers of one claim that are kept."""
_KIND = re.compile(r";\s*ppt\s*=\s*\"?([\w-]{1,32})", re.IGNORECASE)


class Claims(NamedTuple):
    """What a token says of a call; "", () and None for what it doesn't."""

    kind: str
    """Its extension: shaken, div, rph …"""
    attestation: str
    """A, B or C (RFC 8588 section 4)."""
    orig: str
    """The number that calls."""
    dest: tuple[str, ...]
    """The numbers called."""
    issued: int | None
    """Seconds since the epoch."""


def attestation(identity: str) -> str:
    """Return the attestation that an Identity header's value claims, A, B or C; "" for none."""
    claim = _part(identity, 1).get("attest")
    return claim if isinstance(claim, str) else ""


def claims(identity: str) -> Claims | None:
    """Return what an Identity header's value claims; None for what isn't readable.

    That is so of the compact form, which says nothing by itself (RFC 8224 section 7).
    """
    found = _part(identity, 1)
    if not found:
        return None
    kind = _part(identity, 0).get("ppt")
    if not isinstance(kind, str):
        match = _KIND.search(identity)
        kind = match[1] if match else ""
    attest, issued = found.get("attest"), found.get("iat")
    return Claims(
        kind,
        attest if isinstance(attest, str) else "",
        next(iter(_numbers(found.get("orig"))), ""),
        _numbers(found.get("dest")),
        # A boolean is an int to Python.
        issued if type(issued) is int else None,
    )


def _numbers(claim: object) -> tuple[str, ...]:
    """Return the telephone numbers of orig or dest (RFC 8225 section 5.2.1)."""
    number = claim.get("tn") if isinstance(claim, dict) else None
    several = number if isinstance(number, list) else [number]
    return tuple(one for one in several[:_MOST] if isinstance(one, str))


def _part(identity: str, place: int) -> dict[str, object]:
    """Return the header (0) or payload (1) of a token; {} where it makes no sense."""
    token = identity.partition(";")[0].strip()
    parts = token.split(".")
    if len(parts) < 2 or len(token) > _LONGEST:
        return {}
    text = parts[place]
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
