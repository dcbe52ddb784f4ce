"""SIP messages for the captures that make_captures builds.

An `Agent` is a box on the network, its `Style` how such boxes write. A `Dialog` is one Call-ID
between two agents; it remembers tags, branches and sequence numbers, so that each message repeats
what it must. Knows nothing of scenarios: who says what and when comes from the caller, randomness
as an argument.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import TYPE_CHECKING

from captures_wire import MICROSECONDS, Endpoint, card

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

Header = tuple[str, str]

DOMAIN = "voip.example"
SDP = "application/sdp"

_COMPACT = {
    "Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Content-Type": "c",
    "Content-Length": "l", "Supported": "k", "Event": "o",
}  # fmt: skip
_WITH_CONTACT = {"INVITE", "SUBSCRIBE", "REGISTER", "NOTIFY"}
_WORD = "0123456789ABCDEFGHJKLMNPQRSTUVXYZabcdefghijkmnopqrstuvxyz"
_ALPHABETS = {
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "dec": "123456789",
    "word": _WORD,
}
_FIELD = re.compile(r"\{(hex|HEX|dec|word)(\d+)\}")


@dataclass(frozen=True, slots=True)
class Style:
    """How one make of agent writes its messages."""

    product: str
    call_id: str
    tag: str
    branch: str
    order: str
    """The headers of a request in the order in which this make writes them."""
    first_number: tuple[int, int] = (1, 1)
    rport: bool = True
    allow: str = ""
    supported: str = ""
    trying: str = "Trying"
    dated: bool = False
    compact: bool = False
    session: str = "-"
    codecs: tuple[str, ...] = ("8 PCMA", "0 PCMU")


@dataclass(frozen=True, slots=True)
class Agent:
    """A box that speaks SIP."""

    host: str
    style: Style
    port: int = 5060

    @property
    def endpoint(self) -> Endpoint:
        """Where it sends from and receives."""
        return Endpoint(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Party:
    """A caller or callee: a number or name, what a display shows, a URI if it isn't the usual."""

    user: str
    display: str = ""
    uri: str = ""

    def value(self, host: str) -> str:
        """Return the From or To value for this party, without a tag."""
        display = f'"{self.display}" ' if self.display else ""
        user = f"{self.user}@" if self.user else ""
        return f"{display}<{self.uri or f'sip:{user}{host}'}>"


@dataclass(frozen=True, slots=True)
class Message:
    """One message on its way between two endpoints."""

    at: int
    source: Endpoint
    target: Endpoint
    payload: bytes
    fixed: bool = False
    """The time is printed in a figure and must not move."""
    shown: bytes = b""
    """What the text form shows instead of the payload, where a figure's print differs."""
    again: int = 0
    """Microseconds until a second interface saw it, where a figure prints that."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a response, an ACK or a CANCEL repeats of a request."""

    method: str
    uri: str
    number: int
    via: str
    by_far: bool
    from_: str
    to: str


@dataclass(slots=True)
class Side:
    """One end of a dialog."""

    agent: Agent
    party: Party
    value: str
    tag: str
    number: int
    contact: str
    media: tuple[int, int] = field(default=(0, 0))
    """Session id and audio port of its session description."""

    @property
    def tagged(self) -> str:
        """Its From or To value with the tag."""
        return f"{self.value};tag={self.tag}"


def fill(template: str, rng: random.Random, agent: Agent) -> str:
    """Return a template with `{hex8}`-like fields drawn and `{host}`, `{mac}` put in."""

    def draw(match: re.Match[str]) -> str:
        letters = _ALPHABETS[match[1]]
        return "".join(rng.choice(letters) for _ in range(int(match[2])))

    fixed = template.replace("{host}", agent.host).replace("{mac}", card(agent.host).hex())
    return _FIELD.sub(draw, fixed)


