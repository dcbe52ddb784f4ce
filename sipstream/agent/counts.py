"""What an agent counts of its work on the bus."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Since the start, but for `follows` and `connected`."""

    requests: Counter[str] = field(default_factory=Counter)
    """By verb."""
    refused: int = 0
    """Requests that were answered by an error, or not at all."""
    messages: int = 0
    """SIP messages sent in answers and follows."""
    bytes: int = 0
    """Bytes of them as they went to the server."""
    missed: int = 0
    """SIP messages that a follow didn't get: the server was away, or took too little."""
    follows: int = 0
    """Follows now."""
    reconnects: int = 0
    connected: bool = False
