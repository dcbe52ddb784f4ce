"""DTMF and other telephone events in RTP (RFC 4733 section 2.3), each told once."""

from __future__ import annotations

from dataclasses import dataclass

SIZE = 4
"""Bytes of an event in a packet."""
_DIGITS = "0123456789*#ABCD"
_FLASH = 16
"""RFC 2833; kept by the registry of RFC 4733."""
_LOOK_BACK = 4
"""Events looked back at: packets of one that has ended may come behind the first of the next."""
_WRAP = 1 << 32


def event_name(code: int) -> str:
    """Return what an event is called: its digit, `flash`, else `event N`."""
    if code < len(_DIGITS):
        return _DIGITS[code]
    return "flash" if code == _FLASH else f"event {code}"


@dataclass(slots=True)
class Heard:
    """An event as far as its packets have come."""

    code: int
    time: int
    """When its first packet came (ns)."""
    timestamp: int
    """RTP time of the segment that goes on now: a long event has several (section 2.5.1.3)."""
    before: int = 0
    """Ticks of the segments before."""
    duration: int = 0
    """Ticks of this one."""
    ended: bool = False

    @property
    def ticks(self) -> int:
        """How long it lasted, in ticks of the clock."""
        return self.before + self.duration


class Events:
    """The events of one payload type of a stream."""

    __slots__ = ("heard",)

    def __init__(self) -> None:
        self.heard: list[Heard] = []

    def take(self, timestamp: int, payload: bytes) -> bool:
        """Take an event's packet; return whether it is the first of a new event, which isn't kept yet."""
        code, ended = payload[0], bool(payload[1] & 0x80)
        duration = int.from_bytes(payload[2:4], "big")
        for one in self.heard[-_LOOK_BACK:]:
            if one.code == code and one.timestamp == timestamp:
                one.duration = max(one.duration, duration)
                one.ended |= ended
                return False
        if self.heard:
            last = self.heard[-1]
            goes_on = (last.timestamp + last.duration) % _WRAP == timestamp
            if last.code == code and not last.ended and goes_on:
                last.before += last.duration
                last.timestamp, last.duration, last.ended = timestamp, duration, ended
                return False
        return True

    def begin(self, time: int, timestamp: int, payload: bytes) -> None:
        """Keep a new event."""
        ended, duration = bool(payload[1] & 0x80), int.from_bytes(payload[2:4], "big")
        self.heard.append(Heard(payload[0], time, timestamp, 0, duration, ended))
