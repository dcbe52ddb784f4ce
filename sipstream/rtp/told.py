"""From running numbers to what is told of a conversation's media (values.py)."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from sipstream.decode.endpoints import key_of_name, parts_of
from sipstream.rtp.dtmf import event_name
from sipstream.rtp.endpoints import Endpoint, Offered, offers_into
from sipstream.rtp.jitter import rates_of
from sipstream.rtp.running import Running
from sipstream.rtp.values import Event, Media, Payload, Report, Spread, Stream
from sipstream.sip.sdp import STATIC

if TYPE_CHECKING:
    from sipstream.rtp.rtcp import Block, Reporter
    from sipstream.rtp.streams import Direction, Streams
    from sipstream.views import Conversation

_BEFORE, _AFTER = 10**9, 5 * 10**9
"""Packets may come so long before a conversation's first message, or behind its last one, and be its own
(ns): clocks of several capture points, and what is under way when a call ends."""
_OVER = frozenset(("ended", "cancelled", "failed"))
_ONE_WAY_FROM = 50
"""Packets of one direction from which the other one is missed: a second of most codecs."""
_FAR_FEWER = 10
"""The other direction has fewer than one in so many."""
_EVENT, _COMFORT_NOISE = "telephone-event", "CN"
_NS = 10**9
_Formats: TypeAlias = dict[int, tuple[str, int]]
_Way: TypeAlias = tuple[Endpoint, Endpoint]


@dataclass(slots=True)
class _Seen:
    """A stream, and what session descriptions say of it."""

    running: Running
    direction: Direction
    source: Endpoint
    destination: Endpoint
    formats: _Formats
    secure: bool
    source_offered: bool
    destination_offered: bool


def media(streams: Streams, conversation: Conversation) -> Generator[None, None, Media]:
    """Return what came of a conversation's media, in steps: attackers may have sent much of it."""
    offers: dict[Endpoint, Offered] = {}
    for _ in offers_into(offers, conversation):
        yield
    if not offers:
        return Media()
    # From here on what comes meanwhile changes figures only, not what is looked at.
    directions = streams.directions_at(key_of_name(*endpoint) for endpoint in offers)
    seen, reporters = _during(conversation, offers, directions)
    yield
    clocks: dict[int, int | None] = {}
    for one in seen:
        clocks[one.running.ssrc] = _clock(one)
        yield
    reports: dict[int, list[Report]] = {}
    sent: dict[int, int] = {}
    encrypted = 0
    secure = any(one.secure for one in offers.values())
    for direction, reporter in reporters:
        yield
        if secure:
            encrypted += reporter.compounds
            continue
        if reporter.packets is not None:
            sent[reporter.ssrc] = max(reporter.packets, sent.get(reporter.ssrc, 0))
        for about, block in list(reporter.blocks.items()):
            made = _report(direction, reporter, about, block, clocks.get(about))
            reports.setdefault(about, []).append(made)
    comparison = Comparison()
    for one in seen:
        ssrc = one.running.ssrc
        spread = _spread(one.running, clocks[ssrc])
        comparison.add(_stream(one, streams, spread, reports.get(ssrc, ()), sent.get(ssrc)))
        yield
    told: list[Stream] = []
    for stream in comparison.streams():
        told.append(stream)
        yield
    every = tuple(report for group in reports.values() for report in group)
    return Media(tuple(told), every, encrypted)


def _during(
    conversation: Conversation, offers: dict[Endpoint, Offered], directions: Iterable[Direction]
) -> tuple[list[_Seen], list[tuple[Direction, Reporter]]]:
    """Return the streams and the senders of RTCP of directions, those of the conversation's time."""
    begin = conversation.time - _BEFORE
    end = conversation.time + conversation.duration + _AFTER
    goes_on = conversation.state not in _OVER
    seen: list[_Seen] = []
    reporters: list[tuple[Direction, Reporter]] = []
    for direction in directions:
        source, destination = parts_of(direction.source), parts_of(direction.destination)
        known = [offers[one] for one in (source, destination) if one in offers]
        # The numbers of payload types are those of who receives them (RFC 3264 section 5.1).
        formats: _Formats = {}
        for offer in known:
            formats |= offer.formats
        secure = any(offer.secure for offer in known)
        seen += (
            _Seen(
                running, direction, source, destination, formats, secure, source in offers,
                destination in offers,
            )
            for running in direction.streams.values()
            if running.last >= begin and (goes_on or running.begin <= end)
        )  # fmt: skip
        reporters += (
            (direction, reporter)
            for reporter in direction.reporters.values()
            if reporter.last >= begin and (goes_on or reporter.begin <= end)
        )
    seen.sort(key=lambda one: one.running.begin)
    return seen, reporters


def _payloads(one: _Seen) -> tuple[Payload, ...]:
    found = []
    for number, packets in one.running.payload_types.items():
        name, rate = one.formats.get(number, ("", 0))
        rates = rates_of(number)
        if len(rates) == 1:
            # Static types have the clock of RFC 3551 whatever is written: G722 has 8,000 (section 4.5.2).
            name, rate = name or STATIC.get(str(number), ""), rates[0]
        found.append(Payload(number, name, rate or None, packets))
    return tuple(sorted(found, key=lambda payload: -payload.packets))


