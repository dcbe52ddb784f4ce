"""Bars over time for a terminal: one column or several an interval, as wide as there is room.

plotext draws them; what it draws holds no text from traffic.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sipstream.escape import cut

_CODES = re.compile(r"\x1b\[[0-9;]*m")
_PLAIN = str.maketrans("┌┐└┘┤├┬┴┼─│█", "++++|++++-|#")
"""What stands for lines and blocks where a terminal has ASCII only."""
_BAR, _PLAIN_BAR = "█", "#"
_TICK = 16
"""Columns between two times below the bars."""


class Series(NamedTuple):
    """A name, and a value for each interval."""

    name: str
    values: Sequence[int]


def ready() -> None:
    """Import the library and draw once, which takes some milliseconds the first time.

    Who has no time for that calls it in another thread before.
    """
    if "plotext" not in sys.modules:
        _drawn(Series("", (1,)), ("",), 1, 1, 1, plain=False)


def bars(
    series: Sequence[Series], times: Sequence[str], width: int, height: int, *, plain: bool
) -> Iterator[str]:
    """Yield lines: the bars of each series in `height` lines, below the last one the times.

    `times` are the intervals' beginnings. No line is wider than `width`.
    """
    labels = _labels(series)
    count = len(times)
    each = max((width - labels - 2) // max(count, 1), 1)
    for one in series:
        last = one is series[-1]
        text = _drawn(one, times if last else (), labels, each, height, plain=plain)
        if plain:
            text = text.translate(_PLAIN)
        for line in text.split("\n"):
            yield cut(line.rstrip(), width)


def _labels(series: Sequence[Series]) -> int:
    return max(len(_label(one)) for one in series)


def _label(one: Series) -> str:
    return f"{one.name} {max(one.values, default=0)}"


def _drawn(
    one: Series, times: Sequence[str], labels: int, each: int, height: int, *, plain: bool
) -> str:
    """Return the bars of a series; the label stands beside the highest."""
    import plotext

    count, highest = len(one.values), max(one.values, default=0)
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)
    plotext.plot_size(labels + 1 + count * each, height + (1 if times else 0))
    plotext.xaxes(False, False)
    plotext.yaxes(True, False)
    # A point a column, filled down to the axis: where nothing was, none.
    filled = [column for column in range(count * each) if one.values[column // each]]
    plotext.scatter(
        filled,
        [one.values[column // each] for column in filled],
        fillx=True,
        marker=_PLAIN_BAR if plain else _BAR,
    )
    plotext.xlim(0, max(count * each - 1, 1))
    plotext.ylim(0, max(highest, 1))
    plotext.yticks([0, max(highest, 1)], ["0".rjust(labels), _label(one).rjust(labels)])
    step = max(-(-_TICK // each), 1)
    shown = range(0, count, step) if times else ()
    plotext.xticks([place * each for place in shown], [times[place] for place in shown])
    return _CODES.sub("", plotext.build()).rstrip("\n")
