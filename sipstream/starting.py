"""What the command line names is started: where spools lie, sources, taps, files that are loaded."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream.errors import SipstreamError
from sipstream.listening import start_hep
from sipstream.options import STDIN, Options

if TYPE_CHECKING:
    from sipstream.bus.connecting import Server
    from sipstream.opening import Opened
    from sipstream.options.groups import Kept
    from sipstream.ring.room import Ring
    from sipstream.segments import Room
    from sipstream.session import Session
    from sipstream.shell.console import Console
    from sipstream.sources import Source


def has_shell(options: Options) -> bool:
    """Tell whether a shell asks for commands once the sources are there."""
    if options.commands or options.follow is not None or options.extracts or options.sends_files:
        return False
    return STDIN in options.files or (os.isatty(0) and os.isatty(1))


def room(options: Options) -> Room:
    """Return where spools lie, and how much room they have.

    Raises:
        SourceError: the folder can't be used.
    """
    from sipstream.segments import Room

    if options.extracts and options.spool_size is None:
        # All is looked at in the end: nothing of standard input may go before.
        return Room()
    return room_to_keep(options)


def room_to_keep(options: Kept) -> Room:
    """Return where spools lie that keep the newest packets.

    Raises:
        SourceError: the folder can't be used.
    """
    from sipstream.segments import Folder, Room, usual_size

    folder = Folder(options.spool_dir) if options.spool_dir is not None else None
    return Room(options.spool_size or usual_size(), folder)


def ring(options: Options, opened: Opened) -> Ring | None:
    """Return where live captures are kept, None where that isn't a ring.

    Raises:
        SourceError: the folder can't be used.
    """
    if options.write_ring is None or options.ring_size is None:
        return None
    from sipstream.ring.room import Ring

    return Ring(options.write_ring, options.ring_size, options.ring_time, opened.indexer)


async def reach_taps(options: Options, session: Session) -> None:
    """Have the taps on a bus asked from now on, where one is named.

    Raises:
        SourceError: its server can't be reached.
    """
    if options.nats is not None:
        from sipstream.taps import reach

        await reach(_server(options.nats, options, session), session)


async def start_sources(options: Options, console: Console) -> bool:
    """Start what runs in the background, load the files; return whether all of it went well."""
    session = console.session
    console.out.quiet = options.quiet
    cooked = len(options.live) > 1 and options.write is not None
    if options.narrow:
        _narrow(options, console)
    for interface in options.live:
        session.sources.capture_start(interface, options.bpf, cooked)
        console.out.line("Starting packet capture")
    for line in start_hep(options, session):
        console.out.line(line)
    resumed = session.sources.resume()
    for path in options.tail:
        session.sources.tail(path, from_start=not options.from_now)
    if options.bus is not None:
        session.sources.start(_stream(options.bus, options, session))
    if not has_shell(options) and options.follow is None:
        await session.sources.wait_caught_up()
        if resumed is not None:
            await session.sources.wait_for(resumed)
    good = True
    for name in options.files:
        if name != STDIN:
            good = await _load(name, console) and good
            continue
        source = session.sources.read_stdin(told=not options.quiet)
        if options.commands or options.extracts:
            await session.sources.wait_for(source)
    console.out.quiet = options.quiet and options.extracts
    return good


def _stream(url: str, options: Options, session: Session) -> Source:
    """Return the source of what taps publish to a server."""
    from sipstream.sources.bus import BusSource

    since = options.since and time.time_ns() - options.since * 10**9
    return BusSource(_server(url, options, session), since, room=session.sources.room)


def _server(url: str, options: Options, session: Session) -> Server:
    """Return a NATS server, with what it lets us in by as it was read before rights were given up."""
    from sipstream.bus.connecting import Server

    return Server(url, options.nats_creds, options.nats_ca, session.sources.opened.secret)


def _narrow(options: Options, console: Console) -> None:
    """Have captures take only what the filters ask for, as far as the kernel can tell; say so."""
    from sipstream.filters import Filter
    from sipstream.filters.grammar import AnyOf, join
    from sipstream.filters.narrow import narrowing

    # Both show what matches: neither may lose any of it.
    texts = [text for text in (options.filter, options.follow) if text]
    narrow = narrowing(join(AnyOf, [Filter.parse(text).node for text in texts]))
    console.session.sources.narrow = narrow
    if narrow is None:
        console.note("not narrowed: the filter fixes no address or port that each match has")
    else:
        elsewhere = "on other ports" if "port" in narrow else ""
        if "host" in narrow or "net" in narrow:
            elsewhere = "between other hosts" + (" or " + elsewhere if elsewhere else "")
        console.note(
            f"narrowed to: {narrow} (messages of matching calls {elsewhere} aren't captured)"
        )


async def _load(name: str, console: Console) -> bool:
    """Load a file as the command does."""
    from sipstream.shell.commands import general
    from sipstream.stored import is_stored

    try:
        await general.load(console, name if is_stored(name) else Path(name))
    except SipstreamError as error:
        console.out.error(str(error))
        return False
    finally:
        console.end_progress()
    return True
