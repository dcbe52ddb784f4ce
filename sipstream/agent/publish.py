"""An agent that publishes: what its options ask for, and what it tells of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from sipstream.agent.figures import several
from sipstream.bus.connecting import Server, connect
from sipstream.bus.names import PARTITIONS
from sipstream.bus.publishing import FOLDER, SIZE, Published, Publisher
from sipstream.bus.stream import Limits, Tell

if TYPE_CHECKING:
    from sipstream.options.agent import AgentOptions
    from sipstream.session import Session


@asynccontextmanager
async def publishing(
    options: AgentOptions, session: Session, tap: str, server: Server, tell: Tell
) -> AsyncIterator[Publisher | None]:
    """Publish what a session gets as a tap's messages, where that is asked for.

    Over a connection of its own: answers don't wait behind what is published. Who answers tells when
    the server goes and comes, this what it means for publishing.

    Raises:
        SourceError: the folder for what waits can't be used.
    """
    if not options.publish:
        yield None
        return
    limits = Limits(options.stream_age, options.stream_size, options.stream_replicas)
    publisher = Publisher(
        session,
        tap,
        partial(connect, server, lambda text: None),
        limits=limits,
        partitions=options.partitions or PARTITIONS,
        folder=options.spool_dir / FOLDER if options.spool_dir is not None else None,
        size=options.publish_size or SIZE,
        tell=tell,
    )
    async with publisher:
        yield publisher


def families(published: Published) -> Iterator[Metric]:
    """Yield what Prometheus is told of publishing."""
    delivered = published.delivered
    yield from several(
        CounterMetricFamily,
        "sipstream_published",
        ("messages", "SIP messages that the stream has", delivered.messages),
        ("batches", "Batches that the stream has", delivered.batches),
        ("bytes", "Bytes of these batches", delivered.bytes),
        ("repeats", "Batches that the stream had already", delivered.repeats),
        ("again", "Batches that were sent again", delivered.again),
        ("lost_messages", "SIP messages that will never be published", published.lost),
    )
    yield from several(
        GaugeMetricFamily,
        "sipstream_published",
        ("waiting_messages", "SIP messages that wait to be published", published.waiting),
        ("away", "Whether the stream isn't reached at present", int(published.away)),
    )


def fields(published: Published) -> dict[str, int | bool]:
    """Return what `stats` is answered of it."""
    return {
        "messages": published.delivered.messages,
        "waiting": published.waiting,
        "lost": published.lost,
        "away": published.away,
    }
