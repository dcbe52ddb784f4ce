"""Triggers: when a conversation matches first, a line is appended to a file or a command is run.

Once a conversation. What comes live is told what holds whatever follows (numbers, Call-IDs, methods ...)
at once. What may cease to hold, or holds of the whole (findings, states, `not`), is asked once nothing
more has come for some seconds: a finding is often that nothing comes back.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sipstream.acting import Action, Append, Run, Told
from sipstream.escape import brief
from sipstream.filters import Filter, Unfinished
from sipstream.filters.grammar import Node, Not, Quantified, nodes_of
from sipstream.filters.term import MessageTerm
from sipstream.pace import Pace
from sipstream.render import objects, times

if TYPE_CHECKING:
    from sipstream.options.groups import Wish
    from sipstream.session import Session
    from sipstream.views import Conversation

QUIET_SECONDS = 5.0
"""After which a conversation is looked at that nothing more has come of: requests are sent again after
4 s at most, but for an INVITE's last ones (RFC 3261 17.1.2.2)."""
LATEST_SECONDS = 60.0
"""After which it is looked at even so."""
_TICK_SECONDS = 0.2
_TOGETHER = 64
"""Conversations judged together."""
_PATIENCE = 10.0
"""Seconds that files and commands have at the end."""


class Trigger:
    """One of them. Conversations are known by number and when they began: numbers become others'."""

    def __init__(self, wish: Wish, action: Action, clock: Callable[[], float]) -> None:
        self.expression = wish.expression
        self.ended = False
        self._filter = Filter.parse(wish.expression)
        self._waits = _may_cease(self._filter.node)
        self._action = action
        self._clock = clock
        self._fired: dict[int, int] = {}
        self._looked = 0.0
        """When it was looked last for what waits for long."""
        self._touched: OrderedDict[int, tuple[float, float]] = OrderedDict()
        """When messages came, first and last; the one that waited for longest is first."""

    def touch(self, numbers: Iterable[int]) -> None:
        """These conversations got messages."""
        now, touched = self._clock(), self._touched
        for number in numbers:
            first, _ = touched.pop(number, (now, now))
            touched[number] = first, now

    def due(self, *, all_of_them: bool) -> list[int]:
        """Return the conversations to be judged now, which are touched no more."""
        touched, now = self._touched, self._clock()
        if all_of_them or not self._waits:
            due = list(touched)
            touched.clear()
            return due
        due = []
        while touched:
            number, (_, last) = next(iter(touched.items()))
            if now - last < QUIET_SECONDS:
                break
            del touched[number]
            due.append(number)
        if now - self._looked < QUIET_SECONDS:
            return due
        self._looked = now
        late = [one for one, (first, _) in touched.items() if now - first >= LATEST_SECONDS]
        for number in late:
            del touched[number]
        return due + late

    async def judge(self, session: Session, numbers: list[int], pace: Pace) -> None:
        """Judge conversations that it wasn't pulled for, and do what is to be done."""
        begin = 0
        while begin < len(numbers):
            conversations = session.conversations
            index = conversations.index
            some = [
                number
                for number in numbers[begin : begin + _TOGETHER]
                if conversations.has(number) and self._fired.get(number) != index.c_begun[number]
            ]
            try:
                flags = self._filter.judge(index, some, pace.due) if some else b""
            except Unfinished:
                await pace.rest()
                continue
            begin += _TOGETHER
            for number, flag in zip(some, flags, strict=True):
                if flag:
                    self._fired[number] = index.c_begun[number]
                    self._pull(conversations[number])
            if pace.due():
                await pace.rest()

    async def end(self) -> None:
        """Wait for what is being done."""
        await self._action.end(_PATIENCE)

    def forget_all(self) -> None:
        """All conversations were cleared."""
        self._fired.clear()
        self._touched.clear()

    def _pull(self, conversation: Conversation) -> None:
        found = objects.listed(0, conversation, with_findings="finding" in self.expression)
        del found["index"]
        line = objects.dumps({"told": times.iso(time.time_ns()), "on": self.expression, **found})
        self._action.do(line, _values(self.expression, found))


class Triggers:
    """All of a session's. Use it as an async context manager: it owns the task.

    Raises:
        SourceError: a file can't be written, or there is no such program.
    """

    def __init__(
        self,
        session: Session,
        wishes: Iterable[Wish],
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._tell = tell
        self._triggers = [
            Trigger(wish, _action(wish, Told(_name(wish), tell)), clock) for wish in wishes
        ]
        self._of = session.conversations
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Triggers:
        self._session.watchers.append(self._saw)
        self._task = asyncio.create_task(self._work(), name="triggers")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.watchers.remove(self._saw)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        # Nothing more comes: what is there is all there is.
        await self.step(all_of_them=True)
        for trigger in self._triggers:
            await trigger.end()

    async def step(self, *, all_of_them: bool = False) -> None:
        """Judge what is to be judged now."""
        async with self._turn:
            self._follow_clear()
            pace = Pace()
            for trigger in self._triggers:
                if trigger.ended:
                    continue
                try:
                    due = trigger.due(all_of_them=all_of_them)
                    await trigger.judge(self._session, due, pace)
                except Exception as error:
                    name = f"trigger {brief(trigger.expression)}"
                    if not self._session.faults.note(name, error):
                        trigger.ended = True
                        self._tell(f"{name} ended: it failed too often")

    # Within

    def _saw(self, added: list[int]) -> None:
        """Messages came; those of before, which remotes bring or an earlier run left, pull nothing."""
        if self._session.publishing.former:
            return
        self._follow_clear()
        column = self._session.conversations.index.m_conversation
        numbers = set(map(column.__getitem__, added))
        for trigger in self._triggers:
            trigger.touch(numbers)

    def _follow_clear(self) -> None:
        if self._of is not self._session.conversations:
            self._of = self._session.conversations
            for trigger in self._triggers:
                trigger.forget_all()

    async def _work(self) -> None:
        while True:
            await self.step()
            await asyncio.sleep(_TICK_SECONDS)


def _name(wish: Wish) -> str:
    return f"--on {brief(wish.expression)}"


def _action(wish: Wish, told: Told) -> Action:
    if wish.append is not None:
        return Append(wish.append, told, asyncio.get_running_loop())
    assert wish.run is not None, "the options have one of them"
    return Run(wish.run, told)


def _may_cease(node: Node) -> bool:
    """Tell whether a filter that holds may hold no more when messages come, or needs all of them."""
    for one in nodes_of(node):
        if isinstance(one, Not | Quantified):
            return True
        if not hasattr(one, "parts") and not isinstance(one, MessageTerm):
            return True
    return False


def _values(expression: str, found: dict[str, Any]) -> dict[str, str]:
    """Return what goes into the environment of a command."""
    values = {
        "FILTER": expression,
        "CALL_ID": found["call_id"],
        "TIME": found["time"],
        "METHOD": found["method"],
        "FROM": found["src_num"],
        "TO": found["dst_num"],
        "SOURCE": found["source"],
        "DESTINATION": found["destination"],
        "MESSAGES": found["messages"],
        "STATE": found["state"],
        "STATUS": found["last_status"] or "",
        "FINDINGS": " ".join(found.get("findings", ())),
    }
    return {name: str(value) for name, value in values.items()}
