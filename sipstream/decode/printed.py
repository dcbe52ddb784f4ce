"""One packet as tcpdump prints it: its endpoints, and of its bytes what the form kept.

Sans-IO. A hex dump (`-x`, `-X`) holds the whole packet, which is rebuilt. Text (`-A`, `-v`) holds the
message without the CRs of its line ends: that of `-A` is taken where it stands, that of `-v` is
indented and joined anew. Where several forms are printed, the fullest one counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sipstream.decode import hexdump, printed_tcp
from sipstream.decode.printed_ends import Ends, with_ports
from sipstream.decode.printed_text import indented, start_line, text_end, unbroken
from sipstream.limits import MAX_LAYERS
from sipstream.packets import Linktype
from sipstream.reasons import BROKEN, IN_PART, NO_PORTS, NO_TEXT, NOT_SIP
from sipstream.sip.scan import call_id_of

_PASTED = b"\n        "
"""A line end and a tab, as copied from a terminal."""
_BELOW_FIRST = (b"\t", b" ", b"E", b"`")
_BELOW = re.compile(rb"\n(?=[\tE`]| {8})")
"""Where text begins below a packet's line: a tab, or the first byte of an IP header."""
_REACH = 640
"""Bytes within which they are looked for: twice the longest line of tcpdump's."""
_ENDS = re.compile(
    rb"(?:IP6? )?(?:\([^\n]{1,200}\)\r?\n {4})?[^ \n]{1,255} > [^ \n]{1,255}: |IP6? "
)
"""Endpoints in a tunnel: with -e no `IP` stands before them."""
_LENGTH = re.compile(rb"length:? (\d{1,7})")
_VERSION = b"SIP/2.0"
_PLAIN = re.compile(
    rb"(?:[^ \n]+ ){0,2}IP6? (?:\([^\n]*\)\r?\n {4})?([^ \n]{1,255} > [^ \n]{1,255}): "
)
"""The line of most packets, up to what it says of the transport."""
_SAYS_SIP = re.compile(rb"(?:\[[^\]\n]{1,60}\] )?SIP\b")
"""What tcpdump calls a datagram of port 5060; -vv puts `[udp sum ok]` before it."""
_BLANKS = 8
"""Bytes of line ends that may stand before or behind the text of a message."""


@dataclass(slots=True)
class Printed:
    """What one printed packet holds: `packet`, or a payload with its endpoints, or a `reason`."""

    reason: str = ""
    packet: bytes | None = None
    linktype: int = Linktype.RAW
    transport: str = ""
    ends: Ends = ("", 0, "", 0)
    data: bytes = b""
    start: int = 0
    end: int = 0
    offset_known: bool = False
    """The payload stands in the given text as it is, at `start`."""
    cut: bool = False
    """The payload lacks its end."""
    sequence: int = 0
    acknowledged: int = 0
    flags: int = 0


def parse_printed(data: bytes, start: int, end: int) -> Printed:
    """Read the printed packet data[start:end], which begins with its line."""
    line_end = data.find(b"\n", start, end)
    if line_end < 0:
        line_end = end
    text = line_end + 1
    if data[text : min(text + 1, end)] in (b"\t", b" "):
        first_hex = data.rfind(hexdump.FIRST, line_end, end)
        if first_hex >= 0:
            packet = hexdump.packet(data, first_hex, end)
            return Printed("", packet, hexdump.linktype(packet))
    head_end = _head_end(data, line_end, end)
    if data[head_end + 1 : head_end + 2] not in _BELOW_FIRST and head_end + 1 < end:
        below = _BELOW.search(data, head_end, min(head_end + _REACH, end))
        if below is not None:
            return _from_broken(data, start, below.start(), end)
    if data.startswith(_PASTED[1:], head_end + 1, end):
        # A terminal shows tabs as blanks: what was copied from it has these.
        return _anew(data[start:end].replace(_PASTED, b"\n\t"))
    ends, place, headers = _ends(data, start, head_end)
    if ends is None:
        return Printed(NO_PORTS if place else _unread(data, text, end))
    return _segment(data, place, end, ends, headers) or _datagram(data, place, head_end, end, ends)


def _anew(data: bytes) -> Printed:
    """Read a packet whose text was put right: it doesn't stand anywhere as it is now."""
    printed = parse_printed(data, 0, len(data))
    printed.offset_known = False
    return printed


