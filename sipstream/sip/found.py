"""Messages that were located, as columns, grouped by Call-ID: what the SIP stage gives out.

All that is done for each single message is done here, so that the aggregator has to do with whole
conversations. No message's bytes are in it that stand in the batch's store.
"""

from __future__ import annotations

import codecs
import re
import sys
from array import array
from collections.abc import Callable, Container, Iterable, MutableSequence, Sequence
from itertools import compress, count
from operator import sub
from typing import TYPE_CHECKING, Any, TypeAlias

from sipstream.columns import MOST_NARROW, made
from sipstream.limits import MAX_USER
from sipstream.sip import headers
from sipstream.sip.uri import digits_code, number_code, user_of

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Flow
    from sipstream.decode.streams import Datagram

User: TypeAlias = int | str
"""A user part: a number as `number_code` has it, any other text as it is."""

Packed: TypeAlias = tuple[Any, ...]
"""What was found, as plain values."""

_AS_NUMBERS = codecs.utf_16_le_encode if sys.byteorder == "little" else codecs.utf_16_be_encode
"""Two bytes a letter, as a column has them: the codes are far below the letters that take four."""

_PARTY = (
    rb"[ \t]*+(?:\"[^\"\\\n]*+\"|[^\"<:\n]*+)[ \t]*+<sips?:(\+?[0-9]{1,18}+)@[^\n]*+\n(?![ \t])"
)  # fmt: skip
_PARTIES = re.compile(
    rb"[^\n]*+\n(?:(?!From:|To:)[^\r\n][^\n]*+\n)*?From:" + _PARTY
    + rb"(?:(?!To:)[^\r\n][^\n]*+\n)*?To:" + _PARTY
)  # fmt: skip
"""From and To of numbers, as most stacks write them; anything else is read with more care."""


