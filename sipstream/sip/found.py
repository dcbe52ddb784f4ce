"""Messages that were located, as columns, grouped by Call-ID: what the SIP stage gives out.

All that is done for each single message is done here, so that the aggregator has to do with whole
conversations. No message's bytes are in it that stand in the batch's store.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from sipstream.limits import MAX_USER
from sipstream.sip import headers
from sipstream.sip.uri import number_code, user_of

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Flow

User: TypeAlias = int | str
"""A user part: a number as `number_code` has it, any other text as it is."""

_PARTY = (
    rb"[ \t]*(?:\"[^\"\\\n]*\"|[^\"<:\n]*)[ \t]*<sips?:(\+?[0-9]{1,18})@[^\n]*\n(?![ \t])"
)  # fmt: skip
_PARTIES = re.compile(
    rb"[^\n]*\n(?:(?!From:|To:)[^\r\n][^\n]*\n)*+From:" + _PARTY
    + rb"(?:(?!To:)[^\r\n][^\n]*\n)*+To:" + _PARTY
)  # fmt: skip
"""From and To of numbers, as most stacks write them; anything else is read with more care."""


class Found:
    """Columns with one place a message, and lists with one place a conversation of theirs."""

    def __init__(self) -> None:
        self.times: list[int] = []
        """ns since the epoch."""
        self.flows: list[Flow] = []
        self.codes: list[str] = []
        """Kinds, and what responses answer (sip.startline)."""
        self.offsets: list[int] = []
        """Places of the first bytes in the batch's store; -1: not there as it is, see `joined`."""
        self.lengths: list[int] = []
        self.conversations: list[int] = []
        """Places in the lists below."""
        self.following: list[int] = []
        """The conversation's next message, -1 behind its last."""
        self.joined: dict[int, bytes] = {}
        """The messages that stand in no store."""
        self.ids: dict[bytes, int] = {}
        """Call-IDs in order of their first messages, each with its place."""
        self.firsts: list[int] = []
        self.lasts: list[int] = []
        self.trails: list[str] = []
        """The codes of the conversation's messages."""
        self.sources: list[User] = []
        """The user parts of the first messages' From."""
        self.destinations: list[User] = []
        """Those of their To."""

    def __len__(self) -> int:
        return len(self.times)

    def add(
        self, time: int, flow: Flow, code: str, call_id: bytes,
        data: bytes, start: int, end: int, offset: int,
    ) -> None:  # fmt: skip
        """Add the message data[start:end]; `offset` is its place in the batch's store, -1 for none."""
        place = len(self.times)
        number = self.ids.get(call_id)
        if number is None:
            # First what may fail: nothing of a message is entered then.
            source, destination = parties(data, start, end, cut=flow.cut)
            self.ids[call_id] = number = len(self.trails)
            self.sources.append(source)
            self.destinations.append(destination)
            self.firsts.append(place)
            self.lasts.append(place)
            self.trails.append(code)
        else:
            lasts = self.lasts
            self.following[lasts[number]] = place
            lasts[number] = place
            self.trails[number] += code
        self.following.append(-1)
        self.conversations.append(number)
        self.times.append(time)
        self.flows.append(flow)
        self.codes.append(code)
        self.offsets.append(offset)
        self.lengths.append(end - start)
        if offset < 0:
            self.joined[place] = data[start:end]

    def out_of_order(self) -> set[int]:
        """Return the conversations whose messages don't come at ever later times."""
        times = self.times
        if all(map(int.__lt__, times, times[1:])):
            return set()
        latest: dict[int, int] = {}
        found = set()
        for number, time in zip(self.conversations, times, strict=True):
            if time <= latest.get(number, time - 1):
                found.add(number)
            else:
                latest[number] = time
        return found

    def linked(self, places: Sequence[int]) -> list[int]:
        """Return for each message the place in `places` of the one that follows, -1 for none."""
        if isinstance(places, range):
            first = places.start
            return [first + place if place >= 0 else -1 for place in self.following]
        return [places[place] if place >= 0 else -1 for place in self.following]

    def messages(self, number: int) -> list[int]:
        """Return a conversation's messages in order of arrival."""
        places = [self.firsts[number]]
        while (place := self.following[places[-1]]) >= 0:
            places.append(place)
        return places


def parties(data: bytes, start: int, end: int, *, cut: bool = False) -> tuple[User, User]:
    """Return the user parts of a message's From and To; `cut`: a line without end is none of its own."""
    usual = _PARTIES.match(data, start, end)
    if usual is not None:
        return number_code(usual[1]), number_code(usual[2])
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
