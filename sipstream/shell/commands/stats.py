"""show stats: figures of the conversations that are shown, worked out when asked for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, TypeVar
from weakref import WeakKeyDictionary

from sipstream.errors import CommandError
from sipstream.index import UNUSED, Index
from sipstream.pace import Pace
from sipstream.shell.console import Console
from sipstream.shell.registry import command
from sipstream.shell.statistics import EVERYTHING, Asked, Statistics

if TYPE_CHECKING:
    from sipstream.conversations import Conversations
    from sipstream.filters.term import Due
    from sipstream.matches import Listed
    from sipstream.metrics import Measuring, Metrics
    from sipstream.session import Session

_Found = TypeVar("_Found")
_WIDTH = 80
"""Columns where there is no terminal."""
_LABELS = 20
"""Columns kept for what stands beside the bars."""
_SHOWN, _FAILING = 10, 5
"""Names listed at most, and those of the overview."""
_MEASURING: WeakKeyDictionary[Session, Measuring] = WeakKeyDictionary()
"""What remembers the figures of a session that were asked for."""
_USED = bytes(state != UNUSED for state in range(256))
_PIECE = 4096
"""Conversations chosen together, in well under a millisecond."""


@command("show stats [{what}]")
async def show_stats(console: Console, what: Annotated[Asked, Statistics] = EVERYTHING) -> None:
    """Shows figures: how calls went, what failed, who sent most

    Of the conversations that are shown, of these only those that match <filter>. Without a topic the
    figures that tell most, on one screen. All is worked out when asked for; a second look takes only
    what came since.

    methods        messages by method and status, and those that were sent again
    calls          how calls went: RFC 6076, ASR, NER, ACD, how many at once
    registrations  how registrations went: RRD and IRA of RFC 6076
    talkers        addresses with most messages, numbers with most conversations
    failing        numbers with most failed conversations
    agents         user agents that began conversations
    plot           messages, failures and calls at once over time; every says how long a bar is

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: show stats
    15:49:01 to 16:13:57 (24m55s): 1083 conversations, 6496 messages
    calls      731 asked for  494 answered  235 failed (82 cancelled)
               ASR 67.6%  NER 96.0%  SER 67.8%  SEER 85.0%  ISA 0.0%  SCR 66.3%
    at once    9 calls at the end  most 95 at 15:56:29  ACD 3m15s
    errors     401 115  486 82  487 82  407 80  480 44  404 27
    ...
    sipstream: show stats calls dstnum 8969669
    calls      2 asked for  2 answered  0 failed (0 cancelled)
    INVITEs    2 sent  0 challenged  0 redirected
    at once    0 calls at the end  most 2 at 15:49:44  ACD 19.243s
    ...
    sipstream: show stats methods | match "method|INVITE"
    method or status  messages  share  sent again  copies
    INVITE                 811  12.5%           0       0
    sipstream: show stats every 10m final 486
    15:40:00 to 16:10:00, 10m a bar
    ...
    """
    session = console.session
    # It takes longer than the event loop may be held.
    await asyncio.to_thread(_import_all, what.topic)
    pace = Pace()
    if not what.expression and not session.filters.active:
        await session.remotes.bring("")
        conversations = session.conversations
        chosen = bytes(conversations.index.c_state).translate(_USED)
    else:
        listed = await session.listed(what.expression)
        await pace.rest()
        conversations = listed.conversations
        chosen = await _flags(listed, pace)
    await _ANSWERS[what.topic](_Look(console, conversations, chosen, pace), what)


def _import_all(topic: str) -> None:
    """Import what only figures need."""
    for name in ("sipstream.metrics.tops", "sipstream.metrics.intervals", "sipstream.render.stats"):
        import_module(name)
    if topic == "plot":
        import_module("sipstream.render.plot").ready()


async def _flags(listed: Listed, pace: Pace) -> bytes:
    """Return a 1 for each number that is listed, 0 for the others."""
    flags = bytearray(listed.conversations.places)
    for begin in range(0, len(listed.numbers), _PIECE):
        for number in listed.numbers[begin : begin + _PIECE]:
            flags[number] = 1
        if pace.due():
            await pace.rest()
    return bytes(flags)


class _Look:
    """One look at figures: of which conversations, and where they go."""

    def __init__(
        self, console: Console, conversations: Conversations, chosen: bytes, pace: Pace
    ) -> None:
        self.console = console
        self.out = console.out
        self.width = console.table_width or _WIDTH
        self.index = conversations.index
        self.chosen = chosen
        self._conversations = conversations
        self._pace = pace

    async def metrics(self) -> Metrics:
        """Return the figures; what was found the last time is remembered."""
        from sipstream.metrics import Measuring

        measuring = _MEASURING.setdefault(self.console.session, Measuring())
        pace = self._pace
        await pace.through(measuring.measure(self._conversations, self.chosen, pace.due))
        return measuring.metrics

    async def through(self, work: Callable[[Index, bytes, Due], Iterator[None]]) -> None:
        """Do work in pieces on what was chosen; others have their turn between these."""
        await self._pace.through(work(self.index, self.chosen, self._pace.due))

    async def worked_out(self, work: Callable[[Due], Generator[None, None, _Found]]) -> _Found:
        """Return what work in pieces comes to, done likewise."""
        pieces = work(self._pace.due)
        while True:
            try:
                next(pieces)
            except StopIteration as end:
                found: _Found = end.value
                return found
            await self._pace.rest()

    async def numbers(self, counter: Counter[int], count: int = _SHOWN) -> list[tuple[str, int]]:
        """Return the users that stand most often in a counter."""
        from sipstream.metrics.values import most_common

        found = await self.worked_out(lambda due: most_common(counter, count, due))
        return [(self.index.user(code), number) for code, number in found]


async def _overview(look: _Look, asked: Asked) -> None:
    from sipstream.metrics.tops import Numbers
    from sipstream.render import stats
    from sipstream.render import stats_objects as objects

    metrics, numbers = await look.metrics(), Numbers()
    await look.through(numbers.count_failing)
    failing = await look.numbers(numbers.failing_callees, _FAILING)
    await look.out.rows(
        stats.overview(metrics, failing, look.width, look.out.paint),
        iter([objects.overview(metrics, failing)]),
    )


async def _methods(look: _Look, asked: Asked) -> None:
    from sipstream.render import stats
    from sipstream.render import stats_objects as objects

    metrics = await look.metrics()
    texts = stats.methods(metrics, look.width, look.out.paint)
    await look.out.rows(texts, objects.methods(metrics))


async def _calls(look: _Look, asked: Asked) -> None:
    from sipstream.render import stats
    from sipstream.render import stats_objects as objects

    metrics = await look.metrics()
    texts = stats.calls(metrics, look.width, look.out.paint)
    await look.out.rows(texts, iter([objects.calls(metrics)]))


async def _registrations(look: _Look, asked: Asked) -> None:
    from sipstream.render import stats
    from sipstream.render import stats_objects as objects

    metrics = await look.metrics()
    texts = stats.registrations(metrics, look.width, look.out.paint)
    await look.out.rows(texts, iter([objects.registrations(metrics)]))


async def _talkers(look: _Look, asked: Asked) -> None:
    from sipstream.metrics.tops import Numbers

    metrics, numbers = await look.metrics(), Numbers()
    await look.through(numbers.count)
    await _ranked(
        look,
        [
            ("address", "messages", metrics.talkers, metrics.messages),
            ("caller", "conversations", await look.numbers(numbers.callers), metrics.conversations),
            ("called", "conversations", await look.numbers(numbers.callees), metrics.conversations),
        ],
    )


async def _failing(look: _Look, asked: Asked) -> None:
    from sipstream.metrics.tops import Numbers

    numbers = Numbers()
    await look.through(numbers.count_failing)
    whole = numbers.failing_callees.total()
    await _ranked(
        look,
        [
            ("called", "failed", await look.numbers(numbers.failing_callees), whole),
            ("caller", "failed", await look.numbers(numbers.failing_callers), whole),
        ],
    )


async def _agents(look: _Look, asked: Asked) -> None:
    from sipstream.metrics.tops import Agents
    from sipstream.metrics.values import most_common

    agents, whole = Agents(), look.chosen.count(1)
    await look.through(agents.count)
    found = await look.worked_out(lambda due: most_common(agents.counter, _SHOWN, due))
    # A sample isn't told as if it was all.
    told = f"counted in the first messages of {agents.sampled} of {whole} conversations"
    part = ("user agent", "conversations", found, agents.sampled)
    await _ranked(look, [part], told if agents.sampled < whole else "")


async def _ranked(
    look: _Look, parts: list[tuple[str, str, list[tuple[str, int]], int]], note: str = ""
) -> None:
    """Write names by how often they occur; each part with its title, what is counted, of how many."""
    from sipstream.render import stats

    def texts() -> Iterator[str]:
        for title, what, pairs, whole in parts:
            if title != parts[0][0]:
                yield ""
            if pairs:
                yield from stats.ranked(title, what, pairs, whole, look.width, look.out.paint)
            else:
                yield f"no {title}"
        if note:
            yield note

    rows = (
        {"kind": title.replace(" ", "_"), "name": name, what: count, "of": whole}
        for title, what, pairs, whole in parts
        for name, count in pairs
    )
    await look.out.rows(texts(), rows)


async def _plot(look: _Look, asked: Asked) -> None:
    from sipstream.metrics.intervals import MOST, fitting, intervals, needed
    from sipstream.render import stats
    from sipstream.render import stats_objects as objects

    metrics = await look.metrics()
    room = max(look.width - _LABELS, 1)
    seconds = asked.seconds or fitting(metrics, room)
    if needed(metrics, seconds) > MOST:
        raise CommandError(
            f"every {stats.interval(seconds)} makes more than {MOST} intervals: take a longer one"
        )
    found = await look.worked_out(
        lambda due: intervals(metrics, look.index, look.chosen, seconds, due)
    )
    plain = look.out.writer.encoding != "utf-8"
    # What is watched has a third of the terminal.
    small = look.console.watches
    await look.out.rows(
        stats.plot(found, seconds, look.width, room, small=small, plain=plain),
        (objects.interval(one, seconds) for one in found),
    )


_ANSWERS: dict[str, Callable[[_Look, Asked], Awaitable[None]]] = {
    "": _overview,
    "methods": _methods,
    "calls": _calls,
    "registrations": _registrations,
    "talkers": _talkers,
    "failing": _failing,
    "agents": _agents,
    "plot": _plot,
}
