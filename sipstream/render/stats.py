"""Figures as lines that fit a terminal. What comes from traffic is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from sipstream.escape import cells, cut, escape
from sipstream.render import times
from sipstream.render.colours import PLAIN, Paint
from sipstream.render.table import span

if TYPE_CHECKING:
    from sipstream.metrics import Delay, Kind, Metrics
    from sipstream.metrics.intervals import Interval

_NONE = "-"
_LABEL = 10
"""Cells of the word that a line of the overview begins with."""
_NS = 1_000_000_000
DELAYS = {
    "srd": ("SRD", "INVITE to 18x"),
    "srd_failed": ("SRD failed", "of failed calls"),
    "sdd": ("SDD", "BYE to its 2xx"),
    "sdd_failed": ("SDD refused", "BYE to 3xx-6xx"),
    "sdt": ("SDT", "200 to BYE"),
    "rrd": ("RRD", "REGISTER to 2xx"),
}
"""By name in the figures: what it is called, and what it is (RFC 6076 4.1 to 4.5)."""
_RATIOS = {
    "ser": ("SER", "INVITEs that were answered", "RFC 6076 4.6"),
    "seer": ("SEER", "these, and 480, 486, 600, 603", "RFC 6076 4.7"),
    "isa": ("ISA", "sessions ended by 408, 500, 503, 504", "RFC 6076 4.8"),
    "scr": ("SCR", "sessions completed by BYE and its 2xx", "RFC 6076 4.9"),
    "asr": ("ASR", "sessions that were answered", "ITU-T E.411"),
    "ner": ("NER", "these, busy, no answer, given up", "ITU-T E.425"),
    "ira": ("IRA", "REGISTERs that failed", "RFC 6076 4.2"),
}
_DELAY_HEADING = ("delay", "count", "mean", "p50", "p95", "p99", "most")
_HEIGHT, _SMALL = 6, 2
"""Lines of each row of bars; three rows of the small ones fit a third of 24 lines."""
OF_CALLS = ("asr", "ner", "ser", "seer", "isa", "scr")


def overview(
    metrics: Metrics, failing: Sequence[tuple[str, int]], width: int, paint: Paint = PLAIN
) -> Iterator[str]:
    """Yield the lines that tell most, the most telling first; `failing` are numbers called."""
    yield paint.strong(cut(_heading(metrics), width))
    if not metrics.messages:
        return
    counts = metrics.counts
    if metrics.sessions:
        shares = (f"{_RATIOS[name][0]} {percent(getattr(metrics, name))}" for name in OF_CALLS)
        yield from _filled("calls", _calls(metrics), width)
        yield from _filled("", shares, width)
    if metrics.sessions or metrics.calls:
        yield from _filled("at once", _at_once(metrics), width)
    failures = [(str(kind), one.messages) for kind, one in metrics.responses.items() if kind >= 400]
    if failures:
        yield from _filled("errors", _most(failures), width)
    if failing:
        yield from _filled("failing to", _most(failing), width)
    if counts["registers"]:
        yield from _filled("registers", _registers(metrics), width)
    yield from _filled(
        "requests", _most([(n, k.messages) for n, k in metrics.requests.items()]), width
    )
    answers = [(str(kind), one.messages) for kind, one in metrics.responses.items() if kind < 400]
    yield from _filled("responses", _most(answers), width)
    yield from _filled("again", _again(metrics), width)
    yield from _filled("talkers", _talkers(metrics), width)
    yield from delays(metrics, width, paint)


def _heading(metrics: Metrics) -> str:
    if not metrics.messages:
        return "no messages"
    return (
        f"{_between(metrics.first, metrics.last)} ({span(metrics.last - metrics.first)}):"
        f" {metrics.conversations} conversations,"
        f" {metrics.messages} messages"
    )


def _between(first: int, last: int) -> str:
    """Return from when to when; with dates only where there are several days, as lists have them."""
    if times.date(first) == times.date(last):
        return f"{times.clock(first)[:8]} to {times.clock(last)[:8]}"
    return f"{times.date(first)} {times.clock(first)[:8]} to {times.date(last)} {times.clock(last)[:8]}"


def _calls(metrics: Metrics) -> list[str]:
    counts = metrics.counts
    told = [
        f"{metrics.sessions} asked for",
        f"{metrics.answered} answered",
        f"{counts['failed']} failed ({counts['cancelled']} cancelled)",
    ]
    if metrics.unanswered_invites:
        told.append(f"{metrics.unanswered_invites} without any response")
    if metrics.unanswered_byes:
        told.append(f"{metrics.unanswered_byes} BYEs unanswered")
    return told


def _at_once(metrics: Metrics) -> list[str]:
    told = [f"{metrics.in_progress} calls at the end"]
    if metrics.most_at is not None:
        told.append(f"most {metrics.most_at_once} at {times.clock(metrics.most_at)[:8]}")
    if metrics.acd is not None:
        told.append(f"ACD {span(round(metrics.acd))}")
    return told


def _registers(metrics: Metrics) -> list[str]:
    counts = metrics.counts
    return [
        f"{counts['registers']} requests",
        f"{counts['registered']} succeeded",
        f"{counts['registers_failed'] + metrics.unanswered_registers} failed",
        f"IRA {percent(metrics.ira)}",
    ]


def _again(metrics: Metrics) -> list[str]:
    kinds = [*metrics.requests.values(), *metrics.responses.values()]
    again, copies = sum(one.sent_again for one in kinds), sum(one.copies for one in kinds)
    share = percent(again / metrics.messages if metrics.messages else None)
    return [f"{again} retransmissions ({share})", f"{copies} copies of other taps"]


def _talkers(metrics: Metrics) -> list[str]:
    whole = max(metrics.messages, 1)
    told = [f"{address} {percent(count / whole)}" for address, count in metrics.talkers[:3]]
    return [*told, f"of {metrics.addresses} addresses"]


def _most(pairs: Iterable[tuple[str, int]], count: int = 8) -> list[str]:
    """Return the most frequent of some names, each with its number."""
    ordered = sorted(pairs, key=lambda pair: -pair[1])
    told = [f"{escape(name) or '(none)'} {number}" for name, number in islice(ordered, count)]
    return [*told, f"{len(ordered) - count} more"] if len(ordered) > count else told or [_NONE]


def _filled(label: str, parts: Iterable[str], width: int) -> Iterator[str]:
    """Yield lines of parts behind a label; what doesn't fit a line stands below."""
    line = label.ljust(_LABEL)
    for part in parts:
        if line.strip() != label and cells(line) + 2 + cells(part) > width:
            yield cut(line, width)
            line = " " * _LABEL
        line += "  " + part if line.strip() and line.strip() != label else " " + part
    yield cut(line, width)


