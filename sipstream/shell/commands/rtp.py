"""show rtp: streams of RTP beside calls, with loss, jitter, DTMF and what RTCP said of them."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from typing import TYPE_CHECKING, Annotated, TypeAlias

from sipstream.errors import CommandError
from sipstream.pace import Pace
from sipstream.render import overview
from sipstream.render.fold import broken
from sipstream.shell.arguments import ConversationRef
from sipstream.shell.console import Console
from sipstream.shell.registry import CONVERSATION, command
from sipstream.shell.steps import in_turns

if TYPE_CHECKING:
    from sipstream.render.rtp import Row, Table
    from sipstream.rtp.streams import Streams
    from sipstream.rtp.values import Media, Stream
    from sipstream.views import Conversation

_TOGETHER = 1024
"""Streams sorted together, in a millisecond."""
_SHOWN = 4
"""Endpoints that are named where no RTP came."""
_Found: TypeAlias = "tuple[int, str, Stream, Row]"
"""The conversation's index and Call-ID, a stream of it, and its texts."""


@command("show conversation {ref} rtp")
async def show_conversation_rtp(
    console: Console, ref: Annotated[ConversationRef, ConversationRef]
) -> None:
    """Shows the RTP streams of a conversation

    They are found by its session descriptions, and are looked at with --rtp only. A line a stream:
    packets, those lost by sequence number, jitter (mean and worst, RFC 3550), the longest gap between
    two packets, silence; below what else is to be said of each, DTMF and what receivers report by
    RTCP. A round trip is from the capture point to the receiver and back. Nothing is decoded.

    Examples:

    $ sipstream --rtp captures/media.pcap.gz
    sipstream: show conversation 0 rtp
    === Conversation Call-ID: media-1@10.20.0.3 ===
    #  codec  packets    lost  jitter   worst     gap  from -> to                        marks
    0  PCMA       147  3 2.0%   2.3ms  12.8ms  0.061s  10.20.0.3:4000 -> 10.20.0.9:5000  DTMF 42#
    1  PCMA       120       0   0.0ms   0.0ms  0.620s  10.20.0.9:5000 -> 10.20.0.3:4000
    0: SSRC 0x51711901, from 17:20:01.250000 for 2.983s, 8 PCMA (126), 101 telephone-event (21)
    0: packets out of order 2, duplicates 0
    0: DTMF 4 at 17:20:02.450900 for 100 ms
    0: DTMF 2 at 17:20:02.611800 for 100 ms
    0: DTMF # at 17:20:02.772700 for 100 ms
    0: packets that its sender says it has sent (RTCP): 125
    ...
    sipstream: show conversation 0 rtp | match DTMF
    0  PCMA       147  3 2.0%   2.3ms  12.8ms  0.061s  10.20.0.3:4000 -> 10.20.0.9:5000  DTMF 42#
    0: DTMF 4 at 17:20:02.450900 for 100 ms
    0: DTMF 2 at 17:20:02.611800 for 100 ms
    0: DTMF # at 17:20:02.772700 for 100 ms
    sipstream: show conversation 1 rtp | match NAT
    0  G729       100     0   0.0ms  0.0ms  0.020s  192.0.2.7:61022 -> 10.20.0.9:5002  one way, NAT
    0: its source is in no session description: it comes through a NAT or a gateway
    """
    await _show_media(console, ref.conversation, with_heading=ref.by_index)


@command("show rtp", CONVERSATION)
async def show_rtp_here(console: Console) -> None:
    """Show the conversation's RTP streams

    As show conversation does with rtp: with --rtp only.

    Examples:

    $ sipstream --rtp captures/media.pcap.gz
    sipstream: conversation 1
    sipstream[conversation 1]: show rtp
    === Conversation Call-ID: media-2@192.168.1.20 ===
    #  codec  packets  lost  jitter  worst     gap  from -> to                         marks
    0  G729       100     0   0.0ms  0.0ms  0.020s  192.0.2.7:61022 -> 10.20.0.9:5002  one way, NAT
    0: SSRC 0x7a103390, from 17:20:10.850000 for 1.980s, 18 G729 (100)
    0: one way: nothing came back, or next to nothing
    0: its source is in no session description: it comes through a NAT or a gateway
    sipstream[conversation 1]: show rtp | match NAT | count
    2
    sipstream[conversation 1]: exit
    sipstream: conversation 0
    sipstream[conversation 0]: show rtp | match silence
    1: silence of 0.620s in all: pauses without packets 1, packets of comfort noise 0, markers 2
    """
    await _show_media(console, console.in_conversation(), with_heading=True)


