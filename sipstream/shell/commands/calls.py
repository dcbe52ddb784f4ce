"""show calls and show call: conversations that are legs of one call, and why they are."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

from sipstream.errors import CommandError
from sipstream.escape import brief
from sipstream.pace import Pace
from sipstream.render import calls as render
from sipstream.render import objects
from sipstream.render.table import Layout, Row
from sipstream.render.times import date
from sipstream.shell.arguments import Expression, find_call_id
from sipstream.shell.callref import CallRef
from sipstream.shell.commands.flow import drawn, ladder_of, rows
from sipstream.shell.commands.show import while_whole
from sipstream.shell.console import Console
from sipstream.shell.registry import command

if TYPE_CHECKING:
    from sipstream.calls import Call, Calls

_Row = TypeVar("_Row")
_TOGETHER = 256
"""Calls looked at together, in well under a millisecond."""


class _Shown(NamedTuple):
    """Calls that are shown."""

    calls: Calls
    places: array[int]
    """Their places among all that the active filter shows."""
    heads: array[int]
    """Their first legs."""
    batch: int

    def rows(self) -> Iterator[tuple[int, Call]]:
        """Yield those that are still there: while lines wait for the terminal, some may be given up."""
        index = self.calls.conversations.index
        for place, head in zip(self.places, self.heads, strict=True):
            if index.is_there(head, self.batch):
                yield place, self.calls.call_of(head)


@command("show calls [{what}]")
async def show_calls(console: Console, what: Annotated[str, Expression] = "") -> None:
    """Shows calls: conversations joined that are one call's, and what joins them

    A call goes through machines that begin a new conversation for it (B2BUAs, session border
    controllers), or is sent on; each of its conversations is a leg. What joins them: a Call-ID that
    another leg names (X-Call-ID and its like, Replaces, In-Reply-To), an identifier that all have
    (Session-ID, P-Charging-Vector, headers named by set leg_headers), the same Via branch or tags, a
    Call-ID made of another one, a REFER, or the same numbers within a few seconds where media show that
    it is one call. Numbers alone join nothing, nor do values that many share.

    A call is shown when one of its legs matches the active filter, and the filter behind the command.
    Registrations and keepalives are no calls. worst is the highest status that a leg ended with, state
    is that of its first leg. The index is what show call takes.

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: show calls number 8613442 or number 8969669
      #  time             numbers                           legs  worst   lasted  state        joined by
      6  15:49:03.426342  8613442->8670491                     2  487     4.230s  cancelled    media
     28  15:49:30.333525  4151509->8969669                     2  200    33.147s  ended        media
    196  15:56:40.503603  8969669->4151502                     2  200      6m10s  ended        media
    sipstream: show calls status 486 and dstnum 4159593
    no calls
    sipstream: show calls | count
    547
    """
    out = console.out
    shown = await _shown(console, what)
    current: dict[int, Call] = {}

    def texts() -> Iterator[str]:
        index = shown.calls.conversations.index
        ends = [index.m_time[index.c_first[shown.heads[end]]] for end in (0, -1)]
        layout = Layout(
            render.table(current.__getitem__), console.table_width,
            highest=shown.places[-1], dated=date(ends[0]) != date(ends[1]),
        )  # fmt: skip
        yield layout.heading(out.paint)
        for place, call in shown.rows():
            current.clear()
            current[place] = call
            yield layout.line(Row(place, call.first), out.paint)

    found = (render.listed(place, call) for place, call in shown.rows())
    await out.rows(texts() if shown.heads else ["no calls"], found, count=len(shown.heads))
    if out.shows:
        _tell_limits(console, shown.calls)


@command("show call {ref} [flow|messages]")
async def show_call(
    console: Console,
    ref: Annotated[str, CallRef],
    flow: bool = False,
    messages: bool = False,
) -> None:
    """Shows the legs of a call, and why they are one

    The index counts in the list of show calls; the Call-ID of any leg does as well. A line for each leg,
    then for each link what joins them and how sure that is. proof: nothing else can be meant.
    strong: machines would have to err. likely: the numbers are the same, and so it looks. flow draws
    all legs on one ladder, messages shows all their messages whole, in order of time.

    Examples:

    $ sipstream captures/testdata-pt.txt --filter 'dstnum 8969669'
    sipstream*: show call 0
    === Call 0: 4151509->8969669, 2 legs, ended, worst status 200 ===
    A: 4a40a41a3636462357f6f6f25b700844@10.20.0.22:5060
       15:49:30.333525  10.20.0.22:5060 -> 10.11.12.13:5060    4151509->8969669  ended  200
    B: 91c06e8e-c572-1235-c0ba-00215e2c8c90
       15:49:30.377296  10.11.12.13:5060 -> 178.19.48.50:5060  4151509->8969669  ended  200
    A and B: media, likely
       the same numbers 44 ms apart, and 10.11.12.13 got one, sent the other and takes its media
    sipstream*: show call 0 flow | match BYE
    B[5] 15:50:03.478115  +19.241 |                         |<--------- BYE ----------|
    B[6] 15:50:03.478602   +0.5ms |                         |----- 200 OK (BYE) ----->|
    A[5] 15:50:03.479602   +1.0ms |<--------- BYE ----------|                         |
    A[6] 15:50:03.480833   +1.2ms |----- 200 OK (BYE) ----->|                         |
    sipstream*: show call 91c06e8e-c572-1235-c0ba-00215e2c8c90 messages | match ^INVITE
    INVITE sip:8969669@10.11.12.13:5060 SIP/2.0
    INVITE sip:8969669@178.19.48.50 SIP/2.0
    """
    place, call = await chosen_call(console, ref)
    paint = console.out.paint
    if messages:
        there = {one.id: one.call_id for one in call.conversations}
        found = (objects.whole(one, there[one.conversation]) for one in call.messages)
        await console.out.rows(
            _while_whole(call, render.messages(call, paint)), _while_whole(call, found)
        )
        return

    head = render.heading(ref if place is None else str(place), call, paint)
    if flow:
        ladder = await ladder_of(console, _while_whole(call, iter(call.messages)))
        names = [render.leg_name(call.legs.index(leg.conversation)) for leg in ladder.legs]
        await console.out.rows(chain([head], drawn(console, ladder, names)), rows(ladder))
        return

    # At once: while lines wait for the terminal, legs may be given up.
    lines = [head, *render.legs(call, paint, console.words_width)]
    await console.out.rows(lines, (render.whole(each, call) for each in [place]))


def _while_whole(call: Call, rows: Iterator[_Row]) -> Iterator[_Row]:
    """Yield rows as long as all legs have all messages that they had at the beginning."""
    for one in call.conversations:
        rows = while_whole(one, rows)
    return rows


async def chosen_call(console: Console, ref: str) -> tuple[int | None, Call]:
    """Return a call and its place in the list, None where it was asked for by a Call-ID.

    Raises:
        CommandError: there is no such call.
    """
    # Only where a call is wanted: a start has no use for it.
    from sipstream.calls.interest import is_call

    session = console.session
    found = find_call_id(session, ref)
    if found is not None:
        calls = await _joined(console)
        if not is_call(found.origin, found.id):
            raise CommandError("this conversation is no call; 'show conversation' shows it")
        return None, calls.call_of(found.id)
    if not (ref.isascii() and ref.isdigit()):
        raise CommandError(f"no conversation has the Call-ID {brief(ref)}")
    shown = await _shown(console)
    place = int(ref[:18])
    if place >= len(shown.heads):
        last = f"the last one is {len(shown.heads) - 1}" if shown.heads else "there is none to show"
        raise CommandError(f"no call {place}: {last}")
    return place, shown.calls.call_of(shown.heads[place])


async def _joined(console: Console) -> Calls:
    """Return the calls there are, and tell how far it is while they are joined."""
    calls = await console.session.joining.calls(partial(console.show_share, "joined"))
    console.end_progress()
    return calls


async def _shown(console: Console, what: str = "") -> _Shown:
    """Return the calls that the active filter shows, and of these those that match an expression.

    Raises:
        FilterError: the expression can't be understood.
    """
    session = console.session
    selected = await session.select(what) if what else None
    # With a filter what it finds is enough: nobody wants all calls of all taps for one of them.
    visible = await session.listed(brings=selected is None)
    calls = await _joined(console)
    conversations, pace = calls.conversations, Pace()
    heads = array("I")
    await pace.through(calls.heads_of(conversations.order.numbers(), heads, pace.due))
    flags = bytearray(max(visible.numbers, default=-1) + 1)
    for number in visible.numbers:
        flags[number] = 1
    listed, places, chosen = array("I"), array("I"), array("I")
    for at, head in enumerate(heads):
        if not at % _TOGETHER and pace.due():
            await pace.rest()
        legs = calls.legs_of(head)
        if not any(leg < len(flags) and flags[leg] for leg in legs):
            continue
        if selected is None or any(leg in selected for leg in legs):
            places.append(len(listed))
            chosen.append(head)
        listed.append(head)
    session.joining.heads = listed
    return _Shown(calls, places, chosen, visible.batch)


def _tell_limits(console: Console, calls: Calls) -> None:
    """Say which limits were reached: what isn't joined because of them would be missed."""
    from sipstream.calls.limits import MOST_KEYS, MOST_LEGS, MOST_SHARED

    console.out.lines(render.common(calls.common))
    if calls.too_long:
        console.out.line(f"{calls.too_long} links left out: a call has {MOST_LEGS} legs at most")
    if calls.left_out:
        console.out.line(
            f"{calls.left_out} identifiers, tags and branches left out: a conversation has"
            f" {MOST_KEYS} of them at most, all together {MOST_SHARED}"
        )
