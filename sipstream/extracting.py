"""sipstream as a filter: captures in, matching conversations out (`--write` of files)."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream.errors import PARTIAL, SourceError
from sipstream.export import writing
from sipstream.export.formats import FORMATS, ON_STDOUT, Format, of_file
from sipstream.export.selected import Selected
from sipstream.export.target import STDOUT, Target
from sipstream.options import STDIN, Options
from sipstream.redact import Redactor
from sipstream.sources import stores_of
from sipstream.sources.file import first_time, open_file

if TYPE_CHECKING:
    from sipstream.opening import Opened
    from sipstream.shell.console import Console
    from sipstream.spool import FileStore


def target(options: Options, opened: Opened) -> Target:
    """Return what is written to; to be asked before anything is read, for it may be refused.

    Raises:
        SourceError: it can't be written to, or is one of the inputs.
    """
    assert options.write is not None
    inputs = []
    for name in options.files:
        with suppress(OSError, ValueError):
            store = opened.files.get(name)
            if name == STDIN:
                inputs.append(os.fstat(0))
            elif store is None:
                inputs.append(Path(name).stat())
            elif not isinstance(store, SourceError):
                # Root's rights may be gone that it takes to ask by name.
                inputs.append(os.fstat(store.fileno()))
    return Target(options.write, inputs)


def in_time_order(names: Sequence[str], opened: Opened) -> list[str]:
    """Return files in the order of their first packets, each once, standard input last.

    So calls are whole that go from one file into the next. What can't be read stays where it is: loading
    says why.
    """
    # Each file that messages lie in stays open.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    names = list(dict.fromkeys(names))
    times: dict[str, int] = {}
    for name in names:
        if name != STDIN:
            with suppress(SourceError):
                times[name] = _first_time(name, opened)
    ordered = iter(sorted(times, key=times.__getitem__))
    files = [next(ordered) if name in times else name for name in names if name != STDIN]
    return [*files, *(name for name in names if name == STDIN)]


def _first_time(name: str, opened: Opened) -> int:
    """Return the time of a file's first packet, 0 where it has none."""
    store = opened.files.get(name)
    if isinstance(store, SourceError):
        raise store
    if store is not None:
        return first_time(store) or 0
    fresh: FileStore = open_file(Path(name))
    try:
        return first_time(fresh) or 0
    finally:
        fresh.close()


async def write(options: Options, console: Console, to: Target) -> int:
    """Write the conversations that are shown, say what came of it; return the status.

    Raises:
        SipstreamError: they can't be written, or a pcap can't hold them.
    """
    session = console.session
    listed = await session.listed()
    chosen = format_of(options)
    is_masked = options.redact if options.redact is not None else chosen.shared
    selected = Selected(
        session.conversations,
        listed.numbers,
        listed.places,
        stores_of(session.sources.all),
        redactor=Redactor(country_code=session.settings.text("country_code"))
        if is_masked
        else None,
        name_of=console.naming.name_of,
    )
    try:
        await writing.write(chosen.pieces, selected, to)
    except BrokenPipeError:
        # Whoever read it has what it wanted.
        return 0
    return _tell(selected, console, to)


def format_of(options: Options) -> Format:
    """Return the format that files are written in: the one that is named, or that the name ends in.

    Else it is pcap, on standard output pcapng where a pcap can't hold the packets.
    """
    assert options.write is not None
    if options.format is not None:
        return FORMATS[options.format]
    if str(options.write) == STDOUT:
        return ON_STDOUT
    return of_file(options.write) or FORMATS["pcap"]


def _tell(selected: Selected, console: Console, to: Target) -> int:
    """Say what was written and what is missing; return the status."""
    for remark in selected.remarks:
        console.note(remark)
    for what in selected.missing:
        console.complain(f"{what}: they aren't in {to.name}")
    console.out.line(writing.told(selected, to.name))
    return PARTIAL if selected.missing or console.session.conversations.given_up else 0
