"""Capture times (ns since the epoch) as text, in the local time zone.

Any integer gives a text: captures hold times before 1970 and far beyond any calendar. A list of
100,000 lines has few distinct seconds, so each second is worked out once.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sipstream.limits import EARLIEST_CAPTURE, LATEST_CAPTURE

DOUBTFUL = "?"
"""Stands behind a time that can't be right: a time of day alone doesn't show it."""
_NS = 1_000_000_000
_CYCLE_YEARS = 400
_CYCLE_SECONDS = 146_097 * 86_400
"""The calendar repeats itself after 400 years."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def clock(ns: int) -> str:
    """Return the time of day, `15:49:30.333525`; a `?` behind it says that no capture is of then."""
    seconds, rest = divmod(ns, _NS)
    mark = "" if EARLIEST_CAPTURE <= ns < LATEST_CAPTURE else DOUBTFUL
    return f"{_time_of_day(seconds)}.{rest // 1000:06d}{mark}"


def date(ns: int) -> str:
    """Return the local date, `2018-04-16`."""
    return _date_and_zone(ns // _NS)[0][: -len("T00:00:00")]


def iso(ns: int) -> str:
    """Return ISO 8601 with microseconds and zone, `2018-04-16T16:41:37.979995+00:00`.

    A year that four digits can't hold has a sign, as ISO 8601 wants it.
    """
    seconds, rest = divmod(ns, _NS)
    before, zone = _date_and_zone(seconds)
    return f"{before}.{rest // 1000:06d}{zone}"


def forget() -> None:
    """Forget the seconds worked out: the time zone has changed."""
    _time_of_day.cache_clear()
    _date_and_zone.cache_clear()


@lru_cache(maxsize=4096)
def _time_of_day(seconds: int) -> str:
    try:
        local = time.localtime(seconds)
    except (OverflowError, OSError, ValueError):
        # Beyond what the system's calendar knows: UTC.
        minutes, second = divmod(seconds % 86_400, 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}"
    return f"{local.tm_hour:02d}:{local.tm_min:02d}:{local.tm_sec:02d}"


@lru_cache(maxsize=4096)
def _date_and_zone(seconds: int) -> tuple[str, str]:
    try:
        text = datetime.fromtimestamp(seconds, UTC).astimezone().isoformat()
    except (OverflowError, OSError, ValueError):
        cycles, rest = divmod(seconds, _CYCLE_SECONDS)
        moment = _EPOCH + timedelta(seconds=rest)
        year = moment.year + cycles * _CYCLE_YEARS
        date = f"{year:04d}" if 0 <= year <= 9999 else f"{year:+05d}"
        return date + moment.strftime("-%m-%dT%H:%M:%S"), "+00:00"
    return text[:19], text[19:]