def _clock(one: _Seen) -> int | None:
    """Return the clock rate of most packets that are neither events nor comfort noise."""
    for payload in _payloads(one):
        if payload.name.lower() != _EVENT and payload.name != _COMFORT_NOISE:
            return payload.rate
    return None


def _stream(
    one: _Seen,
    streams: Streams,
    spread: Spread | None,
    reports: Iterable[Report],
    sent: int | None,
) -> Stream:
    running, direction = one.running, one.direction
    payloads = _payloads(one)
    return Stream(
        source=one.source,
        destination=one.destination,
        ssrc=running.ssrc,
        tap=direction.tap or streams.outers.text(direction.outer),
        payloads=payloads,
        begin=running.begin,
        end=running.last,
        packets=running.packets,
        expected=running.expected,
        lost=running.lost,
        duplicates=running.duplicates,
        out_of_order=running.late,
        strays=running.strays,
        restarts=running.restarts,
        jitter=spread,
        gap=running.gap,
        gap_at=running.gap_at,
        silence=running.silence,
        pauses=running.pauses,
        comfort_noise=running.comfort_noise,
        markers=running.markers,
        events=tuple(_events(running, payloads)),
        events_left_out=streams.left_out(running),
        reports=tuple(reports),
        sent=sent,
        secure=one.secure,
        source_offered=one.source_offered,
        destination_offered=one.destination_offered,
        one_way=False,
        copy=False,
        cut=running.cut,
    )


def _spread(running: Running, rate: int | None) -> Spread | None:
    """Return the jitter by the clock that counts most."""
    clocks = sorted(running.clocks.values(), key=lambda clock: -clock.count)
    for clock in clocks:
        found = clock.of_rate(rate) if rate else None
        if found is not None:
            return Spread(*found)
    return None


def _events(running: Running, payloads: Iterable[Payload]) -> Iterator[Event]:
    """Yield the events of payload types that are for events."""
    for payload in payloads:
        if payload.name.lower() != _EVENT or payload.number not in running.events:
            continue
        for heard in running.events[payload.number].heard:
            duration = heard.ticks * _NS // (payload.rate or rates_of(0)[0])
            yield Event(event_name(heard.code), heard.time, duration, heard.ended)


def _report(
    direction: Direction, reporter: Reporter, about: int, block: Block, rate: int | None
) -> Report:
    return Report(
        source=parts_of(direction.source),
        destination=parts_of(direction.destination),
        reporter=reporter.ssrc,
        about=about,
        count=block.count,
        fraction_lost=block.fraction / 256,
        worst_fraction_lost=block.worst_fraction / 256,
        lost=block.lost,
        jitter=block.jitter * _NS / rate if rate else None,
        worst_jitter=block.worst_jitter * _NS / rate if rate else None,
        round_trip=block.round_trip,
        worst_round_trip=block.worst_round_trip,
        metrics=block.metrics,
    )


# What one stream tells of another


class Comparison:
    """Streams of a conversation, added in the order in which they began: what one tells of others."""

    def __init__(self) -> None:
        self._added: list[Stream] = []
        self._originals: set[tuple[Endpoint, Endpoint, int]] = set()
        self._by_way: dict[_Way, int] = {}
        """Packets of each direction."""
        self._unpaired: dict[tuple[str, str], int] | None = None
        self._sources: dict[tuple[int, Endpoint], Endpoint] = {}
        self._senders: dict[_Way, Stream] = {}

    def add(self, one: Stream) -> None:
        """Add a stream."""
        way = (one.source, one.destination)
        if (*way, one.ssrc) in self._originals:
            self._added.append(replace(one, copy=True))
            return
        self._originals.add((*way, one.ssrc))
        self._by_way[way] = self._by_way.get(way, 0) + one.packets
        last = self._senders.get(way)
        # One that goes on at the same time was replaced by none.
        ssrc = last.ssrc if last is not None and last.end <= one.begin + _AFTER else None
        before = self._sources.get((one.ssrc, one.destination))
        self._added.append(replace(one, ssrc_before=ssrc, source_before=before))
        self._sources[one.ssrc, one.destination] = one.source
        self._senders[way] = one

    def streams(self) -> Iterator[Stream]:
        """Yield all of them."""
        for one in self._added:
            yield replace(one, one_way=not one.copy and self._is_one_way(one))

    def _is_one_way(self, one: Stream) -> bool:
        """Tell whether nothing, or far less, came back; from another port if none from this one."""
        packets = self._by_way[one.source, one.destination]
        back = self._by_way.get((one.destination, one.source))
        if back is None:
            back = self._from_other_ports().get((one.destination[0], one.source[0]), 0)
        return packets >= _ONE_WAY_FROM and back * _FAR_FEWER < packets

    def _from_other_ports(self) -> dict[tuple[str, str], int]:
        """Return the packets between addresses in directions of which none is the way back of another."""
        if self._unpaired is None:
            self._unpaired = {}
            for (source, destination), packets in self._by_way.items():
                if (destination, source) not in self._by_way:
                    ends = (source[0], destination[0])
                    self._unpaired[ends] = self._unpaired.get(ends, 0) + packets
        return self._unpaired
