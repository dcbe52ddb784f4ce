"""A session: conversations, the active filter, follows, and the sources that feed them.

What a shell, a one-shot run and a script work on. It prints nothing: words for the user go through
`notice`, messages of follows through `deliver`, both set by who shows them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from sipstream import pipeline
from sipstream.conversations import Conversations
from sipstream.errors import CommandError, SourceError
from sipstream.figures import CaptureStatus, Loaded, Progress, Status
from sipstream.filters import Filter, FilterSet
from sipstream.follow import Follow
from sipstream.matches import Matches
from sipstream.reasons import IN_PART, NO_TEXT
from sipstream.sources import Source
from sipstream.spool import PcapSpool
from sipstream.views import Conversation, Message

if TYPE_CHECKING:
    from sipstream.sources.live import LiveSource

_NOTE_SECONDS = 0.2
"""How often sources are asked whether they have something to say."""

_FULLER_FORMS = {NO_TEXT: "-v, -A or -X", IN_PART: "-A or -X"}
"""Why tcpdump's text doesn't do, and the flags with which it would."""

Notice = Callable[[str], None]
Deliver = Callable[[Follow, list[Message]], None]


@dataclass(slots=True)
class _Running:
    """A source that runs in the background."""

    intake: pipeline.Intake
    task: asyncio.Task[None]
    since: float


class Session:
    """All state of one run of the program. Use it as an async context manager: it owns the tasks."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.conversations = Conversations()
        self.filters = FilterSet()
        self.follows: list[Follow] = []
        self.sources: list[Source] = []
        """Every source so far, ended ones too; each has its tally."""
        self.drained: Callable[[], Awaitable[None]] | None = None
        """Awaited between batches of a file, so that a follow's output keeps up."""
        self.write: Path | None = None
        """Where live captures are kept (`--write`)."""
        self.notice: Notice = lambda text: None
        """Called with what sources have to say, a sentence at a time."""
        self.deliver: Deliver = lambda follow, messages: None
        """Called with the messages that a follow found."""
        self._clock = clock
        self._matches = Matches(self.filters.matches)
        self._running: dict[Source, _Running] = {}
        self._tasks = asyncio.TaskGroup()
        self._stop_load: asyncio.Event | None = None
        self._written: PcapSpool | None = None
        self._advised: set[tuple[Source, str]] = set()
        """Sources of which the user was told how to print them, and why."""
        self._sample = (clock(), 0, 0.0)

    async def __aenter__(self) -> Session:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for running in self._running.values():
            running.task.cancel()
        await self._tasks.__aexit__(kind, error, trace)
        if self._written is not None:
            self._written.close()

    # Sources

    async def load(self, path: Path, progress: Callable[[Progress], None] | None = None) -> Loaded:
        """Add a file's messages; `interrupt` ends it early.

        Raises:
            SourceError: the file can't be read, or holds nothing that could be loaded.
        """
        from sipstream.sources.file import FileSource

        source = FileSource(path)
        intake = self._intake(source)
        begun = self._clock()
        self._stop_load = asyncio.Event()

        async def between() -> None:
            if progress is not None:
                done, total = source.progress()
                progress(Progress(done, total, source.tally.messages, self._clock() - begun))
            await self._drained()

        try:
            stopped = await pipeline.run(
                intake, self._publish, stop=self._stop_load, between=between
            )
        finally:
            self._stop_load = None
            self._say(source)
        return Loaded(intake.opened, source.tally.messages, stopped)

    def interrupt(self) -> bool:
        """End the load that runs, keeping what came in; return whether one did."""
        if self._stop_load is None:
            return False
        self._stop_load.set()
        return True

    def tail(self, path: Path, *, from_start: bool = True) -> Source:
        """Watch a file that grows, or that will be there later."""
        from sipstream.sources.tail import TailSource

        return self._start(TailSource(path, from_start=from_start))

    def read_stdin(self) -> Source:
        """Read a capture or tcpdump's text from standard input."""
        from sipstream.sources.stdin import StdinSource

        return self._start(StdinSource())

    def capture_start(self, interface: str, bpf: str | None = None, cooked: bool = False) -> Source:
        """Start a live capture.

        Raises:
            SourceError: no such interface, no permission, a wrong filter, no place to write.
            CommandError: a capture runs there already.
        """
        from sipstream.sources.live import LiveSource

        if any(source.name == interface for source in self.captures):
            raise CommandError(f"a capture on {interface} is running already")
        source = LiveSource(interface, bpf=bpf, cooked=cooked, write=self._written)
        source.open(self.write if self._written is None else None)
        if self.write is not None:
            self._written = source.spool
        return self._start(source)

    async def capture_stop(self, interface: str | None = None) -> Loaded:
        """End the capture on an interface, or all of them.

        Raises:
            CommandError: none is running there.
        """
        ending = [one for one in self.captures if interface in (None, one.name)]
        if not ending:
            where = f" on {interface}" if interface else ""
            raise CommandError(f"no capture is running{where}")
        conversations = messages = 0
        for source in ending:
            running = self._running[source]
            source.stop()
            await asyncio.wait([running.task])
            conversations += running.intake.opened
            messages += source.tally.messages
        return Loaded(conversations, messages)

    @property
    def captures(self) -> list[LiveSource]:
        """The live captures that run."""
        if not any(source.live for source in self._running):
            return []
        from sipstream.sources.live import LiveSource

        return [source for source in self._running if isinstance(source, LiveSource)]

    def capture_status(self) -> list[CaptureStatus]:
        """Return the figures of each running capture."""
        now = self._clock()
        return [
            CaptureStatus(
                source.name,
                source.filter_text,
                source.tally.packets,
                source.tally.messages,
                source.tally.drops,
                now - self._running[source].since,
            )
            for source in self.captures
        ]

    async def wait_for(self, source: Source) -> None:
        """Wait until a source that runs in the background has ended."""
        if source in self._running:
            await asyncio.wait([self._running[source].task])

    async def wait_sources(self) -> None:
        """Wait until every source that runs in the background has ended."""
        while self._running:
            await asyncio.wait([running.task for running in self._running.values()])

    # Filter and follows

    async def change_filter(self, change: Callable[[FilterSet], None]) -> int:
        """Change the active filter, judge all conversations anew, return how many match.

        Raises:
            FilterError: the change makes no sense; the filter is as it was.
        """
        change(self.filters)
        matches = Matches(self.filters.matches)
        self._matches = matches
        if self.filters.active:
            for _ in matches.judge_all(self.conversations):
                await asyncio.sleep(0)
        return self.matching_count

    @property
    def matching_count(self) -> int:
        """How many conversations match; with no term set `or` gives 0 and `and` gives all."""
        if self.filters.active:
            return self._matches.count
        return len(self.conversations) if self.filters.condition == "and" else 0

    def matching(self) -> list[int]:
        """Return the conversations that are shown, by the time of their first message."""
        ordered = self.conversations.in_time_order()
        if not self.filters.active:
            return ordered
        return [number for number in ordered if number in self._matches]

    async def follow(self, text: str | None, *, whole: bool = False) -> Follow:
        """Show each message of matching conversations from now on.

        Without text those of the active filter, of all conversations when it has no term.

        Raises:
            FilterError: the text can't be understood.
        """
        if text is None and self.filters.active:
            text = self.filters.expression()
        matches = _everything if text is None else Filter.parse(text).matches
        number = max((one.number for one in self.follows), default=0) + 1
        follow = Follow(number, text or "everything", matches, whole=whole, deliver=self._deliver)
        await follow.begin(self.conversations)
        self.follows.append(follow)
        return follow

    def unfollow(self, number: int | None = None) -> list[Follow]:
        """End one follow, or all of them; return those that ended.

        Raises:
            CommandError: there is none (of that number).
        """
        ended = [one for one in self.follows if number in (None, one.number)]
        if not ended:
            raise CommandError("nothing is followed" if number is None else f"no follow {number}")
        self.follows = [one for one in self.follows if one not in ended]
        return ended

    def clear(self) -> None:
        """Forget all conversations; sources, filter and follows go on."""
        self.conversations = Conversations(self.conversations.index.endpoints)
        for running in self._running.values():
            running.intake.regroup(self.conversations)
        self._matches = Matches(self.filters.matches)
        for follow in self.follows:
            follow.forget()

    def status(self) -> Status:
        """Return what the bottom line tells; the rate is of the time since it was last asked for."""
        now = self._clock()
        received = sum(source.tally.messages for source in self.sources)
        then, before, rate = self._sample
        if now - then >= 0.5:
            rate = (received - before) / (now - then)
            self._sample = (now, received, rate)
        return Status(
            sources=[source.name for source in self._running],
            rate=rate,
            messages=self.conversations.message_count,
            conversations=len(self.conversations),
            matching=self.matching_count if self.filters.active else None,
            drops=sum(source.tally.drops for source in self.sources),
            follows=len(self.follows),
        )

    # Within

    def _intake(self, source: Source) -> pipeline.Intake:
        self.sources.append(source)
        return pipeline.Intake(source, self.conversations)

    def _start(self, source: Source) -> Source:
        intake = self._intake(source)
        task = self._tasks.create_task(self._run(intake), name=source.name)
        self._running[source] = _Running(intake, task, self._clock())
        if len(self._running) == 1:
            self._tasks.create_task(self._listen(), name="notes of sources")
        return source

    async def _listen(self) -> None:
        """Pass on what running sources have to say, also while no packet comes."""
        while self._running:
            for source in self._running:
                self._say(source)
            await asyncio.sleep(_NOTE_SECONDS)

    async def _run(self, intake: pipeline.Intake) -> None:
        source = intake.source
        try:
            # What comes live can't be made to wait; its output is dropped and counted instead.
            between = None if source.live else self._drained
            await pipeline.run(intake, self._publish, between=between)
        except SourceError as error:
            self.notice(str(error))
        finally:
            self._running.pop(source, None)
            self._say(source)

    def _publish(self, added: list[int]) -> None:
        """Tell the filter and the follows which conversations got messages."""
        column = self.conversations.index.m_conversation
        touched = list(dict.fromkeys(column[number] for number in added))
        if self.filters.active:
            for number in touched:
                self._matches.judge(self.conversations, number)
        for follow in self.follows:
            follow.feed(self.conversations, touched)

    def _deliver(self, follow: Follow, messages: list[Message]) -> None:
        self.deliver(follow, messages)

    async def _drained(self) -> None:
        if self.follows and self.drained is not None:
            await self.drained()

    def _say(self, source: Source) -> None:
        """Pass on what a source has to say."""
        for note in source.notes:
            self.notice(f"{source.name}: {note}")
        source.notes.clear()
        for reason, flags in _FULLER_FORMS.items():
            if source.tally.reasons[reason] and (source, reason) not in self._advised:
                self._advised.add((source, reason))
                self.notice(
                    f"{source.name}: SIP {reason} can't be loaded: "
                    f"let tcpdump print it with {flags}"
                )


def _everything(conversation: Conversation) -> bool:
    return True