def render(
    start: str, headers: Iterable[Header], body: bytes = b"", *, compact: bool = False
) -> bytes:
    """Return a message as bytes, with the Content-Length that its body has."""
    rows = [*headers, ("Content-Length", str(len(body)))]
    names = _COMPACT if compact else {}
    lines = [start, *(f"{names.get(name, name)}: {value}" for name, value in rows)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def digest(user: str, realm: str, nonce: str, method: str, uri: str) -> str:
    """Return the value of a Digest Authorization header (RFC 2617 without qop)."""
    secret = md5(f"{user}:{realm}:{user[::-1]}-leyni")
    response = md5(f"{secret}:{nonce}:{md5(f'{method}:{uri}')}")
    return (
        f'Digest username="{user}",realm="{realm}",nonce="{nonce}",uri="{uri}",'
        f'response="{response}",algorithm=MD5'
    )


def md5(text: str) -> str:
    """Return the MD5 of a text as hexadecimal digits, as Digest wants it."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Dialog:
    """One Call-ID between two agents, and the messages sent so far."""

    def __init__(
        self,
        rng: random.Random,
        near: Agent,
        far: Agent,
        parties: tuple[Party, Party],
        call_id: str = "",
    ) -> None:
        self._rng = rng
        self.messages: list[Message] = []
        self.call_id = call_id or fill(near.style.call_id, rng, near)
        caller, callee = parties
        phone = near.host.startswith("10.30.")
        self.near = self._side(near, caller, DOMAIN if phone else near.host)
        self.far = self._side(far, callee, DOMAIN if phone else far.host)

    def _side(self, agent: Agent, party: Party, host: str) -> Side:
        rng = self._rng
        return Side(
            agent=agent,
            party=party,
            value=party.value(host),
            tag=fill(agent.style.tag, rng, agent),
            number=rng.randint(*agent.style.first_number),
            contact=f"sip:{party.user or 'gw'}@{agent.host}:{agent.port}",
            media=(rng.randrange(10**8, 10**9), rng.randrange(5_000, 32_000) * 2),
        )

    def request(
        self,
        at: int,
        method: str,
        *,
        by_far: bool = False,
        within: bool = False,
        uri: str = "",
        headers: Iterable[Header] = (),
        body: bytes = b"",
    ) -> Request:
        """Send a request with the next sequence number, `within` the dialog or to start one."""
        own, other = self._sides(by_far=by_far)
        to = other.tagged if within else other.value
        target = uri or (other.contact if within else _uri_of(other.value))
        number = own.number
        own.number += 1
        return self._send(
            at, Request(method, target, number, "", by_far, own.tagged, to), headers, body
        )

    def acknowledge(self, at: int, request: Request) -> Request:
        """Send the ACK of a 2xx response: a transaction of its own."""
        other = self._sides(by_far=request.by_far)[1]
        ack = replace(request, method="ACK", uri=other.contact, via="", to=other.tagged)
        return self._send(at, ack, (), b"")

    def follow_up(
        self, at: int, request: Request, method: str, headers: Iterable[Header] = ()
    ) -> Request:
        """Send the CANCEL of a request or the ACK of its failure: same branch, same number."""
        other = self._sides(by_far=request.by_far)[1]
        to = other.tagged if method == "ACK" else request.to
        return self._send(at, replace(request, method=method, to=to), headers, b"")

    def repeat(self, at: int, index: int) -> None:
        """Send an earlier message once more, byte for byte."""
        self.messages.append(replace(self.messages[index], at=at))

    def new_far_tag(self) -> None:
        """Let the far side answer the next request with another tag, as after a challenge."""
        self.far.tag = fill(self.far.agent.style.tag, self._rng, self.far.agent)

    def share_address(self) -> None:
        """Let both sides name the near one's address, as a REGISTER does."""
        self.far.value = self.far.party.value(DOMAIN)
        self.near.value = self.near.party.value(DOMAIN)

    def move(self, by: int) -> None:
        """Move all messages in time."""
        self.messages = [replace(message, at=message.at + by) for message in self.messages]

    def respond(
        self,
        at: int,
        request: Request,
        status: str,
        *,
        headers: Iterable[Header] = (),
        body: bytes = b"",
        contact: bool = False,
    ) -> None:
        """Answer a request; every response but 100 carries the To tag."""
        asker, own = self._sides(by_far=request.by_far)
        tagged = status.startswith("100") or ";tag=" in request.to
        style = own.agent.style
        rows: list[Header] = [
            ("Via", _answered_via(request.via, asker.agent)),
            ("From", request.from_),
            ("To", request.to if tagged else own.tagged),
            ("Call-ID", self.call_id),
            ("CSeq", f"{request.number} {request.method}"),
            ("Server" if style.dated else "User-Agent", style.product),
        ]
        if contact:
            rows.append(("Contact", f"<{own.contact}>"))
        rows += headers
        if body:
            rows.append(("Content-Type", SDP))
        payload = render(f"SIP/2.0 {status}", rows, body, compact=style.compact)
        self.messages.append(Message(at, own.agent.endpoint, asker.agent.endpoint, payload))

    def trying(self, at: int, request: Request) -> None:
        """Answer 100 in the words of the answering agent."""
        own = self._sides(by_far=request.by_far)[1]
        self.respond(at, request, f"100 {own.agent.style.trying}")

    def description(self, *, by_far: bool = False) -> bytes:
        """Return the session description of one side."""
        own = self._sides(by_far=by_far)[0]
        session, port = own.media
        style, host = own.agent.style, own.agent.host
        kinds = [codec.split()[0] for codec in style.codecs]
        lines = [
            "v=0",
            f"o={style.session} {session} {session} IN IP4 {host}",
            "s=-",
            f"c=IN IP4 {host}",
            "t=0 0",
            f"m=audio {port} RTP/AVP {' '.join(kinds)} 101",
            "a=rtpmap:101 telephone-event/8000",
            "a=sendrecv",
        ]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def _sides(self, *, by_far: bool) -> tuple[Side, Side]:
        return (self.far, self.near) if by_far else (self.near, self.far)

    def _send(self, at: int, request: Request, headers: Iterable[Header], body: bytes) -> Request:
        own, other = self._sides(by_far=request.by_far)
        sent = request if request.via else replace(request, via=self._via(own.agent))
        style = own.agent.style
        rows: list[Header] = [
            ("Via", sent.via),
            ("Max-Forwards", "70"),
            ("From", sent.from_),
            ("To", sent.to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{sent.number} {sent.method}"),
            ("User-Agent", style.product),
        ]
        if sent.method in _WITH_CONTACT:
            rows.append(("Contact", f"<{own.contact}>"))
        if sent.method == "INVITE":
            rows += _invite_headers(style, at)
        rows = _ordered([*rows, *headers], style.order)
        if body and sent.method == "INVITE":
            rows.append(("Content-Type", SDP))
        payload = render(f"{sent.method} {sent.uri} SIP/2.0", rows, body, compact=style.compact)
        self.messages.append(Message(at, own.agent.endpoint, other.agent.endpoint, payload))
        return sent

    def _via(self, agent: Agent) -> str:
        branch = fill(agent.style.branch, self._rng, agent)
        rport = ";rport" if agent.style.rport else ""
        return f"SIP/2.0/UDP {agent.host}:{agent.port}{rport};branch=z9hG4bK{branch}"


def _invite_headers(style: Style, at: int) -> list[Header]:
    date = formatdate(at // MICROSECONDS, usegmt=True) if style.dated else ""
    rows = [("Date", date), ("Allow", style.allow), ("Supported", style.supported)]
    return [row for row in rows if row[1]]


def _ordered(rows: list[Header], order: str) -> list[Header]:
    places = {name: place for place, name in enumerate(order.split())}
    return sorted(rows, key=lambda row: places.get(row[0], len(places)))


def _answered_via(via: str, asker: Agent) -> str:
    return via.replace(";rport;", f";received={asker.host};rport={asker.port};")


def _uri_of(value: str) -> str:
    return value.partition("<")[2].partition(">")[0]
