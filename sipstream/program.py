"""What the options ask for, done with a session: commands, a follow, or the shell."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream import services, starting, suspects
from sipstream.errors import DENIED, FAILED, PARTIAL, CaptureDeniedError, SipstreamError
from sipstream.faults import where
from sipstream.options import STDIN, Options
from sipstream.signals import HUNG_UP, INTERRUPTED, until_ended

if TYPE_CHECKING:
    from sipstream.opening import Opened
    from sipstream.session import Session
    from sipstream.shell.console import Console

_LONGEST_LINE = 1 << 20
"""Bytes of one command on standard input."""
_PATIENCE = 1.0
"""Seconds that what is still to be written has at the end: a terminal may have stopped reading."""
_LOAD_PATIENCE = 1.0
"""Seconds that a load is waited for where there is a prompt to be used meanwhile."""
_WIDTH = 80
"""Columns of a terminal that doesn't tell."""
_WELCOME = (
    "'load FILE' brings messages, and so does starting with --live eth0;\n"
    "'follow dstnum 5660066' shows those of a number as they come, 'help' all else."
)
"""What somebody is told who never typed a command here: three of them."""


def run_with(options: Options, opened: Opened) -> int:
    """Do what is asked for with what was opened, return the exit status."""
    with asyncio.Runner() as runner:
        try:
            return runner.run(_main(options, opened))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return INTERRUPTED


async def _main(options: Options, opened: Opened) -> int:
    # Importing the commands registers them.
    import sipstream.shell.commands  # noqa: F401
    from sipstream.ageing import Keep
    from sipstream.render.colours import Paint, wanted
    from sipstream.session import Session
    from sipstream.shell.console import Console
    from sipstream.shell.output import Output, open_writers

    writer, errors = open_writers()
    paint = Paint(options.color and wanted(writer.isatty(), os.environ))
    out = Output(writer, errors, json=options.json, paint=paint)
    if options.follow is not None or str(options.write) == STDIN:
        out.words = errors
    try:
        try:
            room = starting.room(options)
            room.captures = ring = starting.ring(options, opened)
        except SipstreamError as error:
            out.error(str(error))
            return FAILED
        keep = Keep(**dict(options.keep), calls=options.keep_calls)
        # Who gets HEP of us is to get what each tap told.
        folds = options.send_hep is None
        async with Session(
            memory=options.memory, keep=keep, room=room, rtp=options.rtp, folds=folds
        ) as session:
            session.sources.write = options.write
            session.sources.opened = opened
            console = Console(session, out)
            _use_settings(console)
            if options.quiet:
                # What sources have to say is no answer: it goes where errors go.
                console.show_words = Output(errors, errors).lines
            console.redact = options.redact
            if options.redact and not options.extracts:
                console.note("--redact masks what export writes; the screen shows it as it is")
            console.patience = _LOAD_PATIENCE if starting.has_shell(options) else None
            asyncio.get_running_loop().set_exception_handler(session.faults.in_loop)
            if errors.isatty():
                console.width = _terminal_width
            # In front of a shell Ctrl-C ends a load only, otherwise all of it.
            ends_less = session.sources.interrupt if starting.has_shell(options) else lambda: False
            try:
                async with services.running(options, console, ring):
                    work = _work(options, console)
                    if options.send_hep is not None:
                        from sipstream.sending.run import beside

                        work = beside(work, options, console, in_shell=starting.has_shell(options))
                    status = await until_ended(work, writer, ends_less, console.note)
            except SipstreamError as error:
                out.error(str(error))
                status = FAILED
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await writer.drain(0)
        if writer.error is not None and writer.error.errno == errno.ENOSPC:
            out.error("not all could be written: no space left where standard output goes")
            return FAILED
        return status
    except Exception as error:
        kept = suspects.keep_traceback(error)
        out.error(f"a fault in sipstream ended it ({type(error).__name__}){where(kept)}")
        return FAILED
    finally:
        out.close()


def _use_settings(console: Console) -> None:
    """Take the user's settings, and tell what is wrong with them."""
    from sipstream import config
    from sipstream.settings import Settings
    from sipstream.shell.registry import first_words

    settings = Settings.read(config.config_file(), first_words())
    for complaint in settings.complaints:
        console.out.error(complaint)
    console.session.settings = settings
    console.settle()


