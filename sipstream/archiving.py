"""`sipstream archive`: files, or what a bus brings, into an archive."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream import suspects
from sipstream.archive import layout
from sipstream.errors import FAILED, PARTIAL, SipstreamError, SourceError
from sipstream.extras import how_to_install
from sipstream.faults import where
from sipstream.signals import INTERRUPTED, until_ended

if TYPE_CHECKING:
    from sipstream.opening import Opened
    from sipstream.options.archive import ArchiveOptions
    from sipstream.shell.output import Output

_FLUSH = 60
"""Seconds after which what came over a bus is written."""
_PATIENCE = 1.0
"""Seconds that what is still to be written has at the end: a terminal may have stopped reading."""


def run(options: ArchiveOptions, opened: Opened) -> int:
    """Do what is asked for with what was opened, return the exit status."""
    with asyncio.Runner() as runner:
        try:
            return runner.run(_main(options, opened))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return INTERRUPTED


async def _main(options: ArchiveOptions, opened: Opened) -> int:
    from sipstream.shell.output import Output, open_writers

    writer, errors = open_writers()
    out = Output(writer, errors)
    try:
        status = await until_ended(_work(options, opened, out), writer, lambda: False, out.line)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await writer.drain(0)
        return status
    except Exception as error:
        out.error(
            f"a fault in sipstream ended it ({type(error).__name__})"
            f"{where(suspects.keep_traceback(error))}"
        )
        return FAILED
    finally:
        out.close()


async def _work(options: ArchiveOptions, opened: Opened, out: Output) -> int:
    """Archive what was asked for, return the exit status."""
    try:
        if find_spec("pyarrow") is None:
            raise SourceError(
                f"an archive is written by pyarrow, which is missing: {how_to_install('archive')}"
            )
        layout.require(options.folder)
        if options.nats is not None:
            return await _drain(options, opened, out)
        return await _archive_files(options, opened, out)
    except SipstreamError as error:
        out.error(str(error))
        return FAILED


async def _drain(options: ArchiveOptions, opened: Opened, out: Output) -> int:
    """Archive what comes over a bus, until told to end."""
    from sipstream.archive.drain import Draining
    from sipstream.bus.connecting import Server

    server = Server(options.nats or "", options.nats_creds, options.nats_ca, opened.secret)
    await Draining(options.folder, server, options.flush or _FLUSH, out.line).run()
    return 0


async def _archive_files(options: ArchiveOptions, opened: Opened, out: Output) -> int:
    from sipstream.archive.files import Archiving
    from sipstream.decode.keylog import Secrets
    from sipstream.notices import Notices

    secrets = Secrets()
    if options.keylog is not None:
        from sipstream.sources.keylog import KeyLogFile

        KeyLogFile(options.keylog, opened.take(options.keylog)).read_into(secrets)
    notices = Notices(secrets)
    notices.tell, notices.complain = out.line, out.error
    archiving = Archiving(options.folder, opened, secrets, notices, out.line)
    status = 0
    for name in options.files:
        try:
            await archiving.take(Path(name))
        except SourceError as error:
            out.error(str(error))
            status = FAILED
    return status or (PARTIAL if archiving.partial else 0)
