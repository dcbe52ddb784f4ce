"""What a PASSporT in an Identity header claims (RFC 8224, RFC 8225, RFC 8588). Nothing is verified."""

from __future__ import annotations

import base64
import binascii
import json

_LONGEST = 16_384
"""Characters of a token that is looked at; those of telephone numbers have some hundreds."""


def attestation(identity: str) -> str:
    """Return the attestation that an Identity header's value claims, A, B or C; "" for none."""
    token = identity.partition(";")[0].strip()
    parts = token.split(".")
    if len(parts) < 2 or len(token) > _LONGEST:
        return ""
    payload = parts[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    claim = claims.get("attest") if isinstance(claims, dict) else None
    return claim if isinstance(claim, str) else ""
