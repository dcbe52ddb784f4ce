"""source: commands from a file."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Annotated

from sipstream.errors import CommandError, words
from sipstream.escape import brief
from sipstream.limits import MAX_SCRIPT, SCRIPT_DEPTH
from sipstream.pace import Pace
from sipstream.shell.arguments import FilePath
from sipstream.shell.console import Console
from sipstream.shell.registry import command


@command("source {file}")
async def source(console: Console, file: Annotated[Path, FilePath]) -> None:
    """Runs the commands of a file, one a line

    Empty lines and those that begin with # are passed over. A command that fails stops none of the
    others; its error says in which line it stands. exit in the general context ends the program,
    Ctrl-C the script. Scripts may run others.

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: source captures/failed.commands
    failed     155
    235
    sipstream: source not-there.commands
    *** Error! not-there.commands can't be read: no such file or directory
    sipstream: source captures
    *** Error! captures can't be read: is a directory
    """
    name = brief(str(file))
    if console.depth == SCRIPT_DEPTH:
        raise CommandError(f"{name} isn't run: it would be script {SCRIPT_DEPTH + 1} within others")
    lines = (await asyncio.to_thread(_read, file)).split("\n")
    failed, before, pace = 0, console.place, Pace()
    console.depth += 1
    try:
        for number, line in enumerate(lines, 1):
            # As with lines that are pasted: a load that goes on beside the prompt is waited for.
            await console.session.sources.wait_loaded()
            console.place = f"{name} line {number}: "
            failed += not await console.execute(line)
            if console.finished:
                break
            await console.out.drained()
            if pace.due():
                await pace.rest()
    finally:
        console.depth -= 1
        console.place = before
    if failed:
        raise CommandError(f"{failed} {'command' if failed == 1 else 'commands'} of {name} failed")


def _read(file: Path) -> str:
    """Return a script's text.

    Raises:
        CommandError: it can't be read, is no file, or is too long.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise CommandError(f"{brief(str(file))} is no file")
            data = opened.read(MAX_SCRIPT + 1)
    except (OSError, ValueError) as error:
        reason = words(error) if isinstance(error, OSError) else str(error)
        raise CommandError(f"{brief(str(file))} can't be read: {reason}") from error
    if len(data) > MAX_SCRIPT:
        raise CommandError(f"{brief(str(file))} has more than {MAX_SCRIPT >> 20} MiB")
    return data.decode("utf-8", "surrogateescape")
