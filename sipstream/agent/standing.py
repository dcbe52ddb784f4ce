"""What an agent tells of itself when it is asked for `stats`: plain values for a JSON object."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from typing import Any

from sipstream.agent import publish
from sipstream.agent.counts import Counts
from sipstream.agent.courtesy import Load
from sipstream.bus.publishing import Publisher
from sipstream.session import Session
from sipstream.usage import memory
from sipstream.version import __version__

_SOURCES = 64
"""Sources that are named; a server has a few interfaces."""


class Standing:
    """How a session, its agent and their process are."""

    def __init__(self, session: Session, tap: str, load: Load, counts: Counts) -> None:
        self._session = session
        self._tap = tap
        self._load = load
        self._counts = counts
        self.publisher: Publisher | None = None
        self._since = time.time_ns()
        self._host = socket.gethostname()

    def fields(self) -> dict[str, Any]:
        """Return all of it; times in ns since the epoch, memory in bytes."""
        session, counts = self._session, self._counts
        status = session.status()
        conversations = session.conversations
        running = {id(source) for source in session.sources.running}
        reasons: Counter[str] = Counter()
        for source in session.sources.all:
            reasons.update(source.tally.reasons)
        self._load.busy()
        return {
            "tap": self._tap,
            "host": self._host,
            "version": __version__,
            "process": os.getpid(),
            "since": self._since,
            "time": time.time_ns(),
            "last": conversations.index.newest,
            "messages": status.messages,
            "received": sum(source.tally.messages for source in session.sources.all),
            "packets": sum(source.tally.packets for source in session.sources.all),
            "rate": round(status.rate, 1),
            "conversations": status.conversations,
            "states": conversations.counts_by_state(),
            "given_up": status.given_up,
            "drops": status.drops,
            "reasons": {reason: count for reason, count in reasons.items() if count},
            "sources": [
                {
                    "name": source.name,
                    "running": id(source) in running,
                    "packets": source.tally.packets,
                    "messages": source.tally.messages,
                    "drops": source.tally.drops,
                }
                for source in session.sources.all[:_SOURCES]
            ],
            "memory": memory(),
            "cpu": round(self._load.share, 3),
            "cpu_seconds": round(time.process_time(), 3),
            "requests": dict(counts.requests),
            "refused": counts.refused,
            "follows": counts.follows,
            "sent": counts.bytes,
            "missed": counts.missed,
            "reconnects": counts.reconnects,
            **({"published": publish.fields(self.publisher.figures())} if self.publisher else {}),
        }
