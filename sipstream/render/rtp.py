"""RTP streams as a table, and below it what isn't usual: words for people, objects for `--json`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sipstream.escape import cells, cut, escape
from sipstream.render import times
from sipstream.render.colours import PLAIN, Paint
from sipstream.render.table import span

if TYPE_CHECKING:
    from sipstream.rtp.endpoints import Endpoint
    from sipstream.rtp.values import Media, Report, Stream

_GAP = 2
_NS, _MS = 10**9, 10**6
_CODEC_CELLS, _MARKS_CELLS = 16, 40
_LEAST_ENDS = 35
"""Cells in which two endpoints are known again, where they have to be cut."""
_NONE = "-"


class _Column(NamedTuple):
    heading: str
    rank: int
    """The higher, the sooner it is left out where there is no room."""
    left: bool = False
    """A text; numbers end below each other."""


_MARKS = 5
_INDEX = _Column("#", 0)
_ENDS = _Column("from -> to", 1, left=True)
_COLUMNS = (
    _INDEX,
    _Column("codec", 3, left=True),
    _Column("packets", 6),
    _Column("lost", 2),
    _Column("jitter", 4),
    _Column("worst", 7),
    _Column("gap", 8),
    _ENDS,
    _Column("marks", _MARKS, left=True),
)

Row: TypeAlias = tuple[str, ...]
"""The texts of a stream, one for each column."""


class Table:
    """A line a stream, as wide as their texts, or in `width` cells: `add` all, then ask for lines.

    Where marks are `told_below` too, they are left out first.
    """

    def __init__(self, width: int | None, *, told_below: bool = False) -> None:
        self._width = width
        self._told_below = told_below
        self._cells = [len(column.heading) for column in _COLUMNS]
        self._shown: list[tuple[int, _Column]] = []

    def add(self, index: int, stream: Stream) -> Row:
        """Return a stream's row."""
        jitter = stream.jitter
        row = (
            str(index),
            cut(escape(stream.codec), _CODEC_CELLS),
            str(stream.packets),
            f"{stream.lost} {stream.loss:.1%}" if stream.lost else "0",
            short(jitter.mean) if jitter else _NONE,
            short(jitter.most) if jitter else _NONE,
            span(stream.gap),
            f"{endpoint(stream.source)} -> {endpoint(stream.destination)}",
            cut(", ".join(_marks(stream)), _MARKS_CELLS),
        )
        for place, text in enumerate(row):
            self._cells[place] = max(self._cells[place], cells(text))
        return row

    def heading(self, paint: Paint = PLAIN) -> str:
        """Return the line above all others; all rows are known by now."""
        shown = sorted(enumerate(_COLUMNS), key=lambda one: one[1].rank)
        if self._told_below:
            shown.sort(key=lambda one: one[1].rank == _MARKS)
        while self._width is not None and len(shown) > 2 and self._needs(shown) > self._width:
            shown.pop()
        self._shown = sorted(shown)
        return paint.dim(self.line(tuple(column.heading for column in _COLUMNS)))

    def line(self, row: Row) -> str:
        """Return the line of a row."""
        parts = []
        for place, column in self._shown:
            room = " " * (self._cells[place] - cells(row[place]))
            parts.append(row[place] + room if column.left else room + row[place])
        line = (" " * _GAP).join(parts).rstrip()
        return line if self._width is None else cut(line, self._width)

    def _needs(self, shown: Iterable[tuple[int, _Column]]) -> int:
        """Return the cells that columns need; what doesn't fit of the endpoints is cut."""
        widths = [
            min(self._cells[place], _LEAST_ENDS) if column is _ENDS else self._cells[place]
            for place, column in shown
        ]
        return sum(_GAP + width for width in widths) - _GAP


def endpoint(value: Endpoint) -> str:
    """Return an endpoint as URIs have it, fit for a terminal."""
    address, port = value
    return f"[{address}]:{port}" if ":" in address else f"{escape(address)}:{port}"


