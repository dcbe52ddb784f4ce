"""What tcpdump prints, cut into packets: each from its line up to the next packet's line.

Sans-IO: text is fed in any cut, batches come back, the last packet waits for its rest. Nothing here
knows what stands in a packet; `decode.printed` reads it. The first packet's line says in which form
the times are printed, and from then on only that form begins a packet.
"""

from __future__ import annotations

import re
import time
from datetime import date, timedelta

from sipstream.limits import BATCH_PACKETS, MAX_TEXT_PACKET
from sipstream.packets import Batch, Linktype, Record, Store

_NS = 1_000_000_000
_MINUTE = 60 * _NS
_DAY = 86_400 * _NS
_HALF_DAY = _DAY // 2
_UNDECIDED_PACKETS = 64
"""Packets looked at to tell times since the previous packet from times since the first."""
_NO_TIME = b"]"
"""How the time ends that tcpdump could not print: `[Error converting time]`."""

_MAC = rb"[0-9a-f]{2}(?::[0-9a-f]{2}){5}[ ,]"
_PROTOCOL = (
    rb"(?=(?:(?:[^\s:]{1,32} +)?(?:In|Out|B|M|P) +)?"
    rb"(?:IP6? |ip6?: |ARP|PPPoE|MPLS|EAPOL|\[\||" + _MAC + rb"|"
    rb"[A-Za-z0-9][^\s,]{0,40}(?: [^\s,]{1,40}){0,4}, ))"
)
_FRACTION = rb"\.\d{6}(?:\d{3})?"
_CLOCK = rb"\d\d:\d\d:\d\d" + _FRACTION
_STAMPS = {
    "clock": _CLOCK,
    "epoch": rb"\d{1,10}" + _FRACTION,
    "span": rb"[ -]" + _CLOCK,
    "date": rb"\d{4}-\d\d-\d\d " + _CLOCK,
}
_ERROR = rb"-?\[Error converting time\]"
_BARE = rb"(?=IP6? \(|ip6?: |IP6? [^\s>]{1,255} > |ARP, |" + _MAC + rb"> )"
_LINES = {
    form: re.compile(rb"\n(" + stamp + rb"|" + _ERROR + rb") " + _PROTOCOL)
    for form, stamp in _STAMPS.items()
} | {"bare": re.compile(rb"\n()" + _BARE)}
"""A packet's line in each form; the line end before it makes the search quick."""
_FIRST = re.compile(
    rb"\n(?:(?:"
    + b"|".join(b"(?P<%b>%b)" % (form.encode(), stamp) for form, stamp in _STAMPS.items())
    + rb") "
    + _PROTOCOL
    + rb"|(?P<bare>)"
    + _BARE
    + rb")"
)
_STAMPED = re.compile(rb"\n(?:" + b"|".join(_STAMPS.values()) + rb") " + _PROTOCOL)


def headline_before(text: bytes) -> bytes | None:
    """Return the last packet's line in `text`, which ends where a message begins."""
    text = b"\n" + text
    for pattern in (_STAMPED, _LINES["bare"]):
        places = [match.start() + 1 for match in pattern.finditer(text)]
        if places:
            return text[places[-1] :].partition(b"\n")[0].rstrip(b"\r")
    return None


