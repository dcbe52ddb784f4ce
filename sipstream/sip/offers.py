"""Which session description answers which, and what the two agree on (RFC 3264, RFC 6337 section 2).

Sans-IO. An offer stands in an INVITE, UPDATE or PRACK and is answered in a response to it; where the
INVITE has none it stands in a reliable provisional response or the 2xx, and is answered in the PRACK
or ACK. One offer may have several answers: of forks, or of a server that says something else in its
2xx than in its 183.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple, Protocol

from sipstream.sip import via
from sipstream.sip.sdp import Format, Media, Session, sessions
from sipstream.sip.tags import sequence_in, tag_in

MOST_EXCHANGES = 1000
"""Offers kept of one conversation: a call on hold twice a minute for eight hours has as many."""
MOST_FORMATS = 100_000
"""Streams and formats in all of them together, some 30 MB: 64 KiB of one offer may name 20,000."""
_OPEN = 1024
"""Transactions of one conversation that may still be answered."""

BESIDE = frozenset({"TELEPHONE-EVENT", "CN", "RED"})
"""Formats that carry no speech or picture by themselves: digits, comfort noise, redundancy."""
AGREED, REFUSED, OFF, UNANSWERED, NO_CODEC = (
    "agreed",
    "refused",
    "off",
    "unanswered",
    "no common codec",
)
"""What became of a stream: taken; port 0 in the answer (RFC 3264 6); port 0 in the offer already
(8.2); the answer has no line for it; taken without a format that was offered (6.1)."""
_OFFERING = ("INVITE", "UPDATE", "PRACK")
_SENDING, _RECEIVING = ("sendrecv", "sendonly"), ("sendrecv", "recvonly")
_RACK = re.compile(r"\d{1,10}\s+(\d{1,10})\s+(\S{1,64})")
_LONGEST = 512
"""Characters of a tag, a branch, or a Via without a branch, that are looked at."""


class Told(Protocol):
    """A message, as far as it is looked at."""

    @property
    def index(self) -> int:
        """Its place in its conversation."""

    @property
    def method(self) -> str | None:
        """A request's method, None for a response."""

    @property
    def status(self) -> int | None:
        """A response's status code."""

    @property
    def source_uri(self) -> str:
        """Where it came from."""

    @property
    def destination_uri(self) -> str:
        """Where it went."""

    @property
    def raw(self) -> bytes:
        """Its bytes."""

    def header(self, name: str) -> str | None:
        """Return the first value of a header."""


class Said(NamedTuple):
    """A session description and the message that it came in."""

    place: int
    """The message's, in its conversation."""
    kind: int | str
    """The message's status code or method."""
    source: str
    """The endpoint that says it."""
    destination: str
    session: Session


class Agreed(NamedTuple):
    """What offer and answer make of one stream."""

    outcome: str
    """AGREED, REFUSED, OFF, UNANSWERED or NO_CODEC."""
    codecs: tuple[str, ...] = ()
    """Those in both, in the answer's order of preference."""
    direction: str = "inactive"
    """Which way media goes, as seen by who made the offer."""
    held_by: tuple[str, ...] = ()
    """"offer" and "answer", as far as they say that the other side is put on hold."""


class Exchange(NamedTuple):
    """An offer with one of its answers, or without any."""

    offer: Said
    answer: Said | None
    agreed: tuple[Agreed, ...]
    """For each stream of the offer what became of it; () without an answer."""
    refused: int | None = None
    """The status that the offer was refused with (RFC 3261 13.3.1.3: 488), None where it was not."""
    refusal: int | None = None
    """The place of the message with that status."""


@dataclass(slots=True, eq=False)
class _Offer:
    """An offer and what has come back so far."""

    said: Said
    dialog: tuple[int, str]
    """CSeq number and From tag: the same on every hop."""
    answers: dict[tuple[str, Session], Said] = field(default_factory=dict)
    refused: int | None = None
    refusal: int | None = None
    reliable: bool = True
    """False in an unreliable response, which only foretells what the 2xx will offer."""


@dataclass(slots=True)
class _Transaction:
    """A request that may be answered."""

    dialog: tuple[int, str]
    method: str
    offer: _Offer | None
    """In the request; where that has none, what a response offered."""
    asked: bool
    """The request itself has the offer."""


