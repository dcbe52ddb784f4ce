"""show: conversations, messages, sources, the filter, follows."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from typing import Annotated, TypeVar

from sipstream.errors import CommandError
from sipstream.escape import escape
from sipstream.matches import Listed
from sipstream.pace import Pace
from sipstream.packets import Tally
from sipstream.render import lists, message, objects, overview
from sipstream.shell.arguments import ConversationRef, MessageIndex, Selection
from sipstream.shell.commands.follow import described
from sipstream.shell.console import Console
from sipstream.shell.registry import command
from sipstream.views import Conversation, Message

_Row = TypeVar("_Row")
_SORTED = 2048
"""Conversations sorted together, in a millisecond or two."""


@command("show conversations [sorted]")
async def show_conversations(console: Console, sorted: bool = False) -> None:  # noqa: A002
    """Shows list of conversations, optionally sorted by order received

    Those that match the active filter. Without sorted: by Call-ID, each with its Call-ID. The
    index before a line is what show conversation takes. Lines of several days stand under their
    dates. | count behind it says how many there are; help | lists what else may stand there.

    Examples:

    $ sipstream captures/testdata-pt.txt --filter 'dstnum 8969669'
    sipstream*: show conversations sorted
    [0] 15:49:30.333525: INVITE 4151509->8969669
    [1] 15:49:30.377296: INVITE 4151509->8969669
    sipstream*: show conversations
    4a40a41a3636462357f6f6f25b700844@10.20.0.22:5060: 15:49:30.333525: INVITE 4151509->8969669
    91c06e8e-c572-1235-c0ba-00215e2c8c90: 15:49:30.377296: INVITE 4151509->8969669
    sipstream*: show conversations sorted | count
    2
    """
    await _show_listed(console, await console.session.listed(), in_order=sorted)


@command("show conversations [sorted] {what}")
async def show_selected(
    console: Console,
    what: Annotated[str, Selection],
    sorted: bool = False,  # noqa: A002
) -> None:
    """Shows those that match a filter, of those that the active filter shows

    The index before a line is the one in the list without the filter: what show conversation takes.

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: show conversations sorted dstnum 8969669
    [37] 15:49:30.333525: INVITE 4151509->8969669
    [38] 15:49:30.377296: INVITE 4151509->8969669
    sipstream: show conversations final 4xx and method INVITE | count
    235
    sipstream: show conversations number 8969669 not state ended | count
    0
    """
    await _show_listed(console, await console.session.listed(what), in_order=sorted)


async def _show_listed(console: Console, listed: Listed, *, in_order: bool) -> None:
    """Write a line a conversation."""
    conversations, paint = listed.conversations, console.out.paint
    index = conversations.index
    placed: Iterable[tuple[int, int]] = zip(listed.places, listed.numbers, strict=True)
    if not in_order and console.out.shows:
        placed = await _by_call_id(index.c_call_id, listed)

    def shown() -> Iterator[tuple[int, Conversation]]:
        for place, number in placed:
            # While lines wait for the terminal, some may be given up to make room.
            if index.is_there(number, listed.batch):
                yield place, conversations[number]

    def by_time() -> Iterator[tuple[int, str]]:
        for place, one in shown():
            yield one.time, lists.by_time(place, one, paint)

    if in_order and listed.numbers:
        first, last = (index.m_time[index.c_first[listed.numbers[end]]] for end in (0, -1))
        texts = lists.under_days(by_time(), first, last, paint)
    else:
        texts = (lists.by_call_id(one, paint) for _, one in shown())
    rows = (objects.conversation(place, one) for place, one in shown())
    await console.out.rows(texts, rows, count=len(listed.numbers))


async def _by_call_id(call_ids: list[bytes], listed: Listed) -> Iterator[tuple[int, int]]:
    """Return places and numbers in order of their Call-IDs; sorted in turns, merged while drawn."""
    pace = Pace()
    ids: list[bytes] = []
    runs: list[array[int]] = []
    for begin in range(0, len(listed.numbers), _SORTED):
        numbers = listed.numbers[begin : begin + _SORTED]
        ids += map(call_ids.__getitem__, numbers)
        runs.append(array("I", sorted(range(begin, begin + len(numbers)), key=ids.__getitem__)))
        if pace.due():
            await pace.rest()
    merged = merge(*runs, key=ids.__getitem__)
    return ((listed.places[one], listed.numbers[one]) for one in merged)


@command("show conversation {ref} [message {index}|messages]")
async def show_conversation(
    console: Console,
    ref: Annotated[ConversationRef, ConversationRef],
    index: Annotated[int | None, MessageIndex] = None,
    messages: bool = False,
) -> None:
    """Shows conversation details

    Without more words every message on a line; message <index> shows one whole, messages all.
    A message that another capture point gave before is dim, and named as a copy under messages. One
    that taps on a network saw is there once, with these taps and how much later each saw it.

    Examples:

    $ sipstream captures/callerid-problem.txt --filter 'dstnum 5660066'
    sipstream*: show conversation 0
    === Conversation Call-ID: 4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060 ===
    [0] 15:54:44.871687  INVITE         (1502->5660066)
    ...
    sipstream*: show conversation 4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060 | last 1
    [3] 15:54:44.900831  ACK            (1502->5660066)
    sipstream*: show conversation 0 message 2 | match "SIP/2|from"
    SIP/2.0 403 Forbidden
    Via: SIP/2.0/UDP 10.20.0.22:5060;branch=z9hG4bK193c86a2
    From: ".rn" <sip:1502@10.20.0.22>;tag=as0a5e0c70
    sipstream*: show conversation 0 messages | count
    72
    $ sipstream captures/taps.pcap
    sipstream: show conversation 1 | match INVITE
    [0] 08:00:00.030000  INVITE       (4151500->5660066)  seen at sbc3, sbc4 +0.7 ms
    """
    if index is not None:
        await show_message(console, ref.conversation, index)
    elif messages:
        await show_messages(console, ref.conversation)
    else:
        await show_overview(console, ref.conversation, with_heading=ref.by_index)


async def show_overview(console: Console, one: Conversation, *, with_heading: bool) -> None:
    """Write a line a message."""

    def texts() -> Iterator[str]:
        if with_heading:
            yield overview.heading(one.call_id, console.out.paint)
        yield from overview.lines(one, console.out.paint, console.table_width)

    await console.out.rows(while_whole(one, texts()), _objects(one))


async def show_messages(console: Console, one: Conversation) -> None:
    """Write all messages whole."""
    texts = message.every(one.messages, console.out.paint)
    await console.out.rows(while_whole(one, texts), _objects(one, objects.whole))


async def show_message(console: Console, one: Conversation, index: int) -> None:
    """Write one message whole.

    Raises:
        CommandError: the conversation has no such message.
    """
    messages = one.messages
    if index >= len(messages):
        raise CommandError(f"no message {index}: the last one is {len(messages) - 1}")
    wanted = messages[index]
    await console.out.rows(
        iter([message.whole(wanted, console.out.paint)]),
        iter([objects.whole(wanted, one.call_id)]),
    )


def _objects(
    one: Conversation, made_of: Callable[[Message, str], dict[str, object]] = objects.message
) -> Iterator[dict[str, object]]:
    def made() -> Iterator[dict[str, object]]:
        # Only where objects are shown: of ten thousand messages views alone take their time.
        yield from (made_of(each, one.call_id) for each in one.messages)

    return while_whole(one, made())


def while_whole(one: Conversation, rows: Iterator[_Row]) -> Iterator[_Row]:
    """Yield rows as long as the conversation has all messages it had at the beginning.

    Raises:
        CommandError: rows waited for the terminal, and some were given up meanwhile.
    """
    left_out = one.left_out
    for row in rows:
        if one.gone or one.left_out != left_out:
            raise CommandError("messages of it were given up meanwhile to make room; show it again")
        yield row


@command("show filter")
async def show_filter(console: Console) -> None:
    """Shows the active conversation filter

    Examples:

    $ sipstream captures/testdata-pt.txt --filter 'dstnum 8969669'
    sipstream*: show filter
    condition or
    dstnum 8969669
    sipstream*: filter
    sipstream[filter]*: set condition and
    2 conversations
    sipstream[filter]*: add has diversion
    0 conversations
    sipstream[filter]*: show filter
    condition and
    dstnum 8969669
    has diversion
    sipstream[filter]*: show filter | match diversion
    has diversion
    """
    filters = console.session.filters
    found = {"condition": filters.condition, "terms": list(map(str, filters.items))}
    await console.out.rows(map(escape, filters.lines()), [found])


@command("show sources")
async def show_sources(console: Console) -> None:
    """Shows what came from each source

    Packets that gave messages and packets counted by reason add up to all packets. "cut by
    snaplen": the capture keeps too little of the packet. Checksums aren't verified, since the host
    that sends leaves them to its network card: a message with a bad one is shown. What a pcapng
    file says of itself and of its interfaces stands before them.

    Examples:

    $ sipstream captures/timeout.txt captures/timeout.pcap
    sipstream: show sources
    captures/timeout.txt: 354 packets, 192646 bytes, 354 messages
      354 packets with messages
    ...
    sipstream: show sources | match pcap
    captures/timeout.pcap: 354 packets, 170062 bytes, 354 messages
    sipstream: show sources | count
    4
    """
    tallies = [source.tally for source in console.session.sources.all]
    conversations = console.session.conversations

    def texts() -> Iterator[str]:
        for tally in tallies:
            yield from _source(tally)
        if not tallies:
            yield "no source so far"
        if conversations.duplicates:
            yield f"{conversations.duplicates} messages were there already and are shown once"
        given_up = conversations.given_up - conversations.aged
        if given_up:
            yield f"{given_up} conversations were given up to make room (--memory)"
        if conversations.aged:
            yield (
                f"{conversations.aged} conversations were given up as too old or too many"
                " (--keep, --spool-size)"
            )
        for stage, count in console.session.faults.counts.items():
            yield f"{count} faults in sipstream: {stage}"

    await console.out.rows(texts(), (_tally(tally) for tally in tallies))


def _source(tally: Tally) -> Iterator[str]:
    drops = f", {tally.drops} dropped by the kernel" if tally.drops else ""
    yield (
        f"{escape(tally.name)}: {tally.packets} packets, {tally.bytes} bytes, "
        f"{tally.messages} messages{drops}"
    )
    for line in tally.about:
        yield f"  {escape(line)}"
    yield f"  {tally.with_messages} packets with messages"
    for reason, count in tally.reasons.most_common():
        yield f"  {count} {escape(reason)}"


def _tally(tally: Tally) -> dict[str, object]:
    about = {"about": tally.about} if tally.about else {}
    return {
        "source": tally.name,
        "packets": tally.packets,
        "bytes": tally.bytes,
        "messages": tally.messages,
        "with_messages": tally.with_messages,
        "drops": tally.drops,
        "reasons": dict(tally.reasons),
        **about,
    }


@command("show states")
async def show_states(console: Console) -> None:
    """Shows how many conversations have come how far

    All of them, whatever the filter.

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: show states
    answered   9
    ended      500
    ...
    sipstream: show states | match failed
    failed     155
    sipstream: show states | count
    7
    """
    counts = console.session.conversations.counts_by_state().items()
    await console.out.rows(
        (f"{state:<11}{count}" for state, count in counts),
        ({"state": state, "conversations": count} for state, count in counts),
    )


@command("show follows")
async def show_follows(console: Console) -> None:
    """Shows what is followed

    Examples:

    $ sipstream --live lo
    sipstream: show follows
    nothing is followed
    sipstream: follow dstnum 5660066
    Follow 1: dstnum 5660066
    sipstream: show follows
    1: dstnum 5660066 (0 messages shown)
    sipstream: show follows | count
    1
    """
    # While lines wait for the terminal, follows may begin and end.
    follows = list(console.session.follows)
    texts = (f"{one.number}: {described(one)} ({one.shown} messages shown)" for one in follows)
    rows = (
        {
            "follow": one.number,
            "filter": one.text,
            "whole": one.whole,
            "flow": one.flow and not one.whole,
            "shown": one.shown,
            **({"calls": True} if one.calls else {}),
        }
        for one in follows
    )
    await console.out.rows(texts if follows else ["nothing is followed"], rows)
