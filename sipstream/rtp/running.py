"""The running numbers of one RTP stream: loss and order (RFC 3550 A.1, A.3), jitter, gaps, silence.

What a packet costs here is paid only with `--rtp`. No packet is kept.
"""

from __future__ import annotations

from sipstream.limits import RTP_PAYLOAD_TYPES
from sipstream.rtp.dtmf import SIZE as EVENT_SIZE
from sipstream.rtp.dtmf import Events
from sipstream.rtp.jitter import Jitter, rates_of

_MAX_DROPOUT, _MAX_MISORDER = 3000, 100
"""RFC 3550 A.1: numbers further ahead, or behind, are a source that counts anew."""
_SEEN = (1 << (_MAX_MISORDER + 1)) - 1
_PAUSE = 200 * 10**6
"""From here on nothing was sent for a while (ns), if no number is missing: packets hold 10 to 60 ms."""
_G711 = (0, 8)
_COMFORT_NOISE = (13, 19)
"""RFC 3389; 19 is what older equipment sends."""
_DYNAMIC_FROM = 35
OTHER_TYPES = -1
"""Stands for the payload types of a stream that are beyond RTP_PAYLOAD_TYPES."""


class Running:
    """What is known of a stream so far; times in ns, sequence numbers counted on beyond 65,535."""

    __slots__ = (
        "_after_jump", "_clock", "_silent", "base", "begin", "clocks", "closed", "comfort_noise", "cut",
        "duplicates", "events", "gap", "gap_at", "highest", "last", "late", "markers", "packets",
        "pauses", "payload_types", "restarts", "seen", "silence", "ssrc", "strays",
    )  # fmt: skip

    def __init__(self, time: int, ssrc: int, sequence: int) -> None:
        self.ssrc = ssrc
        self.begin = self.last = time
        self.packets = 0
        self.base = sequence
        """The first number of those that follow on one another now."""
        self.highest = sequence - 1
        self.closed = 0
        """How many numbers there were before the source counted anew."""
        self.seen = 0
        """A bit for each of the last numbers, the highest one's the lowest: those that have come."""
        self.duplicates = self.late = self.strays = self.restarts = 0
        self.gap = 0
        self.gap_at = time
        """When the packet before the longest gap came."""
        self.silence = self.pauses = self.comfort_noise = self.markers = 0
        self.payload_types: dict[int, int] = {}
        """How many packets each has."""
        self.events: dict[int, Events] = {}
        """By payload type: which one is for events a session description says."""
        self.clocks: dict[tuple[int, ...], Jitter] = {}
        self.cut = False
        """The capture holds less than the whole of some packet."""
        self._clock: Jitter | None = None
        self._silent = False
        """The last packet said that there is nothing to hear."""
        self._after_jump = -1

    @property
    def expected(self) -> int:
        """How many packets were sent, by their numbers (RFC 3550 A.3)."""
        return self.closed + self.highest - self.base + 1

    @property
    def lost(self) -> int:
        """How many of them didn't come."""
        return self.expected - (self.packets - self.duplicates - self.strays)

    def take(
        self,
        time: int,
        second: int,
        sequence: int,
        timestamp: int,
        data: bytes,
        start: int,
        end: int,
    ) -> Events | None:
        """Take a packet whose payload is data[start:end]; `second` is the second byte of its header.

        Returns where an event has to be kept that began with it.
        """
        payload_type = second & 0x7F
        self.packets += 1
        counts = self.payload_types
        if payload_type not in counts and len(counts) >= RTP_PAYLOAD_TYPES:
            counts[OTHER_TYPES] = counts.get(OTHER_TYPES, 0) + 1
        else:
            counts[payload_type] = counts.get(payload_type, 0) + 1
        step = (sequence - self.highest) & 0xFFFF
        took = time - self.last
        if took > self.gap:
            self.gap, self.gap_at = took, self.last
        if time > self.last:
            self.last = time
        if step == 1:
            self.highest += 1
            self.seen = (self.seen << 1 | 1) & _SEEN
            if took > 0 and (self._silent or took >= _PAUSE):
                self.silence += took
                self.pauses += took >= _PAUSE
        elif not self._place(sequence, step):
            return None
        if second & 0x80:
            self.markers += 1
        return self._look_at(time, payload_type, timestamp, data, start, end)

    def _place(self, sequence: int, step: int) -> bool:
        """Take a number that isn't the next one; return whether its packet counts."""
        if 0 < step < _MAX_DROPOUT:
            self.highest += step
            self.seen = (self.seen << step | 1) & _SEEN
            return True
        behind = 0x10000 - step if step else 0
        if behind < _MAX_MISORDER:
            if self.seen >> behind & 1:
                self.duplicates += 1
                return False
            self.late += 1
            self.seen |= 1 << behind
            self.base = min(self.base, self.highest - behind)
            return True
        if sequence != self._after_jump:
            self._after_jump = (sequence + 1) & 0xFFFF
            self.strays += 1
            return False
        # Two in a row: it counts anew, and the one before was the first.
        self.closed = self.expected
        self.strays -= 1
        self.restarts += 1
        self.base, self.highest, self.seen = sequence - 1, sequence, 0b11
        self._clock = None
        return True

    def _look_at(
        self, time: int, payload_type: int, timestamp: int, data: bytes, start: int, end: int
    ) -> Events | None:
        size = end - start
        if payload_type >= _DYNAMIC_FROM and size == EVENT_SIZE:
            # Its timestamp is that of the event's beginning, so it tells nothing of jitter.
            self._silent = False
            return self._event(time, payload_type, timestamp, data[start:end])
        if payload_type in _G711:
            self._silent = size > 1 and data.count(data[start], start, end) == size
        elif payload_type in _COMFORT_NOISE:
            self._silent = True
            self.comfort_noise += 1
        else:
            self._silent = False
        rates = rates_of(payload_type)
        clock = self._clock
        if clock is None or clock.rates is not rates:
            clock = self.clocks.get(rates)
            if clock is None:
                clock = self.clocks[rates] = Jitter(rates)
            clock.begin_anew()
            self._clock = clock
        clock.take(time, timestamp)
        return None

    def _event(self, time: int, payload_type: int, timestamp: int, payload: bytes) -> Events | None:
        events = self.events.get(payload_type)
        if events is None:
            events = self.events[payload_type] = Events()
        return events if events.take(timestamp, payload) else None
