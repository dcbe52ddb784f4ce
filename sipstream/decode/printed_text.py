"""Messages in the text that tcpdump prints below a packet's line, without their CRs: -A and -v.

Sans-IO. Text that a mailer or a terminal broke into shorter lines is joined again where the length
that tcpdump printed proves the result; else a break is shown as a fold, but never within a Call-ID.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sipstream.sip.startline import KNOWN, NOT_SIP, kind_of

_INDENTED = re.compile(rb"(?:(?:    |\t)[^\n]*(?:\n|\Z))*")
FIELD = re.compile(rb"[\w\-.!%*+`'~]{1,64}[ \t]*:|[ \t]")
"""A header's first line, or its fold (RFC 3261 section 7.3.1)."""
_CALL_ID = re.compile(rb"(?:call-id|i)[ \t]*:", re.IGNORECASE)
_VERSION = b"SIP/2.0"
_TOKEN_END = re.compile(rb"[A-Z][A-Z0-9_.-]*\Z")
_KNOWN_END = re.compile(b"(?:%b)\\Z" % b"|".join(KNOWN))
"""No known method ends in another one; the longest has nine letters."""
_RESPONSE_CODE = re.compile(rb" \d{3}[ \r\n]")
_UDP4, _UDP6 = 28, 48
"""Bytes of the headers of IP and UDP."""


def start_line(data: bytes, start: int, end: int) -> int:
    """Return where in -A text the first start line begins, -1 where there is none.

    Bytes of the headers before it stand on the same line, as letters or dots.
    """
    place = data.find(_VERSION, start, end)
    while place >= 0:
        behind = place + len(_VERSION)
        if _RESPONSE_CODE.match(data, behind, end):
            return place
        if data[place - 1 : place] == b" " and data[behind : behind + 1] in (b"\n", b"\r", b""):
            method = _method(data, start, place - 1)
            if method >= 0:
                return method
            break
        place = data.find(_VERSION, behind, end)
    # Not as the book has it: where the payload must begin, one character a header byte.
    place = start + (_UDP6 if data[start : start + 1] == b"`" else _UDP4)
    return place if kind_of(data, place, end) != NOT_SIP else -1


def _method(data: bytes, start: int, uri_end: int) -> int:
    """Return where the method begins before a URI that ends at `uri_end`, -1 where none does."""
    line = max(data.rfind(b"\n", start, uri_end) + 1, start)
    space = data.rfind(b" ", line, uri_end)
    if space < 0:
        return -1
    glued = data[max(line, space - 32) : space]
    method = _KNOWN_END.search(glued, len(glued) - 9) or _TOKEN_END.search(glued)
    return -1 if method is None else space - len(method[0])


def text_end(data: bytes, start: int, end: int) -> int:
    """Return where text ends, without the line end that tcpdump puts behind a packet."""
    if data[end - 1 : end] == b"\n":
        end -= 1
        if data[end - 1 : end] == b"\r":
            end -= 1
    return max(start, end)


def indented(data: bytes, wanted: int, start: int, end: int) -> tuple[bytes, int]:
    """Return the message that -v printed line by line behind tabs, and where the lines end.

    `start` is the place of the first tab. `wanted` is the length that was printed, -1 for none: it
    tells which line ends the message had. b"" stands for one that can't be joined again.
    """
    block = data[start + 1 : text_end(data, start + 1, end)]
    joined = block.replace(b"\n\t", b"\r\n")
    missing = wanted - len(joined)
    if missing in (0, 2) and block.count(b"\n") == block.count(b"\n\t"):
        return joined + b"\r\n"[:missing], end
    match = _INDENTED.match(data, start, end)
    text = match.end() if match else end
    plain = data[start + 1 : text_end(data, start + 1, text)].replace(b"\r\n", b"\n")
    plain = plain.replace(b"\n\t", b"\n")
    missing = wanted - len(plain)
    if missing in (0, 1):
        return plain + b"\n"[:missing], text
    joined = plain.replace(b"\n", b"\r\n")
    # A line that the end of the text cut off gets no end.
    if data[text - 1 : text] == b"\n":
        missing = wanted - len(joined)
        joined += b"\r\n" if missing else b""
    if missing not in (0, 2) and data.find(b"\n\t", text, end) >= 0:
        # Lines at the margin, and behind them more of the message: something broke its lines.
        lines = block.replace(b"\r\n", b"\n").split(b"\n")
        fields = _fields([b"\t" + lines[0], *lines[1:]], lambda line: line[:1] not in b"\t")
        # A tab alone is often left out as a blank at a line's end.
        fields = [[pieces[0][1:], *pieces[1:]] for pieces in fields]
        joined = _exactly(fields, wanted) or _folded(fields)
        return joined, end
    return joined, text


def unbroken(text: bytes, wanted: int) -> bytes | None:
    """Return a message of -A anew if its header lines were broken, None where nothing is to be done.

    `wanted` is the length that was printed, -1 for none. b"" stands for one whose Call-ID can't be
    joined again.
    """
    if wanted < 0:
        return b"" if _is_call_id_broken(text) else None
    if len(text) + text.count(b"\n") <= wanted or len(text) == wanted:
        return None
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    # Lines of the body may be anything.
    blank = lines.index(b"") if b"" in lines else len(lines)
    fields = _fields(lines[:blank], lambda line: not FIELD.match(line))
    if all(len(field) == 1 for field in fields):
        return None
    joined = _exactly(fields + [[line] for line in lines[blank:]], wanted)
    if joined is not None:
        return joined
    return b"" if _call_id_broken(fields) else None


def _is_call_id_broken(text: bytes) -> bool:
    """Tell whether behind the usual Call-ID line stands one that is neither a field nor a fold."""
    place = text.find(b"\nCall-ID:")
    line_end = text.find(b"\n", place + 1)
    return (
        place >= 0
        and 0 <= line_end < len(text) - 1
        and not FIELD.match(text, line_end + 1)
        and text[line_end + 1] not in b"\r\n"
    )


def _fields(lines: list[bytes], is_rest: Callable[[bytes], bool]) -> list[list[bytes]]:
    """Return each line with the broken off rests behind it; the first one is the start line."""
    fields = [lines[:1]]
    for line in lines[1:]:
        if is_rest(line):
            fields[-1].append(line)
        else:
            fields.append([line])
    return fields


def _exactly(fields: list[list[bytes]], wanted: int) -> bytes | None:
    """Return a message of lines in pieces as it was, None where its length doesn't prove it.

    A terminal breaks lines anywhere, a mailer at a blank.
    """
    for between in (b"", b" "):
        joined = b"\r\n".join(between.join(pieces) for pieces in fields)
        missing = wanted - len(joined)
        if missing in (0, 2):
            return joined + b"\r\n"[:missing]
    return None


def _call_id_broken(fields: list[list[bytes]]) -> bool:
    return any(len(pieces) > 1 and _CALL_ID.match(pieces[0]) for pieces in fields)


def _folded(fields: list[list[bytes]]) -> bytes:
    """Return a message of lines in pieces with a fold at each break, b"" where its Call-ID broke."""
    if _call_id_broken(fields):
        return b""
    # No start line goes on in a fold (RFC 3261 section 7.1).
    start, *headers = fields
    lines = [b" ".join(start), *(b"\r\n ".join(pieces) for pieces in headers)]
    return b"\r\n".join(lines) + b"\r\n"
