r"""The format text: messages as tcpdump prints them with -A, by time.

Loaded again it gives the same messages, here and with programs that read tcpdump's usual output.
What can't be printed so without doubt is printed as with -x, in hexadecimal: characters that may act on
a terminal or deceive who reads it, line ends of two kinds, and lines that would be taken for the next
packet's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

from sipstream.escape import shield
from sipstream.export.made import Maker
from sipstream.export.pcap import with_line_ends
from sipstream.packets import Linktype
from sipstream.render import times
from sipstream.sources import textlines
from sipstream.sources.textclock import Form

if TYPE_CHECKING:
    from sipstream.export.selected import Selected
    from sipstream.views import Message

_BLOCK = 1 << 16
"""Characters given out together."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ODD = re.compile(rb"[^!-~]")
_UDP, _TCP = 8, 20
"""Bytes of their headers."""
_USUAL = ".5060"
"""The port that tcpdump takes for SIP's; of others it names the transport only."""


def pieces(selected: Selected, due: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the text; b"" where a turn is over."""
    index = selected.conversations.index
    first, last = yield from _ends(selected, due)
    is_dated = times.date(first) != times.date(last)
    if is_dated:
        selected.remarks.append(
            "messages of several days: each line has its date, as with tcpdump -tttt"
        )
    maker = Maker(index.endpoints, Linktype.RAW)
    block: list[str] = []
    size = lost = 0
    for message in selected.by_time():
        if message is None:
            yield b""
            continue
        if message.raw:
            stamp = f"{times.date(message.time)} " if is_dated else ""
            block.append(_printed(message, stamp, maker))
            size += len(block[-1])
        else:
            lost += 1
        if size >= _BLOCK or due():
            yield "".join(block).encode("utf-8")
            block.clear()
            size = 0
    if lost:
        selected.missing.append(f"{lost} messages couldn't be read again")
        selected.messages -= lost
    yield "".join(block).encode("utf-8")


def _ends(selected: Selected, due: Callable[[], bool]) -> Generator[bytes, None, tuple[int, int]]:
    """Return the times (ns) of the first message and the last; yield b"" where a turn is over."""
    index = selected.conversations.index
    first = index.m_time[index.c_first[selected.numbers[0]]] if selected.numbers else 0
    last = first
    for number in selected.numbers:
        last = max(last, index.c_latest[number])
        if due():
            yield b""
    return first, last


def _printed(message: Message, stamp: str, maker: Maker) -> str:
    """Return a message as tcpdump prints its packet, with a line end behind it."""
    raw = with_line_ends(message.raw)
    ways, transport = message.origin.ways, message.transport
    (packet, *more) = maker.packets(*ways.ends(message.way), transport, raw)
    is_ipv6 = packet[0] >> 4 == 6
    begin = (40 if is_ipv6 else 20) + (_UDP if transport == "UDP" else _TCP)
    head = f"{stamp}{times.clock(message.time).rstrip(times.DOUBTFUL)} IP{'6' if is_ipv6 else ''} "
    text = raw.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")
    ends = f"{message.source} > {message.destination}: "
    if more or transport == "SCTP" or not _is_plain(raw, text, ends):
        return "".join(_in_hex(head + ends, one, transport) for one in (packet, *more))
    headers = _ODD.sub(b".", packet[:begin]).decode("ascii")
    return f"{head}{ends}{_says(message, packet, begin)}\n{headers}{text}\n"


def _says(message: Message, packet: bytes, begin: int) -> str:
    """Return what tcpdump says of a datagram or a segment whose payload begins there."""
    length = len(packet) - begin
    if message.transport == "UDP":
        usual = message.source.endswith(_USUAL) or message.destination.endswith(_USUAL)
        return f"SIP, length: {length}" if usual else f"UDP, length {length}"
    number = int.from_bytes(packet[begin - 16 : begin - 12], "big")
    behind = int.from_bytes(packet[begin - 12 : begin - 8], "big")
    return f"Flags [P.], seq {number}:{number + length}, ack {behind}, win 65535, length {length}"


def _is_plain(raw: bytes, text: str, ends: str) -> bool:
    """Tell whether a message is the same when it is read as it stands in text."""
    if _acts(text) or _acts(ends) or raw.count(b"\n") != raw.count(b"\r\n"):
        return False
    lines = b"\n" + text.encode("utf-8", "surrogateescape")
    return not (textlines.FIRST.search(lines) or _OWN_WORDS.search(lines))


def _acts(text: str) -> bool:
    """Tell whether a terminal must not get text as it is, tabs left aside: tcpdump prints them too."""
    shown = text.replace("\t", " ")
    return shield(shown) != shown


_OWN_WORDS = textlines.lines(Form.CLOCK, numbered=False)


def _in_hex(head: str, packet: bytes, transport: str) -> str:
    """Return a packet as with -x."""
    if _acts(head):
        head = _CONTROL.sub(".", head.encode("ascii", "replace").decode("ascii"))
    lines = [f"{head}{transport}, length {len(packet)}"]
    for place in range(0, len(packet), 16):
        digits = packet[place : place + 16].hex()
        groups = " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
        lines.append(f"\t0x{place:04x}:  {groups}")
    return "\n".join(lines) + "\n"
