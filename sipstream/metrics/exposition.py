"""Figures in the format that Prometheus reads (text exposition format 0.0.4), by prometheus_client.

Labels come from fixed sets: methods of RFC 3261 and its extensions, classes of statuses, states,
reasons. Nothing from traffic is one, no number and no address: neither a flood of odd methods makes a
flood of series, nor does whoever reads them learn who calls whom. Sans-IO.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from sipstream import reasons, states
from sipstream.metrics.values import Metrics
from sipstream.sip.startline import KNOWN, is_request, kind_in, method_name

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset(name.decode() for name in KNOWN)
_REASONS = tuple(value for name, value in vars(reasons).items() if name.isupper())
_OTHER = "other"
_NS = 1_000_000_000
_RATIOS = {
    "ser": "Session establishment ratio, RFC 6076 4.6",
    "seer": "Session establishment effectiveness ratio, RFC 6076 4.7",
    "isa": "Ineffective session attempts, RFC 6076 4.8",
    "scr": "Session completion ratio, RFC 6076 4.9",
    "ira": "Ineffective registration attempts, RFC 6076 4.2",
    "asr": "Answer seizure ratio, ITU-T E.411",
    "ner": "Network effectiveness ratio, ITU-T E.425",
}
_DELAYS = {
    "srd": "Session request delay of calls that were set up, RFC 6076 4.3.1",
    "srd_failed": "Session request delay of calls that failed, RFC 6076 4.3.2",
    "rrd": "Registration request delay, RFC 6076 4.1",
    "sdd": "Session disconnect delay, RFC 6076 4.4",
    "sdt": "Session duration time, RFC 6076 4.5",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is served, as it was at one moment."""

    codes: Mapping[int, int] = field(default_factory=dict)
    """Messages since the start, by code (sip.startline)."""
    states: Mapping[str, int] = field(default_factory=dict)
    """Conversations by state."""
    given_up: int = 0
    """Conversations given up since the start."""
    packets: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Packets without a message, by reason."""
    drops: int = 0
    memory: int = 0
    """Bytes of the process that are in memory."""
    metrics: Metrics = field(default_factory=Metrics)


def text(snapshot: Snapshot, more: Iterable[Metric] = ()) -> bytes:
    """Return what Prometheus reads, of a snapshot and `more` beside it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot, more))
    return generate_latest(registry)


class _Collector:
    """Gives prometheus_client a snapshot's metrics."""

    def __init__(self, snapshot: Snapshot, more: Iterable[Metric]) -> None:
        self._snapshot = snapshot
        self._more = more

    def describe(self) -> list[Metric]:
        """Return nothing: what there is, `collect` tells."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        snapshot = self._snapshot
        yield from _messages(snapshot.codes)
        conversations = GaugeMetricFamily(
            "sipstream_conversations", "Conversations kept, by state", labels=["state"]
        )
        for state in states.NAMES:
            conversations.add_metric([state], snapshot.states.get(state, 0))
        yield conversations
        yield CounterMetricFamily(
            "sipstream_conversations_given_up", "Conversations given up", value=snapshot.given_up
        )
        yield CounterMetricFamily("sipstream_packets", "Packets read", value=snapshot.packets)
        yield _without_message(snapshot.reasons)
        yield CounterMetricFamily(
            "sipstream_drops", "Packets that the kernel or a source lost", value=snapshot.drops
        )
        yield GaugeMetricFamily(
            "process_resident_memory_bytes", "Memory of the process", value=snapshot.memory
        )
        yield from _figures(snapshot.metrics)
        yield from self._more


def _messages(codes: Mapping[int, int]) -> Iterator[Metric]:
    methods: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    for code, count in codes.items():
        kind = kind_in(code)
        if is_request(kind):
            name = method_name(kind)
            methods[name if name in _METHODS else _OTHER] += count
        else:
            classes[f"{kind // 100}xx" if 100 <= kind < 700 else _OTHER] += count
    requests = CounterMetricFamily("sipstream_requests", "Requests by method", labels=["method"])
    for name in (*sorted(_METHODS), _OTHER):
        requests.add_metric([name], methods[name])
    yield requests
    responses = CounterMetricFamily(
        "sipstream_responses", "Responses by class of their status", labels=["class"]
    )
    for name in (*(f"{first}xx" for first in range(1, 7)), _OTHER):
        responses.add_metric([name], classes[name])
    yield responses


def _without_message(found: Mapping[str, int]) -> Metric:
    """Return packets by reason; a gauge, since a fragment stops being one when the others came."""
    by_reason: Counter[str] = Counter()
    for reason, count in found.items():
        # Behind some stands more: a fault's name, a cipher's.
        longest = max((one for one in _REASONS if reason.startswith(one)), key=len, default=_OTHER)
        by_reason[longest] += count
    gauge = GaugeMetricFamily(
        "sipstream_packets_without_message", "Packets that gave no message", labels=["reason"]
    )
    for reason, count in sorted(by_reason.items()):
        gauge.add_metric([reason], count)
    return gauge


def _figures(metrics: Metrics) -> Iterator[Metric]:
    for name, about in _RATIOS.items():
        share = getattr(metrics, name)
        if share is not None:
            yield GaugeMetricFamily(f"sipstream_{name}_ratio", about, value=share)
    for name, about in _DELAYS.items():
        delay = metrics.delays.get(name)
        if delay is None or not delay.count:
            continue
        gauge = GaugeMetricFamily(f"sipstream_{name}_seconds", about, labels=["quantile"])
        for quantile, ns in (("0.5", delay.p50), ("0.95", delay.p95), ("0.99", delay.p99)):
            gauge.add_metric([quantile], (ns or 0) / _NS)
        yield gauge
        yield GaugeMetricFamily(
            f"sipstream_{name}_mean_seconds", f"{about}, mean", value=(delay.mean or 0) / _NS
        )
    for name, about, value in (
        ("sessions", "Session requests in the conversations kept", metrics.sessions),
        ("sessions_answered", "Session requests that were answered", metrics.answered),
        ("calls", "Calls in progress", metrics.in_progress),
        ("calls_most", "Most calls in progress at once, of those kept", metrics.most_at_once),
        ("unanswered_invites", "INVITEs without any response", metrics.unanswered_invites),
    ):
        yield GaugeMetricFamily(f"sipstream_{name}", about, value=value)
