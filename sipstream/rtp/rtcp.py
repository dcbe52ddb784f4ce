"""RTCP: reports, round trips and VoIP metrics (RFC 3550 section 6.4, RFC 3611 section 4.7)."""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass, field

from sipstream.limits import RTCP_BLOCKS, RTCP_SENT

_SENDER_REPORT, _RECEIVER_REPORT, _BYE, _EXTENDED = 200, 201, 203, 207
_BLOCK = struct.Struct("!IB3sIIII")
"""RFC 3550 6.4.1: SSRC, fraction lost, lost, highest number, jitter, LSR, DLSR."""
_SENDER = struct.Struct("!QIII")
"""NTP and RTP time, packets, bytes."""
_SENDER_BEGIN = 8
_VOIP_METRICS = 7
_METRICS = struct.Struct("!IBBBBHHHHBBBBBBBB")
"""RFC 3611 4.7, from the SSRC to MOS-CQ."""
_UNKNOWN = 127
"""RFC 3611 4.7.5: a quality that isn't known."""
_NS = 10**9


@dataclass(slots=True)
class Metrics:
    """VoIP metrics of a receiver (RFC 3611 4.7); None: it doesn't know."""

    loss: int
    """Packets lost, in 256ths."""
    discarded: int
    """Packets that came too late to be played, in 256ths."""
    round_trip_ms: int
    r_factor: int | None
    mos_listening: float | None
    mos_conversation: float | None


@dataclass(slots=True)
class Block:
    """What one receiver said of one source, its last words and the worst of them."""

    count: int = 0
    fraction: int = 0
    """Lost since the report before, in 256ths."""
    worst_fraction: int = 0
    lost: int = 0
    jitter: int = 0
    """Ticks of the source's clock."""
    worst_jitter: int = 0
    round_trip: int | None = None
    """ns from the capture point to the receiver and back (RFC 3550 6.4.1, by LSR and DLSR)."""
    worst_round_trip: int | None = None
    metrics: Metrics | None = None


@dataclass(slots=True, eq=False)
class Reporter:
    """What one SSRC has sent as RTCP in one direction."""

    ssrc: int
    begin: int
    last: int
    compounds: int = 0
    """Packets of one report or several."""
    packets: int | None = None
    """What it says that it has sent of RTP, None where it sends none."""
    said_bye: bool = False
    blocks: dict[int, Block] = field(default_factory=dict)
    """By the SSRC that they are about, RTCP_BLOCKS at most."""

    def block(self, ssrc: int) -> Block | None:
        """Return what is said of a source, None where too much is said."""
        found = self.blocks.get(ssrc)
        if found is None and len(self.blocks) < RTCP_BLOCKS:
            found = self.blocks[ssrc] = Block()
        return found


class SentReports:
    """When sender reports were seen, by which round trips are known; the oldest are forgotten."""

    def __init__(self) -> None:
        self._times: OrderedDict[tuple[int, int], int] = OrderedDict()

    def note(self, ssrc: int, ntp: int, time: int) -> None:
        """Keep when a report was seen; where several capture points see it, the first one counts."""
        key = (ssrc, ntp >> 16 & 0xFFFFFFFF)
        if key not in self._times:
            if len(self._times) >= RTCP_SENT:
                self._times.popitem(last=False)
            self._times[key] = time

    def round_trip(self, ssrc: int, lsr: int, dlsr: int, time: int) -> int | None:
        """Return the ns since the report of that time, without the receiver's; None: not known."""
        sent = self._times.get((ssrc, lsr)) if lsr else None
        if sent is None:
            return None
        took = time - sent - (dlsr * _NS >> 16)
        return took if took >= 0 else None


def sender_of(data: bytes, start: int, end: int) -> int:
    """Return the SSRC that a packet of at least 8 bytes is from."""
    return int.from_bytes(data[start + 4 : start + 8], "big")


def take(
    reporter: Reporter, sent: SentReports, time: int, data: bytes, start: int, end: int
) -> None:
    """Take a compound packet (RFC 3550 6.1) in data[start:end]; what is cut short or damaged ends it."""
    reporter.last = max(reporter.last, time)
    reporter.compounds += 1
    while end - start >= 4 and data[start] >> 6 == 2:
        count, kind = data[start] & 0x1F, data[start + 1]
        stop = start + 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
        if stop > end:
            return
        if kind == _SENDER_REPORT and stop - start >= _SENDER_BEGIN + _SENDER.size:
            ntp, _, packets, _ = _SENDER.unpack_from(data, start + _SENDER_BEGIN)
            sent.note(sender_of(data, start, stop), ntp, time)
            reporter.packets = packets
            _blocks(reporter, sent, time, data, start + _SENDER_BEGIN + _SENDER.size, stop, count)
        elif kind == _RECEIVER_REPORT and stop - start >= _SENDER_BEGIN:
            _blocks(reporter, sent, time, data, start + _SENDER_BEGIN, stop, count)
        elif kind == _BYE:
            reporter.said_bye = True
        elif kind == _EXTENDED:
            _extended(reporter, data, start + _SENDER_BEGIN, stop)
        start = stop


def _blocks(
    reporter: Reporter, sent: SentReports, time: int, data: bytes, start: int, end: int, count: int
) -> None:
    """Take report blocks, as many as are said to be there and are."""
    for place in range(start, min(start + count * _BLOCK.size, end - _BLOCK.size + 1), _BLOCK.size):
        ssrc, fraction, lost, _, jitter, lsr, dlsr = _BLOCK.unpack_from(data, place)
        # Some write a block of nothing before they have got anything.
        block = reporter.block(ssrc) if ssrc else None
        if block is None:
            continue
        block.count += 1
        block.fraction = fraction
        block.worst_fraction = max(block.worst_fraction, fraction)
        block.lost = int.from_bytes(lost, "big", signed=True)
        block.jitter = jitter
        block.worst_jitter = max(block.worst_jitter, jitter)
        round_trip = sent.round_trip(ssrc, lsr, dlsr, time)
        if round_trip is not None:
            block.round_trip = round_trip
            block.worst_round_trip = max(block.worst_round_trip or 0, round_trip)


def _extended(reporter: Reporter, data: bytes, start: int, end: int) -> None:
    """Take the VoIP metrics of an extended report (RFC 3611 section 2)."""
    while end - start >= 4:
        stop = start + 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
        if data[start] == _VOIP_METRICS and stop <= end and stop - start >= 4 + _METRICS.size:
            found = _METRICS.unpack_from(data, start + 4)
            block = reporter.block(found[0])
            if block is not None:
                r_factor, mos_listening, mos_conversation = found[13], found[15], found[16]
                block.metrics = Metrics(
                    found[1], found[2], found[7], _known(r_factor), _mos(mos_listening),
                    _mos(mos_conversation),
                )  # fmt: skip
        start = stop


def _known(quality: int) -> int | None:
    return None if quality == _UNKNOWN else quality


def _mos(quality: int) -> float | None:
    """Return a mean opinion score, which is told in tenths."""
    return None if quality == _UNKNOWN else quality / 10
