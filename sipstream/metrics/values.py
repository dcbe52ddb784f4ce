"""What blocks add up to, with the figures that follow from it: the ratios and delays of RFC 6076.

Exact: a percentile is the value that so many of all are not above (nearest rank). Sans-IO.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import accumulate, chain, islice
from operator import itemgetter
from typing import TypeVar

from sipstream.filters.term import Due
from sipstream.index import Index
from sipstream.metrics.block import SECOND, SPANS, Block
from sipstream.sip.startline import is_request, kind_in, method_name

TIMEOUT = 32 * SECOND
"""Timers B and F, 64 times T1 (RFC 3261 17.1.1.2, 17.1.2.2): a request that has no response for so long
has failed."""
_PIECE = 2048
"""Steps of calls begun and ended, or keys of a counter, that are gone through together."""
_LOOK = 64
"""Ways between two looks at the clock."""
_TALKERS = 10
"""Addresses told."""
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Delay:
    """How long something took: times in ns, None where nothing was timed."""

    count: int = 0
    mean: float | None = None
    p50: int | None = None
    p95: int | None = None
    p99: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """Messages of one method or status."""

    messages: int
    sent_again: int
    """Of these, those that were sent before: retransmissions."""
    copies: int
    """Of these, those that another capture point gave, or the same one twice, within 50 ms."""


@dataclass(slots=True)
class Metrics:
    """Figures of some conversations. Ratios are of 1, None where there is nothing to divide by.

    A session request is an INVITE that isn't within a session, with those that repeat it after a
    challenge or a redirection. What is still open counts among the requests.
    """

    conversations: int = 0
    messages: int = 0
    first: int = 0
    """The time of the earliest message, ns."""
    last: int = 0
    requests: dict[str, Kind] = field(default_factory=dict)
    """By method, most first."""
    responses: dict[int, Kind] = field(default_factory=dict)
    """By status code, in order of it."""
    counts: Counter[str] = field(default_factory=Counter)
    delays: dict[str, Delay] = field(default_factory=dict)
    """By name: srd, srd_failed, rrd, sdd, sdd_failed, sdt (RFC 6076 4.1 to 4.5)."""
    unanswered_byes: int = 0
    """BYEs without a final response until timer F: failed disconnects (4.4), failed sessions (4.5)."""
    unanswered_registers: int = 0
    unanswered_invites: int = 0
    """INVITEs without any response until timer B."""
    in_progress: int = 0
    """Sessions that no BYE has ended when the last message came."""
    most_at_once: int = 0
    most_at: int | None = None
    """When most sessions were in progress, ns."""
    talkers: list[tuple[str, int]] = field(default_factory=list)
    """Addresses that sent most messages, and how many."""
    addresses: int = 0
    """How many addresses sent any."""
    failures: Counter[int] = field(default_factory=Counter)
    """Failed INVITEs and REGISTERs by second since the epoch."""
    calls: list[int] = field(default_factory=list)
    """When sessions began and ended, in order: twice the time in ns, and 1 more where one began."""

    @property
    def sessions(self) -> int:
        """Session requests."""
        return self.counts["sessions"]

    @property
    def answered(self) -> int:
        """Session requests with a 2xx."""
        return self.counts["answered"]

    @property
    def ser(self) -> float | None:
        """Session establishment ratio (RFC 6076 4.6)."""
        return self._of_invites("answered")

    @property
    def seer(self) -> float | None:
        """Session establishment effectiveness ratio (4.7): with 480, 486, 600 and 603 as well."""
        return self._of_invites("effective")

    @property
    def isa(self) -> float | None:
        """Ineffective session attempts (4.8): 408, 500, 503 and 504."""
        return ratio(self.counts["ineffective"], self.sessions)

    @property
    def scr(self) -> float | None:
        """Session completion ratio (4.9): sessions whose BYE got its 2xx."""
        return ratio(self.counts["completed"], self.sessions)

    @property
    def ira(self) -> float | None:
        """Ineffective registration attempts (4.2): 4xx but challenges, 5xx, 6xx, timer F."""
        failed = self.counts["registers_failed"] + self.unanswered_registers
        return ratio(failed, self.counts["registers"])

    @property
    def asr(self) -> float | None:
        """Answer seizure ratio (ITU-T E.411): a session request is a seizure."""
        return ratio(self.answered, self.sessions)

    @property
    def ner(self) -> float | None:
        """Network effectiveness ratio (ITU-T E.425): what the network isn't to blame for as well."""
        return ratio(self.counts["users_doing"], self.sessions)

    @property
    def acd(self) -> float | None:
        """Average call duration, ns: the mean of `sdt`."""
        return self.delays["sdt"].mean if "sdt" in self.delays else None

    def _of_invites(self, what: str) -> float | None:
        """Return the share of the INVITEs without those that were challenged or redirected."""
        left_out = self.counts["challenged"] + self.counts["redirected"]
        return ratio(self.counts[what], self.counts["invites"] - left_out)


def ratio(part: int, whole: int) -> float | None:
    """Return a share, None of nothing."""
    return part / whole if whole else None


