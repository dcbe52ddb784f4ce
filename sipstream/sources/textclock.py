"""Time stamps as tcpdump prints them, turned into ns since the epoch: one clock for each -t form.

Sans-IO; the day is an argument. Times of day are local, as tcpdump prints them. `mktime` is asked
once a minute of capture, so a million stamps cost a million additions.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
from typing import TypeAlias

from sipstream.limits import FURTHEST

_SECOND = 10**9
_HALF_DAY = 12 * 3600 * _SECOND
_DAY = 24 * 3600 * _SECOND
_LATE = 60 * _SECOND
"""How long before midnight a packet may be that is printed after one from behind midnight."""
_MINUTES = 4096
"""Minutes remembered; the table is emptied when full."""
_INTERVALS_READ = 64
"""Packets looked at before -ttt and -ttttt are told apart."""
_FEW = 8
"""Packets that may well rise all along by chance when each counts from the one before."""

Stamp: TypeAlias = tuple[bytes, bytes, bytes]
"""What stands before the seconds, the whole seconds, and the 6 or 9 digits behind the dot."""


class Form(enum.Enum):
    """How a text's packets are stamped."""

    CLOCK = "time of day"
    EPOCH = "-tt"
    DATE = "-tttt"
    INTERVAL = "-ttt or -ttttt"
    NONE = "-t"


class Clock:
    """The times of one text's packets, in their order. `day` is the local date of the first.

    A stamp that can't be read gives a time 1 ns after the packet's before it.
    """

    def __init__(self, form: Form, day: date) -> None:
        self.previous = max(-FURTHEST, min(midnight(day) - 1, FURTHEST))
        """The time of the packet before."""
        self._day = self._first_day = day
        self.second = b""
        """What is printed of the second that began at `begun` (ns): it is that of most that follow."""
        self.begun = 0
        self._is_epoch = form is Form.EPOCH
        self._minute = b""
        self._bases: tuple[int, ...] = ()
        self._known: dict[bytes, tuple[int, ...]] = {}
        self._twice = False
        """A time of day came that the day had twice, or never: clocks were put back, or forward."""
        self._read: Callable[[bytes, int, int], int | None] = {
            Form.CLOCK: self._clock,
            Form.DATE: self._date,
            Form.EPOCH: self._epoch,
            Form.INTERVAL: self._interval,
            Form.NONE: self._none,
        }[form]

    def printed(self, second: bytes | None, fraction: bytes) -> int:
        """Return the time of the next packet, printed as `15:54:44` or the like and digits behind a dot.

        Of most packets only these digits are new: the caller may add up to 6 of them to `begun` as long
        as `second` is printed, and then sets `previous` before it asks again.
        """
        if not second:
            return self.time(None)
        clock, _, seconds = second.rpartition(b":")
        found = self.time((clock, seconds, fraction))
        self.second = b""
        if self._is_epoch or self._bases:
            self.begun = (self._bases[0] if self._bases else 0) + int(seconds) * _SECOND
            if 0 <= found - self.begun < _SECOND:
                self.second = second
        return found

    def time(self, stamp: Stamp | None) -> int:
        """Return the time of the next packet, of -ttt and -ttttt the ns printed (see Intervals)."""
        if stamp is not None:
            before, seconds, fraction = stamp
            within = int(fraction) * (1 if len(fraction) == 9 else 1000)
            found = self._read(before, int(seconds) * _SECOND + within, self.previous)
            if found is not None and -FURTHEST < found < FURTHEST:
                self.previous = found
                return found
        self.previous += 1
        return self.previous

    def _epoch(self, before: bytes, within: int, previous: int) -> int:
        return within

    def _none(self, before: bytes, within: int, previous: int) -> None:
        return None

    def _interval(self, before: bytes, within: int, previous: int) -> int:
        value = (int(before[1:3]) * 60 + int(before[4:6])) * 60 * _SECOND + within
        return -value if before[:1] == b"-" else value

    def _date(self, before: bytes, within: int, previous: int) -> int | None:
        if before != self._minute:
            self._minute = before
            try:
                day = _day(before[:10].decode("ascii"))
            except ValueError:
                self._bases = ()
            else:
                self._bases = self._minute_of(before, day, before[11:])
        return _nearest(self._bases, within, previous)

    def _clock(self, before: bytes, within: int, previous: int) -> int | None:
        """Add the day: a step back of over 12 hours is a midnight passed."""
        if before == self._minute and len(self._bases) == 1:
            return self._bases[0] + within
        self._minute = before
        self._bases = self._minute_of(before, self._day, before)
        found = _nearest(self._bases, within, previous)
        if found is None:
            return None
        if found < previous - _HALF_DAY:
            self._day += timedelta(days=1)
            self._known.clear()
            self._bases = self._minute_of(before, self._day, before)
            return _nearest(self._bases, within, previous)
        if found > previous + _DAY - _LATE and self._day > self._first_day:
            # Printed late: it is from just before the midnight that passed already.
            self._minute = b""
            return found - _DAY
        return found

    def _minute_of(self, key: bytes, day: date, clock: bytes) -> tuple[int, ...]:
        """Return the times (ns) at which a local minute began: two where clocks were put back."""
        bases = self._known.get(key)
        if bases is None:
            if len(self._known) >= _MINUTES:
                self._known.clear()
            bases = self._known[key] = _local(day, int(clock[:2]), int(clock[3:5]))
            self._twice |= len(bases) != 1
        return bases

    @property
    def is_plain(self) -> bool:
        """So far each stamp has told its time by itself, the first day being known."""
        return self._day == self._first_day and not self._twice


