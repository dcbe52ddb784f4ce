"""Messages that something on their way has changed: the application layer gateway of a router."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sipstream.findings.addresses import (
    SIP_PORT,
    contact,
    is_public,
    only_hop,
    private_block,
    same,
    shown,
    source,
    target,
)
from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject, cseq
from sipstream.sip.via import Via

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sipstream.views import Message

_MAGIC = "z9hG4bK"
"""A branch that begins so is one of a kind (RFC 3261 8.1.1.7)."""
_NAMES = {"via": "Via", "contact": "Contact", "media": "the session description"}
_PAIRS = 64
"""Requests that are compared: a way rewrites all of them, or the first ones."""
_FILLING = b"\r\n\0 "
"""What may stand behind a body without being of it."""


class _Said(NamedTuple):
    """What a request says of addresses: the same wherever it passes, since no proxy keeps the branch."""

    via: str
    contact: str
    media: str


@rule(
    "alg-mangled",
    Severity.WARNING,
    about="something on the way has rewritten a message, as the ALG of a router does",
    source="RFC 3261 16.6, 20.14",
)
def alg_mangled(subject: Subject) -> Proof | None:
    """Find lengths that don't fit, addresses that change on the way, Vias that don't come back."""
    return (
        _rewritten(subject) or _via_not_as_sent(subject) or _wrong_length(subject) or _half(subject)
    )


def _wrong_length(subject: Subject) -> Proof | None:
    """Find a body that isn't as long as Content-Length says: it was changed, its length wasn't."""
    for index in sorted(subject.media):
        message = subject.at(index)
        # Text has lost CRs, streams are cut into messages by this very header.
        if message is None or message.transport != "UDP" or message.headline or message.cut_off:
            continue
        said = message.header("Content-Length") or ""
        if not said.isdecimal() or len(said) > len("65535"):
            continue
        body = message.body
        length = int(said)
        whole = body[:length].endswith(b"\n") and not body[length:].strip(_FILLING)
        if length == len(body) or (length < len(body) and whole):
            continue
        return Proof(
            f"Content-Length says {length} bytes, but the body of the {message.kind} has {len(body)}:"
            " something on the way seems to have changed it",
            (message,),
        )
    return None


def _rewritten(subject: Subject) -> Proof | None:
    """Find a request that says other addresses at another place of its way."""
    for one, other in _at_two_places(subject):
        pairs = zip(_Said._fields, _said(subject, one), _said(subject, other), strict=True)
        for name, before, after in pairs:
            if before and after and before != after:
                return Proof(
                    f"{one.method} from {shown(source(one))} says {before} in {_NAMES[name]},"
                    f" from {shown(source(other))} on {after}",
                    (one, other),
                )
    return None


def _at_two_places(subject: Subject) -> Iterator[tuple[Message, Message]]:
    """Yield requests as they were first seen, each with itself from elsewhere or at another tap."""
    first: dict[tuple[str, str], tuple[int, Message]] = {}
    pairs = 0
    for message in subject.originals:
        branch = subject.hops[message.index].branch
        if message.method is None or not branch.startswith(_MAGIC):
            continue
        number = cseq(message)[0]
        begun, before = first.setdefault((branch, message.method), (number, message))
        if begun != number or (before.way == message.way and before.tap == message.tap):
            continue
        yield before, message
        pairs += 1
        if pairs == _PAIRS:
            return


def _via_not_as_sent(subject: Subject) -> Proof | None:
    """Find a response whose Via isn't the one that the request was sent with (RFC 3261 8.2.6.2)."""
    sent: dict[str, list[tuple[str, Message]]] = {}
    for message in subject.messages:
        hop = subject.hops[message.index]
        if not hop.branch.startswith(_MAGIC):
            continue
        if message.method is not None:
            sent.setdefault(hop.branch, []).append((_sent_by(hop), message))
        elif hop.branch in sent:
            known = sent[hop.branch]
            if all(_sent_by(hop) != one for one, _ in known[:_PAIRS]):
                was, request = known[0]
                return Proof(
                    f"{request.method} is sent with {was} in Via, {message.status} comes back with"
                    f" {_sent_by(hop)}",
                    (request, message),
                )
    return None


def _half(subject: Subject) -> Proof | None:
    """Find a Via made public and a Contact left private: who knows its own address writes it in both."""
    for one in islice(subject.transactions, _PAIRS):
        if not one.requests or not is_public(same(one.via.host)):
            continue
        message = one.requests[0]
        if same(one.via.host) != source(message)[0] or only_hop(message) is None:
            continue
        uri = contact(message)
        if uri is None or private_block(uri.host) is None:
            continue
        if message.header("Record-Route") is None and message.header("Route") is None:
            return Proof(
                f"{message.method} has the public {one.via.host} in Via and the private {uri.host} in"
                " Contact",
                (message,),
            )
    return None


def _said(subject: Subject, message: Message) -> _Said:
    uri = contact(message)
    return _Said(
        _sent_by(subject.hops[message.index]),
        shown(target(uri.text)) if uri is not None else "",
        " ".join(f"{one.address}:{one.port}" for one in subject.media.get(message.index, ())),
    )


def _sent_by(hop: Via) -> str:
    return shown((same(hop.host), hop.port or SIP_PORT))
