"""One packet as tcpdump prints it: what its lines carry, as bytes or as a datagram.

Sans-IO, raises nothing. A hex dump (-x -X -xx -XX) is the packet itself and is taken first; then the text
of -A, which stands in the file as it was but for the CR of each line end; then the indented lines of
-v. The one-line form names a message and doesn't carry it.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import lru_cache

from sipstream.packets import Linktype

NO_TEXT = "SIP printed without its text"
NO_DATA = "TCP without data"
NOT_SIP = "not SIP"

_HEADER = re.compile(rb"[^\n]*(?:\n {4}[^\s][^\n]*)*\n?")
_ENDS = re.compile(rb"(\S{1,255}) > (\S{1,255}): ")
_DUMP_BEGIN = b"\n\t0x0000:  "
_DUMP_LINE = re.compile(rb"\n\t0x([0-9a-f]{4,5}):  ((?:[0-9a-f]{2,4} ?){1,8})")
_INDENTED = re.compile(rb"(?:\t[^\n]*(?:\n|\Z))*")
_START = re.compile(
    rb"(?:(?:INVITE|ACK|BYE|CANCEL|OPTIONS|REGISTER|PRACK|SUBSCRIBE|NOTIFY|PUBLISH|INFO|REFER|MESSAGE"
    rb"|UPDATE) [^\r\n]{1,8192} SIP/2\.0|SIP/2\.0 \d{3}(?= |\r|\n|\Z)"
    rb"|(?<![A-Za-z])[A-Za-z][A-Za-z0-9_-]{1,31} (?:sips?|tel|urn):[^\r\n]{0,8192} SIP/2\.0)"
)
_FLAGS = re.compile(rb"Flags \[([^\]]{0,12})\]")
_SEQUENCE = re.compile(rb" seq (\d{1,10})")
_LENGTH = re.compile(rb"length:? (\d{1,10})")
_ETHERTYPES = (b"\x08\x00", b"\x86\xdd", b"\x81\x00", b"\x88\xa8")
_PORTS = {"sip": 5060, "sips": 5061, "sip-tls": 5061}
_SYN, _FIN, _RST = 2, 1, 4


@dataclass(slots=True)
class Printed:
    """What a printed packet carries: rebuilt bytes, a datagram, or the reason why neither."""

    reason: str = ""
    packet: bytes = b""
    """The packet itself, of link type `linktype`."""
    linktype: int = Linktype.RAW
    transport: str = ""
    source: tuple[str, int] = ("", 0)
    destination: tuple[str, int] = ("", 0)
    data: bytes = b""
    """What start and end are places in."""
    start: int = 0
    end: int = 0
    verbatim: bool = False
    """The payload stands in the text as it is: `data` is what was given."""
    sequence: int = 0
    flags: int = 0


def parse_printed(data: bytes, start: int, end: int) -> Printed:
    """Return what the packet printed in data[start:end] carries."""
    dump = data.rfind(_DUMP_BEGIN, start, end)
    if dump >= 0:
        packet = _rebuilt(data, dump, end)
        return Printed(packet=packet, linktype=_linktype(packet))
    header = _HEADER.match(data, start, end)
    body = header.end() if header else end
    ends = _innermost(data, start, body)
    if ends is None:
        return Printed(NOT_SIP)
    source, destination = _endpoint(ends[1]), _endpoint(ends[2])
    if source is None or destination is None:
        return Printed(NOT_SIP)
    found = Printed(transport="UDP", source=source, destination=destination)
    flags = _FLAGS.match(data, ends.end(), body)
    if flags is None:
        _take_datagram(found, data, ends.end(), body, end)
    else:
        _take_segment(found, data, flags, body, end)
    return found


def _take_datagram(found: Printed, data: bytes, line: int, body: int, end: int) -> None:
    """Fill in the payload of a UDP datagram; `line` is where its line tells what it is."""
    indented = _INDENTED.match(data, body, end)
    behind = indented.end() if indented else body
    start = _START.search(data, behind, end)
    if start is not None:
        found.data, found.start, found.end = data, start.start(), _text_end(data, end)
        found.verbatim = True
    elif behind > body:
        length = _LENGTH.search(data, line, body)
        found.data = _unindented(data[body:behind], int(length[1]) if length else -1)
        found.end = len(found.data)
    elif data.startswith(b"SIP", line) or 5060 in (found.source[1], found.destination[1]):
        found.reason = NO_TEXT
    else:
        found.reason = NOT_SIP


def _take_segment(found: Printed, data: bytes, flags: re.Match[bytes], body: int, end: int) -> None:
    """Fill in the payload of a TCP segment, with the CRs that -A leaves out."""
    found.transport = "TCP"
    found.flags = (_SYN if b"S" in flags[1] else 0) | (_FIN if b"F" in flags[1] else 0)
    sequence = _SEQUENCE.search(data, flags.end(), body)
    found.sequence = int(sequence[1]) if sequence else 0
    lengths = _LENGTH.findall(data, flags.end(), body)
    length = int(lengths[0]) if lengths else -1
    text_end = _text_end(data, end)
    if length == 0 or (length < 0 and not found.flags & _SYN and sequence is None):
        if not found.flags & _SYN:
            found.reason = NO_DATA
        return
    if text_end <= body:
        sip = 5060 in (found.source[1], found.destination[1])
        found.reason = NO_TEXT if sip else NOT_SIP
        return
    start = _START.search(data, body, text_end)
    place = start.start() if start else _tail(data, body, text_end, length)
    found.data = data[place:text_end].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    found.end = len(found.data)


def _tail(data: bytes, body: int, end: int, length: int) -> int:
    """Return where a segment of `length` bytes begins that ends at `end`, each LF standing for two."""
    place = end
    while length > 0 and place > body:
        place -= 1
        length -= 2 if data[place] == 0x0A else 1
    return place


def _text_end(data: bytes, end: int) -> int:
    """Return where -A's text ends: tcpdump ends it with a line end of its own."""
    if data[end - 2 : end] == b"\r\n":
        return end - 2
    return end - 1 if data[end - 1 : end] == b"\n" else end


