"""Figures of conversations: what came, how calls went by RFC 6076, who sent most.

    from sipstream import load
    from sipstream.metrics import measure

    figures = measure(load("captures/testdata-pt.pcap.gz"))
    print(figures.ser, figures.delays["srd"].p95)

Everything comes from the index's columns, without a look at any message's bytes; only `agents` reads
some. Nothing is done while messages come in. `Measuring` remembers what it found, for who asks again.
"""

from __future__ import annotations

from collections.abc import Iterable

from sipstream.conversations import Conversations
from sipstream.filters.term import never
from sipstream.metrics.measuring import Measuring
from sipstream.metrics.values import Delay, Kind, Metrics
from sipstream.views import Conversation

__all__ = ["Delay", "Kind", "Measuring", "Metrics", "measure"]


def measure(conversations: Conversations, among: Iterable[Conversation] | None = None) -> Metrics:
    """Return the figures of all conversations, or of those `among` them that are given."""
    places = range(conversations.places)
    if among is None:
        chosen = bytearray(map(conversations.has, places))
    else:
        chosen = bytearray(len(places))
        for one in among:
            chosen[one.id] = 1
    measuring = Measuring()
    for _ in measuring.measure(conversations, bytes(chosen), never):
        pass
    return measuring.metrics