class TextReader:
    """Reads one stream of printed packets.

    `offset` is the place in `store` of the first byte that will be fed, `day` the local date of the
    first packet (today where nobody knows), `live` says that the text is being printed now.
    """

    def __init__(
        self, store: Store, offset: int = 0, *, day: date | None = None, live: bool = False
    ) -> None:
        self.notes: list[str] = []
        self._store = store
        self._base = offset
        self._live = live
        self._day = day or date.today()
        self._clock = _Clock(self._day)
        self._buffer = bytearray()
        """Text from the first packet that was not given out, or from the start of a line."""
        self._scanned = 0
        """Bytes of it, up to a line's start, that were searched for packets."""
        self._starts: list[tuple[int, bytes]] = []
        """Place in the buffer and printed time of the packets not given out."""
        self._form: str | None = None
        self._mid_line = False
        """The buffer begins within a line that was passed over."""
        self._given_out = False
        """The last packet was given out before the text after it came."""

    def feed(self, data: bytes) -> list[Batch]:
        """Take the next bytes, return the packets that the start of another one has ended."""
        if self._mid_line:
            data = self._skip_line(data)
        self._buffer += data
        if b"\n" in data:
            self._search(self._buffer.rfind(b"\n") + 1)
        batches = self._give(len(self._starts) - 1)
        if len(self._buffer) > MAX_TEXT_PACKET:
            batches += self._limit()
        return batches

    def flush(self) -> list[Batch]:
        """The text has not grown for a while: return the last packet, if it ends in a line's end."""
        if not self._live or not self._starts or not self._buffer.endswith(b"\n"):
            return []
        self._clock.decide()
        self._given_out = True
        return self._give(len(self._starts))

    def finish(self) -> list[Batch]:
        """The text ended: return the last packet."""
        self._search(len(self._buffer))
        self._clock.decide()
        batches = self._give(len(self._starts))
        self._drop(len(self._buffer))
        return batches

    def _search(self, stop: int) -> None:
        """Look for packets' lines in the text that wasn't searched before, up to `stop`."""
        begin = self._scanned
        if begin >= stop:
            return
        # What stands before `begin` is a line's end, in the buffer or before it.
        text = b"\n" + self._buffer[begin:stop]
        if self._form is None:
            match = _FIRST.search(text)
            if match is not None:
                self._form = match.lastgroup or "bare"
                self._clock = _CLOCKS[self._form](self._day)
        if self._form is not None:
            for match in _LINES[self._form].finditer(text):
                self._starts.append((begin + match.start(), match[1]))
                self._clock.see(match[1], begin + match.start())
        self._scanned = stop
        ignored = self._starts[0][0] if self._starts else stop
        if ignored:
            self._ignore(ignored)
        if self._starts:
            self._given_out = False

    def _ignore(self, count: int) -> None:
        """Drop text at the buffer's start that belongs to no packet still to be given out."""
        if self._given_out and self._buffer[:count].strip():
            self.notes.append("text came late for a packet that was shown already: left out")
            self._given_out = False
        self._drop(count)

    def _give(self, count: int) -> list[Batch]:
        """Return the first `count` waiting packets, unless their times can't be told yet."""
        if count <= 0 or not self._clock.decided:
            return []
        starts = self._starts[: count + 1]
        ends = [place for place, _ in starts[1:]]
        if len(ends) < count:
            ends.append(len(self._buffer))
        time_of = self._clock.time
        records: list[Record] = [
            (time_of(stamp), place, end, end - place)
            for (place, stamp), end in zip(starts, ends, strict=False)
        ]
        data, base = bytes(self._buffer[: ends[-1]]), self._base
        self._drop(len(data))
        return [
            Batch(self._store, base, data, Linktype.TCPDUMP_TEXT, records[at : at + BATCH_PACKETS])
            for at in range(0, count, BATCH_PACKETS)
        ]

    def _drop(self, count: int) -> None:
        """Drop the first bytes of the buffer, and the packets that begin there."""
        del self._buffer[:count]
        self._base += count
        self._scanned = max(0, self._scanned - count)
        self._starts = [(place - count, stamp) for place, stamp in self._starts if place >= count]

    def _limit(self) -> list[Batch]:
        """Bound what is held: give out a packet of which the text is too long, or drop a line."""
        self._clock.decide()
        batches = self._give(len(self._starts) - 1)
        if len(self._buffer) <= MAX_TEXT_PACKET:
            return batches
        self._mid_line = not self._buffer.endswith(b"\n")
        if self._starts:
            self.notes.append(f"a packet's text was cut after {len(self._buffer)} bytes")
            return batches + self._give(len(self._starts))
        self._drop(len(self._buffer))
        return batches

    def _skip_line(self, data: bytes) -> bytes:
        """Pass over the rest of a line of which the beginning was dropped."""
        rest, newline, data = data.partition(b"\n")
        self._base += len(rest) + len(newline)
        self._mid_line = not newline
        return data


class _Clock:
    """Times of one form to ns since the epoch: the clock reads what is printed."""

    decided = True
    """Times can be told."""

    def __init__(self, day: date) -> None:
        self._day = day
        self._key = b""
        self._minute = 0
        """Of the last time read: what was printed up to its minute, and the ns of that."""
        self._latest = 0

    def see(self, stamp: bytes, place: int) -> None:
        """Look at a time before it is read."""

    def decide(self) -> None:
        """No more times can be waited for."""

    def time(self, stamp: bytes) -> int:
        """Return the next packet's time; the last one's where tcpdump could print none."""
        if not stamp.endswith(_NO_TIME):
            self._latest = self._read(stamp)
        return self._latest

    def _read(self, stamp: bytes) -> int:
        raise NotImplementedError


