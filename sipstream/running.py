"""The sources of a session: files that are loaded, and what runs in the background.

The one place where their tasks start and end; words for the user go through `notices`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from sipstream import pipeline
from sipstream.conversations import Conversations
from sipstream.decode.keylog import Secrets
from sipstream.errors import CommandError, SourceError
from sipstream.escape import brief, escape
from sipstream.figures import CaptureStatus, Loaded, Progress
from sipstream.loading import Load, Running
from sipstream.notices import Notices
from sipstream.opening import Opened
from sipstream.parallel import ParallelFile
from sipstream.segments import Room
from sipstream.sources import Source
from sipstream.spool import PcapSpool

if TYPE_CHECKING:
    from sipstream.entry import Entry
    from sipstream.rtp.streams import Streams
    from sipstream.sources.live import LiveSource
    from sipstream.sources.tail import TailSource


class Sources:
    """Every source of a session. Use it as an async context manager: it owns the tasks.

    `conversations` returns those that messages go to, `publish` takes the numbers of new ones (`former`:
    an earlier run had them), `shown` is awaited between batches of a source that can wait; `clock` tells
    seconds, `room` is where spools lie; `aged` is awaited when all has come that was waited for: what is
    too old or too much goes then; `streams` take RTP and RTCP.
    """

    def __init__(
        self,
        conversations: Callable[[], Conversations],
        publish: Callable[..., Iterator[None]],
        shown: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
        room: Room,
        aged: Callable[[], Awaitable[None]],
        streams: Streams | None = None,
    ) -> None:
        self.all: list[Source] = []
        """Every source so far, ended ones too; each has its tally."""
        self.failed = False
        """A source that ran in the background ended with an error."""
        self.write: Path | None = None
        """Where all of live captures is kept (`--write`)."""
        self.narrow: str | None = None
        """What kernel filters are narrowed to (`--narrow`)."""
        self.streams = streams
        self.opened = Opened()
        """What was opened before, with rights that are gone."""
        self.secrets = Secrets()
        """Of TLS connections, from key logs."""
        self.notices = Notices(self.secrets)
        self._conversations = conversations
        self._publish = publish
        self._shown = shown
        self._clock = clock
        self._room = self.room = room
        self._aged = aged
        self._running: dict[Source, Running] = {}
        self._tasks = asyncio.TaskGroup()
        self._loads: list[Load] = []
        self._interface = ""
        """What was captured last."""
        self._written: PcapSpool | None = None

    async def __aenter__(self) -> Sources:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        captures = self.captures
        for running in self._running.values():
            running.task.cancel()
        for load in self._loads:
            load.cancel()
        await self._tasks.__aexit__(kind, error, trace)
        for source in captures:
            self.notices.ended(source)
        if self._written is not None:
            self._written.close()
        self._room.close()

    @property
    def partial(self) -> bool:
        """Whether a part of some source couldn't be read: it is cut short or damaged."""
        return self.notices.partial(self.all)

    @property
    def running(self) -> list[Source]:
        """What runs in the background now."""
        return list(self._running)

    def regroup(self, conversations: Conversations) -> None:
        """Put what comes from now on into other conversations (`clear`)."""
        running = [one.intake for one in self._running.values()]
        for intake in (*running, *(load.intake for load in self._loads)):
            intake.regroup(conversations)
        if self.streams is not None:
            self.streams.clear()

    async def load(
        self,
        path: Path,
        progress: Callable[[Progress], None] | None = None,
        patience: float | None = None,
    ) -> Loaded | None:
        """Add a file's messages; `interrupt` ends it early.

        Returns None when that takes longer than `patience` seconds: it goes on, and what came of it is
        said in the end.

        Raises:
            SourceError: the file can't be read, or holds nothing that could be loaded.
        """
        reading = self.opened.readings.pop(str(path), None)
        source = ParallelFile(path, self.opened.take(path), reading, self.streams is None)
        load = Load(self.intake(source), progress, self._clock())
        self._loads.append(load)
        task = load.task = self._tasks.create_task(self._load(load), name=source.name)
        try:
            await asyncio.wait([task], timeout=patience)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            load.waited_for = False
            task.add_done_callback(lambda _: self._tell_loaded(load))
            return None
        if load.error is not None:
            raise load.error
        return load.came

    async def _load(self, load: Load) -> None:
        """Load a file; what is wrong with it is kept, for it must end nothing else."""
        source = load.intake.source

        async def between() -> None:
            load.show_progress(self._clock())
            await self._shown()

        try:
            stopped = await pipeline.run(
                load.intake, self._publish, stop=load.stop, between=between
            )
            load.came = Loaded(load.intake.opened, source.tally.messages, stopped)
        except SourceError as error:
            load.error = error
            if not source.tally.packets:
                self.all.remove(source)
        except Exception as error:
            load.error = SourceError(self.notices.fault(source, error))
        finally:
            self._loads.remove(load)
            self.notices.pass_on(source)
        await self._aged()

    def _tell_loaded(self, load: Load) -> None:
        """Say what came of a load that nobody waits for."""
        if load.error is not None:
            self.failed = True
            self.notices.complain(str(load.error))
        elif load.came is not None:
            self.notices.tell(f"{escape(load.intake.source.name)}: {load.came.words}")

    @property
    def loading(self) -> list[str]:
        """The files that are being loaded, each with how far."""
        return [load.how_far for load in self._loads]

    def interrupt(self, *, waited_for: bool = True) -> bool:
        """End the loads that somebody waits for, or the others; return whether any ran. All stays."""
        ending = [load for load in self._loads if load.waited_for == waited_for]
        for load in ending:
            load.stop.set()
        return bool(ending)

    async def wait_loaded(self) -> None:
        """Wait until no file is being loaded."""
        if tasks := [load.task for load in self._loads if load.task is not None]:
            await asyncio.wait(tasks)

    def keylog(self, path: Path) -> int:
        """Read the secrets of TLS connections from a key log, now and as it grows; return how many.

        Raises:
            SourceError: it can't be read, or is none.
        """
        from sipstream.sources.keylog import KeyLogFile

        return KeyLogFile(path, self.opened.take(path)).read_into(self.secrets)

    def tail(self, path: Path, *, from_start: bool = True) -> None:
        """Watch a file that grows, or that will be there later.

        Raises:
            CommandError: it is watched already.
            SourceError: what is there is no file, or may not be read.
        """
        from sipstream.sources.file import is_absent, open_file
        from sipstream.sources.tail import TailSource

        if any(one.name == str(path) for one in self.tails):
            raise CommandError(f"{escape(str(path))} is watched already")
        if not is_absent(path):
            open_file(path).close()
        self.start(TailSource(path, from_start=from_start, room=self._room))

    @property
    def tails(self) -> list[TailSource]:
        """The files that are watched."""
        if not self._running:
            return []
        from sipstream.sources.tail import TailSource

        return [source for source in self._running if isinstance(source, TailSource)]

    async def untail(self, name: str | None = None) -> list[str]:
        """End the watching of a file, or of all; return the names of those that ended.

        Raises:
            CommandError: none is watched (of that name).
        """
        ending = [one for one in self.tails if name in (None, one.name)]
        if not ending:
            raise CommandError(
                "no file is watched" if name is None else f"{brief(name)} isn't watched"
            )
        for source in ending:
            task = self._running[source].task
            task.cancel()
            await asyncio.wait([task])
        return [one.name for one in ending]

    async def wait_caught_up(self) -> None:
        """Wait until what watched files and the stream hold now has come in."""
        for source, running in list(self._running.items()):
            if event := getattr(source, "caught_up", None):
                caught_up = self._tasks.create_task(event.wait())
                either = [caught_up, running.task]
                try:
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    caught_up.cancel()
        await self._aged()

    def read_stdin(self, *, told: bool = True) -> Source:
        """Read a capture or tcpdump's text from standard input."""
        from sipstream.sources.stdin import StdinSource

        return self.start(StdinSource(room=self._room), tell_end="ended" * told)

    def resume(self) -> Source | None:
        """Read what an earlier run left in the folder for spools; None when there is nothing.

        Raises:
            SourceError: what lies there can't be read.
        """
        from sipstream.sources.resume import ResumedSource

        source = ResumedSource(self._room)
        return self.start(source, tell_end="resumed") if source.segments else None

    def capture_start(
        self, interface: str | None = None, bpf: str | None = None, cooked: bool = False
    ) -> Source:
        """Start a live capture; without a name on what was captured last, at first on all.

        Raises:
            SourceError: no such interface, no permission, a wrong filter, no place to write.
            CommandError: a capture runs there already.
        """
        from sipstream.sources.live import LiveSource
        from sipstream.sources.packet_socket import ANY

        interface = interface or self._interface or ANY
        if any(source.name == interface for source in self.captures):
            raise CommandError(f"a capture on {escape(interface)} is running already")
        source = LiveSource(
            interface, bpf=bpf, narrow=self.narrow, cooked=cooked, write=self._written,
            sockets=self.opened.sockets, media=self.streams is not None,
            room=self._room.captures or self._room,
        )  # fmt: skip
        source.open(self.write if self._written is None else None)
        self._interface = interface
        if self.write is not None:
            self._written = source.spool
        return self.start(source)

    async def capture_stop(self, interface: str | None = None) -> Loaded:
        """End the capture on an interface, or all of them.

        Raises:
            CommandError: none is running there.
        """
        ending = [one for one in self.captures if interface in (None, one.name)]
        if not ending:
            where = f" on {brief(interface)}" if interface else ""
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
        return [self._running[source].status(source.filter_text, now) for source in self.captures]

    async def wait_for(self, source: Source) -> None:
        """Wait until a source that runs in the background has ended."""
        if source in self._running:
            await asyncio.wait([self._running[source].task])
        await self._aged()

    async def wait_sources(self) -> None:
        """Wait until every source that runs in the background has ended."""
        while self._running:
            await asyncio.wait([running.task for running in self._running.values()])
            await asyncio.sleep(0)

    def entry(self, name: str) -> Entry:
        """Return where envelopes are put in that no source of ours draws."""
        from sipstream.entry import Entered, Entry

        return Entry(Entered(name, self._room), self.intake, self._conversations, self._publish)

    def intake(self, source: Source) -> pipeline.Intake:
        """Return a new way through all stages for a source, which is one of the session's then."""
        if source not in self.all:
            self.all.append(source)
        return pipeline.Intake(source, self._conversations(), self.secrets, self.streams)

    def start(self, source: Source, *, tell_end: str = "") -> Source:
        """Draw a source in the background; `tell_end` is the word for its end, "" tells none."""
        intake = self.intake(source)
        task = self._tasks.create_task(self._run(intake, tell_end), name=source.name)
        self._running[source] = Running(intake, task, self._clock())
        # Also when it is cancelled before it began.
        task.add_done_callback(lambda _: self._running.pop(source, None))
        if len(self._running) == 1:
            listening = self.notices.listen(lambda: self.running)
            self._tasks.create_task(listening, name="notes of sources")
        return source

    async def _run(self, intake: pipeline.Intake, tell_end: str) -> None:
        source = intake.source
        try:
            # What comes live can't be made to wait; its output is dropped and counted instead.
            between = None if source.live else self._shown
            publish = partial(self._publish, former=tell_end == "resumed")
            await pipeline.run(intake, publish, between=between)
            if tell_end:
                came = Loaded(intake.opened, source.tally.messages).words
                self.notices.tell(f"{escape(source.name)} {tell_end}: {came}")
        except SourceError as error:
            self.failed = True
            self.notices.complain(str(error))
        except Exception as error:
            # One source's fault leaves the others, the shell and what came in alone.
            self.failed = True
            self.notices.complain(self.notices.fault(source, error))
        finally:
            self.notices.pass_on(source)
