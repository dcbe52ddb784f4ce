"""The media of conversations: packets between endpoints that their session descriptions name. Sans-IO.

What one conversation has ended with, another one may use next: packets count that came from a
conversation's first message until shortly after its last one, or as long as it may still go on.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from sipstream.decode import ip, link, tunnels
from sipstream.decode.endpoints import key_of, key_of_name
from sipstream.limits import FRAGMENT_TRACKERS, MAX_LAYERS
from sipstream.rtp.endpoints import media_endpoints

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Key
    from sipstream.export.chosen import Chosen
    from sipstream.packets import Batch, Record
    from sipstream.views import Conversation

_UDP = 17
_AFTER = 5 * 10**9
"""How long (ns) media are still taken after the last message: what was under way, RTCP's BYE."""
_GOING_ON = frozenset(("calling", "ringing", "answered"))
"""States of which nobody knows how long media still flow: the end may not have been captured."""
_FOR_EVER = 1 << 63


class Media:
    """Looks through captures for the media of conversations."""

    def __init__(self) -> None:
        self.packets = 0
        """How many were chosen, fragments counted each."""
        self._spans: dict[Key, list[tuple[int, int]]] = {}
        """Of endpoints: from when to when (ns since the epoch)."""
        self._trains: dict[tuple[bytes, bytes, int], None] = {}
        """Datagrams of media whose further fragments may come, the longest known first."""

    def add(self, one: Conversation) -> None:
        """Look for a conversation's media, too."""
        end = _FOR_EVER if one.state in _GOING_ON else one.time + one.duration + _AFTER
        for address, port in media_endpoints(one):
            self._spans.setdefault(key_of_name(address, port), []).append((one.time, end))

    def see(self, batch: Batch, chosen: Chosen) -> None:
        """Choose those of a batch."""
        if not self._spans:
            return
        origin = chosen.of_batch(batch)
        for record in batch.records:
            if self._is_wanted(batch, record):
                time, start, end, wire = record
                chosen.add((origin, time, batch.base + start, end - start, wire))
                self.packets += 1

    def _is_wanted(self, batch: Batch, record: Record) -> bool:
        """Tell whether a packet carries media, in whatever tunnels."""
        time, start, end, _ = record
        data = batch.data
        try:
            ethertype, at = link.network(batch.linktype, data, start, end)
        except KeyError:
            return False
        for _ in range(MAX_LAYERS):
            header = ip.parse(data, at, end) if ethertype > 0 else ""
            if isinstance(header, str):
                return False
            if header.fragment is not None and header.fragment[1]:
                return (header.source, header.destination, header.fragment[0]) in self._trains
            tunnel = tunnels.inside(header.protocol, data, header.start, header.end)
            if tunnel is None:
                return self._is_media(header, data, time)
            end = header.end
            ethertype, at = link.follow(tunnel.ethertype, data, tunnel.start, end)
        return False

    def _is_media(self, header: ip.Header, data: bytes, time: int) -> bool:
        if header.protocol != _UDP or header.end - header.start < 8:
            return False
        source, destination = struct.unpack_from("!HH", data, header.start)
        ends = key_of(header.source, source), key_of(header.destination, destination)
        found = any(
            begin <= time <= until for end in ends for begin, until in self._spans.get(end, ())
        )
        if found and header.fragment is not None:
            self._trains[header.source, header.destination, header.fragment[0]] = None
            if len(self._trains) > FRAGMENT_TRACKERS:
                del self._trains[next(iter(self._trains))]
        return found
