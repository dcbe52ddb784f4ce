"""Figures as objects for `--json`: all numbers, times in seconds, ratios of 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from sipstream.render import times
from sipstream.render.stats import DELAYS, OF_CALLS

if TYPE_CHECKING:
    from sipstream.metrics import Delay, Kind, Metrics
    from sipstream.metrics.intervals import Interval

_NS = 1_000_000_000


def overview(metrics: Metrics, failing: Sequence[tuple[str, int]]) -> dict[str, object]:
    """Return all figures as one object."""
    return {
        "first": times.iso(metrics.first) if metrics.messages else None,
        "last": times.iso(metrics.last) if metrics.messages else None,
        "conversations": metrics.conversations,
        "messages": metrics.messages,
        "requests": {name: _kind_object(one) for name, one in metrics.requests.items()},
        "responses": {str(status): _kind_object(one) for status, one in metrics.responses.items()},
        **calls(metrics),
        **registrations(metrics),
        "talkers": [{"address": name, "messages": count} for name, count in metrics.talkers],
        "addresses": metrics.addresses,
        "failing": [{"number": name, "conversations": count} for name, count in failing],
    }


def calls(metrics: Metrics) -> dict[str, object]:
    """Return the figures of calls."""
    counts = metrics.counts
    return {
        "invites": counts["invites"],
        "challenged": counts["challenged"],
        "redirected": counts["redirected"],
        "sessions": metrics.sessions,
        "answered": metrics.answered,
        "failed": counts["failed"],
        "cancelled": counts["cancelled"],
        "completed": counts["completed"],
        "unanswered_invites": metrics.unanswered_invites,
        "unanswered_byes": metrics.unanswered_byes,
        "in_progress": metrics.in_progress,
        "most_at_once": metrics.most_at_once,
        "most_at": None if metrics.most_at is None else times.iso(metrics.most_at),
        **{name: getattr(metrics, name) for name in OF_CALLS},
        "acd": _seconds(metrics.acd),
        **{
            name: _delay_object(metrics.delays[name])
            for name in DELAYS
            if name != "rrd" and name in metrics.delays
        },
    }


def registrations(metrics: Metrics) -> dict[str, object]:
    """Return the figures of registrations."""
    counts = metrics.counts
    rrd = {"rrd": _delay_object(metrics.delays["rrd"])} if "rrd" in metrics.delays else {}
    return {
        "registers": counts["registers"],
        "registered": counts["registered"],
        "registers_failed": counts["registers_failed"],
        "unanswered_registers": metrics.unanswered_registers,
        "ira": metrics.ira,
        **rrd,
    }


def methods(metrics: Metrics) -> Iterator[dict[str, object]]:
    """Yield an object a method and status."""
    for name, kind in metrics.requests.items():
        yield {"method": name, "status": None, **_kind_object(kind)}
    for status, kind in metrics.responses.items():
        yield {"method": None, "status": status, **_kind_object(kind)}


def _kind_object(kind: Kind) -> Mapping[str, int]:
    return {"messages": kind.messages, "sent_again": kind.sent_again, "copies": kind.copies}


def _delay_object(delay: Delay) -> dict[str, object]:
    return {
        "count": delay.count,
        "mean": _seconds(delay.mean),
        "p50": _seconds(delay.p50),
        "p95": _seconds(delay.p95),
        "p99": _seconds(delay.p99),
        "max": _seconds(delay.most),
    }


def _seconds(ns: float | None) -> float | None:
    return None if ns is None else ns / _NS


def interval(one: Interval, seconds: int) -> dict[str, object]:
    """Return what came in an interval."""
    return {
        "time": times.iso(one.begin),
        "seconds": seconds,
        "messages": one.messages,
        "failures": one.failures,
        "calls": one.calls,
    }