def _unindented(text: bytes, length: int) -> bytes:
    """Return the message of -v's lines; the length that was printed tells which line ends it had."""
    lines = [line[1:].rstrip(b"\r") for line in text.split(b"\n")]
    if lines and not lines[-1]:
        lines.pop()
    for newline in (b"\r\n", b"\n"):
        joined = newline.join(lines)
        if len(joined) == length:
            return joined
        if len(joined) + len(newline) == length:
            return joined + newline
    return b"\r\n".join([*lines, b""])


def _rebuilt(data: bytes, dump: int, end: int) -> bytes:
    """Return the bytes of a hex dump; a line out of turn ends it."""
    packet = bytearray()
    for line in _DUMP_LINE.finditer(data, dump, end):
        if int(line[1], 16) != len(packet):
            break
        digits = line[2].replace(b" ", b"").decode("ascii")
        packet += bytes.fromhex(digits[: len(digits) & ~1])
    return bytes(packet)


def _linktype(packet: bytes) -> int:
    """Tell from its bytes where a dumped packet begins: -x and -X leave the link layer out."""
    version = packet[0] >> 4 if packet else 0
    size = int.from_bytes(packet[2:4], "big")
    if version == 4 and size == len(packet):
        return Linktype.RAW
    if version == 6 and int.from_bytes(packet[4:6], "big") + 40 == len(packet):
        return Linktype.RAW
    for place, linktype in (
        (12, Linktype.ETHERNET),
        (14, Linktype.LINUX_SLL),
        (0, Linktype.LINUX_SLL2),
    ):
        if packet[place : place + 2] in _ETHERTYPES:
            return linktype
    return Linktype.RAW


def _innermost(data: bytes, start: int, end: int) -> re.Match[bytes] | None:
    """Return the match of `source > destination: `, the inner one of IP in IP."""
    ends = _ENDS.search(data, start, end)
    while ends is not None and data.startswith((b"IP ", b"IP6 "), ends.end()):
        inner = _ENDS.search(data, ends.end(), end)
        if inner is None:
            break
        ends = inner
    return ends


@lru_cache(maxsize=65_536)
def _endpoint(text: bytes) -> tuple[str, int] | None:
    """Return host and port of `10.20.0.22.5060` or `pbx.example.com.sip`; None without a port."""
    host, dot, port = text.decode("utf-8", "surrogateescape").rpartition(".")
    if (
        not dot
        or not port
        or host.count(".") == 2
        and _is_number(port)
        and _is_v4(f"{host}.{port}")
    ):
        return None
    if _is_number(port):
        return (host, int(port)) if int(port) < 65_536 else None
    number = _PORTS.get(port)
    if number is None:
        try:
            number = socket.getservbyname(port)
        except (OSError, UnicodeError, ValueError):
            return None
    return host, number


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5


def _is_v4(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True
