"""TCP segments as tcpdump prints them: numbers, and of -A the text with its CRs put back.

Sans-IO. -q prints no numbers: such a segment is taken for the one that is next in turn.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sipstream.decode import tcp
from sipstream.decode.endpoints import Flow, Flows, key_of_name
from sipstream.decode.printed_ends import with_ports
from sipstream.decode.printed_text import start_line, text_end, unbroken
from sipstream.limits import FLOWS
from sipstream.sip.startline import NOT_SIP, kind_of

if TYPE_CHECKING:
    from sipstream.decode.printed import Printed
    from sipstream.decode.printed_ends import Ends

NO_NUMBER = -1
"""The sequence number of a segment that -q printed."""
_USUAL = re.compile(rb"Flags \[[^\]]{1,12}\],[^\n]{0,400}?\blength\s(\d{1,7})(?=[:\s]|\Z)")
_QUIET = re.compile(rb"tcp (\d{1,7})(?=[:\s]|\Z)")
_RANGE = re.compile(rb"\bseq\s(\d{1,10}):(\d{1,10})\b")
_SEQUENCE = re.compile(rb"\bseq (\d{1,10})")
_ACKNOWLEDGED = re.compile(rb"\back (\d{1,10})")
_FLAGS = re.compile(rb"Flags \[([^\]]{1,12})\]")
_OPTIONS = re.compile(rb"options \[([^\]]{1,200})\]")
_OPTION_SIZES = {b"nop": 1, b"eol": 1, b"mss": 4, b"wscale": 3, b"sackOK": 2, b"TS": 10}
_FLAG_BITS = {ord("F"): tcp.FIN, ord("S"): tcp.SYN, ord("R"): tcp.RST}
_LARGEST_OPTIONS = 40


class Segment(NamedTuple):
    """What is printed of a segment; `payload` is None where its text is missing."""

    payload: bytes | None
    flags: int = 0
    sequence: int = 0
    acknowledged: int = 0


def segment(data: bytes, place: int, end: int, headers: int) -> Segment | None:
    """Read the segment whose description begins at `place`; None where none does.

    `headers` is how many IP headers stand before the TCP header.

    Raises:
        ValueError: its numbers are missing or contradict each other, as where a line was broken.
    """
    usual = _USUAL.match(data, place, end)
    found = usual or _QUIET.match(data, place, end)
    if found is None:
        if data.startswith(b"Flags [", place):
            raise ValueError("no length")
        return None
    line_end = data.find(b"\n", found.end(), end)
    text = end if line_end < 0 else line_end + 1
    length = int(found[1] or b"0")
    head = data[place : found.end()]
    if usual is None:
        payload = _quiet_payload(data, text, end, length, headers)
        return Segment(payload if length else b"", 0, NO_NUMBER, 0)
    flags = 0
    for letter in _first_group(_FLAGS, head):
        flags |= _FLAG_BITS.get(letter, 0)
    numbers = _RANGE.search(head)
    if numbers and (int(numbers[2]) - int(numbers[1]) - length) & 0xFFFFFFFF:
        raise ValueError("sequence numbers and length differ")
    payload = None if text >= end else b""
    if length and payload is not None:
        begin = _payload_start(data, text, end, head, headers)
        payload = _with_returns(data[begin : text_end(data, begin, end)], length)
    return Segment(
        payload if length else b"",
        flags,
        int(_first_group(_SEQUENCE, head) or b"0"),
        int(_first_group(_ACKNOWLEDGED, head) or b"0"),
    )


def _first_group(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    match = pattern.search(text)
    return match[1] if match else b""


def _tcp_header(data: bytes, text: int, end: int, headers: int) -> int:
    """Return where in -A text the TCP header begins: behind the IP headers, a character a byte."""
    place = text
    for _ in range(headers):
        if data[place : place + 1] not in (b"E", b"`") and place > text:
            break
        place += 40 if data[place : place + 1] == b"`" else 20
    return min(place, end)


def _payload_start(data: bytes, text: int, end: int, head: bytes, headers: int) -> int:
    """Return where in -A text a segment's payload begins.

    A CR before a LF was dropped by tcpdump, so a start line close before is believed.
    """
    place = min(_tcp_header(data, text, end, headers) + 20 + _options_size(head), end)
    begin = start_line(data, max(text, place - 16), min(end, place + 4096))
    return begin if place - 4 <= begin <= place else place


def _quiet_payload(data: bytes, text: int, end: int, length: int, headers: int) -> bytes | None:
    """Return a segment's payload where options aren't printed: its length tells where it begins."""
    if text >= end:
        return None
    first = _tcp_header(data, text, end, headers) + 20
    stop = text_end(data, text, end)
    begin = start_line(data, max(text, first - 16), min(end, first + _LARGEST_OPTIONS + 4096))
    if first - 4 <= begin <= first + _LARGEST_OPTIONS:
        return _with_returns(data[begin:stop], length)
    sizes = range(0, _LARGEST_OPTIONS + 1, 4)
    fitting = (_exactly(data[first + size : stop], length) for size in sizes)
    return next((one for one in fitting if one is not None), data[first:stop])


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

    Raises:
        ValueError: something broke its lines, or of a message's middle that can't be told.
    """
    exact = _exactly(text, length)
    if exact is not None:
        return exact
    if kind_of(text, 0, len(text)) == NOT_SIP:
        raise ValueError("broken lines")
    joined = unbroken(text, length)
    if joined is None:
        # A body with line ends of both kinds.
        return text.replace(b"\n", b"\r\n")[:length]
    if len(joined) != length:
        raise ValueError("broken Call-ID")
    return joined


