"""The RTP streams and RTCP reports of a session: fed with datagrams, asked by conversation.

Sans-IO. Memory is bounded: a stream is running numbers, and the longest idle one goes first.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from sipstream import reasons
from sipstream.decode.endpoints import Outers, parts_of
from sipstream.limits import (
    FLOWS,
    RTCP_REPORTERS,
    RTP_ALL_EVENTS,
    RTP_EVENTS,
    RTP_SINGLES,
    RTP_STREAMS,
)
from sipstream.packets import Linktype, Tally
from sipstream.rtp import rtcp
from sipstream.rtp.rtcp import Reporter, SentReports
from sipstream.rtp.running import Running
from sipstream.rtp.values import Media, Stream

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Flow, Key
    from sipstream.decode.streams import Datagram
    from sipstream.rtp.dtmf import Events
    from sipstream.views import Conversation

_HEADER = struct.Struct("!BBHII")
_RTP_LEAST, _RTCP_LEAST = 12, 8
_FIRST_PORT = 1024
"""No RTP is sent from or to a port below: DNS and the like often look like it."""
_TAPS = 64
"""Capture points whose flows are known at once."""


class Direction:
    """What flows from one endpoint to another at one capture point; `may_be` media, by its ports."""

    __slots__ = ("destination", "known", "may_be", "outer", "reporters", "source", "streams", "tap")

    def __init__(self, source: Key, destination: Key, tap: str, outer: int, may_be: bool) -> None:
        self.source = source
        self.destination = destination
        self.tap = tap
        self.outer = outer
        self.may_be = may_be
        self.known = not may_be
        """It is found by its endpoints, as long as it has anything; of others nothing is kept."""
        self.streams: dict[int, Running] = {}
        """By SSRC."""
        self.reporters: dict[int, Reporter] = {}
        """By SSRC."""

    @property
    def key(self) -> tuple[Key, Key, str, int]:
        """What it is known by."""
        return self.source, self.destination, self.tap, self.outer


class Streams:
    """All RTP streams and RTCP of a session; `outers` knows the tunnels that packets came in."""

    def __init__(self, outers: Outers | None = None) -> None:
        self.outers = outers if outers is not None else Outers()
        """The tunnels that packets came in."""
        self.given_up = 0
        """Streams given up to make room for others, those of one packet left aside."""
        self.clear()

    def clear(self) -> None:
        """Forget all streams."""
        self._flows: dict[str, dict[Flow, Direction]] = {}
        """By tap: the short way to a direction."""
        self._directions: dict[tuple[Key, Key, str, int], Direction] = {}
        self._at: dict[Key, dict[Direction, None]] = {}
        """Those that come from an endpoint, or go there."""
        self._singles: OrderedDict[Running, Direction] = OrderedDict()
        """Of one packet so far, the longest idle one first."""
        self._proven: OrderedDict[Running, Direction] = OrderedDict()
        self._reporters: OrderedDict[Reporter, Direction] = OrderedDict()
        self._sent = SentReports()
        self._events = 0
        self._left_out: dict[Running, int] = {}

    def __len__(self) -> int:
        return len(self._singles) + len(self._proven)

    # Feeding

    def feed(self, datagrams: list[Datagram], tally: Tally, tap: str = "") -> list[Datagram]:
        """Take what looks like RTP or RTCP and count it in the tally; return all other datagrams."""
        flows = self._flows.get(tap)
        if flows is None or len(flows) >= FLOWS:
            if len(self._flows) >= _TAPS:
                self._flows.clear()
            flows = self._flows[tap] = {}
        others: list[Datagram] = []
        rtp = rtcp_packets = 0
        for datagram in datagrams:
            time, flow, data, start, end, _, packets = datagram
            if end - start < _RTCP_LEAST or data[start] >> 6 != 2 or flow.transport != "UDP":
                others.append(datagram)
                continue
            direction = flows.get(flow)
            if direction is None or not direction.known:
                direction = flows[flow] = self._direction(flow, tap)
            try:
                if not direction.may_be:
                    others.append(datagram)
                elif 192 <= data[start + 1] <= 223:
                    # RFC 5761 section 4: RTCP's types are no payload type with a marker.
                    self._rtcp(time, direction, data, start, end)
                    rtcp_packets += packets
                elif self._rtp(time, direction, flow.cut, data, start, end):
                    rtp += packets
                else:
                    others.append(datagram)
            except Exception as error:
                tally.suspect(error, packets, Linktype.PAYLOAD, time, data[start:end])
        if rtp:
            tally.reasons[reasons.RTP] += rtp
        if rtcp_packets:
            tally.reasons[reasons.RTCP] += rtcp_packets
        return others

    def _rtp(
        self, time: int, direction: Direction, cut: bool, data: bytes, start: int, end: int
    ) -> bool:
        """Take a packet; return whether its header is one of RTP (RFC 3550 section 5.1)."""
        place = start + _RTP_LEAST
        if place > end:
            return False
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data, start)
        if 64 <= second & 0x7F <= 95:
            # RFC 5761 section 4: left free for RTCP.
            return False
        if first & 0x3F:
            place, end = _payload(first, data, place, end)
            if place > end and not cut:
                return False
        running = direction.streams.get(ssrc)
        if running is None:
            running = self._begin(direction, Running(time, ssrc, sequence))
        elif running.packets > 1:
            self._proven.move_to_end(running)
        else:
            self._prove(running, direction)
        if cut:
            # Of its payload nothing is known that would need all of it.
            running.cut, place = True, end
        events = running.take(time, second, sequence, timestamp, data, place, end)
        if events is not None:
            self._begin_event(running, events, time, timestamp, data[place:end])
        return True

    def _begin(self, direction: Direction, running: Running) -> Running:
        if len(self._singles) >= RTP_SINGLES:
            self._give_up(*self._singles.popitem(last=False))
        self._register(direction)
        direction.streams[running.ssrc] = running
        self._singles[running] = direction
        return running

    def _prove(self, running: Running, direction: Direction) -> None:
        """Its second packet came."""
        del self._singles[running]
        if len(self._proven) >= RTP_STREAMS:
            self._give_up(*self._proven.popitem(last=False))
            self.given_up += 1
        self._proven[running] = direction

    def _give_up(self, running: Running, direction: Direction) -> None:
        del direction.streams[running.ssrc]
        self._events -= sum(len(events.heard) for events in running.events.values())
        self._left_out.pop(running, None)
        self._forget_empty(direction)

    def _begin_event(
        self, running: Running, events: Events, time: int, timestamp: int, payload: bytes
    ) -> None:
        """Keep an event where there is room for it."""
        if self._events < RTP_ALL_EVENTS and len(events.heard) < RTP_EVENTS:
            events.begin(time, timestamp, payload)
            self._events += 1
        else:
            self._left_out[running] = self._left_out.get(running, 0) + 1

    def _rtcp(self, time: int, direction: Direction, data: bytes, start: int, end: int) -> None:
        ssrc = rtcp.sender_of(data, start, end)
        reporter = direction.reporters.get(ssrc)
        if reporter is None:
            if len(self._reporters) >= RTCP_REPORTERS:
                oldest, whose = self._reporters.popitem(last=False)
                del whose.reporters[oldest.ssrc]
                self._forget_empty(whose)
            self._register(direction)
            reporter = direction.reporters[ssrc] = Reporter(ssrc, time, time)
            self._reporters[reporter] = direction
        else:
            self._reporters.move_to_end(reporter)
        rtcp.take(reporter, self._sent, time, data, start, end)

    # Directions

    def _direction(self, flow: Flow, tap: str) -> Direction:
        """Return the direction of a flow: one that is there, else a new one that has nothing yet."""
        key = (flow.source_key, flow.destination_key, tap, flow.outer)
        found = self._directions.get(key)
        if found is not None:
            return found
        ports = parts_of(flow.source_key)[1], parts_of(flow.destination_key)[1]
        may_be = min(ports) >= _FIRST_PORT
        return Direction(*key, may_be)

    def _register(self, direction: Direction) -> None:
        """Something has come of a direction: have it found by its endpoints."""
        if direction.known:
            return
        direction.known = True
        self._directions[direction.key] = direction
        for end in (direction.source, direction.destination):
            self._at.setdefault(end, {})[direction] = None

    def _forget_empty(self, direction: Direction) -> None:
        """Forget a direction of which nothing is left."""
        if direction.streams or direction.reporters:
            return
        direction.known = False
        del self._directions[direction.key]
        for end in {direction.source, direction.destination}:
            del self._at[end][direction]
            if not self._at[end]:
                del self._at[end]

    # Asking

    def of(self, conversation: Conversation) -> list[Stream]:
        """Return the streams of a conversation, found by its session descriptions, as they began."""
        return list(self.media_of(conversation).streams)

    def media_of(self, conversation: Conversation) -> Media:
        """Return the same, with the RTCP that came beside."""
        steps = self.media_in_steps(conversation)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                media: Media = end.value
                return media

    def media_in_steps(self, conversation: Conversation) -> Generator[None, None, Media]:
        """Return the same, in steps between which others may have their turn."""
        from sipstream.rtp import told

        return told.media(self, conversation)

    def directions_at(self, endpoints: Iterable[Key]) -> list[Direction]:
        """Return what comes from some endpoints or goes there, each once."""
        found: dict[Direction, None] = {}
        for endpoint in endpoints:
            found.update(self._at.get(endpoint, {}))
        return list(found)

    def left_out(self, running: Running) -> int:
        """Return how many events of a stream weren't kept."""
        return self._left_out.get(running, 0)


def _payload(first: int, data: bytes, place: int, end: int) -> tuple[int, int]:
    """Return where the payload begins and ends, behind CSRCs and extension, before padding.

    RFC 3550 sections 5.1 and 5.3.1.
    """
    place += 4 * (first & 0x0F)
    if first & 0x10:
        place += (
            4 + 4 * int.from_bytes(data[place + 2 : place + 4], "big") if place + 4 <= end else end
        )
    if first & 0x20 and place < end:
        end = max(end - data[end - 1], place)
    return place, end
