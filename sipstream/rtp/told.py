"""From running numbers to what is told of a conversation's media (values.py)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sipstream.decode.endpoints import key_of_name, parts_of
from sipstream.rtp.dtmf import event_name
from sipstream.rtp.endpoints import Endpoint, Offered, offered
from sipstream.rtp.jitter import rates_of
from sipstream.rtp.running import Running
from sipstream.rtp.values import Event, Media, Payload, Report, Spread, Stream
from sipstream.sip.sdp import STATIC

if TYPE_CHECKING:
    from sipstream.rtp.rtcp import Block, Reporter
    from sipstream.rtp.streams import Direction, Streams
    from sipstream.views import Conversation

_SLACK = 5 * 10**9
"""Packets may come so long before a conversation's first message, or behind its last one, and be its own
(ns): clocks of several capture points, and what is under way when a call ends."""
_OVER = frozenset(("ended", "cancelled", "failed"))
_ONE_WAY_FROM = 50
"""Packets of one direction from which the other one is missed: a second of most codecs."""
_FAR_FEWER = 10
"""The other direction has fewer than one in so many."""
_EVENT, _COMFORT_NOISE = "telephone-event", "CN"
_NS = 10**9
_Formats = dict[int, tuple[str, int]]


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


def media(streams: Streams, conversation: Conversation) -> Media:
    """Return what came of a conversation's media."""
    offers = offered(conversation)
    if not offers:
        return Media()
    directions = list(streams.directions_at(key_of_name(*endpoint) for endpoint in offers))
    begin = conversation.time - _SLACK
    end = conversation.time + conversation.duration + _SLACK
    if conversation.state not in _OVER:
        end = max([end, *(each.last for one in directions for each in one.streams.values())])
    seen = sorted(_seen(directions, offers, begin, end), key=lambda one: one.running.begin)
    clocks = {one.running.ssrc: _clock(one) for one in seen}
    secure = any(one.secure for one in offers.values())
    reports: tuple[Report, ...] = ()
    encrypted = 0
    reporters = [
        (one, each)
        for one in directions
        for each in one.reporters.values()
        if each.begin <= end and each.last >= begin
    ]
    if secure:
        encrypted = sum(each.compounds for _, each in reporters)
    else:
        reports = tuple(_reports(reporters, clocks))
    made = [_stream(one, streams, reports, clocks, reporters, secure) for one in seen]
    return Media(tuple(_compared(made)), reports, encrypted)


def _seen(
    directions: Iterable[Direction], offers: dict[Endpoint, Offered], begin: int, end: int
) -> Iterator[_Seen]:
    """Yield the streams of directions that overlap a time."""
    for direction in directions:
        source, destination = parts_of(direction.source), parts_of(direction.destination)
        known = [offers[one] for one in (source, destination) if one in offers]
        # The numbers of payload types are those of who receives them (RFC 3264 section 5.1).
        formats: _Formats = {}
        for one in known:
            formats |= one.formats
        secure = any(one.secure for one in known)
        for running in direction.streams.values():
            if running.begin <= end and running.last >= begin:
                yield _Seen(
                    running, direction, source, destination, formats, secure,
                    source in offers, destination in offers,
                )  # fmt: skip


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
    reports: Iterable[Report],
    clocks: dict[int, int | None],
    reporters: Iterable[tuple[Direction, Reporter]],
    secure: bool,
) -> Stream:
    running, direction = one.running, one.direction
    payloads = _payloads(one)
    sent = [
        each.packets
        for _, each in reporters
        if each.ssrc == running.ssrc and each.packets is not None and not secure
    ]
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
        jitter=_spread(running, clocks[running.ssrc]),
        gap=running.gap,
        gap_at=running.gap_at,
        silence=running.silence,
        pauses=running.pauses,
        comfort_noise=running.comfort_noise,
        markers=running.markers,
        events=tuple(_events(running, payloads)),
        events_left_out=streams.left_out(running),
        reports=tuple(report for report in reports if report.about == running.ssrc),
        sent=max(sent, default=None),
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


def _reports(
    reporters: Iterable[tuple[Direction, Reporter]], clocks: dict[int, int | None]
) -> Iterator[Report]:
    for direction, reporter in reporters:
        for about, block in reporter.blocks.items():
            yield _report(direction, reporter, about, block, clocks.get(about))


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


def _compared(streams: list[Stream]) -> Iterator[Stream]:
    """Yield streams, in the order in which they began, with what others tell of them."""
    by_way: dict[tuple[Endpoint, Endpoint], int] = {}
    originals: set[tuple[Endpoint, Endpoint, int]] = set()
    sources: dict[tuple[int, Endpoint], Endpoint] = {}
    senders: dict[tuple[Endpoint, Endpoint], Stream] = {}
    made = []
    for one in streams:
        way = (one.source, one.destination)
        if (*way, one.ssrc) in originals:
            made.append(replace(one, copy=True))
            continue
        originals.add((*way, one.ssrc))
        by_way[way] = by_way.get(way, 0) + one.packets
        before = sources.get((one.ssrc, one.destination))
        last = senders.get(way)
        ssrc = last.ssrc if last is not None and last.end <= one.begin + _SLACK else None
        made.append(replace(one, ssrc_before=ssrc, source_before=before))
        sources[one.ssrc, one.destination] = one.source
        senders[way] = one
    for one in made:
        yield replace(one, one_way=not one.copy and _is_one_way(one, by_way))


def _is_one_way(one: Stream, by_way: dict[tuple[Endpoint, Endpoint], int]) -> bool:
    """Tell whether nothing, or far less, came back; from another port where none came from this one."""
    packets = by_way[one.source, one.destination]
    back = by_way.get((one.destination, one.source))
    if back is None:
        back = sum(
            count
            for (source, destination), count in by_way.items()
            if (source[0], destination[0]) == (one.destination[0], one.source[0])
            and (destination, source) not in by_way
        )
    return packets >= _ONE_WAY_FROM and back * _FAR_FEWER < packets