def _from_broken(data: bytes, start: int, head_end: int, end: int) -> Printed:
    """Read a packet of which something broke the line: a terminal anywhere, a mailer at a blank.

    Where both are possible and don't agree on the endpoints, neither is believed.
    """
    pieces = [line.rstrip(b"\r") for line in data[start:head_end].split(b"\n")]
    ways = [_anew(between.join(pieces) + data[head_end:end]) for between in (b"", b" ")]
    read = [one for one in ways if not one.reason]
    if len({one.ends for one in read}) == 1:
        return read[0]
    reasons = {one.reason for one in ways}
    return ways[0] if len(reasons) == 1 and not read else Printed(_unread(data, start, end))


def _unread(data: bytes, text: int, end: int) -> str:
    """Return why a packet with text gives nothing: never in silence where it looks like SIP."""
    return BROKEN if data.find(_VERSION, text, end) >= 0 else NOT_SIP


def _segment(data: bytes, place: int, end: int, ends: Ends, headers: int) -> Printed | None:
    """Read a TCP segment, None where it is none."""
    try:
        found = printed_tcp.segment(data, place, end, headers)
    except ValueError:
        return Printed(_unread(data, place, end))
    if found is None:
        return None
    payload = found.payload
    if payload is None:
        return Printed(NO_TEXT if _is_usual(ends) else NOT_SIP)
    return Printed(
        transport="TCP",
        ends=ends,
        data=payload,
        end=len(payload),
        sequence=found.sequence,
        acknowledged=found.acknowledged,
        flags=found.flags,
    )


def _datagram(data: bytes, place: int, head_end: int, end: int, ends: Ends) -> Printed:
    """Read a datagram's text, of -A or else of -v."""
    length = _LENGTH.search(data, place, head_end)
    wanted = int(length[1]) if length else -1
    text = head_end + 1
    payload = b""
    if data.startswith(b"\t", text):
        payload, text = indented(data, wanted, text, end)
        if not payload:
            return Printed(_unread(data, head_end, end))
    begin = start_line(data, text, end) if text < end else -1
    if begin >= 0:
        stop = text_end(data, begin, end)
        joined = unbroken(data[begin:stop], wanted)
        if joined is None:
            cut = _lacks_end(data, begin, stop, wanted)
            return Printed("", None, 0, "UDP", ends, data, begin, stop, True, cut)
        payload = joined
    if payload and call_id_of(payload, 0, len(payload)) is None:
        return Printed(IN_PART if _SAYS_SIP.match(data, place) else NOT_SIP)
    if payload:
        cut = _lacks_end(payload, 0, len(payload), wanted)
        return Printed("", None, 0, "UDP", ends, payload, 0, len(payload), False, cut)
    if text >= end and (_SAYS_SIP.match(data, place) or (_is_usual(ends) and wanted > 0)):
        return Printed(NO_TEXT)
    return Printed(_unread(data, head_end, end))


def _is_usual(ends: Ends) -> bool:
    """Tell whether one of the ports is one of SIP's own."""
    return 5060 in ends or 5061 in ends


def _lacks_end(data: bytes, start: int, end: int, length: int) -> bool:
    """Tell whether text is shorter than the payload was, even if each line has lost its CR."""
    return end - start + data.count(b"\n", start, end) + _BLANKS < length


def _head_end(data: bytes, line_end: int, end: int) -> int:
    """Return the end of the packet's line with the lines that -v continues it with."""
    while data.startswith(b"    ", line_end + 1, end):
        if data.startswith(b" ", line_end + 5, end):
            break
        line_end = data.find(b"\n", line_end + 1, end)
        if line_end < 0:
            return end
    return line_end


def _ends(data: bytes, start: int, head_end: int) -> tuple[Ends | None, int, int]:
    """Return the innermost endpoints, where their protocol's text begins, how many IP headers.

    None where they have no ports; place 0 where there are none.
    """
    plain = _PLAIN.match(data, start, head_end)
    if plain is not None and not _ENDS.match(data, plain.end(), head_end):
        return with_ports(plain[1]), plain.end(), 1
    place = start
    found: tuple[Ends | None, int, int] = None, 0, 0
    for _ in range(MAX_LAYERS):
        arrow = data.find(b" > ", place, head_end)
        if arrow < 0:
            break
        colon = data.find(b": ", arrow + 3, head_end)
        if colon < 0 or data.find(b" ", arrow + 3, colon) >= 0:
            # Hardware addresses, as -e prints them.
            place = arrow + 3
            continue
        left = max(data.rfind(b" ", place, arrow), data.rfind(b"\n", place, arrow)) + 1
        found = with_ports(data[max(left, place) : colon]), colon + 2, found[2] + 1
        place = colon + 2
        if not _ENDS.match(data, place, head_end):
            break
    return found
