"""One packet as tcpdump prints it: its endpoints, and of its bytes what the form kept.

Sans-IO. A hex dump (`-x`, `-X`) holds the whole packet, which is rebuilt. Text (`-A`, `-v`) holds the
message without the CRs of its line ends: that of `-A` is taken where it stands, that of `-v` is
indented and joined anew. Where several forms are printed, the fullest one counts.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from sipstream.decode import hexdump, tcp
from sipstream.decode.endpoints import Flow, Flows, key_of_name
from sipstream.limits import FLOWS, MAX_LAYERS
from sipstream.packets import Linktype
from sipstream.reasons import IN_PART, NO_PORTS, NO_TEXT, NOT_SIP
from sipstream.sip.scan import call_id_of
from sipstream.sip.startline import KNOWN, kind_of
from sipstream.sip.startline import NOT_SIP as NO_START_LINE

Ends: TypeAlias = tuple[str, int, str, int]
"""Source host and port, destination host and port."""

_HEX_FIRST = b"\n\t0x0000:  "
_PLAIN = re.compile(
    rb"(?:[^ \n]+ ){0,2}IP6? (?:\([^\n]*\)\r?\n {4})?([^ \n]{1,255} > [^ \n]{1,255}): "
)
"""The line of most packets, up to what it says of the transport."""
_SAYS_SIP = re.compile(rb"(?:\[[^\]\n]{1,60}\] )?SIP\b")
"""What tcpdump calls a datagram of port 5060; -vv puts `[udp sum ok]` before it."""
_INDENTED = re.compile(rb"(?:(?:    |\t)[^\n]*(?:\n|\Z))*")
_WITH_PORTS = re.compile(rb"([^\s]{1,255})\.([\w.-]{1,63}) > ([^\s]{1,255})\.([\w-]{1,63})")
_LENGTH = re.compile(rb"length:? (\d{1,7})")
_SEQUENCE = re.compile(rb"\bseq (\d{1,10})")
_ACKNOWLEDGED = re.compile(rb"\back (\d{1,10})")
_FLAGS = re.compile(rb"Flags \[([^\]]{1,12})\]")
_OPTIONS = re.compile(rb"options \[([^\]]{1,200})\]")
_OPTION_SIZES = {b"nop": 1, b"eol": 1, b"mss": 4, b"wscale": 3, b"sackOK": 2, b"TS": 10}
_FLAG_BITS = {ord("F"): tcp.FIN, ord("S"): tcp.SYN, ord("R"): tcp.RST}
_PORTS = {b"sip": 5060, b"sips": 5061, b"sip-tls": 5061}
_VERSION = b"SIP/2.0"
_TOKEN_END = re.compile(rb"[A-Z][A-Z0-9_.-]*\Z")
_KNOWN_END = re.compile(b"(?:%b)\\Z" % b"|".join(KNOWN))
"""No known method ends in another one; the longest has nine letters."""
_RESPONSE_CODE = re.compile(rb" \d{3}[ \r\n]")
_LONGEST_ENDS = 2 * (255 + 64) + 3
"""Two host names with ports, and what stands between: nothing longer is remembered."""
_BLANKS = 8
"""Bytes of line ends that may stand before or behind the text of a message."""
_UDP4, _UDP6 = 28, 48
"""Bytes of the headers of IP and UDP."""


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
        first_hex = data.rfind(_HEX_FIRST, line_end, end)
        if first_hex >= 0:
            packet = hexdump.packet(data, first_hex, end)
            return Printed("", packet, hexdump.linktype(packet))
    return _from_text(data, start, line_end, end)


def _from_text(data: bytes, start: int, line_end: int, end: int) -> Printed:
    """Read a packet without a hex dump."""
    head_end = _head_end(data, line_end, end)
    ends, place = _ends(data, start, head_end)
    if ends is None:
        return Printed(NO_PORTS if place else NOT_SIP)
    if data.startswith(b"Flags [", place):
        return _segment(data, place, head_end, end, ends)
    text = head_end + 1
    payload = b""
    if data.startswith(b"\t", text):
        payload, text = _indented(data, place, head_end, end)
    begin = _start_line(data, text, end) if text < end else -1
    if begin >= 0:
        stop = _text_end(data, begin, end)
        cut = _lacks_end(data, begin, stop, _length(data, place, head_end))
        return Printed("", None, 0, "UDP", ends, data, begin, stop, True, cut)
    if payload and call_id_of(payload, 0, len(payload)) is None:
        return Printed(IN_PART if _SAYS_SIP.match(data, place) else NOT_SIP)
    if payload:
        cut = _lacks_end(payload, 0, len(payload), _length(data, place, head_end))
        return Printed("", None, 0, "UDP", ends, payload, 0, len(payload), False, cut)
    return Printed(NO_TEXT if text >= end and _SAYS_SIP.match(data, place) else NOT_SIP)


def _length(data: bytes, place: int, head_end: int) -> int:
    """Return the length that a packet's line names from `place` on, -1 where it names none."""
    length = _LENGTH.search(data, place, head_end)
    return int(length[1]) if length else -1


