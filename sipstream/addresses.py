"""Addresses as people type them, and the names that they give these."""

from __future__ import annotations

import re
import socket

from sipstream.escape import brief

_ENDPOINT = re.compile(r"\[([^\]]*)\](?::(\d{1,5}))?|([^:]*):(\d{1,5})|(.*)", re.DOTALL)
_LONGEST = 32
"""Characters of an address' name: more have no room above a column."""


def check_shown(name: str) -> None:
    """Check the name of an address.

    Raises:
        ValueError: it can't be one; the text says why.
    """
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST:
        raise ValueError(f"'{brief(name)}' is no name: at most {_LONGEST} letters that show")


def read_address(text: str) -> str:
    """Return an address, or an address with a port, as it is written most often.

    Raises:
        ValueError: it is none; the text says what is wanted.
    """
    match = _ENDPOINT.fullmatch(text)
    host = (match[1] or match[3] or match[5] or "") if match else ""
    port = (match[2] or match[4]) if match else None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        address = socket.inet_ntop(family, socket.inet_pton(family, host))
    except (OSError, ValueError):
        raise ValueError(
            f"'{brief(text)}' is no address: 10.20.0.22, 10.20.0.22:5060 or [2001:db8::1]:5060"
        ) from None
    if port is None:
        return address
    return f"[{address}]:{int(port)}" if ":" in address else f"{address}:{int(port)}"