class Negotiation:
    """Finds the exchanges of one conversation, message by message in order of time."""

    def __init__(self) -> None:
        self.left_out = 0
        """Offers and answers that there was no room for."""
        self._offers: list[_Offer] = []
        self._room = MOST_FORMATS
        self._open: OrderedDict[tuple[str, int, str], _Transaction] = OrderedDict()
        self._waiting: OrderedDict[tuple[int, str, str], _Offer] = OrderedDict()
        """Offers in responses to an INVITE, by its CSeq number and both tags: ACK or PRACK answers."""

    @property
    def found(self) -> int:
        """How many offers there are so far."""
        return len(self._offers)

    def add(self, message: Told) -> None:
        """Take a message in."""
        method = message.method
        if method is not None and method not in (*_OFFERING, "ACK"):
            return
        sequence = sequence_in(message.header("CSeq") or "")
        if sequence is None:
            return
        number, answered = sequence
        dialog = number, _tag(message.header("From"))
        if message.status is not None:
            if answered in _OFFERING and message.status > 100:
                self._response(message, message.status, dialog, answered)
        elif method == "ACK":
            self._answer_in(message, dialog)
        elif method is not None:
            self._request(message, method, dialog)

    def exchanges(self) -> Iterator[Exchange]:
        """Yield what was found, in order of the offers.

        What is the same on every hop of a proxy is told once.
        """
        told: set[tuple[object, ...]] = set()
        answered = {(one.dialog, one.said.session) for one in self._offers if one.answers}
        for one in self._offers:
            offer = one.said
            if not one.answers:
                alone = (one.dialog, offer.session)
                if alone not in told and (one.refused is not None or alone not in answered):
                    told.add(alone)
                    yield Exchange(offer, None, (), one.refused, one.refusal)
            for answer in one.answers.values():
                key = (one.dialog, offer.session, answer.session)
                if key not in told:
                    told.add(key)
                    yield Exchange(offer, answer, _agreed(offer.session, answer.session))

    def latest(self) -> Exchange | None:
        """Return the last answer with its offer, None where there is none."""
        for one in reversed(self._offers):
            for answer in reversed(one.answers.values()):
                return Exchange(one.said, answer, _agreed(one.said.session, answer.session))
        return None

    def _request(self, message: Told, method: str, dialog: tuple[int, str]) -> None:
        key = (_branch(message), dialog[0], method)
        if key in self._open:
            return
        if method == "PRACK":
            about = _RACK.match(message.header("RAck") or "")
            if about is not None and self._answer_in(message, (int(about[1]), dialog[1])):
                return
        said = self._said(message)
        offer = self._offered(said, dialog) if said is not None else None
        self._open[key] = _Transaction(dialog, method, offer, asked=said is not None)
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)

    def _response(self, message: Told, status: int, dialog: tuple[int, str], method: str) -> None:
        transaction = self._open.get((_branch(message), dialog[0], method))
        if transaction is None:
            return
        offer = transaction.offer
        if status >= 300:
            if offer is not None and transaction.asked and offer.refused is None:
                offer.refused, offer.refusal = status, message.index
            return
        said = self._said(message)
        if said is None:
            return
        if transaction.asked:
            if offer is not None:
                self._answered(offer, said, _tag(message.header("To")))
        elif method == "INVITE":
            self._offered_back(message, status, transaction, said)

    def _offered_back(
        self, message: Told, status: int, transaction: _Transaction, said: Said
    ) -> None:
        """Take an offer in a response to an INVITE that has none (RFC 3261 13.2.1)."""
        before = transaction.offer
        if before is not None and before.said.session == said.session:
            before.reliable |= status >= 200
            return
        if before is not None and not before.reliable and not before.answers:
            self._offers.remove(before)
        reliable = status >= 200 or message.header("RSeq") is not None  # RFC 3262 3
        transaction.offer = self._offered(said, transaction.dialog, reliable=reliable)
        if transaction.offer is not None:
            self._waiting[*transaction.dialog, _tag(message.header("To"))] = transaction.offer
            if len(self._waiting) > _OPEN:
                self._waiting.popitem(last=False)

    def _answer_in(self, message: Told, dialog: tuple[int, str]) -> bool:
        """Take an ACK or PRACK as the answer to what a response offered; tell whether it is one."""
        offer = self._waiting.get((*dialog, _tag(message.header("To"))))
        if offer is None or offer.answers:
            return False
        said = self._said(message)
        if said is None:
            return False
        self._answered(offer, said, "")
        return True

    def _offered(
        self, said: Said, dialog: tuple[int, str], *, reliable: bool = True
    ) -> _Offer | None:
        if len(self._offers) >= MOST_EXCHANGES or not self._takes(said):
            self.left_out += 1
            return None
        offer = _Offer(said, dialog, reliable=reliable)
        self._offers.append(offer)
        return offer

    def _answered(self, offer: _Offer, said: Said, tag: str) -> None:
        key = (tag, said.session)
        if key in offer.answers:
            return
        if len(offer.answers) >= MOST_EXCHANGES or not self._takes(said):
            self.left_out += 1
            return
        offer.answers[key] = said

    def _takes(self, said: Said) -> bool:
        size = sum(1 + len(one.formats) for one in said.session.media)
        if size > self._room:
            return False
        self._room -= size
        return True

    @staticmethod
    def _said(message: Told) -> Said | None:
        """Return a message's session description, the first one where it has several."""
        found = sessions(message.raw)
        kind = message.method if message.status is None else message.status
        if not found or kind is None or not found[0].media:
            return None
        return Said(message.index, kind, message.source_uri, message.destination_uri, found[0])


