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

    sipstream[conversation 0]: show
    sipstream[conversation 0]: show message 0
    sipstream[conversation 0]: show messages
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
    """Go on to the next matching conversation, and show it"""
    await _move(console, 1)


@command("previous", CONVERSATION)
async def go_back(console: Console) -> None:
    """Go back to the previous matching conversation, and show it"""
    await _move(console, -1)


async def _move(console: Console, step: int) -> None:
    """Move within the list that `show conversations sorted` shows."""
    matching = console.session.matching()
    number = console.in_conversation().id
    if number not in matching:
        raise CommandError("this conversation no longer matches the filter")
    place = matching.index(number) + step
    if not 0 <= place < len(matching):
        raise CommandError(f"this is the {'last' if step > 0 else 'first'} conversation")
    choose(console, ConversationRef.parse(console.session, str(place)))
    await show.show_overview(console, console.in_conversation(), with_heading=True)


@command("exit", CONVERSATION)
def leave(console: Console) -> None:
    """Exit the conversation"""
    console.leave()