def summed(metrics: Metrics, blocks: Sequence[Block], index: Index, due: Due) -> Iterator[None]:
    """Fill figures in from blocks, giving control back whenever it is due."""
    codes: Counter[int] = Counter()
    again: Counter[int] = Counter()
    copies: Counter[int] = Counter()
    ways: Counter[int] = Counter()
    with_messages = [block for block in blocks if block.conversations]
    metrics.first = min((block.first for block in with_messages), default=0)
    metrics.last = max((block.last for block in with_messages), default=0)
    late = index.newest - TIMEOUT
    for block in with_messages:
        codes.update(block.codes)
        again.update(block.sent_again)
        copies.update(block.copies)
        ways.update(block.ways)
        metrics.conversations += block.conversations
        metrics.counts.update(block.counts)
        metrics.failures.update(block.failures)
        metrics.unanswered_byes += sum(begin <= late for begin, _ in block.open_byes)
        metrics.unanswered_registers += sum(begin <= late for begin in block.open_registers)
        metrics.unanswered_invites += sum(begin <= late for begin in block.open_invites)
        if due():
            yield
    metrics.messages = codes.total()
    _fill_kinds(metrics, codes, again, copies)
    yield from _fill_talkers(metrics, ways, index, due)
    for name in SPANS:
        metrics.delays[name] = delay([block.spans[name] for block in with_messages])
        if due():
            yield
    yield from _fill_calls(metrics, with_messages, due)


def _fill_kinds(
    metrics: Metrics, codes: Counter[int], again: Counter[int], copies: Counter[int]
) -> None:
    """Add up the codes of one method or status: a response's tells what it answers as well."""
    kinds: dict[int, tuple[int, int, int]] = {}
    for code, count in codes.items():
        before = kinds.get(kind_in(code), (0, 0, 0))
        more = count, again[code], copies[code]
        kinds[kind_in(code)] = before[0] + more[0], before[1] + more[1], before[2] + more[2]
    for kind, told in sorted(kinds.items(), key=lambda item: (-item[1][0], item[0])):
        if is_request(kind):
            metrics.requests[method_name(kind)] = Kind(*told)
    for kind, told in sorted(kinds.items()):
        if not is_request(kind):
            metrics.responses[kind] = Kind(*told)


def _fill_talkers(metrics: Metrics, ways: Counter[int], index: Index, due: Due) -> Iterator[None]:
    by_address: Counter[str] = Counter()
    for place, (way, count) in enumerate(ways.items()):
        by_address[index.endpoints.address(index.ways.source[way])] += count
        if place % _LOOK == 0 and due():
            yield
    metrics.addresses = len(by_address)
    metrics.talkers = yield from most_common(by_address, _TALKERS, due)


def most_common(
    counter: Counter[_Key], count: int, due: Due
) -> Generator[None, None, list[tuple[_Key, int]]]:
    """Return the most frequent keys of a counter that doesn't change, giving control back when due."""
    pairs, best = iter(counter.items()), list[tuple[_Key, int]]()
    while piece := list(islice(pairs, _PIECE)):
        best = nlargest(count, chain(best, piece), key=itemgetter(1))
        if due():
            yield
    return best


def delay(parts: Sequence[array[int]]) -> Delay:
    """Return what times in order, in several parts, come to together."""
    there = [part for part in parts if part]
    count = sum(map(len, there))
    if not count:
        return Delay()
    mean = sum(map(sum, there)) / count
    p50, p95, p99 = (_ranked(there, -(-count * share // 100)) for share in (50, 95, 99))
    return Delay(count, mean, p50, p95, p99, max(part[-1] for part in there))


def _ranked(parts: Iterable[array[int]], rank: int) -> int:
    """Return the value at a rank, from 1, of all parts: no more is looked at than takes a search."""
    low, high = min(part[0] for part in parts), max(part[-1] for part in parts)
    while low < high:
        middle = (low + high) // 2
        if sum(bisect_right(part, middle) for part in parts) >= rank:
            high = middle
        else:
            low = middle + 1
    return low


def _fill_calls(metrics: Metrics, blocks: Sequence[Block], due: Due) -> Iterator[None]:
    """Put beginnings and ends of sessions in order, and count how many there were at once."""
    runs: list[list[int]] = []
    for block in blocks:
        runs.append([time * 2 + 1 for time in block.answers])
        runs.append([time * 2 for time in block.ends])
        if due():
            yield
    # Each run is in order. Cut at the same times, their pieces are sorted together.
    cuts = sorted(step for run in runs for step in run[:: _PIECE // 4])[4::4]
    begins = [0] * len(runs)
    now = 0
    for cut in (*cuts, None):
        piece: list[int] = []
        for place, run in enumerate(runs):
            begin = begins[place]
            begins[place] = len(run) if cut is None else bisect_left(run, cut, begin)
            piece += run[begin : begins[place]]
        piece.sort()
        metrics.calls += piece
        levels = list(accumulate((1 if step & 1 else -1 for step in piece), initial=now))
        now = levels[-1]
        place, most = max(enumerate(levels), key=itemgetter(1))
        if most > metrics.most_at_once:
            metrics.most_at_once, metrics.most_at = most, piece[place - 1] >> 1
        if due():
            yield
    metrics.in_progress = now
