"""Moments of filters: `15:40`, `2018-04-16 15:40:30`, in the local time zone.

A time without a date is one of the day of the newest message, so that it means what one sees in a list;
there is no clock here.
"""

from __future__ import annotations

import re
import time

from sipstream.errors import FilterError
from sipstream.filters.values import shown

_DATE = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_TIME = r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<part>[0-9]{1,9}))?)?"
_MOMENT = re.compile(rf"(?:{_DATE}(?:[T ]{_TIME})?)")
_TIME_OF_DAY = re.compile(_TIME)
_NS = 10**9


def moment_text(value: str) -> str:
    """Return a time, a date, or both joined by T, in its one spelling.

    Raises:
        FilterError: it is none of these.
    """
    match = _TIME_OF_DAY.fullmatch(value) or _MOMENT.fullmatch(value.upper())
    if match is None:
        raise FilterError(
            f"'{shown(value)}' is no time such as 15:40, 15:40:30, 2018-04-16 or 2018-04-16T15:40"
        )
    parts = match.groupdict()
    try:
        _seconds(parts, 0)
    except (ValueError, OverflowError):
        raise FilterError(f"'{shown(value)}' is no time: there is no such day or hour") from None
    date = f"{parts['year']}-{parts['month']}-{parts['day']}" if parts.get("year") else ""
    if not parts["hour"]:
        return date
    text = f"{int(parts['hour']):02d}:{parts['minute']}"
    if parts["second"]:
        text += f":{parts['second']}" + (f".{parts['part']}" if parts["part"] else "")
    return f"{date}T{text}" if date else text


def moment_of(text: str, newest: int) -> int:
    """Return the time of a text of `moment_text`, ns since the epoch.

    `newest` is a time of the day that is meant where the text has no date.
    """
    match = _TIME_OF_DAY.fullmatch(text) or _MOMENT.fullmatch(text)
    assert match is not None, "checked before"
    parts = match.groupdict()
    fraction = (parts["part"] or "").ljust(9, "0")
    return _seconds(parts, newest // _NS) * _NS + int(fraction)


def _seconds(parts: dict[str, str | None], today: int) -> int:
    """Return seconds since the epoch; raise ValueError or OverflowError for what no calendar has."""
    if parts.get("year"):
        year, month, day = (int(parts[name] or 0) for name in ("year", "month", "day"))
    else:
        year, month, day, *_ = time.localtime(today)
    hour, minute, second = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("no such time of day")
    wanted = (year, month, day, hour, minute, second, 0, 0, -1)
    seconds = int(time.mktime(wanted))
    if time.localtime(seconds)[:3] != (year, month, day):
        raise ValueError("no such day")
    return seconds