def _lacks_end(data: bytes, start: int, end: int, length: int) -> bool:
    """Tell whether text is shorter than the payload was, even if each line has lost its CR."""
    return end - start + data.count(b"\n", start, end) + _BLANKS < length


def _head_end(data: bytes, line_end: int, end: int) -> int:
    """Return the end of the packet's line with the lines that -v continues it with."""
    while data.startswith(b"    ", line_end + 1, end):
        line_end = data.find(b"\n", line_end + 1, end)
        if line_end < 0:
            return end
    return line_end


def _text_end(data: bytes, start: int, end: int) -> int:
    """Return where text ends, without the line end that tcpdump puts behind a packet."""
    if data[end - 1 : end] == b"\n":
        end -= 1
        if data[end - 1 : end] == b"\r":
            end -= 1
    return max(start, end)


def _ends(data: bytes, start: int, head_end: int) -> tuple[Ends | None, int]:
    """Return the innermost endpoints and where their protocol's text begins.

    None where they have no ports; place 0 where there are none.
    """
    plain = _PLAIN.match(data, start, head_end)
    if plain is not None and not data.startswith(b"IP", plain.end()):
        return _with_ports(plain[1]), plain.end()
    place = start
    found: tuple[Ends | None, int] = None, 0
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
        found = _with_ports(data[max(left, place) : colon]), colon + 2
        place = colon + 2
        if not data.startswith((b"IP ", b"IP6 "), place):
            break
    return found


def _with_ports(text: bytes) -> Ends | None:
    """Return the endpoints of `10.0.0.1.5060 > host.example.sip`, None where ports are missing."""
    return _read_ends(text) if len(text) <= _LONGEST_ENDS else None


@lru_cache(maxsize=FLOWS >> 2)
def _read_ends(text: bytes) -> Ends | None:
    match = _WITH_PORTS.fullmatch(text)
    if match is None:
        return None
    source, source_port, destination, destination_port = match.groups()
    if b":" not in source and source.count(b".") < 3 and source.replace(b".", b"").isdigit():
        return None
    return (
        source.decode("ascii", "backslashreplace"),
        _port(source_port),
        destination.decode("ascii", "backslashreplace"),
        _port(destination_port),
    )


@lru_cache(maxsize=4096)
def _port(text: bytes) -> int:
    """Return a port, printed as its number or as a service's name; 0 for an unknown name."""
    if text.isdigit():
        return min(int(text), 0xFFFF)
    known = _PORTS.get(text)
    if known is not None:
        return known
    try:
        return socket.getservbyname(text.decode("ascii", "replace"))
    except (OSError, ValueError):
        return 0


def _start_line(data: bytes, start: int, end: int) -> int:
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
    return place if kind_of(data, place, end) != NO_START_LINE else -1


def _method(data: bytes, start: int, uri_end: int) -> int:
    """Return where the method begins before a URI that ends at `uri_end`, -1 where none does."""
    line = max(data.rfind(b"\n", start, uri_end) + 1, start)
    space = data.rfind(b" ", line, uri_end)
    if space < 0:
        return -1
    glued = data[max(line, space - 32) : space]
    method = _KNOWN_END.search(glued, len(glued) - 9) or _TOKEN_END.search(glued)
    return -1 if method is None else space - len(method[0])


def _indented(data: bytes, place: int, head_end: int, end: int) -> tuple[bytes, int]:
    """Return the message that -v printed line by line behind tabs, and where the lines end.

    The length that was printed tells which line ends it had.
    """
    wanted = _length(data, place, head_end)
    block = data[head_end + 2 : _text_end(data, head_end + 2, end)]
    joined = block.replace(b"\n\t", b"\r\n")
    missing = wanted - len(joined)
    if missing in (0, 2):
        return joined + b"\r\n"[:missing], end
    indented = _INDENTED.match(data, head_end + 1, end)
    text = indented.end() if indented else end
    block = data[head_end + 2 : _text_end(data, head_end + 2, text)].replace(b"\r\n", b"\n")
    block = block.replace(b"\n\t", b"\n")
    missing = wanted - len(block)
    if missing in (0, 1):
        return block + b"\n"[:missing], text
    joined = block.replace(b"\n", b"\r\n")
    # A line that the end of the text cut off gets no end.
    whole = len(joined) == wanted or data[text - 1 : text] != b"\n"
    return joined if whole else joined + b"\r\n", text


