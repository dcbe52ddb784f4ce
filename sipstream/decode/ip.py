"""IPv4 and IPv6 headers, and the datagrams that came in fragments (RFC 791, RFC 8200 section 4.5).

Sans-IO. `parse` finds the transport header; `Fragments` joins what was cut, the first copy of a byte
wins, within limits on number, bytes and age.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from sipstream.decode.pieces import Pieces
from sipstream.limits import (
    FRAGMENT_AGE,
    FRAGMENT_BYTES,
    FRAGMENT_COST,
    FRAGMENT_TRACKERS,
    MAX_LAYERS,
)
from sipstream.reasons import BAD_HEADER, CUT, TOO_DEEP

_V4 = struct.Struct("!BBHHHBBH4s4s")
_V6 = struct.Struct("!IHBB16s16s")
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_LONGEST = 65_535


class Header(NamedTuple):
    """What the transport layer needs of an IP header."""

    source: bytes
    destination: bytes
    protocol: int
    start: int
    """Where the transport header begins in the data."""
    end: int
    """Where the datagram ends there: padding behind it is left out."""
    fragment: tuple[int, int, bool] | None
    """Identification, offset in bytes, whether more fragments follow; None for a whole datagram."""
    cut: bool
    """The capture holds less than the header says."""


def parse(data: bytes, start: int, end: int) -> Header | str:
    """Return the IP header at `start`, or the reason why it can't be followed.

    CUT where data[start:end] ends within it, though it may be as its sender made it.
    """
    version = data[start] >> 4 if start < end else 0
    if version == 4:
        return _parse_v4(data, start, end)
    if version == 6:
        return _parse_v6(data, start, end)
    return BAD_HEADER if start < end else CUT


def _parse_v4(data: bytes, start: int, end: int) -> Header | str:
    if end - start < 20:
        return CUT
    first, _, total, identification, flags, _, protocol, _, source, destination = _V4.unpack_from(
        data, start
    )
    header = (first & 15) * 4
    # A total length of 0 is what segmentation offload leaves: the frame then tells.
    stop = start + total if total else end
    if header < 20 or start + header > stop:
        return BAD_HEADER
    if start + header > end:
        return CUT
    fragment = None
    if flags & 0x3FFF:
        fragment = (identification, (flags & 0x1FFF) * 8, bool(flags & 0x2000))
    return Header(
        source, destination, protocol, start + header, min(stop, end), fragment, stop > end
    )


def _parse_v6(data: bytes, start: int, end: int) -> Header | str:
    if end - start < 40:
        return CUT
    _, length, protocol, _, source, destination = _V6.unpack_from(data, start)
    stop = start + 40 + length if length else end
    limit = min(stop, end)
    place = start + 40
    fragment = None
    for _ in range(MAX_LAYERS):
        if protocol == _FRAGMENT:
            if place + 8 > limit:
                return CUT if stop > end else BAD_HEADER
            protocol, _, flags, identification = struct.unpack_from("!BBHI", data, place)
            place += 8
            if flags & 0xFFF9:
                fragment = (identification, flags & 0xFFF8, bool(flags & 1))
                break
        elif protocol in (_HOP_BY_HOP, _ROUTING, _DESTINATION, _AUTHENTICATION):
            if place + 2 > limit:
                return CUT if stop > end else BAD_HEADER
            units = data[place + 1]
            size = (units + 2) * 4 if protocol == _AUTHENTICATION else (units + 1) * 8
            protocol = data[place]
            place += size
            if place > limit:
                return CUT if place <= stop else BAD_HEADER
        else:
            return Header(source, destination, protocol, place, limit, fragment, stop > end)
    if fragment is None:
        return TOO_DEEP
    return Header(source, destination, protocol, place, limit, fragment, stop > end)


@dataclass(slots=True)
class _Tracker:
    """The fragments of one datagram that came so far."""

    time: int
    pieces: Pieces = field(default_factory=Pieces)
    packets: int = 0
    cost: int = 0
    total: int | None = None

    def add(self, offset: int, piece: bytes, more: bool) -> None:
        """Take a fragment; what lies behind the end that the first last fragment set is left out."""
        self.packets += 1
        if not more and self.total is None:
            self.total = offset + len(piece)
            self.pieces.cut(self.total)
        if self.total is not None:
            piece = piece[: max(self.total - offset, 0)]
        if self.pieces.add(offset, piece):
            self.cost += len(piece) + FRAGMENT_COST


class Fragments:
    """Joins fragments of one source."""

    def __init__(self) -> None:
        self._trackers: OrderedDict[bytes, _Tracker] = OrderedDict()
        self._bytes = 0
        self._dropped = 0

    def feed(self, time: int, header: Header, data: bytes) -> bytes | None:
        """Take one fragment (time in ns), return the datagram's payload when it is whole."""
        assert header.fragment is not None
        identification, offset, more = header.fragment
        piece = data[header.start : header.end]
        if offset + len(piece) > _LONGEST or not piece:
            self._dropped += 1
            return None
        # First of all: an identification that is used again must not meet what is too old.
        self._keep_limits(time)
        # Keyed by bytes, whose hash is salted: attackers choose addresses and identifications.
        key = b"%b%b%d/%d" % (header.source, header.destination, header.protocol, identification)
        tracker = self._trackers.get(key)
        if tracker is None:
            tracker = self._trackers[key] = _Tracker(time)
        before = tracker.cost
        tracker.add(offset, piece, more)
        self._bytes += tracker.cost - before
        if tracker.pieces.size != tracker.total:
            return None
        return self._forget(key).pieces.take(0)

    def take_dropped(self) -> int:
        """Return how many fragments were given up since the last call: too old, too many, too long."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    def waiting(self) -> int:
        """Return how many fragments wait for others."""
        return sum(tracker.packets for tracker in self._trackers.values())

    def _forget(self, key: bytes) -> _Tracker:
        tracker = self._trackers.pop(key)
        self._bytes -= tracker.cost
        return tracker

    def _keep_limits(self, now: int) -> None:
        """Drop the oldest datagrams that are too old, or beyond the limits."""
        while self._trackers:
            key, oldest = next(iter(self._trackers.items()))
            if (
                len(self._trackers) < FRAGMENT_TRACKERS
                and self._bytes <= FRAGMENT_BYTES
                # A clock that was set back must not keep them for ever.
                and abs(now - oldest.time) <= FRAGMENT_AGE
            ):
                return
            self._dropped += self._forget(key).packets
