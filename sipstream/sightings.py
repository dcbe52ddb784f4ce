"""One message seen at several taps is one message: its further sightings are put to it.

Sans-IO. Only what came in envelopes has taps that see the same. The same bytes between the same
endpoints are one sending when the clocks of the taps, once they are known, say so; a retransmission is
a message of its own, as it comes at the earliest after timer T1 (RFC 3261 17.1.1.1). Where nothing is
known of the clocks, even ones are tried first; else the first sending at one tap is the first at the
other. What is known of all sendings decides, not the order in which they come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from sipstream.index import Index, Sighted
from sipstream.skew import SIGHTING_SLACK, Skew, Skews

MOST_SENDINGS = 16
"""Sendings of the same bytes that are compared, the newest ones: RFC 3261 has eleven at most."""
MOST_SIGHTINGS = 64
"""Taps of a message that are kept: a call crosses a handful of machines."""
MOST_APART = 3600 * 10**9
"""Clocks of which nothing is known may be so far apart (ns): what has the same bytes an hour later is a
device's ping."""
_REPEAT = 1000
"""Time (ns) within which one tap's sightings are the same one: some envelopes have microseconds."""
_SAMPLES = 4
"""Sightings of a message that a further one is measured against."""

Seen: TypeAlias = tuple[int, int]
"""A sighting for comparing: its tap and its time (ns)."""

_Group: TypeAlias = list[int]
"""Places of sightings that are of one sending."""


class Taken(NamedTuple):
    """What became of a message."""

    is_new: bool
    """It is one of its own, not a sighting of another."""
    is_repeat: bool = False
    """The same tap had told of it before."""
    changed: bool = False
    """Messages that were there before have other sightings now."""
    retimed: Sequence[tuple[int, int]] = ()
    """Those that have another time now, each with the one before (ns)."""


_NEW, _REPEATED = Taken(True), Taken(False, True)


class Sightings:
    """Tells which messages of network taps were seen before at another one."""

    def __init__(self, index: Index, skews: Skews) -> None:
        self._index = index
        self._skews = skews
        self._tables: dict[int, dict[int, int | list[int]]] = {}
        """Of a conversation: the messages by a hash of their bytes and endpoints."""
        self.size = 0
        """Messages in all tables."""
        self.left_out = 0
        """Sightings not kept because their messages had very many."""

    @property
    def table_count(self) -> int:
        """How many tables there are."""
        return len(self._tables)

    def take(self, number: int, new: int, raw: bytes) -> Taken:
        """Find out whether a conversation has a message already that is in no chain yet.

        `raw` are its bytes. What it is a sighting of has that afterwards, and its time and way where it
        is the earliest.
        """
        index = self._index
        table = self._tables.get(number)
        if table is None:
            table = self._make_table(number)
        ends = index.ways.ends(index.m_way[new])
        key = hash((raw, ends))
        entry = table.get(key)
        there = [entry] if isinstance(entry, int) else entry
        if not there or not raw or index.raw(there[-1]) != raw:
            self._enter(table, key, new)
            return _NEW
        taken = self._compare(there, new, ends)
        if taken.is_new:
            self._enter(table, key, new)
        return taken

    def forget(self, number: int) -> None:
        """Messages of a conversation were given up: its table is made anew when it is needed."""
        table = self._tables.pop(number, None)
        if table is not None:
            self.size -= sum(1 if isinstance(one, int) else len(one) for one in table.values())

    def thin(self, number: int) -> None:
        """Some messages of a conversation were given up: nothing is compared with them any more."""
        table, store = self._tables.get(number, {}), self._index.m_store
        for key, there in list(table.items()):
            messages = [there] if isinstance(there, int) else there
            left = [message for message in messages if store[message]]
            self.size -= len(messages) - len(left)
            if left:
                table[key] = left if len(left) > 1 else left[0]
            else:
                del table[key]

    # Within

    def _make_table(self, number: int) -> dict[int, int | list[int]]:
        index = self._index
        table = self._tables[number] = {}
        if index.c_count[number]:
            for message in index.arrived(number):
                way = index.m_way[message]
                if index.ways.network[way]:
                    self._enter(table, hash((index.raw(message), index.ways.ends(way))), message)
        return table

    def _enter(self, table: dict[int, int | list[int]], key: int, message: int) -> None:
        there = table.get(key)
        if there is None:
            table[key] = message
        elif isinstance(there, int):
            table[key] = [there, message]
        else:
            there.append(message)
            if len(there) > MOST_SENDINGS:
                del there[0]
                return
        self.size += 1

    def _compare(self, there: list[int], new: int, ends: tuple[int, int]) -> Taken:
        """Find which of the messages with the same bytes one is a sighting of."""
        index = self._index
        way, time = index.m_way[new], index.m_time[new]
        tap = index.ways.tap[way]
        before = [index.seen(message) for message in there]
        if any(self._is_repeat(seen, tap, time) for seen in before):
            return _REPEATED
        if len(there) == 1:
            only = before[0]
            taps = [index.ways.tap[one.way] for one in only]
            if taps == [tap]:
                return _NEW
            if tap not in taps:
                return self._beside_one(there[0], only, Sighted(time, way), ends)
        return self._regroup(there, before, new)

    def _is_repeat(self, seen: Sequence[Sighted], tap: int, time: int) -> bool:
        taps = self._index.ways.tap
        return any(taps[one.way] == tap and abs(one.time - time) < _REPEAT for one in seen)

    def _beside_one(
        self, message: int, seen: Sequence[Sighted], new: Sighted, ends: tuple[int, int]
    ) -> Taken:
        """Compare with the only message of these bytes, which this tap hasn't seen yet."""
        taps = self._index.ways.tap
        tap = taps[new.way]
        places = range(len(seen) + 1)
        all_ = [(taps[one.way], one.time) for one in (*seen, new)]
        if not self._is_one(all_):
            for place in places[:-1][:_SAMPLES]:
                self._skews.missed(all_[place][0], tap)
            return _NEW
        if len(seen) >= MOST_SIGHTINGS:
            self.left_out += 1
            return Taken(False)
        for other, time in all_[:-1][:_SAMPLES]:
            self._skews.saw(other, tap, ends, new.time - time)
        before = self._index.m_time[message]
        is_retimed = self._index.put_seen(message, [*seen, new])
        return Taken(False, False, True, [(message, before)] if is_retimed else ())

    def _is_one(self, seen: list[Seen]) -> bool:
        """Tell whether sightings of several taps, one each, are of one sending."""
        known = self._skews.known()
        skews = [known.get(tap) for tap, _ in seen]
        references = {None if skew is None else skew.reference for skew in skews}
        if None in references or len(references) > 1:
            return len(grouped(seen, known.get)) == 1
        # The usual case: the same as above, in a tenth of the time.
        times = [
            time - skew.apart.offset for (_, time), skew in zip(seen, skews, strict=True) if skew
        ]
        return max(times) - min(times) <= SIGHTING_SLACK

    def _regroup(self, there: list[int], before: list[list[Sighted]], new: int) -> Taken:
        """Share all sightings out anew among the messages there are, and the new one where it is one."""
        index = self._index
        taps = index.ways.tap
        own = Sighted(index.m_time[new], index.m_way[new])
        owners = [place for place, seen in enumerate(before) for _ in seen] + [len(there)]
        seen = [*(one for several in before for one in several), own]
        groups = grouped([(taps[one.way], one.time) for one in seen], self._skews.of)
        if not len(there) <= len(groups) <= len(there) + 1:
            # What is known of clocks has changed since: what was shown as one stays one.
            return _NEW
        changed, retimed = False, []
        for place, group in _shared_out(groups, owners, len(there)).items():
            told = sorted(seen[one] for one in group)
            if place == len(there):
                index.put_seen(new, told)
            elif told != before[place]:
                changed = True
                message, time = there[place], index.m_time[there[place]]
                if index.put_seen(message, told):
                    retimed.append((message, time))
        return Taken(len(groups) > len(there), False, changed, retimed)