def percent(share: float | None) -> str:
    """Return a share, `67.8%`."""
    return _NONE if share is None else f"{share * 100:.1f}%"


# Tables


def table(rows: Sequence[Sequence[str]], width: int, paint: Paint = PLAIN) -> Iterator[str]:
    """Yield rows below a heading: the first column to the left, numbers to the right; none is wider."""
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    widths[0] = max(min(widths[0], width - sum(widths[1:]) - 2 * (len(widths) - 1)), 8)
    for place, row in enumerate(rows):
        first = cut(row[0], widths[0])
        line = first + " " * (widths[0] - cells(first))
        for text, size in zip(row[1:], widths[1:], strict=True):
            line += "  " + " " * (size - cells(text)) + text
        line = cut(line.rstrip(), width)
        yield paint.dim(line) if not place else line


def delays(metrics: Metrics, width: int, paint: Paint = PLAIN) -> Iterator[str]:
    """Yield the delays that were seen as a table."""
    rows: list[Sequence[str]] = [_DELAY_HEADING]
    for name, (title, about) in DELAYS.items():
        found = metrics.delays.get(name)
        if found is not None and found.count:
            rows.append((f"{title:<12}{about}", str(found.count), *_told(found)))
    if len(rows) > 1:
        yield from table(rows, width, paint)


def _told(delay: Delay) -> list[str]:
    found = (delay.mean, delay.p50, delay.p95, delay.p99, delay.most)
    return [_NONE if ns is None else _time(round(ns)) for ns in found]


