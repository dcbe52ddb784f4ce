"""Via: the way a request took, and where its responses go (RFC 3261 section 20.42, RFC 3581).

Sans-IO. What makes no sense is "" or None.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from sipstream.sip.headers import split_values

_VIA = re.compile(
    r"SIP\s*/\s*[^\s/]+\s*/\s*(\S+)\s+(\[[^\]]*\]|[^\s;:,]+)(?:\s*:\s*(\d{1,5}))?", re.I
)
_USUAL = 512
"""Characters up to which values are remembered."""
_PARAMETER = re.compile(r";\s*([^\s;=,]+)(?:\s*=\s*([^\s;,]*))?")


class Via(NamedTuple):
    """A hop."""

    transport: str
    """UDP, TCP … in capitals."""
    host: str
    """What the sender calls itself (sent-by), without brackets."""
    port: int | None
    """None: the transport's own."""
    branch: str
    received: str
    """The address it really came from, told by the next hop; "" where it told none."""
    rport: int | None
    """The port it really came from; None where it isn't told, or only asked for."""

    @property
    def sent_by(self) -> tuple[str, int | None]:
        """Host and port together, which with the branch name a transaction (RFC 3261 17.2.3)."""
        return self.host, self.port


NO_VIA = Via("", "", None, "", "", None)


def top(value: str) -> Via:
    """Return the first hop that a Via field names, NO_VIA where it names none."""
    # Responses bring back the Via of their request.
    return _known_top(value) if len(value) <= _USUAL else _top(value)


def _top(value: str) -> Via:
    match = _VIA.match(value)
    if match is None:
        return NO_VIA
    parameters: dict[str, str] = {}
    end = value.find(",", match.end())
    for name, content in _PARAMETER.findall(value, match.end(), len(value) if end < 0 else end):
        parameters.setdefault(name.lower(), content)
    rport = parameters.get("rport", "")
    return Via(
        match[1].upper(),
        match[2].strip("[]"),
        int(match[3]) if match[3] else None,
        parameters.get("branch", ""),
        parameters.get("received", "").strip("[]"),
        int(rport) if rport.isdecimal() and len(rport) <= len("65535") else None,
    )


_known_top = lru_cache(maxsize=256)(_top)


def every(values: list[str]) -> list[Via]:
    """Return all hops that some Via fields name, the last one first as they stand."""
    return [top(part) for value in values for part in split_values(value)]
