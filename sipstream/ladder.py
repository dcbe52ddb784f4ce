"""A ladder: endpoints as columns, messages between them as arrows, sendings of one message folded.

Pure values that text and pictures are drawn from. Texts are the traffic's own: who draws escapes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from sipstream.limits import COPY_WINDOW, RESENT_WITHIN
from sipstream.sip import sdp, via
from sipstream.titles import title

if TYPE_CHECKING:
    from sipstream.views import Message, Sighting

NameOf = Callable[[str], str]
"""Returns the name of an endpoint (`10.20.0.22:5060`) or an address, "" where it has none."""

NEW, AGAIN, COPY = range(3)
"""What a message is: a first sending, another one of the same, or seen at another capture point."""

_STREAMS = ("TCP", "TLS", "WS", "WSS")
_SIPS_PORT, _SIP_PORT = 5061, 5060
_CODECS = 6
"""Codecs named of one stream; what is offered first matters, an offer may have dozens."""
_STREAMS_NAMED = 4
"""Streams of one session description that are named; a call has one or two."""
_DIGEST = 16


class Column(NamedTuple):
    """An endpoint, or several that are one party's."""

    endpoint: str
    """`10.20.0.22:5060`; where several are joined, the one that the party listens at."""
    address: str
    shown: str
    """Its name where it has one, else the endpoint."""
    endpoints: tuple[str, ...]
    """All that are joined here, in order of appearance."""


class Arrow(NamedTuple):
    """A message, with all its sendings and what other capture points gave of it."""

    time: int
    """ns since the epoch."""
    delta: int
    """The time since the arrow before, ns; 0 for the first."""
    source: int
    """The column that it leaves."""
    target: int
    """The column that it reaches: the same where a message was sent to its sender."""
    label: str
    """`INVITE`, `180 Ringing`."""
    kind: int | str
    """The status code of a response, the method of a request."""
    answers: str
    """The method that a response answers, "" for a request."""
    transport: str
    sendings: int
    """How often it was sent: 1 but for what was retransmitted."""
    span: int
    """The time from the first sending to the last, ns."""
    copies: int
    """How often it was seen besides, at other capture points."""
    media: str
    """What its session descriptions say, in a line; "" for none."""
    messages: tuple[int, ...]
    """The places of all these messages in their conversation."""
    leg: int
    """Which of the ladder's legs it belongs to."""
    source_endpoint: str
    target_endpoint: str
    cut: bool
    """The capture lacks a part of it."""
    sightings: tuple[Sighting, ...] = ()
    """Which taps saw its first sending and when, where a tap told of it."""


class Leg(NamedTuple):
    """One of the conversations of a ladder."""

    conversation: int
    """Its number, as `Message.conversation` has it."""
    call_id: str


class Ladder(NamedTuple):
    """Columns and legs in order of their first appearance, arrows by time."""

    columns: tuple[Column, ...]
    arrows: tuple[Arrow, ...]
    legs: tuple[Leg, ...]


def build(messages: Iterable[Message], name_of: NameOf | None = None) -> Ladder:
    """Return the ladder of messages of one conversation or of several."""
    building = Building(name_of)
    for message in sorted(messages, key=lambda one: one.time):
        building.enter(message)
    return building.ladder(building.arrows())


class Building:
    """A ladder that is being made, message by message and arrow by arrow: others may have their turn."""

    def __init__(self, name_of: NameOf | None = None) -> None:
        self._columns = Columns(name_of)
        self._folds = Folds()
        self._drafts: list[tuple[Message, Sent]] = []
        self._legs: dict[int, Leg] = {}

    def enter(self, message: Message) -> None:
        """Take in the next message by time."""
        self._columns.learn(message)
        sent, what = self._folds.enter(message)
        if what == NEW:
            self._drafts.append((message, sent))
        if message.conversation not in self._legs:
            self._legs[message.conversation] = leg_of(message)

    def arrows(self) -> Iterator[Arrow]:
        """Yield the arrows of all that was entered."""
        places = {number: place for place, number in enumerate(self._legs)}
        before: Message | None = None
        for message, sent in self._drafts:
            delta = 0 if before is None else message.time - before.time
            yield arrow(message, sent, self._columns.ends(message), delta, places)
            before = message

    def ladder(self, arrows: Iterable[Arrow]) -> Ladder:
        """Return the ladder of these arrows, all that there are."""
        made = tuple(arrows)
        return Ladder(self._columns.all(), made, tuple(self._legs.values()))


def leg_of(message: Message) -> Leg:
    """Return the leg that a message belongs to."""
    call_id = message.origin.c_call_id[message.conversation]
    return Leg(message.conversation, call_id.decode("utf-8", "surrogateescape"))


def arrow(
    message: Message, sent: Sent, ends: tuple[int, int], delta: int, legs: dict[int, int]
) -> Arrow:
    """Return the arrow of a message as often as it was sent so far."""
    return Arrow(
        time=message.time,
        delta=delta,
        source=ends[0],
        target=ends[1],
        label=title(message),
        kind=message.kind,
        answers="" if message.status is None else _method(message.cseq),
        transport=message.transport,
        sendings=sent.sendings,
        span=sent.last - sent.first,
        copies=sent.copies,
        media=described(message.raw),
        messages=tuple(sent.messages),
        leg=legs[message.conversation],
        source_endpoint=message.source_uri,
        target_endpoint=message.destination_uri,
        cut=message.cut,
        sightings=tuple(message.sightings) if message.is_of_network else (),
    )


class Sent:
    """A message and how often it was seen."""

    __slots__ = ("copies", "first", "last", "messages", "sendings")

    def __init__(self, message: Message) -> None:
        self.first = self.last = message.time
        self.sendings, self.copies = 1, 0
        self.messages = [message.index]


