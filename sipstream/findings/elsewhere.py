"""Messages that come from, or go to, another address than was said."""

from __future__ import annotations

from sipstream.findings.addresses import End, destination, is_address, shown, source, target
from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject, Transaction, tag

_FIRST = ("INVITE", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "PUBLISH", "CANCEL")
"""They may go to a proxy that no header names, unless they are sent within a dialog."""


@rule(
    "wrong-address",
    Severity.WARNING,
    about="a message goes to, or comes from, another address than the one that was said",
    source="RFC 3261 18.2.2, RFC 3581 4",
)
def wrong_address(subject: Subject) -> Proof | None:
    """Find responses from elsewhere, and requests within a dialog that go to no known place."""
    ends = _ends(subject)
    if len(ends) == 2:
        (here, there), other = ends.values()
        if other == (there, here):
            # Two that talk to each other, and nobody else: what most conversations are.
            return None
    heard = _heard(subject, ends)
    for one in subject.transactions:
        proof = _answered_from_elsewhere(one) if one.requests else None
        proof = proof or _sent_elsewhere(heard, one)
        if proof is not None:
            return proof
    return None


def _answered_from_elsewhere(one: Transaction) -> Proof | None:
    """Find a response that doesn't come from where the request went."""
    asked = {destination(message) for message in one.requests}
    addresses = {address for address, _ in asked}
    # Where both sides of a NAT were captured, a response may be seen on one of them only.
    askers = {source(message) for message in one.requests}
    symmetric = ";rport" in (one.requests[0].header("Via") or "").lower()
    for response in one.responses:
        if response.transport != "UDP" or destination(response) not in askers:
            continue
        came = source(response)
        if came[0] not in addresses or (symmetric and came not in asked):
            return Proof(
                f"{one.method} went to {shown(destination(one.requests[0]))}, but"
                f" {response.status} comes from {shown(came)}",
                (one.requests[0], response),
            )
    return None


def _sent_elsewhere(heard: dict[End, set[End]], one: Transaction) -> Proof | None:
    """Find a request of a dialog that goes neither where it says nor where the other side sends from."""
    for request in one.requests:
        if request.transport != "UDP" or not tag(request, "To"):
            continue
        if one.method in _FIRST and one.method != "INVITE":
            continue
        said = _next_hop(request.header("Route"), request.start_line)
        went = destination(request)
        if not is_address(said[0]) or went == said:
            continue
        known = heard[source(request)]
        if not known or went in known:
            # Of whom nothing is known, the capture begins within the call or has one direction only.
            continue
        return Proof(
            f"{one.method} goes to {shown(went)}, though it is meant for {shown(said)} and nothing"
            f" ever came from {shown(went)}",
            (request,),
        )
    return None


def _next_hop(route: str | None, start_line: str) -> End:
    """Return where a request has to go (RFC 3261 8.1.2, 16.12)."""
    return target(route) if route is not None else target(start_line)


def _ends(subject: Subject) -> dict[int, tuple[End, End]]:
    """Return where messages come from and go to, by their ways."""
    ends: dict[int, tuple[End, End]] = {}
    for message in subject.messages:
        if message.way not in ends:
            ends[message.way] = source(message), destination(message)
    return ends


def _heard(subject: Subject, ends: dict[int, tuple[End, End]]) -> dict[End, set[End]]:
    """Return of each endpoint all that it has had messages from, or has sent its first request to."""
    heard: dict[End, set[End]] = {}
    for message in subject.messages:
        here, there = ends[message.way]
        if here not in heard:
            began = message.method is not None and not tag(message, "To")
            heard[here] = {there} if began else set()
        heard.setdefault(there, set()).add(here)
    return heard