@command("show rtp")
async def show_rtp(console: Console) -> None:
    """Shows the RTP streams of matching conversations, the worst first

    Those that go one way, then by the share of packets lost, then by jitter. The index before a line
    is its conversation's: show conversation <index> rtp tells more. With --rtp only; columns for which
    there is no room are left out.

    Examples:

    $ sipstream --rtp captures/media.pcap.gz
    sipstream: show rtp
    #  codec  packets    lost  jitter   worst     gap  from -> to                         marks
    1  G729       100       0   0.0ms   0.0ms  0.020s  192.0.2.7:61022 -> 10.20.0.9:5002  one way, NAT
    0  PCMA       147  3 2.0%   2.3ms  12.8ms  0.061s  10.20.0.3:4000 -> 10.20.0.9:5000   DTMF 42#
    0  PCMA       120       0   0.0ms   0.0ms  0.620s  10.20.0.9:5000 -> 10.20.0.3:4000
    sipstream: show rtp | match "one way" | count
    1
    sipstream: show sources | match RT
      367 RTP
      4 RTCP
    """
    from sipstream.render import rtp as render

    session = console.session
    streams = _streams(console)
    table = render.Table(console.table_width)
    found = await _all(console, streams, table)
    ordered = await _worst_first(found) if console.out.shows else iter(())

    def texts() -> Iterator[str]:
        yield table.heading(console.out.paint)
        yield from (table.line(one[3]) for one in ordered)

    objects = (render.stream_object(call_id, place, one) for place, call_id, one, _ in ordered)
    if found:
        await console.out.rows(texts(), objects, count=len(found))
    elif not console.out.shows:
        await console.out.rows((), (), count=0)
    else:
        console.out.line(f"no RTP was captured of {session.shown_count} conversations")
    if streams.given_up and console.out.shows:
        console.out.line(f"streams given up to make room for others: {streams.given_up}")


async def _all(console: Console, streams: Streams, table: Table) -> list[_Found]:
    """Return the streams of all conversations that are shown, in turns."""
    listed = await console.session.listed()
    found: list[_Found] = []
    pace = Pace()
    for place, number in zip(listed.places, listed.numbers, strict=True):
        if pace.due():
            await pace.rest()
        if len(streams) and listed.conversations.index.is_there(number, listed.batch):
            one = listed.conversations[number]
            if "INVITE" in one.kinds or 200 in one.kinds:
                media = await in_turns(streams.media_in_steps(one))
                for stream in () if one.gone else media.streams:
                    found.append((place, one.call_id, stream, table.add(place, stream)))
                    if pace.due():
                        await pace.rest()
    return found


async def _worst_first(found: list[_Found]) -> Iterator[_Found]:
    """Return streams in the order of how bad they are; sorted in turns, merged while drawn."""

    def badness(one: _Found) -> tuple[bool, float, float]:
        return one[2].badness

    pace = Pace()
    runs: list[list[_Found]] = []
    for begin in range(0, len(found), _TOGETHER):
        runs.append(sorted(found[begin : begin + _TOGETHER], key=badness, reverse=True))
        if pace.due():
            await pace.rest()
    return iter(merge(*runs, key=badness, reverse=True))


async def _show_media(console: Console, one: Conversation, *, with_heading: bool) -> None:
    """Write the streams of a conversation, a line each, and below what is to be said of them.

    Raises:
        CommandError: RTP wasn't asked for, or the conversation was given up meanwhile.
    """
    from sipstream.render import rtp as render

    media = await in_turns(_streams(console).media_in_steps(one))
    if one.gone:
        raise CommandError("the conversation was given up meanwhile to make room")
    if not media.streams and not media.reports:
        if console.out.shows:
            console.out.line(_nothing(one))
        await console.out.rows((), (), count=0)
        return

    table, pace = render.Table(console.table_width, told_below=True), Pace()
    rows: list[Row] = []
    for index, stream in enumerate(media.streams):
        rows.append(table.add(index, stream))
        if pace.due():
            await pace.rest()

    def texts() -> Iterator[str]:
        paint, width = console.out.paint, console.words_width
        if with_heading:
            yield overview.heading(one.call_id, paint)
        if rows:
            yield table.heading(paint)
            yield from map(table.line, rows)
        for sentence in render.below(media):
            yield from [sentence] if width is None else broken(sentence, width)

    await console.out.rows(texts(), _objects(one.call_id, media))


def _objects(call_id: str, media: Media) -> Iterator[dict[str, object]]:
    from sipstream.render import rtp as render

    for index, stream in enumerate(media.streams):
        yield render.stream_object(call_id, index, stream)
    known = {stream.ssrc for stream in media.streams}
    for report in media.reports:
        if report.about not in known:
            yield render.report_object(call_id, report)


def _nothing(one: Conversation) -> str:
    """Say that no RTP was captured, and where it would be."""
    from sipstream.render import rtp as render
    from sipstream.rtp.endpoints import media_endpoints

    ends = [render.endpoint(end) for end in sorted(media_endpoints(one))]
    if not ends:
        return "no session description in it says where media go"
    shown = ", ".join(ends[:_SHOWN]) + (", …" if len(ends) > _SHOWN else "")
    return f"no RTP from or to {shown} was captured"


def _streams(console: Console) -> Streams:
    """Return the session's streams.

    Raises:
        CommandError: they weren't asked for.
    """
    streams = console.session.streams
    if streams is None:
        raise CommandError("RTP isn't looked at: start sipstream with --rtp")
    return streams
