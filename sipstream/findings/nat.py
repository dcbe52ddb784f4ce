"""What goes wrong where a network address translator stands between two ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from sipstream.findings.addresses import (
    SIP_PORT,
    End,
    contact,
    contacts,
    destination,
    is_public,
    only_hop,
    private_block,
    same,
    shown,
    source,
    target,
)
from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject, Transaction, cseq
from sipstream.findings.telling import SECOND
from sipstream.sip import via
from sipstream.sip.uri import uri_in

if TYPE_CHECKING:
    from sipstream.views import Message

_BINDING = 120
"""Seconds that a NAT keeps a binding of UDP at least (RFC 4787 REQ-5); many keep it no longer."""
_LONG = 300
"""Seconds that it should keep one (ibid.): who registers for longer relies on something else."""
_CANDIDATE = re.compile(rb"(?m)^a=candidate:\S{1,64} \d{1,5} \S{1,8} \d{1,10} (\S{1,64}) ")
"""RFC 8839 section 5.1."""
_EXPIRES = re.compile(r";\s*expires\s*=\s*\"?(\d{1,10})", re.IGNORECASE)
_KEEP = re.compile(r";\s*keep\s*=\s*\d", re.IGNORECASE)
"""RFC 6223: keep-alives were agreed on."""
_CONTACTS = 64
"""Messages whose Contact is looked at: what is so is so from the first ones on."""
_DIALOGS = ("INVITE", "SUBSCRIBE", "REGISTER")
"""What tells by Contact where later requests have to go."""


@rule(
    "private-address",
    Severity.WARNING,
    about="who comes from a public address wants media or requests at a private one",
    source="RFC 1918 3",
    kinds=("INVITE", "UPDATE", "REGISTER", "SUBSCRIBE", 200),
)
def private_address(subject: Subject) -> Proof | None:
    """Find private addresses in session descriptions and Contacts that came from public ones."""
    if not any(is_public(message.source_address) for message in subject.messages):
        return None
    known = _Known(subject)
    sentences: dict[str, str] = {}
    proof: list[Message] = []
    for message in subject.originals:
        if not is_public(message.source_address):
            continue
        for what, address in _unreachable(known, message):
            sentences.setdefault(
                what,
                f"{what} {address}, a private address, though the {message.kind} comes from"
                f" {message.source_address}",
            )
            proof.append(message)
    return Proof("; ".join(sentences.values()), proof) if proof else None


class _Known:
    """What a conversation shows of networks, looked at once."""

    def __init__(self, subject: Subject) -> None:
        self._originals = subject.originals
        self.hops = subject.hops
        self.told = {
            hop.branch
            for index, hop in subject.hops.items()
            if hop.received or hop.rport is not None
        }
        """Branches of requests whose sender was told where they came from (RFC 3581)."""
        self.answered = {
            self.hops[one.index].branch for one in subject.originals if one.method is None
        }
        """Branches of requests that the capture has a response to."""
        self.media = {index: list(_private_media(subject, index)) for index in subject.media}
        """Private addresses of session descriptions, by the places of their messages."""
        self.wanted: dict[bool, set[int | None]] = {False: set(), True: set()}
        """Private networks that requests (True) and responses (False) want media in."""
        self.asked = 0
        """Messages whose Contact was looked at."""
        for message in subject.originals:
            is_request = message.method is not None
            self.wanted[is_request].update(map(private_block, self.media.get(message.index, ())))

    @cached_property
    def reached(self) -> set[tuple[End, str]]:
        """Where requests went, and the host that they are meant for."""
        requests = (one for one in self._originals if one.method is not None)
        return {(destination(one), target(one.start_line)[0]) for one in requests}


def _unreachable(known: _Known, message: Message) -> Iterator[tuple[str, str]]:
    """Yield what a message says of private addresses that its receiver can't send to."""
    near = private_block(message.destination_address)
    for address in known.media.get(message.index, ())[:1]:
        block = private_block(address)
        # Where both sides want media in one private network they may be in the same.
        if block != near and block not in known.wanted[message.method is None]:
            yield "media is wanted at", address
    known.asked += 1
    told = _private_contact(message) if known.asked <= _CONTACTS else ""
    if told and private_block(told) != near and not _seen_through(known, message, told):
        yield "requests are wanted at", told


def _private_media(subject: Subject, index: int) -> Iterator[str]:
    """Yield private addresses that a message wants media at, unless ICE names a public one too."""
    message = subject.at(index)
    if message is None:
        return
    for address in _CANDIDATE.findall(message.body):
        if is_public(address.decode("latin-1")):
            return
    for one in subject.media[index]:
        if one.port and private_block(one.address) is not None:
            yield one.address