def exchanges(messages: Iterable[Told]) -> list[Exchange]:
    """Return the exchanges of a conversation's messages, which are in order of time."""
    negotiation = Negotiation()
    for message in messages:
        negotiation.add(message)
    return list(negotiation.exchanges())


def on_hold(media: Media) -> bool:
    """Tell whether a stream's description keeps the other side from being heard.

    By its direction (RFC 3264 8.4) or by the address of no one (RFC 2543, for IPv6 RFC 6157 5.1).
    """
    return media.port != 0 and not _receives(media)


def _agreed(offer: Session, answer: Session) -> tuple[Agreed, ...]:
    """Return what became of each stream; the n-th line of the answer is about the n-th offered one."""
    pairs = zip_longest(offer.media, answer.media[: len(offer.media)])
    return tuple(_of_stream(offered, answered) for offered, answered in pairs)


def _of_stream(offered: Media, answered: Media | None) -> Agreed:
    if answered is None:
        return Agreed(UNANSWERED)
    if not offered.port:
        return Agreed(OFF)
    if not answered.port:
        return Agreed(REFUSED)
    names = {_codec(one) for one in offered.formats}
    common = [one for one in answered.formats if _codec(one) in names]
    codecs = tuple(one.name for one in common)
    sides = (("offer", offered), ("answer", answered))
    # Who is offered nothing to receive has to answer so, and holds nobody.
    held = tuple(
        side for side, media in sides if on_hold(media) and (side == "offer" or _sends(offered))
    )
    outcome = AGREED
    if not any(one.name.upper() not in BESIDE for one in common) and not _only_beside(offered):
        outcome = NO_CODEC
    return Agreed(outcome, codecs, _direction(offered, answered), held)


def _only_beside(media: Media) -> bool:
    return all(one.name.upper() in BESIDE for one in media.formats)


def _direction(offered: Media, answered: Media) -> str:
    """Return which way media goes, seen from the offer (RFC 3264 6.1)."""
    sends = _sends(offered) and _receives(answered)
    receives = _receives(offered) and _sends(answered)
    if sends:
        return "sendrecv" if receives else "sendonly"
    return "recvonly" if receives else "inactive"


def _sends(media: Media) -> bool:
    return media.direction in _SENDING


def _receives(media: Media) -> bool:
    nobody = media.address in ("0.0.0.0", "::") or media.address.endswith(".invalid")
    return media.direction in _RECEIVING and not nobody


def _codec(one: Format) -> tuple[str, int]:
    """Return what makes two formats the same codec: never the payload type (RFC 3264 6.1)."""
    return one.name.upper(), one.rate


def _tag(value: str | None) -> str:
    return tag_in(value or "")[:_LONGEST]


def _branch(message: Told) -> str:
    """Return what tells a transaction on one hop: the top Via's branch (RFC 3261 17.1.3)."""
    value = (message.header("Via") or "").partition(",")[0]
    return (via.top(value).branch or value)[:_LONGEST]