def _shared_out(groups: list[_Group], owners: list[int], new: int) -> dict[int, _Group]:
    """Return which message gets which group: who had most of it; the place `new` has what is left."""
    found: dict[int, _Group] = {}
    left = []
    for group in groups:
        had = [owners[one] for one in group if owners[one] != new and owners[one] not in found]
        if had:
            found[max(sorted(set(had)), key=had.count)] = group
        else:
            left.append(group)
    free = [place for place in range(max(owners) + 1) if place not in found]
    found.update(zip(free, left, strict=False))
    return found


def grouped(seen: Sequence[Seen], skew_of: Callable[[int], Skew | None]) -> list[_Group]:
    """Return which sightings of the same bytes are of one sending, the sendings by time.

    `skew_of` tells what is known of a tap's clock.
    """
    times: list[int] = []
    measured: dict[int, list[int]] = {}
    for place, (tap, time) in enumerate(seen):
        skew = skew_of(tap)
        times.append(time if skew is None else time - skew.apart.offset)
        measured.setdefault(tap if skew is None else skew.reference, []).append(place)
    lists = [_sendings(places, seen, times) for places in measured.values()]
    lists.sort(key=len, reverse=True)
    together = lists[0]
    for more in lists[1:]:
        together = _beside(together, more, times)
    return together


def _sendings(places: list[int], seen: Sequence[Seen], times: list[int]) -> list[_Group]:
    """Put together what taps saw whose clocks are known, each sending by its time."""
    groups: list[_Group] = []
    taps: set[int] = set()
    for place in sorted(places, key=lambda one: (times[one], seen[one][0])):
        tap = seen[place][0]
        if groups and tap not in taps and times[place] - times[groups[-1][0]] <= SIGHTING_SLACK:
            groups[-1].append(place)
            taps.add(tap)
        else:
            groups.append([place])
            taps = {tap}
    return groups


def _beside(some: list[_Group], fewer: list[_Group], times: list[int]) -> list[_Group]:
    """Put sendings beside others, of which there are as many or more, seen by clocks of which it isn't
    known how far they are apart.
    """
    starts = [times[group[0]] for group in some]
    later = [times[group[0]] for group in fewer]
    places = _even(starts, later)
    if len(places) < len(fewer):
        # Never more sendings than one tap saw: what comes later may yet tell how they belong together.
        places = {place: place for place in range(len(fewer))}
    together = [list(group) for group in some]
    others = []
    for number, group in enumerate(fewer):
        place = places.get(number)
        if place is not None and abs(starts[place] - later[number]) <= MOST_APART:
            together[place] += group
        else:
            others.append(group)
    return sorted(together + others, key=lambda group: times[group[0]])


def _even(starts: list[int], later: list[int]) -> dict[int, int]:
    """Return which sendings are beside which ones of other taps where all clocks are even, by places."""
    found: dict[int, int] = {}
    place = 0
    for number, time in enumerate(later):
        while place < len(starts) and starts[place] < time - SIGHTING_SLACK:
            place += 1
        if place < len(starts) and starts[place] <= time + SIGHTING_SLACK:
            found[number] = place
            place += 1
    return found
