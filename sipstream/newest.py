"""The time that `last 5m` counts from: of the newest message, but for those that claim the future.

An agent (HEP) says itself when a message came. One packet dated years ahead would otherwise make all that
there is too old for `last`, and each call in progress one that was never answered.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sipstream.limits import AHEAD


def newest_of(known: int, times: Sequence[int]) -> int:
    """Return the newest of times, and of the one that is known so far (ns since the epoch, 0 for none).

    Those too far ahead of our clock count only where there are no others: of a capture that is read
    where the clock is wrong, or that was made where it was.
    """
    latest, limit = max(times, default=0), time.time_ns() + AHEAD
    if latest <= limit >= known:
        return max(known, latest)
    return max((one for one in (known, *times) if one <= limit), default=0) or max(known, latest)