def _day(text: str) -> date:
    """Return a printed date: tcpdump's of today, of before version 3.8, or one turned by other tools.

    Raises:
        ValueError: no calendar has it.
    """
    if text[4] == "-":
        return date.fromisoformat(text)
    first, second, year = int(text[:2]), int(text[3:5]), int(text[6:])
    return date(year, first, second) if text[2] == "/" else date(year, second, first)


class Intervals:
    """Times from what -ttt (since the packet before) or -ttttt (since the first) print.

    Both look alike. Times since the first hardly ever go down (only where packets were written out
    of order), times between packets do at every second packet; the first 64 packets decide. Packets
    that rise all along are ambiguous: up to 3 are taken for -ttt, more for -ttttt. What a quiet
    live text made us decide early is looked at again at the 64th, and `changed` says so.
    """

    def __init__(self, day: date) -> None:
        self._origin = midnight(day)
        self._values: list[int] = []
        self._since_first: bool | None = None
        self._total = 0
        self._wraps = 0
        self._previous = 0
        self.changed = False
        """Times given out before were taken for the other form."""
        self.guessed = False
        """The packets so far could be of either form."""

    @property
    def settled(self) -> bool:
        """The form is known, at least for now."""
        return self._since_first is not None

    def look(self, value: int) -> None:
        """Take note of what is printed (ns), in the packets' order, before `time` is asked."""
        if len(self._values) < _INTERVALS_READ:
            self._values.append(value)
            if len(self._values) == _INTERVALS_READ:
                before = self._since_first
                self.settle()
                self.changed = before is not None and before != self._since_first

    def settle(self) -> None:
        """Decide on what was looked at so far: no more of it will come soon."""
        self._since_first = _rises(self._values)
        self.guessed = len(self._values) < _FEW and self._values == sorted(self._values)

    def time(self, value: int) -> int:
        """Return the time that a printed value means; to be asked in the packets' order."""
        self._total += value
        if value < self._previous - _HALF_DAY:
            # tcpdump prints the hours modulo 24.
            self._wraps += _DAY
        self._previous = value
        since = value + self._wraps if self._since_first else self._total
        return max(-FURTHEST, min(self._origin + since, FURTHEST))


def midnight(day: date) -> int:
    """Return when a day began in local time, in ns since the epoch."""
    bases = _local(day, 0, 0)
    return bases[0] if bases else 0


def _rises(values: list[int]) -> bool:
    """Tell values that rise but for small disorder from those that go up and down."""
    if len(values) < 4:
        return False
    peak = drops = deepest = wraps = 0
    previous = values[0]
    for value in values:
        if value < previous - _HALF_DAY:
            wraps += _DAY
        drops += value < previous
        previous = value
        peak = max(peak, value + wraps)
        deepest = max(deepest, peak - value - wraps)
    return drops * 4 < len(values) and deepest * 4 <= peak


def _local(day: date, hour: int, minute: int) -> tuple[int, ...]:
    """Return the times (ns) at which local clocks show this, earliest first.

    In the hour that is skipped when clocks are put forward no clock shows it: then what `mktime`
    makes of it is returned.
    """
    plain = _plain_midnight(day, (*time.tzname, time.timezone, time.altzone))
    if plain is not None:
        return (plain + (hour * 60 + minute) * 60 * _SECOND,)
    found: set[int] = set()
    parts = (day.year, day.month, day.day, hour, minute)
    try:
        for summer in (0, 1):
            moment = int(time.mktime((*parts, 0, 0, 0, summer)))
            if tuple(time.localtime(moment)[:5]) == parts:
                found.add(moment * _SECOND)
        if not found:
            found.add(int(time.mktime((*parts, 0, 0, 0, -1))) * _SECOND)
    except (OverflowError, ValueError, OSError):
        return ()
    return tuple(sorted(found))


@lru_cache(maxsize=64)
def _plain_midnight(day: date, zone: object) -> int | None:
    """Return when a day of 24 hours began (ns), None for one on which clocks are put on or back.

    `zone` only tells answers for one time zone from those for another.
    """
    try:
        begin, end = (
            time.mktime((day.year, day.month, one, 0, 0, 0, 0, 0, -1))
            for one in (day.day, day.day + 1)
        )
        shifted = any(time.localtime(begin + hour * 3600).tm_hour != hour for hour in range(24))
    except (OverflowError, ValueError, OSError):
        return None
    return int(begin) * _SECOND if end - begin == 86_400 and not shifted else None


def _nearest(bases: tuple[int, ...], within: int, previous: int) -> int | None:
    """Return the first of the possible times that isn't before `previous`, else the last."""
    found = None
    for base in bases:
        found = base + within
        if found >= previous - _LATE:
            break
    return found
