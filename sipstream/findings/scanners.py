"""Who looks for what can be called for nothing, or broken into."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject, tag
from sipstream.findings.telling import quoted
from sipstream.sip.uri import user_of
from sipstream.wording import seconds

if TYPE_CHECKING:
    from sipstream.views import Message

_TOOLS = re.compile(
    r"\b(?:friendly-scanner|friendly-request|sipvicious|sipcli|pplsip|sip-scan|sipscan|sundayddr|iwar|"
    r"sivus|smap|siparmyknife|svmap|svwar|svcrack|sippts|vaxsipuseragent|vaxipuseragent|"
    r"sipptk|gulp/)",
    re.IGNORECASE,
)
"""What scanners call themselves, unless they call themselves otherwise."""
_TELLTALE = re.compile(r'"sipvicious"|@1\.1\.1\.1[>:;]', re.IGNORECASE)
"""What svmap writes in From and To, whatever its User-Agent."""
_LONGEST = 1000
_ASKED = 16
"""Requests that are looked at for a name: a scanner has the same in all."""
_USERS = 5
"""So many users asked for under one Call-ID by one sender, and none there, are a search."""


@rule(
    "scanner",
    Severity.WARNING,
    about="somebody looks for numbers and passwords",
    source="RFC 3261 26.1",
)
def scanner(subject: Subject) -> Proof | None:
    """Find scanners by the names they give themselves, or by asking for one user after the other."""
    requests = [message for message in subject.messages if message.method]
    for message in requests[:_ASKED]:
        agent = (message.header("User-Agent") or "")[:_LONGEST]
        tool = _TOOLS.search(agent)
        if tool:
            return Proof(
                f"{message.method} from {message.source_uri} is by a scanner, {quoted(agent)}",
                [message],
            )
        if message.method != "OPTIONS":
            continue
        parties = [(message.header(name) or "")[:_LONGEST] for name in ("From", "To")]
        if any(map(_TELLTALE.search, parties)):
            return Proof(
                f"{message.method} from {message.source_uri} is by a scanner,"
                f" its From is {quoted(parties[0])}",
                [message],
            )
    return _search(subject)


def _search(subject: Subject) -> Proof | None:
    if any(200 <= (message.status or 0) < 300 for message in subject.messages):
        return None
    asked: dict[tuple[str, str], dict[str, Message]] = {}
    for one in subject.of_method("INVITE", "REGISTER", "OPTIONS"):
        first = one.first
        # What nothing answers, or what a capture lacks the answer to, may well be there.
        if one.final is not None and not tag(first, "To"):
            user = user_of(first.header("To") or "")
            asked.setdefault((one.method, first.source_address), {}).setdefault(user, first)
    for (method, source), firsts in asked.items():
        if len(firsts) >= _USERS:
            messages, users = list(firsts.values()), list(firsts)
            span = messages[-1].time - messages[0].time
            return Proof(
                f"{source} asked by {method} for {len(firsts)} users in {seconds(span)},"
                f" {quoted(users[0])} to {quoted(users[-1])}, and none is there",
                messages,
            )
    return None
