"""What the parts of a message's text are, for colours: names of headers, who calls whom, media.

Works on escaped text, line by line, and changes no character of it: the pieces of a line, put
together, are the line. Linear in the text, whatever stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sipstream.render.colours import Paint

NAME, PARTY, MEDIA = "name", "party", "media"
"""A header's name or a line's letter in SDP; a number or user; address, port and codec of media."""
Pieces: TypeAlias = list[tuple[str, str]]
"""Pieces of a line, each with what it is; "" for nothing in particular."""

MOST_LINES = 2000
"""Lines of a message that have colours, a few milliseconds' work; what stands behind them has none."""

_HEADER = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}[ ]{0,8}:")
_PARTIES = {
    "from", "f", "to", "t", "contact", "m", "diversion", "history-info", "refer-to", "r",
    "referred-by", "b", "p-asserted-identity", "p-preferred-identity", "remote-party-id",
    "p-called-party-id",
}  # fmt: skip
"""Headers whose values say who takes part."""
_USER = re.compile(r"(?i:sips?|tel):([^@;>\s]{1,128})")
_SDP = re.compile(r"[a-z]=")
_OF_MEDIA = re.compile(
    r"(?:m=(?P<m>\S{1,64} \d{1,5})|c=IN IP[46] (?P<c>\S{1,255})"
    r"|a=rtpmap:\d{1,3} (?P<rtpmap>[^\s/]{1,64})|a=(?P<way>sendrecv|sendonly|recvonly|inactive)$)"
)


def lines(text: str) -> Iterator[Pieces]:
    """Yield the pieces of each line of what stands behind a message's start line."""
    in_body = False
    *first, rest = text.split("\n", MOST_LINES)
    for line in first:
        in_body |= not line
        yield _of_body(line) if in_body else _of_head(line)
    if len(first) == MOST_LINES:
        yield [("", rest)]
    else:
        yield _of_body(rest) if in_body else _of_head(rest)


def painted(text: str, paint: Paint) -> str:
    """Return what stands behind a message's start line with colours around its pieces."""
    if not paint.enabled:
        return text
    around: Mapping[str, Callable[[str], str]] = {
        "": str,
        NAME: paint.name,
        PARTY: paint.party,
        MEDIA: paint.media,
    }
    return "\n".join("".join(around[what](piece) for what, piece in line) for line in lines(text))


def _of_head(line: str) -> Pieces:
    header = _HEADER.match(line)
    if header is None:
        return [("", line)]
    end = header.end()
    if header[0][:-1].rstrip().lower() in _PARTIES and (user := _USER.search(line, end)):
        return [(NAME, line[:end]), *_around(line, end, user.span(1), PARTY)]
    return [(NAME, line[:end]), ("", line[end:])]


def _of_body(line: str) -> Pieces:
    """Return the pieces of a line of SDP, or of a header of a part of the body."""
    if _SDP.match(line):
        media = _OF_MEDIA.match(line)
        if media is not None and media.lastgroup is not None:
            return [(NAME, line[:2]), *_around(line, 2, media.span(media.lastgroup), MEDIA)]
        return [(NAME, line[:2]), ("", line[2:])]
    header = _HEADER.match(line) if line[:8].lower() == "content-" else None
    if header is not None:
        return [(NAME, header[0]), ("", line[header.end() :])]
    return [("", line)]


def _around(line: str, begin: int, span: tuple[int, int], what: str) -> Pieces:
    first, end = span
    return [("", line[begin:first]), (what, line[first:end]), ("", line[end:])]