def short(ns: float) -> str:
    """Return a short time: 2.5ms, from a second on as durations are."""
    return f"{ns / _MS:.1f}ms" if ns < _NS else span(int(ns))


def _marks(stream: Stream) -> Iterator[str]:
    """Yield in a word each what isn't usual."""
    if stream.one_way:
        yield "one way"
    if stream.copy:
        yield "copy"
    if stream.secure:
        yield "SRTP"
    if _is_translated(stream):
        yield "NAT"
    if stream.events:
        yield "DTMF " + "".join(one.name if len(one.name) == 1 else "." for one in stream.events)


def _is_translated(stream: Stream) -> bool:
    return not stream.source_offered or not stream.destination_offered or bool(stream.source_before)


def below(media: Media) -> Iterator[str]:
    """Yield what stands below the table of a conversation's streams: a sentence each, by their index."""
    for index, stream in enumerate(media.streams):
        for sentence in _about(stream):
            yield f"{index}: {sentence}"
    known = {stream.ssrc for stream in media.streams}
    for report in media.reports:
        if report.about not in known:
            yield f"{_report(report)} about SSRC 0x{report.about:08x}: {_reported(report)}"
    if media.encrypted_reports:
        yield f"packets of SRTCP, which are encrypted: {media.encrypted_reports}"


def _about(stream: Stream) -> Iterator[str]:
    yield (
        f"SSRC 0x{stream.ssrc:08x}, from {times.clock(stream.begin)} for"
        f" {span(stream.end - stream.begin)}, {_payloads(stream)}"
    )
    yield from _unusual(stream)
    if stream.silence or stream.comfort_noise:
        yield (
            f"silence of {span(stream.silence)} in all: pauses without packets {stream.pauses},"
            f" packets of comfort noise {stream.comfort_noise}, markers {stream.markers}"
        )
    if stream.gap >= _NS:
        yield f"the longest gap, {span(stream.gap)}, began at {times.clock(stream.gap_at)}"
    for event in stream.events:
        ended = "" if event.ended else ", its end wasn't seen"
        length = f"{event.duration // _MS} ms"
        yield f"DTMF {event.name} at {times.clock(event.time)} for {length}{ended}"
    if stream.events_left_out:
        yield f"DTMF events that weren't kept: {stream.events_left_out}"
    if stream.sent is not None:
        yield f"packets that its sender says it has sent (RTCP): {stream.sent}"
    for report in stream.reports:
        yield f"{_report(report)}: {_reported(report)}"


def _unusual(stream: Stream) -> Iterator[str]:
    if stream.one_way:
        yield "one way: nothing came back, or next to nothing"
    if stream.copy:
        where = f" ({escape(stream.tap)})" if stream.tap else ""
        yield f"a copy, seen at another capture point{where}"
    if stream.secure:
        yield "SRTP: what its headers say is told, its payload is encrypted"
    if not stream.source_offered:
        yield "its source is in no session description: it comes through a NAT or a gateway"
    if not stream.destination_offered:
        yield "it goes where no session description says: back to where packets come from (symmetric RTP)"
    if stream.source_before is not None:
        yield f"the same SSRC came from {endpoint(stream.source_before)} before: a NAT has changed it"
    if stream.ssrc_before is not None:
        yield f"SSRC 0x{stream.ssrc_before:08x} came on this way before"
    if stream.out_of_order or stream.duplicates:
        yield f"packets out of order {stream.out_of_order}, duplicates {stream.duplicates}"
    if stream.restarts or stream.strays:
        yield (
            f"numbers began anew {stream.restarts}, fit nowhere {stream.strays}: what was lost there"
            " isn't known"
        )
    if stream.cut:
        yield "the capture has cut packets of it (snaplen): silence in these isn't seen"


def _payloads(stream: Stream) -> str:
    return ", ".join(
        f"{'others' if one.number < 0 else one.number}"
        f"{f' {escape(one.name)}' if one.name else ''} ({one.packets})"
        for one in stream.payloads
    )


