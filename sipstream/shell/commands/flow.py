"""Ladders: who sent what to whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from sipstream.pace import Pace
from sipstream.render import objects, overview
from sipstream.shell.arguments import ConversationRef
from sipstream.shell.commands.show import while_whole
from sipstream.shell.console import Console
from sipstream.shell.registry import CONVERSATION, command

if TYPE_CHECKING:
    from sipstream.ladder import Ladder
    from sipstream.views import Conversation, Message


@command("show conversation {ref} flow")
async def show_flow(console: Console, ref: Annotated[ConversationRef, ConversationRef]) -> None:
    """Shows who sent what to whom, as a ladder

    A column for each endpoint, an arrow for each message: its index, time and the time since the
    arrow before. What was sent again is on one arrow (x7 over 31.5 s), what was seen at another
    capture point as well is left out. Below an arrow stands what its session description says, and how
    long each hop took between taps on a network that saw it. Over TCP a party is one column, whatever
    ports it sends from, where its Via says that it is. set name gives addresses names.

    Examples:

    $ sipstream captures/callerid-problem.txt --filter 'dstnum 5660066'
    sipstream*: show conversation 0 flow
    === Conversation Call-ID: 4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060 ===
                          10.20.0.22:5060   10.11.12.13:5060
    [0] 15:54:44.871687          |---- INVITE ----->|
                                 | SDP 10.20.0.22:41126 G722 PCMA PCMU telephone-event,
                                 | video 10.20.0.22:47350 H261 H263 h263-1998 H264
    [1] 15:54:44.871969   +0.3ms |<-- 100 Trying ---|
    [2] 15:54:44.900286   +0.028 |<- 403 Forbidden -|
    [3] 15:54:44.900831   +0.5ms |------ ACK ------>|
    $ sipstream captures/timeout.txt --filter 'dstnum 5660066'
    sipstream*: set name 178.19.48.48 pbx
    sipstream*: show conversation 0 flow | last 4
                           10.10.10.2:5060                  pbx
    [0]  16:41:37.979995          |- INVITE x7 over 31.5 s ->|
                                  | SDP 10.10.10.2:54028 G722 PCMA PCMU telephone-event,
                                  | video 10.10.10.2:53738 H261 H263 H264 h263-1998
    sipstream*: show conversation 0 flow | match x7
    [0]  16:41:37.979995          |- INVITE x7 over 31.5 s ->|
    sipstream*: unset name 178.19.48.48
    $ sipstream captures/taps.pcap
    sipstream: show conversation 1 flow | match sbc4
                                 | sbc3 -> 0.7 ms -> sbc4
    ...
    """
    await show_one(console, ref.conversation, with_heading=ref.by_index)


@command("show flow", CONVERSATION)
async def show_flow_here(console: Console) -> None:
    """Show who sent what to whom, as a ladder

    As show conversation <index> flow does.

    Examples:

    $ sipstream captures/callerid-problem.txt --filter 'dstnum 5660066'
    sipstream*: conversation 0
    sipstream[conversation 0]*: show flow
    === Conversation Call-ID: 4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060 ===
                          10.20.0.22:5060   10.11.12.13:5060
    ...
    sipstream[conversation 0]*: show flow | count
    8
    sipstream[conversation 0]*: show flow | match "[<>]"
    [0] 15:54:44.871687          |---- INVITE ----->|
    [1] 15:54:44.871969   +0.3ms |<-- 100 Trying ---|
    [2] 15:54:44.900286   +0.028 |<- 403 Forbidden -|
    [3] 15:54:44.900831   +0.5ms |------ ACK ------>|
    """
    await show_one(console, console.in_conversation(), with_heading=True)


async def show_one(console: Console, one: Conversation, *, with_heading: bool) -> None:
    """Write the ladder of a conversation."""
    ladder = await ladder_of(console, while_whole(one, iter(one.messages)))

    def texts() -> Iterator[str]:
        if with_heading:
            yield overview.heading(one.call_id, console.out.paint)
        if one.left_out:
            yield overview.left_out(one, console.out.paint)
        yield from drawn(console, ladder)

    await console.out.rows(texts(), rows(ladder))


async def ladder_of(console: Console, messages: Iterable[Message]) -> Ladder:
    """Return the ladder of messages that come by time; others have their turn meanwhile."""
    # Only where a ladder is wanted: a start has no use for it.
    from sipstream.ladder import Building

    building, pace = Building(console.naming.name_of), Pace()
    addresses: set[str] = set()
    for message in messages:
        building.enter(message)
        addresses |= {message.source_address, message.destination_address}
        if pace.due():
            await pace.rest()
    await console.naming.ask(sorted(addresses))
    arrows = []
    for arrow in building.arrows():
        arrows.append(arrow)
        if pace.due():
            await pace.rest()
    return building.ladder(arrows)


def drawn(console: Console, ladder: Ladder, names: Sequence[str] = ()) -> Iterator[str]:
    """Return a ladder's lines, as they fit where they are shown; `names` are those of its legs."""
    from sipstream.render import ladder as drawing
    from sipstream.render.arrows import style_of

    width, paint = console.words_width, console.out.paint
    style = style_of(width, console.out.writer.encoding)
    return drawing.lines(ladder, width, names=names, paint=paint, style=style)


def rows(ladder: Ladder) -> Iterator[dict[str, object]]:
    """Yield an object for each arrow."""
    for one in ladder.arrows:
        yield objects.arrow(one, ladder.legs[one.leg].call_id, ladder.columns)