async def _work(options: Options, console: Console) -> int:
    """Set up filter and sources, then run commands, the follow, or the shell."""
    session = console.session
    try:
        if options.keylog is not None:
            session.sources.keylog(options.keylog)
        await starting.reach_taps(options, session)
        if options.filter is not None:
            text = options.filter
            await session.change_filter(lambda filters: filters.add(text))
        if options.follow is not None:
            followed = options.follow or None
            await session.follow(followed, whole=options.messages, flow=options.flow)
        if options.extracts:
            return await _extract(options, console)
        good = await starting.start_sources(options, console)
        if options.follow is not None or options.sends_files:
            await session.sources.wait_sources()
            await session.publishing.holding.settle()
            if options.nats is not None:
                # Taps come and go, but never come to an end.
                await asyncio.Event().wait()
            await console.out.drained()
            return _status(good, session)
        if options.commands:
            good = good and await _run_commands(_given(options.commands), console)
        elif starting.has_shell(options):
            return await _shell(options, console)
        else:
            good = await _run_commands(_typed(), console) and good
            if options.is_job and not console.finished:
                # Without a terminal, as a service has none, the capture itself is the job.
                await session.sources.wait_sources()
        return _status(good, session)
    except SipstreamError as error:
        console.out.error(str(error))
        return DENIED if isinstance(error, CaptureDeniedError) else FAILED


async def _extract(options: Options, console: Console) -> int:
    """Read all files, write the packets of what matches."""
    from sipstream import extracting

    opened = console.session.sources.opened
    async with extracting.target(options, opened) as target:
        try:
            options.files = extracting.in_time_order(options.files, opened)
            good = await starting.start_sources(options, console)
            status = await extracting.write(options, console, target)
        except asyncio.CancelledError:
            console.out.error(f"interrupted: {target.left}")
            raise
    return _status(good, console.session) or status


def _status(good: bool, session: Session) -> int:
    """Return the exit status of a run without a shell; `good` when nothing failed so far."""
    if not good or session.sources.failed:
        return FAILED
    return PARTIAL if session.sources.partial else 0


async def _run_commands(lines: AsyncIterator[str], console: Console) -> bool:
    """Run commands in order, return whether all went well; one that fails doesn't stop the others."""
    good = True
    async for line in lines:
        good = await console.execute(line) and good
        if console.finished:
            break
    await console.out.drained()
    return good


async def _given(lines: Sequence[str]) -> AsyncIterator[str]:
    for line in lines:
        yield line


async def _typed() -> AsyncIterator[str]:
    """Yield the lines of standard input as they come; a file or a device is read at once.

    Raises:
        SipstreamError: a line is too long to be a command.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    mode = os.fstat(0).st_mode
    with open(0, "rb", closefd=False) as file:  # noqa: ASYNC230
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(0)):
            # What can't be read holds no commands: nohup leaves /dev/null open for writing only.
            with suppress(OSError):
                for line in file:
                    yield line.decode("utf-8", "surrogateescape")
            return
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
        try:
            while line := await reader.readline():
                yield line.decode("utf-8", "surrogateescape")
        except ValueError as error:
            raise SipstreamError(f"a command has at most {_LONGEST_LINE} bytes") from error


async def _shell(options: Options, console: Console) -> int:
    """Ask for commands on the terminal until the user leaves, or the terminal is gone."""
    from prompt_toolkit.input import create_input

    from sipstream import config
    from sipstream.shell.prompt import Prompt

    with ExitStack() as opened:
        if STDIN not in options.files:
            keys = create_input()
        else:
            try:
                terminal = opened.enter_context(Path("/dev/tty").open(encoding="utf-8"))  # noqa: ASYNC230
            except OSError as error:
                raise SipstreamError(
                    "standard input is data and there is no terminal for the shell: "
                    "use -c or --follow"
                ) from error
            keys = create_input(terminal)
        if not options.has_source and config.is_first_time():
            console.out.line(_WELCOME)
        await Prompt(console, console.out.writer, keys).run()
        console.end_watch()
        return HUNG_UP if keys.closed else 0


def _terminal_width() -> int:
    try:
        return os.get_terminal_size(2).columns or _WIDTH
    except OSError:
        return _WIDTH