def _segment(data: bytes, place: int, head_end: int, end: int, ends: Ends) -> Printed:
    """Read a TCP segment: its numbers as printed, and its -A text with the CRs put back."""
    head, text = data[place:head_end], head_end + 1
    flags = 0
    for letter in _first_group(_FLAGS, head):
        flags |= _FLAG_BITS.get(letter, 0)
    length = int((_LENGTH.findall(head) or [b"0"])[-1])
    payload = b""
    if length:
        if text >= end:
            return Printed(NO_TEXT if 5060 in ends or 5061 in ends else NOT_SIP)
        begin = _segment_start(data, text, end, head)
        payload = _with_returns(data[begin : _text_end(data, begin, end)], length)
    printed = Printed("", None, 0, "TCP", ends, payload, 0, len(payload))
    printed.flags = flags
    printed.sequence = int(_first_group(_SEQUENCE, head) or b"0")
    printed.acknowledged = int(_first_group(_ACKNOWLEDGED, head) or b"0")
    return printed


def _first_group(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    match = pattern.search(text)
    return match[1] if match else b""


def _segment_start(data: bytes, text: int, end: int, head: bytes) -> int:
    """Return where in -A text a segment's payload begins: behind one character a header byte.

    A CR before a LF was dropped by tcpdump, so a start line close before is believed.
    """
    place = text
    for _ in range(MAX_LAYERS):
        size = 40 if data[place : place + 1] == b"`" else 20
        place += size
        if data[place : place + 1] not in (b"E", b"`"):
            break
        if data.find(b": IP", text - 400 if text > 400 else 0, text) < 0:
            break
    place = min(place + 20 + _options_size(head), end)
    begin = _start_line(data, max(text, place - 16), min(end, place + 4096))
    return begin if place - 4 <= begin <= place else place


def _options_size(head: bytes) -> int:
    """Return the bytes that a segment's printed options take in its header."""
    size = 0
    for option in _first_group(_OPTIONS, head).split(b","):
        words = option.split()
        if words[:1] == [b"sack"] and len(words) > 1 and words[1].isdigit():
            size += 2 + 8 * int(words[1][:2])
        elif words:
            size += _OPTION_SIZES.get(words[0], 0)
    return (size + 3) & ~3


def _with_returns(text: bytes, length: int) -> bytes:
    """Return a segment's text with the CRs that its length says were dropped.

    A segment may end between CR and LF; the next one then begins with a LF of its own.
    """
    if b"\r\n" in text or len(text) == length:
        return text[:length]
    whole = text.replace(b"\n", b"\r\n")
    head, blank, body = text.partition(b"\n\n")
    candidates = [whole, (head + blank).replace(b"\n", b"\r\n") + body, whole + b"\r"]
    if text.startswith(b"\n"):
        candidates += [whole[1:], whole[1:] + b"\r"]
    return next((one for one in candidates if len(one) == length), whole[:length])


class PrintedFlows:
    """Flows of printed packets, and the sequence numbers of their segments.

    tcpdump prints the first number of a connection as it is and later ones relative to it, or with
    -S all as they are; which of the two shows with a direction's second segment.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._known: dict[tuple[Ends, str], Flow] = {}
        self._numbers: dict[Flow, tuple[int, int, bool]] = {}
        """Of a direction: what is subtracted, the next number then, whether that is settled."""

    def flow(self, printed: Printed) -> Flow:
        """Return the flow between a printed packet's endpoints."""
        key = printed.ends, printed.transport
        flow = self._known.get(key)
        if flow is None:
            if len(self._known) >= FLOWS:
                self._known.clear()
                self._numbers.clear()
            source, source_port, destination, destination_port = printed.ends
            flow = self._known[key] = self._flows.between(
                key_of_name(source, source_port),
                key_of_name(destination, destination_port),
                printed.transport,
            )
        return flow

    def number(self, flow: Flow, printed: Printed) -> int:
        """Return a segment's sequence number counted from its direction's first."""
        size = printed.end - printed.start + (1 if printed.flags & tcp.SYN else 0)
        shift, following, settled = self._numbers.get(flow, (printed.sequence, 0, False))
        if printed.flags & tcp.SYN or flow not in self._numbers:
            shift, following, settled = printed.sequence, 0, False
        elif not settled and size:
            settled = True
            if abs(printed.sequence - following) < abs(printed.sequence - shift - following):
                shift = 0
        number = (printed.sequence - shift) & 0xFFFFFFFF
        if size:
            self._numbers[flow] = shift, max(following, number + size), settled
        return number

    def acknowledged(self, back: Flow, printed: Printed) -> int:
        """Return a segment's acknowledgement as the other direction is counted."""
        shift = self._numbers.get(back, (0, 0, False))[0]
        return (printed.acknowledged - shift) & 0xFFFFFFFF
