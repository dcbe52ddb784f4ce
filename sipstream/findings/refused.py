"""Calls that are refused for who seems to call: the caller's number, and who forwards the call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sipstream.findings.addresses import is_address, same
from sipstream.findings.credentials import wrong_password
from sipstream.findings.neighbours import leg_before
from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject, Transaction, tag
from sipstream.findings.telling import answer, quoted
from sipstream.plan import SHORTEST, Sort, normal_number
from sipstream.sip.headers import split_values
from sipstream.sip.uri import is_number, uri_in, user_of

if TYPE_CHECKING:
    from sipstream.views import Message

_REFUSING = (403, 433)
"""Forbidden, and Anonymity Disallowed (RFC 5079)."""
_IDENTITIES = ("P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID")
_FORWARDED = ("Diversion", "History-Info")
_CREDENTIALS = ("Authorization", "Proxy-Authorization")
_USERNAME = re.compile(r'\busername\s*=\s*"([^"]{0,256})"', re.IGNORECASE)


class _Refusal(NamedTuple):
    """A call that was refused before it rang."""

    invite: Message
    final: Message
    caller: str
    called: str

    @property
    def told(self) -> str:
        return f"{answer(self.final)} to"

    @property
    def proof(self) -> tuple[Message, Message]:
        return self.invite, self.final


@rule(
    "rejected-caller-id",
    Severity.PROBLEM,
    about="a call was refused whose caller is no full number",
    source="RFC 3325 9.1",
    kinds=_REFUSING,
)
def rejected_caller_id(subject: Subject) -> Proof | None:
    """Find calls to a full number refused where neither From nor an identity has one."""
    one = _refusal(subject)
    if one is None or _has_full_caller(subject, one) or _is_own_account(subject, one):
        return None
    if not (
        _is_full(subject, one.called) or (is_number(one.called) and len(one.called) >= SHORTEST)
    ):
        # Inside a PBX extensions call extensions.
        return None
    asserted = one.invite.header(_IDENTITIES[0])
    also = "no P-Asserted-Identity has one"
    if asserted is not None:
        also = f"nor is its P-Asserted-Identity {quoted(user_of(asserted) or asserted)}"
    kind = "full number" if is_number(one.caller) else "number"
    caller = quoted(one.caller) or "without user part"
    return Proof(
        f"{one.told} a call to {quoted(one.called)} whose caller {caller} is no {kind},"
        f" {'' if asserted is not None else 'and '}{also}",
        one.proof,
    )


@rule(
    "diversion-wrong",
    Severity.PROBLEM,
    about="a forwarded call was refused whose Diversion has no full number, or another's address",
    source="RFC 5806",
    kinds=_REFUSING,
)
def diversion_wrong(subject: Subject) -> Proof | None:
    """Find forwarded calls refused whose newest Diversion isn't one of the sender's own numbers."""
    one = _refusal(subject)
    named = _first_value(one.invite, "Diversion") if one else ""
    if one is None or not named:
        return None
    number, host, sender = user_of(named), uri_in(named).host, one.invite.source_address
    wrong = []
    if not _is_full(subject, number):
        wrong.append(f"has {quoted(number or named)}, which is no full number")
    elif not _has_full_caller(subject, one):
        return None
    if is_address(host) and same(host) != same(sender):
        wrong.append(f"names {host} where {sender} sends it")
    if not wrong:
        return None
    return Proof(
        f"{one.told} a call of {quoted(one.caller)} that is forwarded:"
        f" its Diversion {', and '.join(wrong)}",
        one.proof,
    )


@rule(
    "diversion-missing",
    Severity.PROBLEM,
    about="a forwarded call was refused that doesn't say who forwards it",
    source="RFC 5806",
    kinds=_REFUSING,
)
def diversion_missing(subject: Subject) -> Proof | None:
    """Find forwarded calls refused that have neither Diversion nor History-Info (RFC 7044)."""
    one = _refusal(subject)
    if one is None or one.invite.headers_of(_FORWARDED) or not _has_full_caller(subject, one):
        return None
    forwarded = _redirected(subject, one) or _called_another(subject, one)
    if forwarded is None:
        return None
    how, messages = forwarded
    return Proof(
        f"{one.told} a call of {quoted(one.caller)} to {quoted(one.called)} that is forwarded, {how},"
        " and no Diversion says who forwards it",
        (*messages, *one.proof),
    )


@rule(
    "forbidden",
    Severity.WARNING,
    about="a call or a registration was refused as forbidden, and not for a number that is wrong",
    source="RFC 3261 21.4.4",
    kinds=(403,),
)
def forbidden(subject: Subject) -> Proof | None:
    """Find a 403 that no other rule explains."""
    others = (rejected_caller_id, diversion_wrong, diversion_missing, wrong_password)
    if any(find(subject) for find in others):
        return None
    for one in subject.of_method("INVITE", "REGISTER"):
        final = one.final
        if final and final.status == 403 and not _went_well(subject, one, final):
            return _told(one.first, final)
    return None


@rule(
    "server-failure",
    Severity.PROBLEM,
    about="a server couldn't do what a call or a registration asked it for",
    source="RFC 3261 21.5",
    kinds=range(500, 600),
)
def server_failure(subject: Subject) -> Proof | None:
    """Find a 5xx where no later try went well."""
    for one in subject.of_method("INVITE", "REGISTER"):
        final = one.final
        if final is None or not 500 <= (final.status or 0) < 600:
            continue
        if not _went_well(subject, one, final):
            return _told(one.first, final)
    return None


def _told(request: Message, final: Message) -> Proof:
    asked = f" for {quoted(_asked(request)) or 'nobody'}" if request.method == "INVITE" else ""
    return Proof(
        f"{answer(final)} to {request.method} of {_named(request, 'From')}{asked} by {final.source_uri}",
        [request, final],
    )


def _named(message: Message, header: str) -> str:
    value = message.header(header) or ""
    return quoted(user_of(value) or uri_in(value).host) or "nobody"


def _asked(request: Message) -> str:
    """Return whom a request is for."""
    return user_of(request.start_line) or user_of(request.header("To") or "")


def _went_well(subject: Subject, one: Transaction, final: Message) -> bool:
    """Tell whether the same was answered at another place, or rang at least when it was tried again."""
    return any(
        (other.final is not None and (other.final.status or 0) < 300)
        or (other.provisional is not None and other.first.index > final.index)
        for other in subject.of_method(one.method)
    )


def _refusal(subject: Subject) -> _Refusal | None:
    """Return the refused call at the hop next to who refuses it, None where it went through after all."""
    found: Transaction | None = None
    for one in subject.of_method("INVITE"):
        status = one.final.status if one.final else None
        if status is not None and status < 300:
            return None
        if status in _REFUSING and one.provisional is None and not tag(one.first, "To"):
            found = one
    if found is None or found.final is None:
        return None
    invite = found.requests[0]
    return _Refusal(invite, found.final, user_of(invite.header("From") or ""), _asked(invite))


def _is_full(subject: Subject, user: str) -> bool:
    return subject.around.plan.sort(user) in (Sort.FULL, Sort.SERVICE)


def _has_full_caller(subject: Subject, one: _Refusal) -> bool:
    """Tell whether From or an identity is a number that may call."""
    values = [part for value in one.invite.headers_of(_IDENTITIES) for part in split_values(value)]
    return any(_is_full(subject, user) for user in (one.caller, *map(user_of, values)))


def _is_own_account(subject: Subject, one: _Refusal) -> bool:
    """Tell whether the caller is the account that the call was made with: who it is was accepted."""
    return any(
        match[1].partition("@")[0] == one.caller
        for value in one.invite.headers_of(_CREDENTIALS)
        for match in _USERNAME.finditer(value)
    )


def _first_value(message: Message, name: str) -> str:
    values = split_values(message.header(name) or "")
    return values[0] if values else ""


def _redirected(subject: Subject, one: _Refusal) -> tuple[str, list[Message]] | None:
    """Tell whether the call goes to where a 301 or 302 has sent it."""
    for earlier in subject.of_method("INVITE"):
        final = earlier.final
        if final is None or final.status not in (301, 302) or final.index > one.invite.index:
            continue
        contacts = [part for value in final.headers("Contact") for part in split_values(value)]
        if one.called and one.called in map(user_of, contacts):
            return f"as {answer(final)} told", [final]
    return None


def _called_another(subject: Subject, one: _Refusal) -> tuple[str, list[Message]] | None:
    """Tell whether the caller has called another number, by what To says or by the leg before."""
    plan = subject.around.plan
    to = user_of(one.invite.header("To") or "")
    if _is_full(subject, to) and _is_full(subject, one.called):
        meant, asked = (plan.form(normal_number(user)) for user in (to, one.called))
        # What begins with a code for routing is still the same number.
        if not (asked.endswith(meant) or meant.endswith(asked)):
            return f"as its To {quoted(to)} tells", []
    leg = leg_before(one.invite, one.caller, one.called, plan)
    if leg is None:
        return None
    return f"as {one.invite.source_address} has got it for {quoted(leg.dst_num)}", []