def _report(report: Report) -> str:
    return f"RTCP of {endpoint(report.source)}"


def _reported(report: Report) -> str:
    parts = [
        f"{report.lost} lost in all; last/worst"
        f" {report.fraction_lost:.1%}/{report.worst_fraction_lost:.1%} lost"
    ]
    if report.jitter is not None and report.worst_jitter is not None:
        parts.append(f"jitter {short(report.jitter)}/{short(report.worst_jitter)}")
    if report.round_trip is not None and report.worst_round_trip is not None:
        parts.append(f"round trip {short(report.round_trip)}/{short(report.worst_round_trip)}")
    metrics = report.metrics
    if metrics is not None:
        qualities = [("R", metrics.r_factor), ("MOS", metrics.mos_listening)]
        told = [f"{name} {value}" for name, value in qualities if value is not None]
        parts.append(
            ", ".join(["XR", *told, f"{metrics.discarded / 256:.1%} came too late to be played"])
        )
    return ", ".join(parts)


# Objects


def stream_object(call_id: str, index: int, stream: Stream) -> dict[str, object]:
    """Return a stream as an object; durations in seconds, `index` is its conversation's or its own."""
    jitter = stream.jitter
    return {
        "call_id": call_id,
        "index": index,
        "ssrc": stream.ssrc,
        "source": _uri(stream.source),
        "destination": _uri(stream.destination),
        "begin": times.iso(stream.begin),
        "end": times.iso(stream.end),
        "codec": stream.codec,
        "payload_types": [asdict(one) for one in stream.payloads],
        "packets": stream.packets,
        "expected": stream.expected,
        "lost": stream.lost,
        "duplicates": stream.duplicates,
        "out_of_order": stream.out_of_order,
        "strays": stream.strays,
        "restarts": stream.restarts,
        "jitter": _jitter_object(jitter.last, jitter.mean, jitter.most) if jitter else None,
        "gap": _seconds(stream.gap),
        "gap_at": times.iso(stream.gap_at),
        "silence": _seconds(stream.silence),
        "pauses": stream.pauses,
        "comfort_noise": stream.comfort_noise,
        "markers": stream.markers,
        "events": [
            {
                "event": one.name,
                "time": times.iso(one.time),
                "duration": _seconds(one.duration),
                "ended": one.ended,
            }
            for one in stream.events
        ],
        "events_left_out": stream.events_left_out,
        "sent": stream.sent,
        "reports": [_report_object(one) for one in stream.reports],
        "one_way": stream.one_way,
        "copy": stream.copy,
        "secure": stream.secure,
        "source_offered": stream.source_offered,
        "destination_offered": stream.destination_offered,
        "ssrc_before": stream.ssrc_before,
        "source_before": _uri(stream.source_before) if stream.source_before else None,
        "cut": stream.cut,
        "tap": stream.tap,
    }


def _report_object(report: Report) -> dict[str, object]:
    return {
        "source": _uri(report.source),
        "destination": _uri(report.destination),
        "reporter": report.reporter,
        "about": report.about,
        "reports": report.count,
        "fraction_lost": report.fraction_lost,
        "worst_fraction_lost": report.worst_fraction_lost,
        "lost": report.lost,
        "jitter": _seconds(report.jitter),
        "worst_jitter": _seconds(report.worst_jitter),
        "round_trip": _seconds(report.round_trip),
        "worst_round_trip": _seconds(report.worst_round_trip),
        "metrics": asdict(report.metrics) if report.metrics is not None else None,
    }


def report_object(call_id: str, report: Report) -> dict[str, object]:
    """Return a report about a stream that wasn't captured as an object."""
    return {"call_id": call_id, "rtcp": _report_object(report)}


def _jitter_object(*ns: float) -> dict[str, object]:
    return dict(zip(("last", "mean", "most"), map(_seconds, ns), strict=True))


def _seconds(ns: float | None) -> float | None:
    return None if ns is None else round(ns / _NS, 9)


def _uri(value: Endpoint) -> str:
    address, port = value
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