def _private_contact(message: Message) -> str:
    """Return the private host that later requests have to go to, "" where they go elsewhere."""
    kind = message.method or cseq(message)[1]
    if kind not in _DIALOGS or (message.status is not None and not 200 <= message.status < 300):
        return ""
    if message.status is not None and kind == "REGISTER":
        return ""
    # Behind a proxy a private address is right: it is the proxy that sends there.
    if message.header("Record-Route") or message.header("Route") or message.header("Path"):
        return ""
    if only_hop(message) is None:
        return ""
    uri = contact(message)
    return uri.host if uri is not None and private_block(uri.host) is not None else ""


def _seen_through(known: _Known, message: Message, told: str) -> bool:
    """Tell whether the other side may know where the message really came from, and use that."""
    branch = known.hops[message.index].branch
    # Of a request whose response the capture lacks, it isn't known.
    if message.method is not None and (branch in known.told or branch not in known.answered):
        return True
    return (source(message), same(told)) in known.reached


@rule(
    "registration-expiry",
    Severity.WARNING,
    about="a registration lasts longer than a NAT remembers it, or is too short for the registrar",
    source="RFC 4787 4.3",
    kinds=("REGISTER",),
)
def registration_expiry(subject: Subject) -> Proof | None:
    """Find registrations through a NAT that are renewed too late, and loops of 423."""
    registers = list(subject.of_method("REGISTER"))
    return _too_brief(registers) or _too_long(registers)


def _too_brief(registers: list[Transaction]) -> Proof | None:
    """Find 423 after 423 (RFC 3261 10.2.8): the client asks for as little as before."""
    refused: list[Transaction] = []
    for one in registers:
        status = one.final.status if one.final is not None else None
        if status == 423:
            refused.append(one)
        elif status is not None and 200 <= status < 300:
            refused.clear()
    if len(refused) < 2:
        return None
    last = refused[-1]
    least = last.final.header("Min-Expires") if last.final is not None else None
    wanted = f", while the registrar takes {least} s at least" if least else ""
    asked = _asked(last.requests[0])
    short = f" for {asked} s" if asked is not None else ""
    return Proof(
        f"registering{short} was refused as too short {len(refused)} times{wanted}",
        [message for one in refused for message in (one.requests[0], one.final) if message],
    )


def _too_long(registers: list[Transaction]) -> Proof | None:
    done = [one for one in registers if one.final is not None and one.final.status == 200]
    times = [one.final.time for one in done if one.final is not None]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if gaps and max(gaps) <= _BINDING * SECOND:
        return None
    for one in done:
        request, answer = one.requests[0], one.final
        if answer is None or request.transport != "UDP":
            continue
        outside = _outside(request, answer)
        seconds = _granted(request, answer) if outside else 0
        if seconds > _LONG and not _kept_alive(answer):
            return Proof(
                f"registered for {seconds} s through a NAT, which may forget after {_BINDING} s"
                f" that {outside}",
                (request, answer),
            )
    return None


def _outside(request: Message, answer: Message) -> str:
    """Return what a NAT has made of an address, "" where no NAT shows."""
    hop = via.top(answer.header("Via") or "")
    inside = same(hop.host), hop.port or SIP_PORT
    seen = same(hop.received) if hop.received else inside[0]
    moved = seen, inside[1] if hop.rport is None else hop.rport
    if private_block(inside[0]) is not None and is_public(moved[0]):
        return f"{shown(inside)} is {shown(moved)} outside"
    uri = contact(request)
    if (
        uri is not None
        and private_block(uri.host) is not None
        and is_public(request.source_address)
    ):
        return f"{uri.host} is {shown(source(request))} outside"
    return ""


def _granted(request: Message, answer: Message) -> int:
    """Return for how many seconds the registrar keeps what was registered (RFC 3261 10.3)."""
    uri = contact(request)
    if uri is None or _asked(request) == 0:
        return 0
    for part in contacts(answer):
        match = _EXPIRES.search(part)
        if match and uri_in(part).user == uri.user:
            return int(match[1])
    given = answer.header("Expires") or ""
    return int(given) if re.fullmatch(r"\d{1,10}", given) else _asked(request) or 0


def _asked(request: Message) -> int | None:
    """Return for how many seconds a REGISTER asks, None where it doesn't say."""
    match = _EXPIRES.search(request.header("Contact") or "")
    given = match[1] if match else request.header("Expires") or ""
    return int(given) if re.fullmatch(r"\d{1,10}", given) else None


def _kept_alive(answer: Message) -> bool:
    """Tell whether keep-alives were agreed on (RFC 6223, RFC 5626 4.4)."""
    return bool(answer.header("Flow-Timer") or _KEEP.search(answer.header("Via") or ""))