class Folds:
    """Tells what is new from what was sent again and from copies.

    `most` is how many messages are remembered, None for all of them and for where each was seen:
    what never ends, as a follow, would remember more and more.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._sent: dict[tuple[tuple[int, int], bytes], Sent] = {}

    def enter(self, message: Message) -> tuple[Sent, int]:
        """Return how often a message was seen with this time, and which of NEW, AGAIN, COPY it is.

        The same bytes between the same endpoints: within COPY_WINDOW seen twice, within RESENT_WITHIN
        sent again (RFC 3261 17.1.1.2), later than that another message.
        """
        raw = message.raw
        # What the file has lost can't be compared.
        content = blake2b(raw, digest_size=_DIGEST).digest() if raw else b"%d" % message.id
        key = message.origin.ways.ends(message.way), content
        sent = self._sent.get(key)
        if sent is None or message.time - sent.last > RESENT_WITHIN:
            self._sent.pop(key, None)
            sent = self._sent[key] = Sent(message)
            if self._most is not None and len(self._sent) > self._most:
                del self._sent[next(iter(self._sent))]
            return sent, NEW
        if self._most is None:
            sent.messages.append(message.index)
        if message.time - sent.last <= COPY_WINDOW:
            sent.copies += 1
            return sent, COPY
        sent.sendings += 1
        sent.last = message.time
        return sent, AGAIN


class Columns:
    """Gives endpoints their columns, in order of appearance.

    Usually one each. Two of one address are one party where the party itself says so in Via: it
    listens at the port in sent-by, whatever port it sends from (RFC 3261 18.1.1), as over TCP it has
    to. Behind a NAT sent-by is another address: there connections of one address are a party's that
    names itself the same in all; over UDP they stay apart, since a port that changes in the middle of
    a call is what one looks for. Endpoints between which messages go are never joined.
    """

    def __init__(self, name_of: NameOf | None = None) -> None:
        self._name_of = name_of or (lambda text: "")
        self._joined: dict[str, str] = {}
        self._targets: set[str] = set()
        self._parties: dict[tuple[str, str, int | None], str] = {}
        self._pairs: set[tuple[str, str]] = set()
        self._places: dict[str, int] = {}
        self._found: list[tuple[str, str, list[str]]] = []

    def __len__(self) -> int:
        return len(self._found)

    def learn(self, message: Message) -> None:
        """Take note of what a message says of its sender; before columns are asked for."""
        source, destination = message.source_uri, message.destination_uri
        self._pairs.add((source, destination))
        if message.status is not None or source in self._targets:
            return
        hop = via.top(message.header("Via") or "")
        if hop.host.lower() == message.source_address:
            port = hop.port or (_SIPS_PORT if hop.transport == "TLS" else _SIP_PORT)
            target = _endpoint(message.source_address, port)
        elif message.transport in _STREAMS and hop.host:
            party = (message.source_address, *hop.sent_by)
            target = self._parties.setdefault(party, source)
        else:
            return
        target = self._joined.get(target, target)
        if target not in (source, destination):
            self._joined[source] = target
            self._targets.add(target)

    def ends(self, message: Message) -> tuple[int, int]:
        """Return the columns that a message leaves and reaches."""
        return (
            self._column(message.source_uri, message.source_address),
            self._column(message.destination_uri, message.destination_address),
        )

    def all(self) -> tuple[Column, ...]:
        """Return the columns that were asked for so far."""
        counts: dict[str, int] = {}
        for _, address, _ in self._found:
            counts[address] = counts.get(address, 0) + 1
        return tuple(
            Column(endpoint, address, self._shown(endpoint, address, counts[address]), tuple(all_))
            for endpoint, address, all_ in self._found
        )

    def _column(self, endpoint: str, address: str) -> int:
        place = self._places.get(endpoint)
        if place is not None:
            return place
        target = self._joined.get(endpoint, endpoint)
        if {(endpoint, target), (target, endpoint)} & self._pairs:
            target = endpoint
        place = self._places.get(target)
        if place is None:
            place = self._places[target] = len(self._found)
            self._found.append((target, address, []))
        self._places[endpoint] = place
        self._found[place][2].append(endpoint)
        return place

    def _shown(self, endpoint: str, address: str, count: int) -> str:
        """Return what stands above a column; `count` is how many have its address."""
        name = self._name_of(endpoint)
        if name:
            return name
        name = self._name_of(address)
        if name:
            return name if count == 1 else f"{name}:{endpoint.rpartition(':')[2]}"
        return endpoint


def described(raw: bytes) -> str:
    """Return what a message's session descriptions say: address and port, direction, codecs.

    `10.20.0.22:13270 PCMA PCMU`; the kind where it isn't audio, the direction where it isn't sendrecv.
    """
    if b"m=" not in raw:
        return ""
    streams = sdp.media(raw)
    texts = [_stream(one) for one in streams[:_STREAMS_NAMED]]
    if len(streams) > _STREAMS_NAMED:
        texts.append(f"and {len(streams) - _STREAMS_NAMED} more")
    return ", ".join(texts)


def _stream(one: sdp.Media) -> str:
    words = [] if one.kind == "audio" else [one.kind]
    if not one.port:
        return " ".join([one.kind, "refused"])
    words.append(_endpoint(one.address, one.port) if one.address else f"port {one.port}")
    if one.direction != sdp.DIRECTIONS[0]:
        words.append(one.direction)
    words += one.codecs[:_CODECS]
    if len(one.codecs) > _CODECS:
        words.append(f"+{len(one.codecs) - _CODECS}")
    return " ".join(words)


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _method(cseq: str) -> str:
    return cseq.split(None, 1)[1].strip() if len(cseq.split(None, 1)) > 1 else ""
