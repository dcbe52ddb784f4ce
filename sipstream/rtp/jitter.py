"""Interarrival jitter (RFC 3550 section 6.4.1, A.8), also while the clock rate isn't known yet."""

from __future__ import annotations

from typing import TypeAlias

Rates: TypeAlias = tuple[int, ...]

_SECOND = 10**9
_AUDIO: Rates = (8_000,)
_VIDEO: Rates = (90_000,)
_STATIC: dict[int, Rates] = {
    # RFC 3551 section 6, tables 4 and 5: all others of audio have 8,000 Hz.
    6: (16_000,), 10: (44_100,), 11: (44_100,), 14: _VIDEO, 16: (11_025,), 17: (22_050,),
}  # fmt: skip
_VIDEO_FROM, _DYNAMIC_FROM = 25, 35
DYNAMIC: Rates = (8_000, 16_000, 24_000, 32_000, 44_100, 48_000, 90_000)
"""Clock rates that a dynamic payload type may have: which one it has a session description says, and
that may be looked at later, so the jitter of each is kept."""
_RFC_GAIN = 16
_RESET = 5 * _SECOND
"""ns by which no network delays a packet: the source has set its clock anew, as after a fax."""
_WRAP, _HALF = 1 << 32, 1 << 31


def rates_of(payload_type: int) -> Rates:
    """Return the clock rates that packets of a payload type may have."""
    if payload_type >= _DYNAMIC_FROM:
        return DYNAMIC
    usual = _VIDEO if payload_type >= _VIDEO_FROM else _AUDIO
    return _STATIC.get(payload_type, usual)


class Jitter:
    """The jitter of packets that have one clock, in ns, for each rate that the clock may have."""

    __slots__ = ("_arrival", "_timestamp", "count", "last", "most", "rates", "total")

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self.count = 0
        """How many differences came in."""
        self.last = [0.0] * len(rates)
        self.most = [0.0] * len(rates)
        self.total = [0.0] * len(rates)
        self._arrival: int | None = None
        self._timestamp = 0

    def begin_anew(self) -> None:
        """What comes next is compared with nothing before: another clock ran meanwhile."""
        self._arrival = None

    def take(self, arrival: int, timestamp: int) -> None:
        """Take a packet's arrival (ns) and RTP timestamp, in order of arrival."""
        before = self._arrival
        self._arrival = arrival
        ticks = (timestamp - self._timestamp) & (_WRAP - 1)
        self._timestamp = timestamp
        if before is None:
            return
        if ticks >= _HALF:
            ticks -= _WRAP
        self.count += 1
        took, last, most, total = arrival - before, self.last, self.most, self.total
        for place, rate in enumerate(self.rates):
            difference = abs(took - ticks * _SECOND / rate)
            if difference > _RESET:
                continue
            jitter = last[place] = last[place] + (difference - last[place]) / _RFC_GAIN
            total[place] += jitter
            if jitter > most[place]:
                most[place] = jitter

    def of_rate(self, rate: int) -> tuple[float, float, float] | None:
        """Return the jitter at the end, its mean and the most (ns), None where it isn't known."""
        if rate not in self.rates or not self.count:
            return None
        place = self.rates.index(rate)
        return self.last[place], self.total[place] / self.count, self.most[place]
