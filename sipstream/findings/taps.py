"""What several capture points, hops or transports tell together."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from sipstream.findings.addresses import End, destination, source
from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject, Transaction, tag
from sipstream.findings.telling import SECOND

if TYPE_CHECKING:
    from sipstream.views import Message

_LAG = 10_000_000
"""ns by which a capture point may lag without its clock being wrong: mirrors and HEP agents do."""
_TAPS = 6
"""Capture points that are compared with each other: fewer lie on a call's way."""
_LARGEST = 1300
"""Bytes beyond which a request has to go by TCP where the path's MTU isn't known (RFC 3261 18.1.1)."""
_FEWEST = 3
"""Sendings that show that nothing comes back."""
_TOO_LARGE = 513


@rule(
    "forked",
    Severity.NOTE,
    about="several phones answered one INVITE",
    source="RFC 3261 13.2.2.4",
    kinds=("INVITE", 200),
)
def forked(subject: Subject) -> Proof | None:
    """Find an INVITE with 2xx responses of several To tags."""
    for one in subject.transactions:
        if one.method != "INVITE":
            continue
        answers: dict[str, Message] = {}
        for response in one.responses:
            if 200 <= (response.status or 0) < 300 and (branch := tag(response, "To")):
                answers.setdefault(branch, response)
        if len(answers) > 1:
            return Proof(
                f"{len(answers)} phones answered the INVITE: each is a call of its own",
                [*one.requests[:1], *answers.values()],
            )
    return None


@rule(
    "clock-skew",
    Severity.WARNING,
    about="the clocks of two capture points contradict each other",
    source="RFC 3261 17",
)
def clock_skew(subject: Subject) -> Proof | None:
    """Find two capture points of which one sees everything first, or a response before its request."""
    if len({message.tap for message in subject.messages}) < 2:
        return None
    first: dict[str, dict[bytes, Message]] = {}
    for message in subject.messages:
        if message.tap in first or len(first) < _TAPS:
            first.setdefault(message.tap, {}).setdefault(message.raw, message)
    begun = source(subject.messages[0])
    for one, other in combinations(sorted(first), 2):
        proof = _always_later(one, other, first, begun)
        if proof is not None:
            return proof
    return _answered_before(subject)


def _always_later(
    one: str, other: str, first: dict[str, dict[bytes, Message]], begun: End
) -> Proof | None:
    """Compare the times of the same messages at two capture points, for each direction."""
    ways: dict[bool, tuple[int, Message, Message]] = {}
    for raw, here in first[one].items():
        there = first[other].get(raw)
        is_request = here.method is not None
        # Requests of who began, and responses to these: each of the two goes one way only.
        if there is None or (source if is_request else destination)(here) != begun:
            continue
        offset = there.time - here.time
        if is_request not in ways or abs(offset) < abs(ways[is_request][0]):
            ways[is_request] = offset, here, there
    if len(ways) < 2:
        return None
    (there_later, *proof), (and_back, *more) = ways.values()
    if min(there_later, and_back) <= _LAG and max(there_later, and_back) >= -_LAG:
        return None
    ahead, behind = (other, one) if there_later > 0 else (one, other)
    return Proof(
        f"the clock of {ahead} is some {abs(there_later + and_back) / 2 / SECOND:.3f} s ahead of that"
        f" of {behind}: requests and responses both seem to pass there later",
        [*proof, *more],
    )


def _answered_before(subject: Subject) -> Proof | None:
    """Find a response that one capture point saw before another one saw its request."""
    for one in subject.transactions:
        if not one.requests or not one.responses:
            continue
        request, response = one.requests[0], one.responses[0]
        if any(message.tap == response.tap for message in one.requests):
            continue
        early = request.time - response.time
        if early > _LAG:
            return Proof(
                f"capture point {response.tap} saw {response.status} {early / SECOND:.3f} s before"
                f" {request.tap} saw the {one.method} that it answers",
                (response, request),
            )
    return None


@rule(
    "transport-switch",
    Severity.WARNING,
    about="a request is too large for UDP and doesn't get through",
    source="RFC 3261 18.1.1",
)
def transport_switch(subject: Subject) -> Proof | None:
    """Find large requests by UDP that nothing answers, though smaller ones are, or TCP answers."""
    streams: dict[tuple[str, str], Message] = {}
    smaller: dict[int, tuple[Message, Message]] = {}
    lost: list[Transaction] = []
    for one in subject.transactions:
        if not one.requests or one.method == "ACK":
            continue
        request = one.requests[0]
        if one.final is not None and one.final.status == _TOO_LARGE:
            return Proof(
                f"{one.method} has {len(request.raw)} bytes and was refused as too large",
                (request, one.final),
            )
        if request.transport in ("TCP", "TLS"):
            streams[one.method, request.source_address] = request
        elif one.responses and len(request.raw) <= _LARGEST:
            smaller.setdefault(request.way, (request, one.responses[0]))
        elif not one.responses and request.transport == "UDP" and len(request.raw) > _LARGEST:
            lost.append(one)
    for one in lost:
        request = one.requests[0]
        by_stream = streams.get((one.method, request.source_address))
        if by_stream is not None and by_stream.time > request.time:
            how, proof = f"it was sent by {by_stream.transport} then", by_stream
        elif request.way in smaller and len(one.sendings) >= _FEWEST:
            small, proof = smaller[request.way]
            how = f"{small.method} with {len(small.raw)} bytes got {proof.status}"
        else:
            continue
        return Proof(
            f"{one.method} has {len(request.raw)} bytes, more than the {_LARGEST} that UDP is good"
            f" for, and got no response; {how}",
            [*one.requests, proof],
        )
    return None
