"""The lines that begin a packet in what tcpdump prints: one pattern for each -t form.

A line is found by the line end before it, so that nothing is split into lines.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sipstream.decode import printed_usual
from sipstream.sources.textclock import Form

REACH = 512
"""Bytes of a line that tell whether it begins a packet: beyond, only what is usual is looked for."""

_NUMBER = rb" {0,10}\d{1,10}  "
_TIME_OF_DAY = rb"[0-2]\d:[0-5]\d:[0-6]\d)\.(\d{6,10}) "
_STAMPS = {
    Form.CLOCK: rb"(" + _TIME_OF_DAY,
    Form.DATE: rb"((?:\d{4}-[01]\d-[0-3]\d|[01]\d/[0-3]\d/\d{4}|[0-3]\d\.[01]\d\.\d{4}) "
    + _TIME_OF_DAY,
    Form.INTERVAL: rb"([ -]" + _TIME_OF_DAY,
    Form.EPOCH: rb"(\d{1,10})\.(\d{6,10}) ",
}
_NO_STAMP = rb"(?:\[|[ -]\[)[A-Z][^\]\n]{1,40}\] "
"""`[Error converting time] `: in place of a time that tcpdump can't print."""
_CARD = rb"[0-9a-f]{2}(?::[0-9a-f]{2}){5} "
_DIRECTION = rb"(?:In|Out|B|M|P) "

_AFTER_STAMP = (
    rb"(?:IP6?[ ,]|[A-Z][\w./+-]{1,40}+[ ,:]|" + _CARD + rb"|ip: | {0,2}" + _DIRECTION + rb"| ?\[\|"
    rb"|\S{1,16}+ {1,16}" + _DIRECTION + rb"|\()"
)
"""How a packet's line goes on: protocol, card addresses (-e), interface and direction (any)."""
_UNSTAMPED = (
    rb"(?:IP6? {1,2}(?:\((?:tos|class|hlim|flowlabel) |\S{1,200}+ > \S{1,200}+|\[\||bad-|trunc)"
    rb"|" + _CARD + rb"(?:\(oui [^)\n]{1,40}\) )?> | {0,2}" + _DIRECTION + _CARD + rb"ethertype "
    rb"|\S{1,16}+ {1,16}" + _DIRECTION + rb" {0,2}(?:IP6? |ifindex )|ip: |AF IPv[46] \("
    rb"|R?ARP, (?:Re|Ethernet \()|STP 802|LLDP, length|CDPv\d, |PPPoE  \[|MPLS \(label|Loopback, skip"
    rb"|LACPv1, )"
)
"""The same where -t left nothing before it: only what is hardly anything else."""
_END = (
    rb"(?:\^C)?(?:\d{1,10} packets? (?:captured|received by filter|dropped by )"
    rb"|tcpdump: |reading from file |listening on [^\n]{1,200}, link-type )()"
)
"""What tcpdump says itself, before the first packet and behind the last."""

_STRICT = rb"(?:tos|class|hlim|flowlabel) (?:[^\n>]|->)*"
_BEGINS = rb"(?=[-\d \[^lrt])"
"""What any of these begins with: this tells most other lines at once."""

STAMP, FRACTION, ENDS, LENGTH_INDENTED, LENGTH, END = range(1, 7)
"""Groups of `lines`; the last one tells what was found: FRACTION (None: no time) a packet's line,
LENGTH_INDENTED, ENDS, LENGTH a usual packet's, END what tcpdump says itself."""

NO_PACKET = re.compile(
    rb"\n(?=[^\r\n])(?!tcpdump: |listening on |reading from |dropped privs |\^C|\d{1,10} packets? )"
)
"""Begins a line that is neither blank nor one of tcpdump's own words."""

CUT_STAMP = re.compile(rb"[ -]?[\d:. -]{1,40}\Z")
"""The beginning of a packet's line that was cut off by the end of the text."""

_HEADLINES = (
    re.compile(
        rb"\n(?:" + _NUMBER + rb")?(?:" + b"|".join(_STAMPS.values()) + rb")" + _AFTER_STAMP
    ),
    re.compile(rb"\n(?:" + _NUMBER + rb")?" + _UNSTAMPED),
)

FIRST = re.compile(
    rb"\n(?P<numbered>" + _NUMBER + rb")?(?:"
    rb"(?P<date>" + _STAMPS[Form.DATE] + rb")|(?P<interval>" + _STAMPS[Form.INTERVAL] + rb")|"
    rb"(?P<clock>" + _STAMPS[Form.CLOCK] + rb")|(?P<epoch>" + _STAMPS[Form.EPOCH] + rb"))"
    + _AFTER_STAMP + rb"|\n(?P<unstampednumbered>" + _NUMBER + rb")?(?P<none>" + _UNSTAMPED + rb")"
)  # fmt: skip


@lru_cache
def lines(form: Form, numbered: bool) -> re.Pattern[bytes]:
    """Return the pattern of the lines that begin a packet, or that tcpdump says itself."""
    number = _NUMBER if numbered else b""
    # Where blanks stand before the time, the first ` > ` counts.
    is_plain = not numbered and form in (Form.CLOCK, Form.DATE, Form.EPOCH)
    usual = printed_usual.pattern(rb"[^\n]*" if is_plain else _STRICT)
    if form is Form.NONE:
        line = rb"()()(?:" + usual + rb"|" + _UNSTAMPED + rb")"
    else:
        line = rb"(?:" + _STAMPS[form] + rb"(?:" + usual + rb"|" + _AFTER_STAMP + rb")"
        line += rb"|" + _NO_STAMP + _AFTER_STAMP + rb")"
    begins = b"" if form is Form.NONE else _BEGINS
    return re.compile(rb"\n" + begins + rb"(?:" + number + line + rb"|" + _END + rb")")


def headline_before(text: bytes) -> bytes | None:
    """Return the last packet's line in `text`, which ends where a message begins."""
    text = b"\n" + text
    for pattern in _HEADLINES:
        places = [match.start() + 1 for match in pattern.finditer(text)]
        if places:
            return text[places[-1] :].partition(b"\n")[0].rstrip(b"\r")
    return None
