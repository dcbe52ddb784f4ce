"""The time stamps of tcpdump's lines, in every form from `-t` to `-ttttt`, as ns since the epoch.

tcpdump prints local time. A form without a date counts from a day that the caller knows; a step back
of more than half a day is midnight. Sans-IO.
"""

from __future__ import annotations

import time
from datetime import date, timedelta

from sipstream.packets import Batch

CLOCK, DELTA, EPOCH, DATE, NONE = "clock", "delta", "epoch", "date", ""
FORMS = {
    CLOCK: rb"\d\d:\d\d:\d\d\.\d{6,9} ",
    DELTA: rb" \d\d:\d\d:\d\d\.\d{6,9} ",
    EPOCH: rb"\d{1,11}\.\d{6,9} ",
    DATE: rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6,9} ",
    NONE: b"",
}
"""How each form looks; -ttt (time since the packet before) and -ttttt (since the first) look alike."""

_NS = 10**9
_HALF_DAY = 43_200
_TELLING = 8
"""Packets after which times since the packet before have gone down at least once, all but surely."""


class Stamps:
    """Reads the time stamps of one text, in order."""

    def __init__(self, form: str, day: date | None) -> None:
        self._form = form
        self._day = day or date(1970, 1, 2)
        self._midnight = _local_seconds(self._day, 0) * _NS
        self._second = -1
        self._key = b""
        self._base = 0
        self._count = 0
        self._since_first: bool | None = None
        """For DELTA: True for -ttttt, False for -ttt, None while it could be both."""
        self._waiting: list[Batch] = []

    def time(self, data: bytes, start: int) -> int:
        """Return the time of the packet whose line begins at `start`."""
        if self._form == CLOCK:
            return self._clock(data, start)
        if self._form == DELTA:
            return _of_day(data, start + 1)
        if self._form == EPOCH:
            dot = data.index(b".", start)
            return int(data[start:dot]) * _NS + _fraction(data, dot + 1)
        if self._form == DATE:
            return self._date(data, start)
        # -t: the order is all there is; 1 ns apart, so that equal messages aren't taken for one.
        self._count += 1
        return self._midnight + self._count

    def settled(self, batches: list[Batch]) -> list[Batch]:
        """Return batches whose times are final; those of DELTA may have to wait for more."""
        if self._form != DELTA:
            return batches
        self._waiting += batches
        if self._since_first is None:
            times = [record[0] for batch in self._waiting for record in batch.records]
            if any(after < before for before, after in zip(times, times[1:], strict=False)):
                self._since_first = False
            elif len(times) >= _TELLING:
                self._since_first = True
            else:
                return []
        return self._counted()

    def decide(self) -> list[Batch]:
        """No more comes for now: take times that never went down as times since the first packet."""
        if self._form == DELTA and self._since_first is None and self._waiting:
            self._since_first = True
        return self._counted() if self._since_first is not None else []

    def _counted(self) -> list[Batch]:
        """Return what waited, its times counted from midnight."""
        batches, self._waiting = self._waiting, []
        for batch in batches:
            for place, (value, *rest) in enumerate(batch.records):
                self._base = value if self._since_first else self._base + value
                batch.records[place] = (self._midnight + self._base, rest[0], rest[1], rest[2])
        return batches

    def _clock(self, data: bytes, start: int) -> int:
        key = data[start : start + 8]
        if key != self._key:
            self._key = key
            second = int(key[:2]) * 3600 + int(key[3:5]) * 60 + int(key[6:8])
            if second < self._second - _HALF_DAY:
                self._day += timedelta(days=1)
            self._second = second
            self._base = _local_seconds(self._day, second) * _NS
        return self._base + _fraction(data, start + 9)

    def _date(self, data: bytes, start: int) -> int:
        key = data[start : start + 19]
        if key != self._key:
            self._key = key
            second = int(key[11:13]) * 3600 + int(key[14:16]) * 60 + int(key[17:19])
            try:
                day = date(int(key[:4]), int(key[5:7]), int(key[8:10]))
            except ValueError:
                day = self._day
            self._base = _local_seconds(day, second) * _NS
        return self._base + _fraction(data, start + 20)


def _of_day(data: bytes, start: int) -> int:
    """Return hours, minutes, seconds and fraction at `start` in ns."""
    second = (
        int(data[start : start + 2]) * 3600
        + int(data[start + 3 : start + 5]) * 60
        + int(data[start + 6 : start + 8])
    )
    return second * _NS + _fraction(data, start + 9)


def _fraction(data: bytes, start: int) -> int:
    """Return the six or nine digits at `start` in ns."""
    end = data.index(b" ", start)
    return int(data[start:end]) * int(10 ** (9 - min(end - start, 9)))


def _local_seconds(day: date, second: int) -> int:
    """Return seconds since the epoch of a second of a local day."""
    minutes, seconds = divmod(second, 60)
    try:
        whole = time.mktime(
            (day.year, day.month, day.day, minutes // 60, minutes % 60, seconds, 0, 0, -1)
        )
    except (OverflowError, ValueError):
        return second
    return int(whole)
