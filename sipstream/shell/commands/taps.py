"""show taps: the taps on a bus, and how they are."""

from __future__ import annotations

import asyncio

from sipstream.errors import CommandError
from sipstream.shell.console import Console
from sipstream.shell.registry import command


@command("show taps")
async def show_taps(console: Console) -> None:
    """Shows the taps on the bus, and how they are

    Each is asked now: heard is when it last said anything, answer how long its answer took, clock how
    far its clock is ahead of another's, as messages show that both saw. Who says nothing for two seconds
    is silent, who has left the bus is gone. Lists, show and follow ask all taps, or those that the term
    tap chooses. --json counts what of their answers makes no sense.

    Examples:

    $ sipstream --nats nats://127.0.0.1:4222
    sipstream: show taps
    tap   host  version  heard    messages/s  conversations  messages  drops  memory  CPU  answer  clock
    ...
    sipstream: show taps | count
    3
    sipstream: show taps | match nosuch
    sipstream: list tap sbc2 columns index,numbers,messages
    #  numbers                            msgs
    0  4151000->5660066                      4
    1  4151003->4151500                      4
    """
    taps = console.session.remotes.taps
    if taps is None:
        raise CommandError("no bus is asked for taps: start with --nats nats://HOST:4222")
    from sipstream.render.taps import lines
    from sipstream.taps.standing import row

    known = await taps.ask_how_they_are()
    now = asyncio.get_running_loop().time()
    rows = [row(tap, now, console.session.conversations) for tap in known]
    table = lines(rows, console.table_width, console.out.paint)
    await console.out.rows(table if rows else ["no tap has answered yet"], rows, count=len(rows))
