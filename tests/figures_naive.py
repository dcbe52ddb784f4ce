"""Figures worked out message by message from the views, with no thought of speed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import ceil

from sipstream.metrics import Delay
from sipstream.views import Conversation, Message

TIMEOUT = 32 * 10**9
CHALLENGES = (401, 402, 407)


class Naive:
    """What is compared with `Metrics`, by the same names."""

    def __init__(self, conversations: Iterable[Conversation], newest: int) -> None:
        self.counts: Counter[str] = Counter()
        self.times: dict[str, list[int]] = {}
        self.kinds: Counter[int | str] = Counter()
        self.senders: Counter[str] = Counter()
        self.calls: list[list[int]] = []
        """When each session began and, if it did, ended."""
        self.failures: list[int] = []
        self.late = newest - TIMEOUT
        for one in conversations:
            messages = one.messages
            self.kinds.update(message.kind for message in messages)
            self.senders.update(message.source_address for message in messages)
            first = {messages[0].source, messages[0].destination}
            hop = [one for one in messages if {one.source, one.destination} == first]
            self._registrations(hop)
            self._sessions(hop)

    def delay(self, name: str) -> Delay:
        times = sorted(self.times.get(name, []))
        if not times:
            return Delay()
        p50, p95, p99 = (times[ceil(len(times) * share / 100) - 1] for share in (50, 95, 99))
        return Delay(len(times), sum(times) / len(times), p50, p95, p99, times[-1])

    def at_once(self, time: int) -> int:
        """Sessions that go on just after a time."""
        return sum(
            call[0] <= time and not any(end <= time for end in call[1:]) for call in self.calls
        )

    def _took(self, name: str, begin: int, end: int) -> None:
        self.times.setdefault(name, []).append(end - begin)

    def _registrations(self, hop: list[Message]) -> None:
        begin, waits, goes_on = 0, False, False
        for message in hop:
            if message.method == "REGISTER" and not waits:
                self.counts["registers"] += 1
                begin = begin if goes_on else message.time
                waits, goes_on = True, False
            status = answer(message, "REGISTER")
            if status < 200 or not waits:
                continue
            waits, goes_on = False, status in CHALLENGES
            if status < 300:
                self.counts["registered"] += 1
                self._took("rrd", begin, message.time)
            elif status >= 400 and not goes_on:
                self.counts["registers_failed"] += 1
                self.failures.append(message.time)
        self.counts["unanswered_registers"] += waits and begin <= self.late

    def _sessions(self, hop: list[Message]) -> None:
        rest = hop
        while rest:
            rest = self._goes_on(self._begins(rest))

    def _begins(self, hop: list[Message]) -> list[Message]:
        """Go through session requests, return what comes from the 2xx of one on."""
        begin = told = 0
        waits = goes_on = heard = False
        acked = True
        for place, message in enumerate(hop):
            if message.method == "INVITE" and acked and not waits:
                self.counts["invites"] += 1
                if not goes_on:
                    self.counts["sessions"] += 1
                    begin = message.time
                waits, goes_on, heard, acked, told = True, False, False, False, 0
            acked |= message.method == "ACK"
            status = answer(message, "INVITE")
            if not status or not waits:
                continue
            heard = True
            if status > 100:
                told = told or message.time
            if status < 200:
                continue
            waits, goes_on = False, status < 400 or status in CHALLENGES
            if status < 300:
                self.counts.update(["answered", "effective", "users_doing"])
                self._took("srd", begin, told)
                return hop[place:]
            if goes_on:
                self.counts["redirected" if status < 400 else "challenged"] += 1
                continue
            self.failures.append(message.time)
            self._took("srd_failed", begin, told)
            self.counts["failed"] += 1
            self.counts["cancelled"] += status == 487
            self.counts["effective"] += status in (480, 486, 600, 603)
            self.counts["ineffective"] += status in (408, 500, 503, 504)
            self.counts["users_doing"] += status in (480, 486, 487, 600, 603) or (
                status == 408 and told != message.time
            )
        self.counts["unanswered_invites"] += waits and not heard and begin <= self.late
        return []

    def _goes_on(self, session: list[Message]) -> list[Message]:
        """Go through a session from its 2xx on, return what comes behind the end of its BYE."""
        if not session:
            return []
        call = [session[0].time]
        self.calls.append(call)
        bye, waits, goes_on = 0, False, False
        for place, message in enumerate(session):
            if message.method == "BYE" and not waits:
                if not goes_on:
                    bye = message.time
                    call.append(bye)
                waits, goes_on = True, False
            status = answer(message, "BYE")
            if status < 200 or not waits:
                continue
            waits, goes_on = False, status in CHALLENGES
            if goes_on:
                continue
            self.counts["completed"] += status < 300
            self._took("sdd" if status < 300 else "sdd_failed", bye, message.time)
            self._took("sdt", call[0], bye)
            return session[place + 1 :]
        self.counts["unanswered_byes"] += waits and bye <= self.late
        return []


def answer(message: Message, method: str) -> int:
    """The status of a response to a method, else 0."""
    return (message.status or 0) if message.cseq.endswith(f" {method}") else 0
