"""What tells dialogs and their requests apart: tags of From and To, numbers of CSeq (RFC 3261 12).

Sans-IO. What makes no sense is "" or None.
"""

from __future__ import annotations

import re

_TAG = re.compile(r";\s*tag\s*=\s*([^\s;,>]+)", re.IGNORECASE)
_SEQUENCE = re.compile(r"\s*(\d{1,10})\s+(\S+)")


def tag_in(value: str) -> str:
    """Return the tag of a From or To value, "" where it has none (RFC 3261 19.3)."""
    # In the URI, or in a display name, it would be something else.
    match = _TAG.search(value, value.rfind(">") + 1)
    return match[1] if match else ""


def sequence_in(value: str) -> tuple[int, str] | None:
    """Return number and method of a CSeq value (RFC 3261 20.16)."""
    match = _SEQUENCE.match(value)
    return (int(match[1]), match[2]) if match else None
