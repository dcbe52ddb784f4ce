"""`sipstream agent`: sources, a session and the service that answers for it, until a signal ends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nats.aio.client import Client

from sipstream import filters, suspects
from sipstream.ageing import Keep
from sipstream.agent import figures, publish
from sipstream.agent.counts import Counts
from sipstream.agent.courtesy import Load, Turns, let_others_go_first
from sipstream.agent.link import Link
from sipstream.agent.publish import publishing
from sipstream.agent.service import Service
from sipstream.agent.standing import Standing
from sipstream.agent.words import Words
from sipstream.bus.connecting import Server
from sipstream.errors import DENIED, FAILED, CaptureDeniedError, SipstreamError
from sipstream.escape import escape
from sipstream.faults import where
from sipstream.limits import MAX_NODE
from sipstream.listening import start_hep
from sipstream.options.values import STDIN
from sipstream.session import Session
from sipstream.signals import INTERRUPTED, until_ended
from sipstream.starting import room_to_keep
from sipstream.version import __version__

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from sipstream.bus.publishing import Publisher
    from sipstream.opening import Opened
    from sipstream.options.agent import AgentOptions


def run(options: AgentOptions, opened: Opened) -> int:
    """Run an agent with what was opened, return the exit status."""
    let_others_go_first()
    with asyncio.Runner() as runner:
        try:
            return runner.run(_main(options, opened))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return INTERRUPTED


async def _main(options: AgentOptions, opened: Opened) -> int:
    words = Words()
    try:
        keep = Keep(**dict(options.keep), calls=options.keep_calls)
        # What each tap told is passed on: shells see which told the same.
        async with Session(
            memory=options.memory, keep=keep, room=room_to_keep(options), folds=False
        ) as session:
            session.sources.opened = opened
            session.sources.notices.tell = words.tell
            session.sources.notices.complain = session.faults.tell = words.complain
            asyncio.get_running_loop().set_exception_handler(session.faults.in_loop)
            return await until_ended(
                _work(options, session, words), None, lambda: False, words.tell
            )
    except SipstreamError as error:
        words.complain(str(error))
        return FAILED
    except Exception as error:
        kept = suspects.keep_traceback(error)
        words.complain(f"a fault in sipstream ended it ({type(error).__name__}){where(kept)}")
        return FAILED
    finally:
        words.close()


async def _work(options: AgentOptions, session: Session, words: Words) -> int:
    """Start the sources, answer for them; end only when they failed."""
    counts, load = Counts(), Load()
    host = socket.gethostname()
    tap = _cut(options.tap or host)
    standing = Standing(session, tap, load, counts)
    service = Service(session, tap, standing, Turns(load), counts)
    secret = session.sources.opened.secret
    server = Server(options.nats or "", options.nats_creds, options.nats_ca, secret)
    link = Link(server, words.tell, counts, session.faults)
    # The first filter would hold the capture up for a tenth of a second.
    filters.prepare()
    try:
        if options.keylog is not None:
            session.sources.keylog(options.keylog)
        async with (
            publishing(options, session, tap, server, words.tell) as publisher,
            _serving(session, counts, publisher, words),
        ):
            standing.publisher = publisher
            words.tell(f"sipstream {__version__} is the agent of tap {escape(tap)}")
            answering = asyncio.create_task(link.hold(partial(_answering, service, tap, host)))
            try:
                if not await _start_sources(options, session, publisher, words):
                    return FAILED
                await session.sources.wait_sources()
                if session.sources.failed and (options.live or options.tail or options.hep):
                    # Whoever watches over services starts it again.
                    return FAILED
                await answering
            finally:
                answering.cancel()
                await asyncio.wait([answering])
    except SipstreamError as error:
        words.complain(str(error))
        return DENIED if isinstance(error, CaptureDeniedError) else FAILED
    return 0


def _cut(name: str) -> str:
    """Return as much of a name as stands in envelopes."""
    return name.encode("utf-8", "surrogateescape")[:MAX_NODE].decode("utf-8", "ignore")


def _answering(
    service: Service, tap: str, host: str, client: Client
) -> AbstractAsyncContextManager[object]:
    """Answer on a connection."""
    return service.on(client, {"tap": tap, "host": host, "version": __version__})


@asynccontextmanager
async def _serving(
    session: Session, counts: Counts, publisher: Publisher | None, words: Words
) -> AsyncIterator[None]:
    """Serve figures, where that is asked for, until all is done."""
    bound = session.sources.opened.listening
    if bound is None:
        yield
        return
    from sipstream.serving import Serving, where

    def families() -> Iterator[Metric]:
        yield from figures.families(counts)
        if publisher is not None:
            yield from publish.families(publisher.figures())

    async with Serving(session, bound, families):
        words.tell(where(bound))
        yield


async def _start_sources(
    options: AgentOptions, session: Session, publisher: Publisher | None, words: Words
) -> bool:
    """Start what runs in the background, load the files; return whether there is any source.

    Raises:
        SipstreamError: an interface can't be captured on, or a file can't be watched.
    """
    for interface in options.live:
        session.sources.capture_start(interface, options.bpf)
        words.tell(f"capturing on {escape(interface)}")
    for line in start_hep(options, session):
        words.tell(line)
    resumed = session.sources.resume()
    if publisher is not None:
        publisher.former = resumed
    for path in options.tail:
        session.sources.tail(path, from_start=not options.from_now)
    there = bool(options.live or options.hep or options.tail)
    for name in options.files:
        if name == STDIN:
            session.sources.read_stdin()
            there = True
            continue
        try:
            loaded = await session.sources.load(Path(name))
        except SipstreamError as error:
            # The others are worth answering for.
            words.complain(str(error))
            continue
        there = True
        if loaded is not None:
            words.tell(f"{escape(name)}: {loaded.words}")
    return there
