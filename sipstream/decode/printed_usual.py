"""How nearly all messages are printed: what the cut into packets found needs no second look.

Sans-IO. One pattern takes a packet's line, its endpoints and length and all up to the message's first
byte. Whatever it doesn't take, however little is strange about it, is `printed`'s concern; what it
takes is read here as it would be there.
"""

from __future__ import annotations

import re

from sipstream.decode.printed_text import FIELD
from sipstream.sip.startline import KNOWN

_METHOD = rb"(?:" + b"|".join(KNOWN) + rb") "
_BEGINS = rb"(?=SIP/2\.0 \d{3}[ \n]|" + _METHOD + rb"[^ \n]+ SIP/2\.0\n)"
_HEADERS = (
    rb"(?:E(?:[^S]{25,27}|(?!(?s:.){0,20}SIP/2\.0)(?s:.{25,27}))"
    rb"|`(?:[^S]{45,47}|(?!(?s:.){0,40}SIP/2\.0)(?s:.{45,47})))(?<!\n\t)" + _BEGINS
)
"""The headers of IP and UDP, a character a byte but for a CR before a LF, which isn't printed."""


def pattern(first_line: bytes) -> bytes:
    """Return how a packet's line goes on behind its stamp; groups: endpoints, length of -v, of -A.

    `first_line` is the pattern of what -v prints in parentheses before it goes on in a second line.
    """
    return (
        rb"IP6? (?:\(" + first_line + rb"\)\n {4})?(\S{1,200} > \S{1,199}): (?:\[[^\]\nl]{1,60}\] )?"
        rb"(?:SIP, length: (\d{1,7})\n\t" + _BEGINS
        # A reason phrase with digits could be taken for a length.
        + rb"|SIP: (?:" + _METHOD + rb"[^ \n]+ SIP/2\.0|SIP/2\.0 \d{3}(?: [^\n\d]*)?)\n" + _HEADERS
        + rb"|UDP, length (\d{1,7})\n" + _HEADERS
        + rb")"
    )  # fmt: skip


_RETURNS = bytes.maketrans(b"\n\t", b"\r\n")
_CR = 13
_BLANKS = 8
"""Bytes of line ends that may stand before or behind the text of a message."""
_CALL_ID = b"\nCall-ID:"
_CALL_ID_LINE = re.compile(_CALL_ID + rb"[^\n]*(?:\Z|\n(?:\Z|[\r\n]|" + FIELD.pattern + rb"))")


def indented(lines: bytes, length: int) -> bytes | None:
    """Return the message of `length` bytes that -v printed as `lines`, the first without its tab.

    A line end and a tab stand for CR and LF; the last line lacks its end, which may have been CR and
    LF. None where a line has no tab before it, where tabs are elsewhere, or where the last line may be
    of a hex dump.
    """
    joined = lines.translate(_RETURNS)
    if (
        joined != lines.replace(b"\n\t", b"\r\n")
        or joined.startswith(b"0x", joined.rfind(b"\n") + 1)
        or joined[-1] == _CR
    ):
        return None
    return joined + b"\r\n" if len(joined) < length else joined


def as_sent(text: bytes) -> bytes:
    """Return the same message from as many bytes of the text that it was printed in.

    Where its last line end stands for CR and LF, the byte behind is of the next packet's line.
    """
    if text[-2:-1] == b"\n" and text[-1:] != b"\t":
        text = text[:-1] + b"\t"
    return text.translate(_RETURNS)


def is_sound(data: bytes, start: int, end: int, length: int) -> bool:
    """Tell whether a message of -A has lost nothing, as far as can be told: neither its end nor a line's.

    `length` is what was printed, else the line behind the Call-ID's is looked at.
    """
    if data[end - 1] == _CR:
        return False
    if length >= 0:
        printed = end - start + data.count(b"\n", start, end)
        return printed <= length <= printed + _BLANKS
    place = data.find(_CALL_ID, start, end)
    return place < 0 or _CALL_ID_LINE.match(data, place, end) is not None
