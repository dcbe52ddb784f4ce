"""Requests that go round in circles, or far oftener over the wire than they should."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject, Transaction, tag
from sipstream.findings.telling import SECOND, answer, sent_anew
from sipstream.wording import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sipstream.views import Message

_ROUNDS = 3
"""Times that a request comes by the same way: a spiral (RFC 3261 6) may come by a second time."""
_MOST = 11
"""Sendings of a request or of a 2xx within 32 s: timer E and RFC 3261 13.3.1.4 make 11, timer A 7."""
_FAST = 5
"""So many sendings each sooner than half of timer T1 after the one before are no timer's."""
_HALF_T1 = SECOND // 4
_ON_ITS_WAY = SECOND // 2
"""How long after a final response sendings may come that had not seen it."""
_HOPS = re.compile(r"\s*(\d{1,3})\s*$")


@rule(
    "loop",
    Severity.PROBLEM,
    about="a request goes round in circles",
    source="RFC 3261 16.3, RFC 5393",
)
def loop(subject: Subject) -> Proof | None:
    """Find 482, 483, and requests that come by the same way again with fewer Max-Forwards."""
    rounds = _rounds(subject)
    if rounds:
        first, last = rounds[0], rounds[-1]
        return Proof(
            f"{first.method} came {len(rounds)} times from {first.source_uri} to {first.destination_uri},"
            f" its Max-Forwards down from {_hops(first)} to {_hops(last)}",
            rounds,
        )
    for one in subject.of_method("INVITE", "REGISTER", "SUBSCRIBE", "MESSAGE", "BYE", "REFER"):
        final = one.final
        if final is None or final.status not in (482, 483):
            continue
        if final.status == 482 and _is_merged(subject, one):
            continue
        return Proof(
            f"{one.method} to {one.first.destination_uri} was answered {answer(final)}",
            [one.first, final],
        )
    return None


@rule(
    "retransmission-storm",
    Severity.WARNING,
    about="a message was sent far oftener than timers allow, or though it had been answered",
    source="RFC 3261 17.1",
)
def retransmission_storm(subject: Subject) -> Proof | None:
    """Find messages sent oftener or faster than any timer does, and requests sent on though answered."""
    for one in subject.transactions:
        for sendings in (one.sendings, *_responses(one)):
            # Each request that comes again is answered again.
            most = _MOST + (len(one.sendings) if sendings and sendings[0].status else 0)
            if len(sendings) > most or _is_fast(sendings):
                return Proof(
                    f"{_name(sendings[0])} was sent {len(sendings)} times in"
                    f" {seconds(sendings[-1].time - sendings[0].time)} by {sendings[0].source_uri}",
                    sendings,
                )
        final = one.final
        if final is None:
            continue
        late = [message for message in one.sendings if message.time > final.time + _ON_ITS_WAY]
        if len(late) >= _ROUNDS:
            return Proof(
                f"{one.method} was sent {len(late)} times more though {answer(final)} had answered it:"
                f" that doesn't reach {one.first.source_uri}",
                [final, *late],
            )
    return None


def _rounds(subject: Subject) -> list[Message]:
    """Return the sendings of a request that came by the same way on and on, with ever fewer hops left."""
    ways: dict[tuple[object, ...], list[Transaction]] = {}
    for one in subject.transactions:
        if one.requests and one.method not in ("ACK", "CANCEL"):
            key = one.method, one.number, one.first.source, one.first.destination
            ways.setdefault(key, []).append(one)
    for same in ways.values():
        if len(same) < _ROUNDS or len({tag(one.first, "From") for one in same}) > 1:
            continue
        hops = [_hops(one.first) for one in same]
        falling = all(later < earlier for earlier, later in pairwise(hops))
        if falling and min(hops) >= 0:
            return [one.first for one in same]
    return []


def _hops(message: Message) -> int:
    match = _HOPS.match(message.header("Max-Forwards") or "")
    return int(match[1]) if match else -1


def _is_merged(subject: Subject, one: Transaction) -> bool:
    """Tell whether a request was told a loop because it came two ways, and one of them went well."""
    return any(
        other.provisional or (other.final is not None and other.final.status != 482)
        for other in subject.of_method(one.method)
        if other.number == one.number and other is not one
    )


def _responses(one: Transaction) -> Iterator[list[Message]]:
    """Yield the sendings of each response, where there are many."""
    if len(one.responses) < _FAST:
        return iter(())
    same: dict[tuple[object, ...], list[Message]] = {}
    for message in one.responses:
        same.setdefault((message.status, tag(message, "To"), message.source), []).append(message)
    return map(sent_anew, same.values())


def _is_fast(sendings: list[Message]) -> bool:
    run = 1
    for earlier, later in pairwise(sendings):
        run = run + 1 if later.time - earlier.time < _HALF_T1 else 1
        if run >= _FAST:
            return True
    return False


def _name(message: Message) -> str:
    return message.method or answer(message)