class Found:
    """Columns with one place a message, and lists with one place a conversation of theirs.

    Messages are added to three lists, of which `gather` makes the columns; `settle` ends the need for
    the data they were found in.
    """

    def __init__(self) -> None:
        self.times = array("q")
        """ns since the epoch."""
        self.offsets = array("q")
        """Places of the first bytes in the batch's store; -1: not there as it is, see `joined`."""
        self.lengths = array("H")
        """Of four bytes each once one is longer than any UDP datagram."""
        self.codes = array("H")
        """Kinds, and what responses answer (sip.startline)."""
        self.conversations: MutableSequence[int] = []
        """Places in the lists below."""
        self.following: MutableSequence[int] = []
        """How many places on the conversation's next message is, 0 for its last."""
        self.joined: dict[int, bytes] = {}
        """The messages that stand in no store."""
        self.ids: dict[bytes, int] = {}
        """Call-IDs in order of their first messages, each with its place."""
        self.firsts: MutableSequence[int] = []
        self.lasts: MutableSequence[int] = []
        self.trails: list[str] = []
        """The codes of the conversation's messages."""
        self.rows: list[Datagram] = []
        """Messages that were added and not yet gathered, as if each had come in its own datagram."""
        self.new_codes: list[str] = []
        self.call_ids: list[bytes] = []
        self._flows: list[Flow] = []
        self._seen: dict[Flow, None] = {}
        """Each flow once."""
        self._flow_numbers: array[int] | None = None
        """Of messages that came from elsewhere: places in `_flows`."""
        self._parties: list[tuple[User, User]] = []
        self._heads: list[Datagram] = []
        """The first messages of the conversations behind those whose parties are known."""
        self._out_of_order: set[int] | None = None

    def __len__(self) -> int:
        return len(self.following)

    def add(self, row: Datagram, code: str, call_id: bytes) -> None:
        """Add a message. Who adds very many puts the three into their lists himself."""
        self.rows.append(row)
        self.new_codes.append(code)
        self.call_ids.append(call_id)

    def gather(self) -> None:
        """Put what was added into the columns, and together what has one Call-ID."""
        rows = self.rows
        if not rows:
            return
        before, count = len(self.times), len(rows)
        columns: Any = zip(*rows, strict=True)
        times, flows, data, starts, ends, offsets, _ = columns
        self.times.extend(made("q", times, count))
        self.offsets.extend(made("q", offsets, count))
        lengths = list(map(sub, ends, starts))
        if self.lengths.typecode == "H" and max(lengths) > MOST_NARROW:
            self.lengths = array("I", self.lengths)
        self.lengths.extend(made(self.lengths.typecode, lengths, count))
        self.codes.frombytes(_AS_NUMBERS("".join(self.new_codes))[0])
        self._flows += flows
        for flow in set(flows).difference(self._seen):
            self._seen[flow] = None
            flow.brings_messages = True
        if min(offsets) < 0:
            for place, offset in enumerate(offsets):
                if offset < 0:
                    self.joined[before + place] = data[place][starts[place] : ends[place]]
        self._group(before)
        rows.clear()
        self.new_codes.clear()
        self.call_ids.clear()

    def _group(self, before: int) -> None:
        """Put the messages from place `before` on into their conversations."""
        ids, trails, lasts, following = self.ids, self.trails, self.lasts, self.following
        add_conversation, number_of = self.conversations.append, ids.get
        following += [0] * len(self.rows)
        place = before
        for call_id, code in zip(self.call_ids, self.new_codes, strict=True):
            number = number_of(call_id)
            if number is None:
                ids[call_id] = number = len(trails)
                self.firsts.append(place)
                lasts.append(place)
                trails.append(code)
                self._heads.append(self.rows[place - before])
            else:
                last = lasts[number]
                following[last] = place - last
                lasts[number] = place
                trails[number] += code
            add_conversation(number)
            place += 1

    def parties(self, numbers: list[int]) -> list[tuple[User, User]]:
        """Return the user parts of From and To of conversations' first messages."""
        known, heads = self._parties, self._heads
        if not heads:
            return [known[number] for number in numbers]
        settled = len(known)
        return [
            known[number] if number < settled else _parties(heads[number - settled])
            for number in numbers
        ]

    def settle(self) -> None:
        """Read what else is wanted of the data, so that it isn't needed any more."""
        self._parties += map(_parties, self._heads)
        self._heads.clear()

    # For the aggregator

    def ways(self, numbers_of: Callable[[Iterable[Flow]], list[int]]) -> Iterable[int]:
        """Return the messages' flows by number; `numbers_of` gives those of flows."""
        if self._flow_numbers is not None:
            return map(numbers_of(self._flows).__getitem__, self._flow_numbers)
        numbers = dict(zip(self._seen, numbers_of(self._seen), strict=True))
        return map(numbers.__getitem__, self._flows)

    def steps(self, places: Sequence[int]) -> Sequence[int]:
        """Return for each message how far on the next one is in `places`, 0 for the last."""
        if isinstance(places, range):
            return self.following
        return [
            places[place + step] - places[place] if step else 0
            for place, step in enumerate(self.following)
        ]

    def out_of_order(self) -> set[int]:
        """Return the conversations whose messages don't come at ever later times."""
        if self._out_of_order is not None:
            return self._out_of_order
        times = self.times
        in_order = sorted(times)
        if times.tolist() == in_order and len(set(in_order)) == len(in_order):
            return set()
        latest: dict[int, int] = {}
        found = set()
        for number, time in zip(self.conversations, times, strict=True):
            if time <= latest.get(number, time - 1):
                found.add(number)
            else:
                latest[number] = time
        return found

    def messages(self, number: int) -> list[int]:
        """Return a conversation's messages in order of arrival."""
        places = [self.firsts[number]]
        while step := self.following[places[-1]]:
            places.append(places[-1] + step)
        return places

    # For another process

    def packed(self, numbers: dict[Flow, int]) -> tuple[Packed, list[Flow]]:
        """Return the same as plain values, and the flows that got a new number among `numbers`."""
        self.settle()
        new = [flow for flow in self._seen if flow not in numbers]
        numbers.update(zip(new, count(len(numbers)), strict=False))
        packed = (
            self.times, self.offsets, self.lengths, self.codes,
            array("I", self.conversations), made("i", self.following, len(self)), list(self.ids),
            array("I", self.firsts), array("I", self.lasts), self.trails, self._parties,
            made("I", map(numbers.__getitem__, self._flows), len(self)), self.joined,
            self.out_of_order(),
        )  # fmt: skip
        return packed, new

    @classmethod
    def unpacked(cls, packed: Packed, flows: list[Flow]) -> Found:
        """Return what was packed; `flows` are those of the numbers."""
        found = cls()
        (
            found.times, found.offsets, found.lengths, found.codes, found.conversations,
            found.following, ids, found.firsts, found.lasts, found.trails, found._parties,
            found._flow_numbers, found.joined, found._out_of_order,
        ) = packed  # fmt: skip
        found._flows = flows
        found.ids = dict(zip(ids, range(len(ids)), strict=True))
        return found


class FoundOnly(Found):
    """The messages of some Call-IDs; others are left out when they are gathered."""

    def __init__(self, call_ids: Container[bytes]) -> None:
        super().__init__()
        self._wanted = call_ids

    def gather(self) -> None:
        """Leave out what isn't wanted, put the rest into the columns."""
        wanted = [call_id in self._wanted for call_id in self.call_ids]
        if not all(wanted):
            self.rows[:] = compress(self.rows, wanted)
            self.new_codes[:] = compress(self.new_codes, wanted)
            self.call_ids[:] = compress(self.call_ids, wanted)
        super().gather()


def _parties(head: Datagram) -> tuple[User, User]:
    _, flow, data, start, end, _, _ = head
    return parties(data, start, end, cut=flow.cut)


def parties(data: bytes, start: int, end: int, *, cut: bool = False) -> tuple[User, User]:
    """Return the user parts of a message's From and To; `cut`: a line without end is none of its own."""
    usual = _PARTIES.match(data, start, end)
    if usual is not None:
        return digits_code(usual[1]), digits_code(usual[2])
    if cut:
        end = headers.lines_end(data, start, end)
    source, destination = (_user(data, start, end, name) for name in ("From", "To"))
    return source, destination


def _user(data: bytes, start: int, end: int, name: str) -> User:
    value = headers.first(data, start, end, name)
    if value is None:
        return ""
    user = user_of(value.decode("utf-8", "surrogateescape"))[:MAX_USER]
    return number_code(user.encode("utf-8", "surrogateescape")) or user