def _time(ns: int) -> str:
    """Return a duration, in milliseconds below a second: RFC 6076 tells delays so."""
    if ns >= _NS:
        return span(ns)
    return f"{ns / 1_000_000:.1f}ms" if ns < 10_000_000 else f"{ns // 1_000_000}ms"


def ratios(metrics: Metrics, names: Iterable[str]) -> Iterator[str]:
    """Yield a line a ratio: what it is called, how much, what it is."""
    for name in names:
        title, about, source = _RATIOS[name]
        yield f"{title:<6}{percent(getattr(metrics, name)):>8}  {about} ({source})"


def calls(metrics: Metrics, width: int, paint: Paint = PLAIN) -> Iterator[str]:
    """Yield how calls went."""
    yield from _filled("calls", _calls(metrics), width)
    counts = metrics.counts
    yield from _filled(
        "INVITEs",
        [
            f"{counts['invites']} sent",
            f"{counts['challenged']} challenged",
            f"{counts['redirected']} redirected",
        ],
        width,
    )
    yield from _filled("at once", _at_once(metrics), width)
    for line in ratios(metrics, OF_CALLS):
        yield cut(line, width)
    yield from delays(metrics, width, paint)


def registrations(metrics: Metrics, width: int, paint: Paint = PLAIN) -> Iterator[str]:
    """Yield how registrations went."""
    yield from _filled("registers", _registers(metrics), width)
    for line in ratios(metrics, ("ira",)):
        yield cut(line, width)
    found = metrics.delays.get("rrd")
    if found is not None and found.count:
        row = (f"RRD         {DELAYS['rrd'][1]}", str(found.count), *_told(found))
        yield from table([_DELAY_HEADING, row], width, paint)


def methods(metrics: Metrics, width: int, paint: Paint = PLAIN) -> Iterator[str]:
    """Yield a line a method and status."""
    if not metrics.messages:
        yield "no messages"
        return
    rows = [("method or status", "messages", "share", "sent again", "copies")]
    for name, kind in _kinds(metrics):
        share = percent(kind.messages / metrics.messages)
        rows.append(
            (escape(name), str(kind.messages), share, str(kind.sent_again), str(kind.copies))
        )
    yield from table(rows, width, paint)


def _kinds(metrics: Metrics) -> Iterator[tuple[str, Kind]]:
    yield from metrics.requests.items()
    for status, kind in metrics.responses.items():
        yield str(status) if status else "(no status)", kind


def ranked(
    title: str, what: str, pairs: Iterable[tuple[str, int]], whole: int, width: int,
    paint: Paint = PLAIN,
) -> Iterator[str]:  # fmt: skip
    """Yield names with their numbers and shares below a heading."""
    rows = [(title, what, "share")]
    for name, count in pairs:
        rows.append((escape(name) or "(none)", str(count), percent(count / max(whole, 1))))
    yield from table(rows, width, paint)


def plot(
    intervals: Sequence[Interval], seconds: int, width: int, room: int, *, small: bool, plain: bool
) -> Iterator[str]:
    """Yield bars of the last `room` intervals: messages, failures and calls at once.

    Where they are to be `small` they have seven lines in all, and no heading.
    """
    from sipstream.render.plot import Series, bars

    if not intervals:
        yield "no messages"
        return
    shown = intervals[-room:]
    left_out = len(intervals) - len(shown)
    more = f"; {left_out} earlier ones are left out" if left_out else ""
    first, last = shown[0].begin, shown[-1].begin
    if not small:
        yield cut(f"{_between(first, last)}, {interval(seconds)} a bar{more}", width)
    series = [
        Series("messages", [one.messages for one in shown]),
        Series("failures", [one.failures for one in shown]),
        Series("calls at once", [one.calls for one in shown]),
    ]
    if times.date(first) == times.date(last):
        clocks = [times.clock(one.begin)[:8] for one in shown]
    else:
        clocks = [f"{times.date(one.begin)[5:]} {times.clock(one.begin)[:5]}" for one in shown]
    yield from bars(series, clocks, width, _SMALL if small else _HEIGHT, plain=plain)


def interval(seconds: int) -> str:
    """Return the length of an interval as it is typed."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
