"""Bodies as people can read them: text as it is, the rest by type and size (RFC 3261 section 7.4).

Sans-IO. Nothing is unpacked or decoded: what is packed is told by its size, so no body costs more
than its bytes. Parts of a multipart body (RFC 2046 section 5.1) are found in one pass; a multipart
body inside another one is one part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from sipstream.sip import headers

_TEXT = re.compile(r"text/|application/sdp\Z|message/|multipart/|.*[/+](?:xml|json)\Z")
"""Types of which odd bytes are shown one by one, as in all text."""
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BOUNDARY = re.compile(rb';\s*boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
"""RFC 2046 has 70 characters at most."""
_LONGEST_NAME = 64


class Body(NamedTuple):
    """A body, or a part of one."""

    type: str
    """Its type in lower case without parameters, "" where it has none."""
    encoding: str
    """Its Content-Encoding in lower case, "" where it has none."""
    start: int
    end: int

    @property
    def name(self) -> str:
        """What it is called where it isn't shown."""
        return self.encoding or self.type


def bodies(raw: bytes, most: int | None = None) -> list[Body]:
    """Return a message's body, of a multipart body its parts; nothing where there is no body.

    With `most` the last one of so many parts has all that is behind it too.
    """
    start, end = headers.body_start(raw, 0, len(raw)), len(raw)
    if start == end:
        return []
    kind = headers.first(raw, 0, start, "Content-Type") or b""
    body = Body(_name(kind), _encoding(raw, 0, start), start, end)
    boundary = _BOUNDARY.search(kind)
    if not body.type.startswith("multipart/") or body.encoding or boundary is None:
        return [body]
    return list(_parts(raw, start, end, boundary[1] or boundary[2], most)) or [body]


def readable(raw: bytes) -> bytes:
    """Return a message with what isn't text replaced by a line that tells type and size."""
    pieces = []
    place = 0
    for body in bodies(raw):
        if not is_text(raw, body):
            note = f"({body.name} body, {body.end - body.start} bytes)"
            pieces += [raw[place : body.start], note.encode("utf-8", "surrogateescape")]
            place = body.end
    return b"".join([*pieces, raw[place:]]) if pieces else raw


def is_text(raw: bytes, body: Body) -> bool:
    """Tell whether a body is shown as it is: packed ones never, others if they say so or look so."""
    if body.encoding:
        return False
    if not body.type or _TEXT.match(body.type):
        return True
    if _CONTROL.search(raw, body.start, body.end):
        return False
    try:
        raw[body.start : body.end].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parts(raw: bytes, start: int, end: int, boundary: bytes, most: int | None) -> Iterator[Body]:
    """Yield the parts between the delimiter's lines."""
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    # From the line end before the body on, which may be the first delimiter's.
    found = [*islice(delimiter.finditer(raw, start - 1, end), most)]
    stops = [one.start() for one in found[1:]] + [end]
    for one, stop in zip(found, stops, strict=False):
        if one[1]:
            break
        # The line end of the delimiter is the one before the part's first header, or blank line.
        head = one.end()
        content = min(headers.body_start(raw, head, stop), stop)
        kind = _name(headers.first(raw, head, content, "Content-Type") or b"text/plain")
        if content < stop:
            yield Body(kind, _encoding(raw, head, content), content, stop)


def _encoding(raw: bytes, start: int, end: int) -> str:
    name = _name(headers.first(raw, start, end, "Content-Encoding") or b"")
    return "" if name == "identity" else name


def _name(value: bytes) -> str:
    """Return a header's value in lower case, without parameters, of bounded length."""
    text = value.partition(b";")[0].strip().lower().decode("utf-8", "surrogateescape")
    return text[:_LONGEST_NAME]
