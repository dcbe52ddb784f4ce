"""Names on the bus. They are built of configured names only, never of traffic. Sans-IO."""

from __future__ import annotations

import hashlib
import re
import zlib

SERVICE = "sipstream"
"""The name of the service that agents are."""
STREAM = "SIP"
"""The JetStream stream that agents publish to."""
STREAM_SUBJECTS = "sip.>"
PARTITIONS = 16
"""Partitions of a tap's messages: the archive has as many files an hour, and writers share them."""
FIND, CONVERSATION, STATS, FOLLOW = VERBS = "find", "conversation", "stats", "follow"
"""What an agent may be asked for."""

_OTHER = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 40


def token(tap: str) -> str:
    """Return a tap's name as one token of a subject, another one for each name."""
    plain = _OTHER.sub("_", tap)[:_LONGEST]
    if plain == tap and tap:
        return plain
    digest = hashlib.sha256(tap.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{plain}-{digest}"


def request_subject(tap: str, verb: str) -> str:
    """Return the subject of a tap's requests of a kind (one of VERBS)."""
    return f"{SERVICE}.{token(tap)}.{verb}"


def stream_subject(tap: str, partition: int) -> str:
    """Return the subject of a tap's messages of a partition."""
    return f"sip.{token(tap)}.{partition}"


def partition_of(call_id: bytes, partitions: int = PARTITIONS) -> int:
    """Return the partition of a Call-ID: the same one everywhere."""
    return zlib.crc32(call_id) % partitions