class _Epoch(_Clock):
    """`-tt`: seconds since the epoch."""

    def _read(self, stamp: bytes) -> int:
        seconds, _, fraction = stamp.partition(b".")
        return int(seconds) * _NS + int(fraction.ljust(9, b"0"))


class _Bare(_Clock):
    """`-t`: no times; one nanosecond a packet keeps the order."""

    def time(self, stamp: bytes) -> int:
        self._latest = self._latest + 1 if self._latest else _local(self._day, 0, 0)
        return self._latest


class _Date(_Clock):
    """`-tttt`: local date and time of day."""

    def _read(self, stamp: bytes) -> int:
        if stamp[:16] != self._key:
            year, month, day = int(stamp[:4]), int(stamp[5:7]), int(stamp[8:10])
            self._key = stamp[:16]
            self._minute = _mktime(year, month, day, int(stamp[11:13]), int(stamp[14:16]))
        return self._minute + _seconds(stamp[17:])


class _TimeOfDay(_Clock):
    """No `-t`: local time of day; a step back of more than half a day is the next day."""

    def __init__(self, day: date) -> None:
        super().__init__(day)
        self._second = 0

    def _read(self, stamp: bytes) -> int:
        if stamp[:5] != self._key:
            hour, minute = int(stamp[:2]), int(stamp[3:5])
            if self._second - (hour * 60 + minute) * _MINUTE > _HALF_DAY:
                self._day += timedelta(days=1)
            self._second = (hour * 60 + minute) * _MINUTE
            self._key = stamp[:5]
            self._minute = _local(self._day, hour, minute)
        return self._minute + _seconds(stamp[6:])


class _Span(_Clock):
    """`-ttt`, time since the packet before, or `-ttttt`, since the first: printed alike.

    Either counts from midnight. A value below the one before it shows `-ttt`; where there is none
    among the first packets, three or more, it is `-ttttt`.
    """

    def __init__(self, day: date) -> None:
        super().__init__(day)
        self._latest = self._start = _local(day, 0, 0)
        self._since_first = False
        self._seen: list[int] = []
        self._previous = 0
        self._days = 0
        self.decided = False

    def see(self, stamp: bytes, place: int) -> None:
        if self.decided or stamp.endswith(_NO_TIME):
            return
        value = _span(stamp)
        if self._seen and value < self._seen[-1]:
            self.decided = True
            return
        self._seen.append(value)
        if len(self._seen) >= _UNDECIDED_PACKETS or place >= MAX_TEXT_PACKET:
            self.decide()

    def decide(self) -> None:
        if not self.decided:
            self._since_first = len(self._seen) >= 3
            self.decided = True

    def _read(self, stamp: bytes) -> int:
        value = _span(stamp)
        if not self._since_first:
            return self._latest + value
        if self._previous - value > _HALF_DAY:
            # Printed is the time within a day only.
            self._days += 1
        self._previous = value
        return self._start + self._days * _DAY + value


_CLOCKS: dict[str, type[_Clock]] = {
    "clock": _TimeOfDay,
    "epoch": _Epoch,
    "span": _Span,
    "date": _Date,
    "bare": _Bare,
}


def _seconds(text: bytes) -> int:
    """Return `SS.ffffff` (or nine digits) in ns."""
    fraction = int(text[3:])
    return int(text[:2]) * _NS + (fraction * 1000 if len(text) == 9 else fraction)


def _span(stamp: bytes) -> int:
    """Return ` HH:MM:SS.ffffff` in ns."""
    value = (int(stamp[1:3]) * 60 + int(stamp[4:6])) * _MINUTE + _seconds(stamp[7:])
    return -value if stamp[:1] == b"-" else value


def _local(day: date, hour: int, minute: int) -> int:
    return _mktime(day.year, day.month, day.day, hour, minute)


def _mktime(year: int, month: int, day: int, hour: int, minute: int) -> int:
    """Return a local time in ns since the epoch, 0 where there is no such time."""
    try:
        return int(time.mktime((year, month, day, hour, minute, 0, 0, 0, -1))) * _NS
    except (OverflowError, ValueError):
        return 0
