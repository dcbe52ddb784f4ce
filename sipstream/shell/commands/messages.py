"""What messages of a conversation say, beside one another: differences, session descriptions, headers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from sipstream.errors import CommandError
from sipstream.pace import Pace
from sipstream.shell.arguments import ConversationRef, MessageIndex
from sipstream.shell.commands.show import while_whole
from sipstream.shell.console import Console
from sipstream.shell.fieldnames import HeaderNames
from sipstream.shell.registry import CONVERSATION, command
from sipstream.views import Conversation, Message


@command("show conversation {ref} diff {first} [with {other}] {second}")
async def show_diff(
    console: Console,
    ref: Annotated[ConversationRef, ConversationRef],
    first: Annotated[int, MessageIndex],
    second: Annotated[int, MessageIndex],
    other: Annotated[ConversationRef | None, ConversationRef] = None,
) -> None:
    """Shows what differs between two messages, word by word

    Lines with a minus are the first one's, with a plus the second one's. Headers are compared with
    those of the same name, wherever they stand and however they are spelt. With another
    conversation: diff <index> with <call-id|index> <index>.

    Examples:

    $ sipstream captures/testdata-pt.txt --filter 'dstnum 8969669'
    sipstream*: show conversation 0 diff 0 with 1 0
    --- conversation 0 message 0  15:49:30.333525  INVITE
    +++ conversation 1 message 0  15:49:30.377296  INVITE
    - INVITE sip:8969669@[-10.11.12.13:5060-] SIP/2.0
    + INVITE sip:8969669@{+178.19.48.50+} SIP/2.0
    - Via: SIP/2.0/UDP [-10.20.0.22-]:5060;branch=[-z9hG4bK375a8cbf-]
    + Via: SIP/2.0/UDP {+10.11.12.13+}:5060;{+rport;+}branch={+z9hG4bK6p0u9VKtDDfq8+}
    Max-Forwards: 70
    ...
    sipstream*: show conversation 0 diff 2 3 | match "^[-+]"
    --- message 2  15:49:30.852919  183 Session Progress
    +++ message 3  15:49:44.236059  200 OK
    ...
    sipstream*: show conversation 0 diff 0 with 1 0 | match "m=audio"
    - m=audio [-57692-] RTP/AVP[- 9-] 8 0 101
    + m=audio {+30848+} RTP/AVP 8 0 101
    """
    await _diff(console, ref, first, other or ref, second)


@command("show diff {first} [with {other}] {second}", CONVERSATION)
async def show_diff_here(
    console: Console,
    first: Annotated[int, MessageIndex],
    second: Annotated[int, MessageIndex],
    other: Annotated[ConversationRef | None, ConversationRef] = None,
) -> None:
    """Show what differs between two messages, word by word

    Examples:

    $ sipstream captures/testdata-pt.txt --filter 'dstnum 8969669'
    sipstream*: conversation 0
    sipstream[conversation 0]*: show diff 0 with 1 0
    --- conversation 0 message 0  15:49:30.333525  INVITE
    +++ conversation 1 message 0  15:49:30.377296  INVITE
    - INVITE sip:8969669@[-10.11.12.13:5060-] SIP/2.0
    + INVITE sip:8969669@{+178.19.48.50+} SIP/2.0
    - Via: SIP/2.0/UDP [-10.20.0.22-]:5060;branch=[-z9hG4bK375a8cbf-]
    + Via: SIP/2.0/UDP {+10.11.12.13+}:5060;{+rport;+}branch={+z9hG4bK6p0u9VKtDDfq8+}
    Max-Forwards: 70
    ...
    sipstream[conversation 0]*: show diff 2 3 | match "^[-+]"
    --- message 2  15:49:30.852919  183 Session Progress
    +++ message 3  15:49:44.236059  200 OK
    ...
    sipstream[conversation 0]*: show diff 0 with 1 0 | match "m=audio"
    - m=audio [-57692-] RTP/AVP[- 9-] 8 0 101
    + m=audio {+30848+} RTP/AVP 8 0 101
    """
    here = ConversationRef(console.in_conversation(), console.chosen_name, by_index=False)
    await _diff(console, here, first, other or here, second)


@command("show conversation {ref} sdp")
async def show_sdp(console: Console, ref: Annotated[ConversationRef, ConversationRef]) -> None:
    """Shows each offer with its answer and what was agreed (RFC 3264)

    Offers in INVITE, UPDATE and PRACK, in a 200 or a reliable 183 whose answer is in the ACK or PRACK.
    Beneath each stream: the codecs that both have in the order of the answer, which way media goes,
    who puts the other on hold, or why there is no stream.

    Examples:

    $ sipstream captures/testdata-pt.txt --filter 'dstnum 8969669'
    sipstream*: show conversation 0 sdp
    [0] INVITE  10.20.0.22:5060           | [2] 183 Session Progress  10.11.12.13:5060
    audio 10.20.0.22:57692              |   audio 10.11.12.13:28754
    G722, PCMA, PCMU, telephone-event |     PCMA, telephone-event
    = agreed: PCMA, telephone-event; media both ways
    video 10.20.0.22:54246              |   video 10.11.12.13:0
    H261, H263, h263-1998, H264       |     H261
    = refused by the answer (port 0)
    sipstream*: show conversation 0 sdp | match agreed
    = agreed: PCMA, telephone-event; media both ways
    sipstream*: show conversation 0 sdp | count
    7
    """
    await _sdp(console, ref.conversation)


@command("show sdp", CONVERSATION)
async def show_sdp_here(console: Console) -> None:
    """Show each offer with its answer and what was agreed (RFC 3264)

    Examples:

    $ sipstream captures/testdata-pt.txt --filter 'dstnum 8969669'
    sipstream*: conversation 0
    sipstream[conversation 0]*: show sdp
    [0] INVITE  10.20.0.22:5060           | [2] 183 Session Progress  10.11.12.13:5060
    audio 10.20.0.22:57692              |   audio 10.11.12.13:28754
    G722, PCMA, PCMU, telephone-event |     PCMA, telephone-event
    = agreed: PCMA, telephone-event; media both ways
    video 10.20.0.22:54246              |   video 10.11.12.13:0
    H261, H263, h263-1998, H264       |     H261
    = refused by the answer (port 0)
    sipstream[conversation 0]*: show sdp | match agreed
    = agreed: PCMA, telephone-event; media both ways
    sipstream[conversation 0]*: show sdp | count
    7
    """
    await _sdp(console, console.in_conversation())


@command("show conversation {ref} headers {names}")
async def show_headers(
    console: Console,
    ref: Annotated[ConversationRef, ConversationRef],
    names: Annotated[tuple[str, ...], HeaderNames],
) -> None:
    """Shows the values of headers in each message, a line a message

    Long and compact names are the same; several values of one header have a bar between them. A name
    that is nearly a well-known one is taken for a slip unless it stands in quotes.

    Examples:

    $ sipstream captures/testdata-pt.txt --filter 'dstnum 8969669'
    sipstream*: show conversation 0 headers Contact
    [0] 15:49:30.333525  INVITE                <sip:4151509@10.20.0.22:5060>
    [1] 15:49:30.334001  100 Trying            -
    [2] 15:49:30.852919  183 Session Progress  <sip:8969669@10.11.12.13:5060;transport=udp>
    ...
    sipstream*: show conversation 0 headers cseq max-forwards | match 70$
    [0] 15:49:30.333525  INVITE                cseq: 102 INVITE  |  max-forwards: 70
    ...
    sipstream*: show conversation 0 headers user-agent | last 1
    [6] 15:50:03.480833  200 OK                -
    """
    await _headers(console, ref.conversation, names)


@command("show headers {names}", CONVERSATION)
async def show_headers_here(
    console: Console, names: Annotated[tuple[str, ...], HeaderNames]
) -> None:
    """Show the values of headers in each message, a line a message

    Examples:

    $ sipstream captures/testdata-pt.txt --filter 'dstnum 8969669'
    sipstream*: conversation 0
    sipstream[conversation 0]*: show headers Contact
    [0] 15:49:30.333525  INVITE                <sip:4151509@10.20.0.22:5060>
    [1] 15:49:30.334001  100 Trying            -
    [2] 15:49:30.852919  183 Session Progress  <sip:8969669@10.11.12.13:5060;transport=udp>
    ...
    sipstream[conversation 0]*: show headers cseq max-forwards | match 70$
    [0] 15:49:30.333525  INVITE                cseq: 102 INVITE  |  max-forwards: 70
    ...
    sipstream[conversation 0]*: show headers user-agent | last 1
    [6] 15:50:03.480833  200 OK                -
    """
    await _headers(console, console.in_conversation(), names)


async def _diff(
    console: Console, one: ConversationRef, first: int, other: ConversationRef, second: int
) -> None:
    """Write what differs between two messages.

    Raises:
        CommandError: one of them isn't there.
    """
    from sipstream.render import diff

    old, new = _message(one.conversation, first), _message(other.conversation, second)
    paint = console.out.paint
    alone = one.conversation.id == other.conversation.id

    def texts() -> Iterator[str]:
        yield diff.heading(old, "" if alone else one.name, "-", paint)
        yield diff.heading(new, "" if alone else other.name, "+", paint)
        yield from diff.lines(old, new, paint)

    await console.out.rows(texts(), map(diff.as_object, diff.pairs(old, new)))
    for sign, message in (("-", old), ("+", new)):
        if diff.left_out(message):
            console.out.line(f"({sign} {diff.left_out(message)} more lines are not compared)")


def _message(one: Conversation, index: int) -> Message:
    """Return a message.

    Raises:
        CommandError: the conversation has no such message.
    """
    messages = one.messages
    if index >= len(messages):
        raise CommandError(f"no message {index}: the last one is {len(messages) - 1}")
    return messages[index]


async def _sdp(console: Console, one: Conversation) -> None:
    """Write the exchanges of a conversation."""
    from sipstream.render import offers as rendered
    from sipstream.sip.offers import Negotiation

    out, messages = console.out, one.messages
    negotiation, pace = Negotiation(), Pace()
    for message in while_whole(one, iter(messages)):
        negotiation.add(message)
        if pace.due():
            await pace.rest()

    def texts() -> Iterator[str]:
        before = ""
        for exchange in negotiation.exchanges():
            if before:
                yield ""
            before = "a blank line"
            yield from rendered.lines(exchange, messages, console.table_width, out.paint)

    objects = (rendered.as_object(each, one.call_id) for each in negotiation.exchanges())
    await out.rows(while_whole(one, texts()), objects)
    if negotiation.left_out:
        out.line(f"{negotiation.left_out} more offers and answers are left out, there are too many")
    elif not negotiation.found:
        out.line("no session description")


async def _headers(console: Console, one: Conversation, names: Sequence[str]) -> None:
    """Write the values of headers, a line a message."""
    from sipstream.render import fields

    messages = one.messages
    texts = fields.lines(messages, names, console.out.paint)
    objects = (fields.as_object(each, one.call_id, names) for each in messages)
    await console.out.rows(while_whole(one, texts), while_whole(one, objects), count=len(messages))
