"""Messages that something on their way has changed: the application layer gateway of a router."""

from __future__ import annotations

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
from sipstream.sip import via
from sipstream.sip.via import Via

if TYPE_CHECKING:
    from sipstream.views import Message

_MAGIC = "z9hG4bK"
"""A branch that begins so is one of a kind (RFC 3261 8.1.1.7)."""
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
    for message in subject.originals:
        said = message.header("Content-Length") or ""
        # Text has lost CRs, streams are cut into messages by this very header.
        if message.transport != "UDP" or message.headline is not None or message.cut_off:
            continue
        if not said.isdecimal() or len(said) > len("65535"):
            continue
        body = message.body
        length = int(said)
        if length == len(body) or not body or b"\nm=" not in body:
            continue
        whole = body[:length].endswith(b"\n") and not body[length:].strip(_FILLING)
        if length < len(body) and whole:
            continue
        return Proof(
            f"Content-Length says {length} bytes, but the body of the {message.kind} has {len(body)}:"
            " something on the way seems to have changed it",
            (message,),
        )
    return None


def _rewritten(subject: Subject) -> Proof | None:
    """Find a request that says other addresses at another place of its way."""
    seen: dict[tuple[str, int, str], tuple[Message, _Said]] = {}
    for message in subject.originals:
        hop = _hop(message)
        if message.method is None or not hop.branch.startswith(_MAGIC):
            continue
        said = _said(subject, message, hop)
        key = (hop.branch, *cseq(message))
        before, told = seen.setdefault(key, (message, said))
        if (source(message), message.tap) == (source(before), before.tap):
            continue
        pairs = zip(_Said._fields, told, said, strict=True)
        what = next((name for name, one, other in pairs if one and other and one != other), None)
        if what is None:
            continue
        name = {"via": "Via", "contact": "Contact", "media": "the session description"}[what]
        return Proof(
            f"{message.method} from {shown(source(before))} says {getattr(told, what)} in"
            f" {name}, from {shown(source(message))} on {getattr(said, what)}",
            (before, message),
        )
    return None


def _via_not_as_sent(subject: Subject) -> Proof | None:
    """Find a response whose Via isn't the one that the request was sent with (RFC 3261 8.2.6.2)."""
    sent: dict[str, list[tuple[str, Message]]] = {}
    for message in subject.messages:
        hop = _hop(message)
        if not hop.branch.startswith(_MAGIC):
            continue
        if message.method is not None:
            sent.setdefault(hop.branch, []).append((_sent_by(hop), message))
        elif hop.branch in sent:
            known = sent[hop.branch]
            if _sent_by(hop) not in {one for one, _ in known}:
                was, request = known[0]
                return Proof(
                    f"{request.method} is sent with {was} in Via, {message.status} comes back with"
                    f" {_sent_by(hop)}",
                    (request, message),
                )
    return None


def _half(subject: Subject) -> Proof | None:
    """Find a Via made public and a Contact left private: who knows its own address writes it in both."""
    for message in subject.originals:
        if message.method is None or message.header("Record-Route") or message.header("Route"):
            continue
        hop, uri = only_hop(message), contact(message)
        if hop is None or uri is None or private_block(uri.host) is None:
            continue
        host = same(hop.host)
        if is_public(host) and host == source(message)[0]:
            return Proof(
                f"{message.method} has the public {host} in Via and the private {uri.host} in Contact",
                (message,),
            )
    return None


def _said(subject: Subject, message: Message, hop: Via) -> _Said:
    uri = contact(message)
    media = subject.media.get(message.index, [])
    return _Said(
        _sent_by(hop),
        shown(target(uri.text)) if uri is not None else "",
        " ".join(f"{one.address}:{one.port}" for one in media),
    )


def _hop(message: Message) -> Via:
    return via.top(message.header("Via") or "")


def _sent_by(hop: Via) -> str:
    return shown((same(hop.host), hop.port or SIP_PORT))