def _exactly(text: bytes, length: int) -> bytes | None:
    """Return a segment's text with its CRs again, None where no place for them gives its length.

    A segment may end between CR and LF; the next one then begins with a LF of its own.
    """
    if b"\r\n" in text or len(text) == length:
        return text[:length]
    whole = text.replace(b"\n", b"\r\n")
    head, blank, body = text.partition(b"\n\n")
    candidates = [whole, (head + blank).replace(b"\n", b"\r\n") + body, whole + b"\r"]
    if text.startswith(b"\n"):
        candidates += [whole[1:], whole[1:] + b"\r"]
    return next((one for one in candidates if len(one) == length), None)


class PrintedFlows:
    """Flows of printed packets, and the sequence numbers of their segments.

    tcpdump prints the first number of a connection as it is and later ones relative to it, or with
    -S all as they are; which of the two shows with a direction's second segment.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._known: dict[tuple[Ends, str], Flow] = {}
        self._usual: dict[bytes, Flow] = {}
        self._usual_lines: dict[bytes, Flow] = {}
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
            flow = self._known[key] = self._between(printed.ends, printed.transport)
        return flow

    def _between(self, ends: Ends, transport: str) -> Flow:
        source, source_port, destination, destination_port = ends
        return self._flows.between(
            key_of_name(source, source_port), key_of_name(destination, destination_port), transport
        )

    def usual(self, ends: bytes) -> Flow | None:
        """Return the flow of datagrams, by their endpoints' text; None where ports are missing."""
        flow = self._usual.get(ends)
        if flow is None:
            read = with_ports(ends)
            if read is not None:
                if len(self._usual) >= FLOWS:
                    self._usual.clear()
                flow = self._usual[ends] = self._between(read, "UDP")
        return flow

    def usual_lines(self, ends: bytes) -> Flow | None:
        """Return the same for datagrams that -v printed line by line."""
        flow = self._usual_lines.get(ends)
        if flow is None:
            whole = self.usual(ends)
            if whole is not None:
                if len(self._usual_lines) >= FLOWS:
                    self._usual_lines.clear()
                flow = self._usual_lines[ends] = self._flows.in_part(whole)
        return flow

    def number(self, flow: Flow, printed: Printed) -> int:
        """Return a segment's sequence number counted from its direction's first."""
        size = printed.end - printed.start + (1 if printed.flags & tcp.SYN else 0)
        if printed.sequence == NO_NUMBER:
            shift, following, _ = self._numbers.get(flow, (0, 0, True))
            self._numbers[flow] = shift, following + size, True
            return following & 0xFFFFFFFF
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
        if printed.sequence == NO_NUMBER:
            return 0
        shift = self._numbers.get(back, (0, 0, False))[0]
        return (printed.acknowledged - shift) & 0xFFFFFFFF
