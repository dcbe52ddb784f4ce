"""Header fields found by searching bytes, when asked for and only those asked for (RFC 3261 7.3).

A name as most stacks write it is found by one `find`; compact forms, other case, blanks before the
colon and folded values take the regular expression. Values come back without folds and outer blanks.
"""

from __future__ import annotations

import re
from functools import lru_cache

COMPACT = {
    # RFC 3261 section 7.3.3, 3515, 3265, 4028, 3841, 4412, 3892 and 4474, as IANA lists them
    "accept-contact": "a",
    "allow-events": "u",
    "call-id": "i",
    "contact": "m",
    "content-encoding": "e",
    "content-length": "l",
    "content-type": "c",
    "event": "o",
    "from": "f",
    "identity": "y",
    "refer-to": "r",
    "referred-by": "b",
    "reject-contact": "j",
    "request-disposition": "d",
    "session-expires": "x",
    "subject": "s",
    "supported": "k",
    "to": "t",
    "via": "v",
}
_LONG = {short: long for long, short in COMPACT.items()}
_FOLD = re.compile(rb"(?:(?<![ \t])[ \t]+)?\r?\n[ \t]+")
"""Blanks are looked at from their first one on only: a long run of them costs no more."""
_FIELD = re.compile(rb"\n([^\r\n][^\n]*(?:\n[ \t][^\n]*)*)")
_BLANK_LINE = re.compile(rb"\n\r?\n")


@lru_cache(maxsize=512)
def _needle(name: str) -> bytes:
    return b"\n" + name.encode("utf-8", "surrogateescape") + b":"


@lru_cache(maxsize=512)
def _pattern(name: str) -> re.Pattern[bytes]:
    """Return the pattern of a header's whole field; its group 1 is the value with its folds."""
    return _pattern_of((name,))


@lru_cache(maxsize=512)
def _pattern_of(several: tuple[str, ...]) -> re.Pattern[bytes]:
    """Return the same of several headers."""
    lower = [name.lower() for name in several]
    names = {
        *lower,
        *(COMPACT.get(one, one) for one in lower),
        *(_LONG.get(one, one) for one in lower),
    }
    alternatives = b"|".join(re.escape(one.encode("utf-8", "surrogateescape")) for one in names)
    return re.compile(
        rb"\n(?:" + alternatives + rb")[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE
    )


def blank_line(data: bytes | bytearray, start: int, end: int) -> tuple[int, int] | None:
    """Return where the headers end and the body begins, None where no blank line is.

    Line ends may be CRLF or LF, also mixed.
    """
    blank = _BLANK_LINE.search(data, start, end)
    if blank is None:
        return None
    place = blank.start()
    return place - (place > start and data[place - 1] == 0x0D), blank.end()


def head_end(data: bytes, start: int, end: int) -> int:
    """Return the place of the line end that closes the last header; `end` where no blank line is."""
    blank = blank_line(data, start, end)
    return end if blank is None else blank[0]


def lines_end(data: bytes, start: int, end: int) -> int:
    """Return the place behind the last header line that has an end; `end` where a body follows."""
    if blank_line(data, start, end) is not None:
        return end
    return max(data.rfind(b"\n", start, end) + 1, start)


def body_start(data: bytes, start: int, end: int) -> int:
    """Return the place of the body's first byte, `end` where there is none."""
    blank = blank_line(data, start, end)
    return end if blank is None else blank[1]


def first(data: bytes, start: int, end: int, name: str) -> bytes | None:
    """Return the value of a header of the message data[start:end], None where it has none.

    `name` in the spelling most stacks use ("Call-ID", "From") takes the short way. Of several values
    the first one counts, those in that spelling before others.
    """
    needle = _needle(name)
    place = data.find(needle, start, end)
    if place >= 0:
        value_start = place + len(needle)
        line_end = data.find(b"\n", value_start, end)
        if line_end < 0:
            line_end = end
        if (
            data[line_end + 1 : line_end + 2] not in (b" ", b"\t")
            # The blank line may end right before the name: then it is the body's first line.
            and data.find(b"\n\r\n", start, place + 1) < 0
            and data.find(b"\n\n", start, place + 1) < 0
        ):
            return data[value_start:line_end].strip()
    stop = head_end(data, start, end)
    match = _pattern(name).search(data, start, stop)
    return _clean(match[1]) if match else None


def every(data: bytes, start: int, end: int, name: str) -> list[bytes]:
    """Return the values of all fields of that name, in their order, folds undone."""
    stop = head_end(data, start, end)
    return [_clean(match[1]) for match in _pattern(name).finditer(data, start, stop)]


def every_of(data: bytes, start: int, end: int, names: tuple[str, ...]) -> list[bytes]:
    """Return the values of all fields of several names, found in one pass."""
    stop = head_end(data, start, end)
    return [_clean(match[1]) for match in _pattern_of(names).finditer(data, start, stop)]


def fields(data: bytes, start: int, end: int) -> list[tuple[bytes, bytes]]:
    """Return names and values of all fields, in their order, folds undone; other lines have no name."""
    found = []
    line_end = data.find(b"\n", start, end)
    for match in _FIELD.finditer(data, start if line_end < 0 else line_end, end):
        name, colon, value = match[1].partition(b":")
        found.append((name.rstrip(), _clean(value)) if colon else (b"", _clean(name)))
    return found


def _clean(value: bytes) -> bytes:
    if b"\n" not in value:
        return value.strip()
    return _FOLD.sub(b" ", value).strip()


def split_values(value: str) -> list[str]:
    """Return the parts of a comma-separated value; commas in quotes or <> don't separate."""
    if "," not in value:
        return [value.strip()] if value.strip() else []
    parts: list[str] = []
    begin = 0
    quoted = angled = False
    skip = False
    for place, char in enumerate(value):
        if skip:
            skip = False
        elif char == "\\" and quoted:
            skip = True
        elif char == '"':
            quoted = not quoted
        elif not quoted and char in "<>":
            angled = char == "<"
        elif char == "," and not quoted and not angled:
            parts.append(value[begin:place].strip())
            begin = place + 1
    parts.append(value[begin:].strip())
    return [part for part in parts if part]
