"""What goes on beside the work that the options ask for: figures served, a ring kept, triggers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipstream.options import Options
    from sipstream.ring.room import Ring
    from sipstream.shell.console import Console


@asynccontextmanager
async def running(options: Options, console: Console, ring: Ring | None) -> AsyncIterator[None]:
    """Have all of it go on until the work is done; each is imported where it is asked for.

    Raises:
        SourceError: a trigger's file can't be written, or there is no such program.
    """
    async with AsyncExitStack() as stack:
        bound = console.session.sources.opened.listening
        if bound is not None:
            from sipstream.serving import Serving, where

            await stack.enter_async_context(Serving(console.session, bound))
            if not options.quiet:
                console.out.line(where(bound))
        if ring is not None:
            from sipstream.ring.keeping import RingKeeping

            await stack.enter_async_context(RingKeeping(ring, console.note))
        if options.triggers:
            from sipstream.triggers import Triggers

            await stack.enter_async_context(
                Triggers(console.session, options.triggers, console.note)
            )
        yield
