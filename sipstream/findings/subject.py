"""A conversation as rules look at it: its messages sorted into transactions (RFC 3261 section 17).

Built once for all rules. Headers are read when a rule asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from sipstream.limits import COPY_WINDOW, DESCRIBED, DIAGNOSED, DIAGNOSED_BYTES
from sipstream.sip import sdp, via
from sipstream.sip.offers import Exchange, exchanges
from sipstream.sip.sdp import Media
from sipstream.sip.tags import sequence_in, tag_in
from sipstream.sip.via import Via

if TYPE_CHECKING:
    from sipstream.findings.around import Around
    from sipstream.views import Conversation, Message

_MEDIA_LINE = b"\nm="


@dataclass(slots=True)
class Transaction:
    """A request as it was sent once or several times, and its responses (RFC 3261 section 17).

    On each hop a request is another transaction. A capture may lack the request or the responses.
    """

    method: str
    number: int
    """The number of its CSeq."""
    via: Via
    """The top Via, which names it."""
    requests: list[Message] = field(default_factory=list)
    """All that the capture has of the request, by time."""
    sendings: list[Message] = field(default_factory=list)
    """Of these the ones that were sent anew: what is seen again within COPY_WINDOW is the same sending
    at another capture point, since nothing is sent again sooner than after T1 (17.1.1.2)."""
    responses: list[Message] = field(default_factory=list)
    """All responses by time, copies and those that were sent again too."""

    @property
    def first(self) -> Message:
        """Its first message."""
        return self.requests[0] if self.requests else self.responses[0]

    @property
    def final(self) -> Message | None:
        """The first final response, None while there is none."""
        return next((one for one in self.responses if (one.status or 0) >= 200), None)

    @property
    def provisional(self) -> Message | None:
        """The first response that tells more than 100 and isn't final."""
        return next((one for one in self.responses if 100 < (one.status or 0) < 200), None)

    @property
    def span(self) -> int:
        """The time from the first sending of the request to the last, ns."""
        return self.sendings[-1].time - self.sendings[0].time if self.sendings else 0

    @property
    def messages(self) -> list[Message]:
        """Request and responses by time."""
        return sorted([*self.requests, *self.responses], key=lambda one: one.index)

    def enter(self, message: Message) -> None:
        """Take in one more of its messages; they come by time."""
        if message.status is not None:
            self.responses.append(message)
            return
        self.requests.append(message)
        if not self.sendings or message.time - self.sendings[-1].time > COPY_WINDOW:
            self.sendings.append(message)


class Subject:
    """What rules are asked about.

    Of a conversation of more messages than DIAGNOSED, or of very long ones, it has the newest.
    """

    def __init__(self, conversation: Conversation, around: Around) -> None:
        self.conversation = conversation
        self.around = around
        self.messages = looked_at(conversation)
        """By time."""

    @cached_property
    def hops(self) -> dict[int, Via]:
        """The top Vias by the places of their messages."""
        return {one.index: via.top(one.header("Via") or "") for one in self.messages}

    @cached_property
    def transactions(self) -> list[Transaction]:
        """By the time of their first messages, those with a request and those without."""
        found: dict[tuple[object, ...], Transaction] = {}
        for message in self.messages:
            number, method = cseq(message)
            hop = self.hops[message.index]
            key = (hop.branch, hop.sent_by, method, number)
            one = found.get(key)
            if one is None:
                one = found[key] = Transaction(method, number, hop)
            one.enter(message)
        return list(found.values())

    def of_method(self, *methods: str) -> Iterator[Transaction]:
        """Yield the transactions of some methods of which the capture has the request."""
        return (one for one in self.transactions if one.method in methods and one.requests)

    @cached_property
    def originals(self) -> list[Message]:
        """The messages without what another capture point gave before."""
        found = []
        seen: dict[tuple[object, ...], int] = {}
        for message in self.messages:
            key = (message.origin.ways.ends(message.way), message.raw)
            before = seen.get(key)
            if before is None or message.time - before > COPY_WINDOW:
                found.append(message)
            seen[key] = message.time
        return found

    @cached_property
    def exchanges(self) -> list[Exchange]:
        """Offers of media with their answers, by time."""
        # The same again at another capture point, or sent again, is no other offer.
        told = self.media
        return exchanges(
            one for one in self.originals if one.index in told or _MEDIA_LINE not in one.raw
        )

    @cached_property
    def media(self) -> dict[int, list[Media]]:
        """Streams of session descriptions by the places of their messages, copies left aside.

        Of very many or long descriptions the newest ones.
        """
        room = DESCRIBED
        found: dict[int, list[Media]] = {}
        for message in reversed(self.originals):
            if _MEDIA_LINE in message.raw:
                body = message.body
                room -= body.count(b" ") + body.count(b"\n")
                if room < 0:
                    break
                found[message.index] = sdp.media(message.raw)
        return found

    def at(self, place: int | None) -> Message | None:
        """Return the message at a place of the conversation, None where it isn't looked at."""
        if place is None or not self.messages:
            return None
        number = place - self.messages[0].index
        return self.messages[number] if 0 <= number < len(self.messages) else None

    def after(self, message: Message) -> list[Message]:
        """Return the messages that came later than one, in time order."""
        return [one for one in self.messages if one.index > message.index]


def looked_at(conversation: Conversation) -> list[Message]:
    """Return the messages that rules look at: the newest, of very long ones fewer, at least one."""
    messages = conversation.newest(DIAGNOSED)
    room = DIAGNOSED_BYTES
    for place in range(len(messages) - 1, -1, -1):
        room -= messages[place].size
        if room < 0:
            return messages[min(place + 1, len(messages) - 1) :]
    return messages


def cseq(message: Message) -> tuple[int, str]:
    """Return number and method of CSeq (RFC 3261 20.16); a request's method is its start line's."""
    number, method = sequence_in(message.cseq) or (-1, "")
    return number, message.method or method


def tag(message: Message, header: str) -> str:
    """Return the tag of From or To, "" where it has none (RFC 3261 19.3)."""
    return tag_in(message.header(header) or "")
