"""What an agent tells Prometheus of its work on the bus; nothing of traffic is in it, and no name."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from sipstream.agent.counts import Counts
from sipstream.bus.names import VERBS


def families(counts: Counts) -> Iterator[Metric]:
    """Yield an agent's metrics."""
    requests = CounterMetricFamily(
        "sipstream_agent_requests", "Requests from the bus", labels=["verb"]
    )
    for verb in VERBS:
        requests.add_metric([verb], counts.requests[verb])
    yield requests
    yield from several(
        CounterMetricFamily,
        "sipstream_agent",
        ("refused", "Requests that were refused", counts.refused),
        ("sent_messages", "SIP messages sent in answers and follows", counts.messages),
        ("sent_bytes", "Bytes of answers and follows sent to the server", counts.bytes),
        ("missed_messages", "SIP messages of follows that couldn't be sent", counts.missed),
        ("reconnects", "Times that the server was there again", counts.reconnects),
    )
    yield from several(
        GaugeMetricFamily,
        "sipstream_agent",
        ("follows", "Follows that are on", counts.follows),
        ("connected", "Whether the server is there", int(counts.connected)),
    )


def several(
    kind: type[CounterMetricFamily | GaugeMetricFamily],
    prefix: str,
    *metrics: tuple[str, str, int],
) -> Iterator[Metric]:
    """Yield metrics of a kind, each given by the rest of its name, what it is, and its value."""
    for name, about, value in metrics:
        yield kind(f"{prefix}_{name}", about, value=value)
