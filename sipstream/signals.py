"""What ends the program from outside: signals, and that whoever reads its output has gone.

SIGTERM, SIGHUP and SIGINT end it orderly; SIGQUIT writes where all threads are and goes on; SIGUSR1
and SIGUSR2 mean nothing here and do nothing; SIGPIPE is an error of the write, as Python has it.
"""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from sipstream import suspects

if TYPE_CHECKING:
    from sipstream.shell.writer import Writer

INTERRUPTED, HUNG_UP = 128 + signal.SIGINT, 128 + signal.SIGHUP


async def until_ended(
    work: Coroutine[object, object, int],
    writer: Writer | None,
    ends_less: Callable[[], bool],
    tell: Callable[[str], None],
) -> int:
    """Do the work; end orderly when told to, quietly when whoever reads has gone. Return the status.

    On Ctrl-C `ends_less` is asked first: it returns whether there was something less to end. `tell`
    gets the sentence that says where a stack dump is. Without `writer` nobody has to read.
    """
    loop = asyncio.get_running_loop()
    status = 0

    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(work)

        def end(why: int) -> None:
            nonlocal status
            status = why
            working.cancel()

        async def watch(writer: Writer) -> None:
            await writer.wait_broken()
            gone = writer.error is not None and writer.error.errno == errno.EIO
            # A pipe's reader has what it wanted; a terminal that is gone is a hang-up.
            end(HUNG_UP if gone else 0)

        if writer is not None:
            watching = tasks.create_task(watch(writer))
            working.add_done_callback(lambda _: watching.cancel())
        loop.add_signal_handler(signal.SIGINT, lambda: None if ends_less() else end(INTERRUPTED))
        loop.add_signal_handler(signal.SIGTERM, end, 128 + signal.SIGTERM)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            # Ignored is what nohup(1) asks for.
            loop.add_signal_handler(signal.SIGHUP, end, HUNG_UP)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
        _dump_on_quit(loop, tell)
    return status if working.cancelled() else working.result()


def _dump_on_quit(loop: asyncio.AbstractEventLoop, tell: Callable[[str], None]) -> None:
    """Have SIGQUIT keep the stacks of all threads, also while something holds the event loop.

    While the loop doesn't come round, a second one ends the process as it always did.
    """

    def dumped(text: str) -> None:
        signal.signal(signal.SIGQUIT, dump)
        tell(text)

    def dump(number: int, frame: object) -> None:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        kept = suspects.keep_stacks()
        text = f"the stacks of all threads are in {kept}" if kept else "no stacks could be kept"
        loop.call_soon_threadsafe(dumped, text)

    signal.signal(signal.SIGQUIT, dump)
