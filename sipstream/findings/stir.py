"""What signed caller numbers claim, and who asks for them (RFC 8224, RFC 8588). None is verified."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject
from sipstream.findings.telling import SECOND, answer, quoted
from sipstream.sip import passport
from sipstream.sip.passport import Claims
from sipstream.sip.uri import uri_in

if TYPE_CHECKING:
    from sipstream.views import Message

_FRESH = 60
"""Seconds within which a token has to be used (RFC 8224 section 4.1)."""
_USE_IDENTITY = 428
_REASON = re.compile(r"\s*STIR\b.{0,200}?;\s*cause\s*=\s*428\b", re.IGNORECASE)
"""The same said beside another status (RFC 9410 section 3)."""
_WORDS = {
    "B": "the provider knows the customer, not whether the number is theirs",
    "C": "the provider has only passed the call on",
}
"""RFC 8588 section 4."""
_FORWARDED = ("Diversion", "History-Info")
_DIGITS = re.compile(r"[^0-9*#]")
_INVITES, _TOKENS = 8, 4
"""INVITEs of a conversation, and Identity headers of each, that are looked at."""
_LEAST = 6
"""Digits that the ends of two numbers have to share, where one of them has no country code."""


@rule(
    "stir-missing",
    Severity.PROBLEM,
    about="a call was refused or marked because its caller number isn't signed",
    source="RFC 8224 6.2.2",
    kinds=("INVITE",),
)
def stir_missing(subject: Subject) -> Proof | None:
    """Find an INVITE without Identity whose receiver asks for one."""
    wanted: tuple[Message, Message] | None = None
    for one in islice(subject.of_method("INVITE"), _INVITES):
        request = one.requests[0]
        if request.header("Identity") is not None:
            if wanted is not None and one.final is not None and (one.final.status or 0) < 300:
                # Asked for, it was given.
                wanted = None
            continue
        asking = next((response for response in one.responses if _asks(response)), None)
        if asking is not None and wanted is None:
            wanted = request, asking
    if wanted is None:
        return None
    return Proof(
        f"the INVITE has no Identity header, which {answer(wanted[1])} asks for",
        wanted,
    )


def _asks(response: Message) -> bool:
    return response.status == _USE_IDENTITY or any(map(_REASON.match, response.headers("Reason")))


@rule(
    "stir-attestation",
    Severity.NOTE,
    about="the caller number is signed, but nobody vouches for it fully",
    source="RFC 8588 4",
    kinds=("INVITE",),
)
def stir_attestation(subject: Subject) -> Proof | None:
    """Find an Identity with attestation B or C."""
    for request, claims in _signed(subject):
        meaning = _WORDS.get(claims.attestation)
        if meaning is not None:
            return Proof(
                f"the Identity header claims attestation {claims.attestation} (unverified): {meaning}",
                (request,),
            )
    return None


@rule(
    "stir-mismatch",
    Severity.WARNING,
    about="what the Identity header signs isn't what the call says",
    source="RFC 8224 4.1, 6.2",
    kinds=("INVITE",),
)
def stir_mismatch(subject: Subject) -> Proof | None:
    """Find an Identity of other numbers than the INVITE has, or of another time."""
    for request, claims in _signed(subject):
        for sentence in (_of_caller(request, claims), _of_callee(request, claims)):
            if sentence:
                return Proof(f"{sentence} (unverified)", (request,))
        # Text that tcpdump printed may not say of which day it is.
        if claims.issued is not None and request.headline is None:
            age = request.time // SECOND - claims.issued
            if abs(age) > _FRESH:
                return Proof(
                    f"the Identity header was signed {abs(age)} s {'before' if age > 0 else 'after'} the"
                    f" INVITE was seen, while {_FRESH} s are allowed (unverified)",
                    (request,),
                )
    return None


def _signed(subject: Subject) -> Iterator[tuple[Message, Claims]]:
    """Yield what the Identity headers of INVITEs that begin a call claim."""
    for one in islice(subject.of_method("INVITE"), _INVITES):
        request = one.requests[0]
        for value in request.headers("Identity")[:_TOKENS]:
            claims = passport.claims(value)
            if claims is not None and claims.kind in ("", "shaken"):
                yield request, claims


def _of_caller(request: Message, claims: Claims) -> str:
    """Tell that the number signed is neither From's nor P-Asserted-Identity's, "" where it is."""
    values = [request.header("From") or "", *request.headers("P-Asserted-Identity")]
    return _other("calls", (claims.orig,) if claims.orig else (), values)


def _of_callee(request: Message, claims: Claims) -> str:
    """Tell that the number called isn't signed, "" where it is or the call was forwarded since."""
    if any(request.header(name) for name in _FORWARDED) or len(request.headers("Identity")) > 1:
        return ""
    return _other("is called", claims.dest, [request.header("To") or "", request.start_line])


def _other(does: str, signed: tuple[str, ...], values: list[str]) -> str:
    users = [user for value in values if (user := _number(value))]
    if not signed or not users:
        return ""
    if any(_is_same(one, user) for one in signed for user in users):
        return ""
    says = quoted(users[0])
    return f"the Identity header signs that {quoted(signed[0])} {does}, the INVITE says {says}"


def _number(value: str) -> str:
    """Return the digits of a value's user part, "" where it is a name."""
    user = uri_in(value).user
    digits = _DIGITS.sub("", user)
    return digits if len(digits) >= len(user) / 2 else ""


def _is_same(one: str, other: str) -> bool:
    """Compare numbers of which one may lack country code or have a trunk prefix (RFC 8224 8.3)."""
    first, second = (_DIGITS.sub("", text).lstrip("0") for text in (one, other))
    shorter = min(len(first), len(second))
    if shorter < _LEAST:
        return first == second
    return first[-shorter:] == second[-shorter:]
