"""What nothing comes back to: requests without any response, answers without ACK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipstream.findings.addresses import is_inside
from sipstream.findings.neighbours import asks_itself, is_heard
from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject, Transaction, tag
from sipstream.findings.telling import SECOND, sent_anew
from sipstream.sip.uri import uri_in
from sipstream.wording import seconds

if TYPE_CHECKING:
    from sipstream.views import Message

_FEWEST = 3
"""Sendings that show that nothing came back: one may be lost, and the next be answered."""
_SHORTEST = SECOND
"""The third sending comes 3 * T1 after the first one, 1.5 s (RFC 3261 17.1.1.2); what is sent faster is
a flood."""
_UNHEARD = 15 * SECOND
"""The same where nothing that came to the sender was captured, as where a mirror gives one direction
only: an answer may come after some seconds. An INVITE gets 100 within 0.2 s (17.2.1)."""
_NAT_MARKS = (";fs_nat=", ";alias=", ";received=", ";x-ast-orig-host=")
"""Parameters by which FreeSWITCH, Kamailio, OpenSIPS and Asterisk note that a contact is behind a NAT."""


@rule(
    "unreachable",
    Severity.PROBLEM,
    about="a request was sent again and again, and no response came",
    source="RFC 3261 17.1.1.2",
)
def unreachable(subject: Subject) -> Proof | None:
    """Find requests sent again on timer A or E without any response."""
    one = _silence(subject)
    if one is None or _beyond_nat(one):
        return None
    return Proof(f"{_told(one)} without any response", one.requests)


@rule(
    "nat-timeout",
    Severity.PROBLEM,
    about="a request got no response from who is there, but behind a NAT or firewall",
    source="RFC 3261 17.1.1.2, RFC 4787 4.3",
)
def nat_timeout(subject: Subject) -> Proof | None:
    """Find the same where the target is there, but its NAT or firewall lets nothing in any more."""
    one = _silence(subject)
    why = _beyond_nat(one) if one else ""
    return Proof(f"{_told(one)} without any response, {why}", one.requests) if one and why else None


@rule(
    "unanswered-options",
    Severity.WARNING,
    about="a keepalive was sent again and again, and no response came",
    source="RFC 3261 11",
    kinds=("OPTIONS",),
)
def unanswered_options(subject: Subject) -> Proof | None:
    """Find OPTIONS that ask whether somebody is there, and nobody answers."""
    asked = [one for one in subject.of_method("OPTIONS") if _is_keepalive(one)]
    for one in asked:
        if _is_silence(subject, one):
            return Proof(f"{_told(one)} without any response", one.requests)
    if len(asked) < _FEWEST or any(one.responses for one in asked):
        return None
    ends = {(one.first.source_uri, one.first.destination_uri) for one in asked}
    if len(ends) > 1 or not is_heard(asked[0].first):
        return None
    span = asked[-1].first.time - asked[0].first.time
    return Proof(
        f"OPTIONS was sent {len(asked)} times in {seconds(span)} to {asked[0].first.destination_uri}"
        " without any response",
        [message for one in asked for message in one.requests],
    )


@rule(
    "no-ack",
    Severity.PROBLEM,
    about="an answer was sent again and again, and no ACK came",
    source="RFC 3261 13.3.1.4",
    kinds=("INVITE", 200),
)
def no_ack(subject: Subject) -> Proof | None:
    """Find a 2xx to INVITE that is sent again because no ACK reaches who answers."""
    all_acks: dict[tuple[int, str, str], list[Message]] = {}
    for one in subject.of_method("ACK"):
        for ack in one.requests:
            all_acks.setdefault(_answered(one, ack), []).append(ack)
    for one in subject.transactions:
        if one.method != "INVITE":
            continue
        # Of each who answers, where several do (13.2.2.4).
        answers: dict[tuple[int, str, str], list[Message]] = {}
        for message in one.responses:
            if 200 <= (message.status or 0) < 300:
                answers.setdefault(_answered(one, message), []).append(message)
        for key, same in answers.items():
            acks = sorted(all_acks.get(key, ()), key=lambda ack: ack.index)
            proof = _sent_on(one, same, acks)
            if proof is not None:
                return proof
    return None


def _answered(one: Transaction, message: Message) -> tuple[int, str, str]:
    """Return what an ACK and the answer that it is for have in common: each side numbers by itself."""
    return one.number, tag(message, "From"), tag(message, "To")


def _sent_on(one: Transaction, answers: list[Message], acks: list[Message]) -> Proof | None:
    """Find one answer that is sent on and on, though it needn't be."""
    # What was on its way already when the ACK was sent counts not.
    late = [message for message in answers if not acks or message.time > acks[0].time + SECOND // 4]
    sendings = sent_anew(late)
    if len(sendings) < _FEWEST or sendings[-1].time - sendings[0].time < _SHORTEST:
        return None
    first, lasted = sendings[0], sendings[-1].time - sendings[0].time
    if lasted < _UNHEARD and not (acks or one.requests or is_heard(first)):
        # The capture has nothing that came there, so it may lack the ACK.
        return None
    told = f"{first.status} to INVITE was sent {len(sendings)} times in {seconds(lasted)}"
    if not acks:
        return Proof(f"{told} by {first.source_uri}, and no ACK came", late)
    gone = acks[0].destination_uri
    return Proof(f"{told} by {first.source_uri} though an ACK was sent to {gone}", [acks[0], *late])


def _silence(subject: Subject) -> Transaction | None:
    """Return the first request, keepalives left out, that nothing came back to."""
    for one in subject.transactions:
        if one.method != "ACK" and not _is_keepalive(one) and _is_silence(subject, one):
            return one
    return None


def _is_keepalive(one: Transaction) -> bool:
    return one.method == "OPTIONS" and bool(one.requests) and not tag(one.first, "To")


def _is_silence(subject: Subject, one: Transaction) -> bool:
    if one.responses or len(one.sendings) < _FEWEST or one.span < _SHORTEST:
        return False
    first = one.first
    if one.method != "INVITE" and one.span < _UNHEARD and not is_heard(first):
        return False
    # A response whose Via was changed on its way, or one that the capture lacks and the ACK tells of.
    return not any(
        message.index > first.index
        for other in subject.transactions
        if other.number == one.number
        and ((other.method == one.method and not other.requests) or other.method == "ACK")
        for message in other.messages
        if first.source_address in (message.destination_address, message.source_address)
    )


def _beyond_nat(one: Transaction) -> str:
    """Return what tells that the target of a request is behind a NAT or firewall, "" for nothing."""
    first = one.first
    if is_inside(first.destination_address):
        return ""
    asked = uri_in(first.start_line)
    if is_inside(asked.host):
        return f"for a contact at {asked.host} behind a NAT, which lets nothing in"
    line = first.start_line.lower()
    if any(mark in line for mark in _NAT_MARKS):
        return "for a contact that is marked as behind a NAT, which lets nothing in"
    if asks_itself(one.sendings):
        return "though requests come from there: its NAT or firewall lets nothing in"
    return ""


def _told(one: Transaction) -> str:
    times, target = len(one.sendings), one.first.destination_uri
    return f"{one.method} was sent {times} times in {seconds(one.span)} to {target}"
