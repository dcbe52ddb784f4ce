"""Registrations and calls that are asked for credentials again and again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject, Transaction
from sipstream.findings.telling import SECOND, answer, quoted
from sipstream.sip.uri import user_of
from sipstream.wording import seconds

if TYPE_CHECKING:
    from sipstream.views import Message

_CHALLENGING = (401, 407)
_CHALLENGES = ("WWW-Authenticate", "Proxy-Authenticate")
_CREDENTIALS = ("Authorization", "Proxy-Authorization")
_FIELD = re.compile(
    r'\b(realm|nonce|stale|username)\s{0,8}=\s{0,8}(?:"([^"]{0,256})"|([^\s,"]{1,256}))', re.I
)
_LONGEST, _FIELDS = 4096, 16
"""Characters of a header, and of those fields, that are looked at."""
_MOST = 3
"""Challenges in a row: one is usual, a second one comes of an expired nonce, or of a second realm."""
_FRESH = 15 * SECOND
"""A nonce that is answered later may have expired."""


class _Digest(NamedTuple):
    """What a challenge or credentials say (RFC 7616)."""

    realm: str
    nonce: str
    user: str
    stale: bool


class _Run(NamedTuple):
    """Requests of one hop in a row that were answered by challenges, none accepted since."""

    challenged: list[Transaction]
    refused: list[tuple[Transaction, Transaction]]
    """Of these the ones whose credentials were refused: who challenged before, and the request."""


@rule(
    "wrong-password",
    Severity.PROBLEM,
    about="credentials for a fresh challenge were refused",
    source="RFC 3261 22.2, RFC 7616 3.3",
    kinds=(*_CHALLENGING, 403),
)
def wrong_password(subject: Subject) -> Proof | None:
    """Find credentials that answer a challenge just made, refused without stale=true, never accepted."""
    for run in _runs(subject):
        if not run.refused:
            continue
        before, one = run.refused[0]
        given = next((digest.user for digest in _digests(one.requests[0], _CREDENTIALS)), "")
        finals = [pair[1].final for pair in run.refused]
        times = f" {len(finals)} times" if len(finals) > 1 else ""
        assert one.final is not None
        return Proof(
            f"{answer(one.final)} to {one.method} with credentials of"
            f" {quoted(given or user_of(one.first.header('From') or ''))} for a fresh challenge{times}:"
            " the password or the user name is wrong",
            [
                message
                for message in (before.final, one.requests[0], *finals)
                if message is not None
            ],
        )
    return None


@rule(
    "auth-loop",
    Severity.PROBLEM,
    about="a request was challenged again and again",
    source="RFC 3261 22.2",
    kinds=_CHALLENGING,
)
def auth_loop(subject: Subject) -> Proof | None:
    """Find challenges in a row that no credentials answer, or that are stale when they are answered."""
    for run in _runs(subject):
        if run.refused or len(run.challenged) < _MOST:
            continue
        one, last = run.challenged[0], run.challenged[-1]
        again = [list(_digests(other.requests[0], _CREDENTIALS)) for other in run.challenged[1:]]
        if not any(again):
            how = "and no credentials came"
        elif all(again):
            how = "each time for a nonce that isn't the one of the challenge before, or has expired"
        else:
            how = "with credentials and without"
        span = seconds(last.first.time - one.first.time)
        return Proof(
            f"{one.method} was challenged {len(run.challenged)} times in {span}, {how}",
            [other.final for other in run.challenged if other.final is not None],
        )
    return None


def _runs(subject: Subject) -> Iterator[_Run]:
    """Yield for each hop, user and method the challenges that nothing accepted came after."""
    hops: dict[tuple[str, ...], list[Transaction]] = {}
    for one in subject.transactions:
        if one.requests and one.final is not None and one.method not in ("ACK", "CANCEL"):
            first = one.first
            user = user_of(first.header("From") or "")
            key = one.method, first.source_address, first.destination_address, user
            hops.setdefault(key, []).append(one)
    for sent in hops.values():
        run = _Run([], [])
        for one in sent:
            _enter(run, one)
        if run.challenged:
            yield run


def _enter(run: _Run, one: Transaction) -> None:
    final, before = one.final, run.challenged[-1] if run.challenged else None
    assert final is not None
    if final.status in _CHALLENGING:
        if before is not None and _refuses(before, one):
            run.refused.append((before, one))
        run.challenged.append(one)
    elif final.status == 403 and before is not None and _blames_credentials(final):
        run.refused.append((before, one))
    elif (final.status or 0) < 500 and final.status != 408:
        run.challenged.clear()
        run.refused.clear()


def _refuses(before: Transaction, one: Transaction) -> bool:
    """Tell whether a challenge refuses credentials that answer the challenge before it."""
    assert before.final is not None and one.final is not None
    if one.first.time - before.final.time > _FRESH or "nonce" in one.final.reason.lower():
        return False
    given = {(digest.realm, digest.nonce) for digest in _digests(one.requests[0], _CREDENTIALS)}
    answered = given & {
        (digest.realm, digest.nonce) for digest in _digests(before.final, _CHALLENGES)
    }
    again = list(_digests(one.final, _CHALLENGES))
    realms = {digest.realm for digest in again}
    return not any(digest.stale for digest in again) and any(
        realm in realms for realm, nonce in answered if nonce
    )


def _blames_credentials(final: Message) -> bool:
    """Tell whether a 403 says that it is for the password, as Asterisk's `Forbidden (Bad auth)`."""
    reason = final.reason.lower()
    return "bad auth" in reason or "password" in reason


def _digests(message: Message, names: tuple[str, ...]) -> Iterator[_Digest]:
    for value in message.headers_of(names):
        fields: dict[str, str] = {}
        for match in islice(_FIELD.finditer(value[:_LONGEST]), _FIELDS):
            fields.setdefault(match[1].lower(), match[2] or match[3])
        yield _Digest(
            fields.get("realm", ""),
            fields.get("nonce", ""),
            fields.get("username", ""),
            fields.get("stale", "").lower() == "true",
        )
