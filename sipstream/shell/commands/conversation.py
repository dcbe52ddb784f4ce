"""The context of one conversation: its messages, and the next one in the list."""

from __future__ import annotations

from typing import Annotated

from sipstream.errors import CommandError
from sipstream.shell.arguments import ConversationRef, MessageIndex
from sipstream.shell.commands import show
from sipstream.shell.commands.general import choose
from sipstream.shell.console import Console
from sipstream.shell.registry import CONVERSATION, command


@command("show [message {index}|messages]", CONVERSATION)
async def show_here(
    console: Console,
    index: Annotated[int | None, MessageIndex] = None,
    messages: bool = False,
) -> None:
    """Show the conversation, one of its messages, or all of them

    Examples:

    $ sipstream captures/callerid-problem.txt --filter 'dstnum 5660066'
    sipstream*: conversation 0
    sipstream[conversation 0]*: show
    === Conversation Call-ID: 4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060 ===
    [0] 15:54:44.871687  INVITE         (1502->5660066)
    ...
    sipstream[conversation 0]*: show message 2
    15:54:44.900286 IP 10.11.12.13.5060 > 10.20.0.22.5060: SIP, length: 324
    SIP/2.0 403 Forbidden
    ...
    sipstream[conversation 0]*: show messages | match ^from:
    From: ".rn" <sip:1502@10.20.0.22>;tag=as0a5e0c70
    From: ".rn" <sip:1502@10.20.0.22>;tag=as0a5e0c70
    ...
    """
    one = console.in_conversation()
    if index is not None:
        await show.show_message(console, one, index)
    elif messages:
        await show.show_messages(console, one)
    else:
        await show.show_overview(console, one, with_heading=True)


@command("next", CONVERSATION)
async def go_on(console: Console) -> None:
    """Go on to the next matching conversation, and show it

    Examples:

    $ sipstream captures/testdata-pt.txt --filter 'dstnum 8969669'
    sipstream*: conversation 0
    sipstream[conversation 0]*: next
    === Conversation Call-ID: 91c06e8e-c572-1235-c0ba-00215e2c8c90 ===
    [0] 15:49:30.377296  INVITE                (4151509->8969669)
    ...
    sipstream[conversation 1]*: next
    *** Error! this is the last conversation
    """
    await _move(console, 1)


@command("previous", CONVERSATION)
async def go_back(console: Console) -> None:
    """Go back to the previous matching conversation, and show it

    Examples:

    $ sipstream captures/testdata-pt.txt --filter 'dstnum 8969669'
    sipstream*: conversation 1
    sipstream[conversation 1]*: previous
    === Conversation Call-ID: 4a40a41a3636462357f6f6f25b700844@10.20.0.22:5060 ===
    [0] 15:49:30.333525  INVITE                (4151509->8969669)
    ...
    sipstream[conversation 0]*: previous
    *** Error! this is the first conversation
    """
    await _move(console, -1)


async def _move(console: Console, step: int) -> None:
    """Move within the list that `show conversations sorted` shows."""
    matching = console.session.matching()
    try:
        place = matching.index(console.in_conversation().id) + step
    except ValueError:
        raise CommandError("this conversation no longer matches the filter") from None
    if not 0 <= place < len(matching):
        raise CommandError(f"this is the {'last' if step > 0 else 'first'} conversation")
    choose(console, ConversationRef.parse(console.session, str(place)))
    await show.show_overview(console, console.in_conversation(), with_heading=True)


@command("exit", CONVERSATION)
def leave(console: Console) -> None:
    """Exit the conversation

    Examples:

    $ sipstream captures/callerid-problem.txt --filter 'dstnum 5660066'
    sipstream*: conversation 0
    sipstream[conversation 0]*: exit
    sipstream*: show conversations sorted
    [0] 15:54:44.871687: INVITE 1502->5660066
    """
    console.leave()
