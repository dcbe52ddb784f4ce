"""A call: its legs, what they come to together, and why they are one call."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from sipstream.calls import alike
from sipstream.calls.facts import Fact, Kind, kind_of, of_call_id, of_correlation
from sipstream.calls.interest import messages_of
from sipstream.sip.startline import is_request, kind_in

if TYPE_CHECKING:
    from sipstream.calls.calls import Calls
    from sipstream.views import Conversation, Message

Strength: TypeAlias = Literal["proof", "strong", "likely"]
STRENGTHS: tuple[Strength, ...] = ("proof", "strong", "likely")
"""proof: nothing else can be meant. strong: machines would have to err. likely: the way calls look."""
_STRENGTH_OF: dict[Kind, Strength] = {
    Kind.ID: "proof", Kind.BRANCH: "proof", Kind.TAG: "strong", Kind.CALL_ID: "strong",
}  # fmt: skip
_MS = 10**6


class Link(NamedTuple):
    """Why two conversations are legs of one call; of two, `first` began earlier."""

    first: int
    second: int
    reason: str
    """A sentence about both; it quotes traffic."""
    strength: Strength
    name: str
    """In a word or two: the header, or what else it is."""


class Call:
    """Conversations that are one call; what it says of numbers is its first leg's."""

    def __init__(self, calls: Calls, legs: tuple[int, ...]) -> None:
        self._calls = calls
        self.legs = legs
        """The numbers of its conversations, by time."""

    def __repr__(self) -> str:
        return f"<Call of {len(self.legs)} legs: {self.first.call_id!r}>"

    @property
    def first(self) -> Conversation:
        """The leg that began first."""
        return self._calls.conversations[self.legs[0]]

    @property
    def conversations(self) -> list[Conversation]:
        """Its legs as conversations, those that are still there."""
        there = self._calls.conversations
        return [there[one] for one in self.legs if there.has(one)]

    @property
    def count(self) -> int:
        """How many messages its legs have."""
        return sum(one.count for one in self.conversations)

    @property
    def time(self) -> int:
        """The time of the first message, ns since the epoch."""
        return self.first.time

    @property
    def state(self) -> str:
        """How far it has come: that of its first leg, which is what the caller knows."""
        return self.first.state

    @property
    def worst_status(self) -> int | None:
        """The highest status code with which a leg ended so far, None while no response came."""
        last = [one.last_status for one in self.conversations]
        return max((status for status in last if status is not None), default=None)

    @property
    def duration(self) -> int:
        """The time from the first message of any leg to the last one, ns."""
        there = self.conversations
        return max(one.time + one.duration for one in there) - min(one.time for one in there)

    @property
    def messages(self) -> list[Message]:
        """The messages of all legs in time order; those of equal time in order of arrival."""
        found = [message for one in self.conversations for message in one.messages]
        return sorted(found, key=lambda message: (message.time, message.id))

    @property
    def reasons(self) -> list[str]:
        """What joins its legs, each thing once, by its name."""
        return list(dict.fromkeys(link.name for link in self.links))

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Why its legs are one call, by time and the strongest first."""
        if len(self.legs) < 2:
            return ()
        facts = {one: self._facts(one) for one in self.legs}
        found: dict[tuple[int, int, str], Link] = {}
        place = {one: at for at, one in enumerate(self.legs)}
        shared: dict[tuple[int, int], list[Fact]] = {}
        for one, other, key in self._calls.pairs(self.legs):
            first, second = sorted((one, other), key=place.__getitem__)
            fact = facts[first].get(key) or facts[second].get(key)
            if fact is not None:
                shared.setdefault((first, second), []).append(fact)
            elif kind_of(key) is Kind.PAIR:
                link = self._transfer(first, second, facts) or self._by_numbers(first, second)
                found[first, second, link.name] = link
        for (first, second), several in shared.items():
            for link in self._shared(first, second, several):
                found.setdefault((first, second, link.name), link)
        return tuple(
            sorted(
                found.values(),
                key=lambda link: (
                    place[link.second], place[link.first], STRENGTHS.index(link.strength),
                ),
            )
        )  # fmt: skip

    def _facts(self, number: int) -> dict[int, Fact]:
        """Return what a leg's messages say, by key."""
        index = self._calls.conversations.index
        common = of_call_id(index.c_call_id[number])
        said = of_correlation(index.correlations.get(number, b""))
        found = {fact.key: fact for fact in (common, said) if fact is not None}
        for message in messages_of(index, number):
            request = is_request(kind_in(index.m_code[message]))
            for fact in self._calls.reader.facts(index.raw(message), request=request):
                found.setdefault(fact.key, fact)
        return found

    def _shared(self, first: int, second: int, facts: list[Fact]) -> list[Link]:
        """Return the links of what two legs share; both tags together are one proof."""
        links: list[Link] = []
        tags = [fact for fact in facts if fact.kind is Kind.TAG]
        call_ids = {one: self._calls.conversations[one].call_id for one in (first, second)}
        for fact in facts:
            value = fact.value.decode("utf-8", "surrogateescape")
            strength = _STRENGTH_OF[fact.kind]
            if fact.kind is Kind.CALL_ID:
                reason = f"both Call-IDs are made of {value}"
            elif value == call_ids[first]:
                reason = f"{fact.label} of the second is the Call-ID of the first"
            elif value == call_ids[second]:
                reason = f"{fact.label} of the first is the Call-ID of the second"
            elif len(tags) > 1 and fact.kind is Kind.TAG:
                # Of From and of To: a dialog has these two (RFC 3261 section 12).
                reason, strength = "both have the same tags of From and To", "proof"
            else:
                reason = f"both have the {fact.label} {value}"
            name = "tags" if fact.kind is Kind.TAG else fact.label
            links.append(Link(first, second, reason, strength, name))
        return links

    def _transfer(self, first: int, second: int, facts: dict[int, dict[int, Fact]]) -> Link | None:
        """Return the link of a REFER in one leg that the other came of."""
        asked = {fact.value for fact in facts[first].values() if fact.kind is Kind.REFER}
        for fact in facts[second].values():
            if fact.kind is Kind.REFERRED and fact.value in asked:
                whom, _, by = fact.value.decode("utf-8", "surrogateescape").partition(" ")
                reason = f"the first was sent on to {whom} by REFER, the second says so of {by}"
                return Link(first, second, reason, "strong", "Refer-To")
        return None

    def _by_numbers(self, first: int, second: int) -> Link:
        """Return the link of two legs of the same numbers."""
        calls, index = self._calls, self._calls.conversations.index
        apart = alike.begin(index, second) - alike.begin(index, first)
        media = alike.evidence(index, first, second, calls.of_same_numbers)
        reason = (
            f"the same numbers {round(apart / _MS)} ms apart, and {media or 'media that fitted'}"
        )
        return Link(first, second, reason, "likely", "media")
