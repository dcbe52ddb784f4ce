"""How calls end: too early, too late, by a timer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject, Transaction, tag
from sipstream.findings.telling import SECOND, answer
from sipstream.wording import seconds

if TYPE_CHECKING:
    from sipstream.views import Message

_SHORT = SECOND
"""In a call shorter than this nobody has said anything."""
_GONE = (408, 481)
_LATE = 35 * SECOND
"""Within this a BYE follows a refresh that failed: its own timer F is 32 s."""
_FEWEST = 3
"""Sendings of a refresh that show that nothing came back."""
_SLACK = 2 * SECOND
_LEAST = 90
"""Seconds that a session's interval has at least (RFC 4028 4)."""
_SECONDS = re.compile(r"\s*(\d{1,6})\b")
_ELSEWHERE = re.compile(r"cause\s{0,4}=\s{0,4}200\b|completed elsewhere", re.IGNORECASE)


@rule(
    "late-bye",
    Severity.WARNING,
    about="a call was ended that the other side had no more, or wasn't there any more",
    source="RFC 3261 15.1.2",
    kinds=_GONE,
)
def late_bye(subject: Subject) -> Proof | None:
    """Find a BYE answered 481 or 408 though nobody had ended the call before."""
    byes = list(subject.of_method("BYE"))
    for one in byes:
        final = one.final
        if final is None or final.status not in _GONE:
            continue
        # Both hang up at once, or one says it again: then the call is over as it should be.
        if any(other.final and (other.final.status or 0) < 300 for other in byes):
            return None
        if len({tag(other.first, "From") for other in byes}) > 1:
            return None
        begun = _answered_at(subject)
        after = f" after {seconds(one.first.time - begun.time)}" if begun else ""
        knew = "had no such call any more" if final.status == 481 else "got no answer to it either"
        return Proof(
            f"BYE{after} was answered {answer(final)}: {final.source_uri} {knew}",
            [message for message in (begun, one.requests[0], final) if message],
        )
    return None


@rule(
    "session-timer",
    Severity.PROBLEM,
    about="a call was dropped because its session wasn't refreshed",
    source="RFC 4028 10",
    kinds=("BYE",),
)
def session_timer(subject: Subject) -> Proof | None:
    """Find a BYE when the session's interval is over, or after a refresh that failed."""
    byes = list(subject.of_method("BYE"))
    if not byes:
        return None
    bye = byes[0].first
    changes = [one for one in subject.of_method("INVITE", "UPDATE") if one.first.time < bye.time]
    for one in changes:
        # One that BYE has overtaken isn't without response yet.
        failed = one.final.status in _GONE if one.final else len(one.sendings) >= _FEWEST
        timed = one.first.header("Session-Expires") is not None and tag(one.first, "To")
        since = bye.time - one.first.time
        if failed and timed and since <= _LATE:
            what = answer(one.final) if one.final else "no response"
            return Proof(
                f"the session's refresh by {one.method} got {what}, and BYE came {seconds(since)} later",
                [*one.requests, *([one.final] if one.final else []), bye],
            )
    refreshed = [one.final for one in changes if one.final and (one.final.status or 0) < 300]
    timed_by = max(refreshed, key=lambda final: final.time, default=None)
    interval = _interval(timed_by) if timed_by else None
    if timed_by is None or interval is None:
        return None
    if any(one.final is None and one.first.time > timed_by.time for one in changes):
        # It may have been refreshed: the capture lacks the response.
        return None
    since = bye.time - timed_by.time
    # Who doesn't get the refresh hangs up a little before the end (RFC 4028 10).
    for moment in (interval, interval - min(32, interval // 3)):
        if abs(since - moment * SECOND) <= _SLACK:
            return Proof(
                f"BYE came {seconds(since)} after the session of {interval} s was agreed on,"
                " and nothing refreshed it",
                [timed_by, bye],
            )
    return None


@rule(
    "cancelled-early",
    Severity.NOTE,
    about="the caller gave up before it rang",
    source="RFC 3261 9.1",
    kinds=("CANCEL",),
)
def cancelled_early(subject: Subject) -> Proof | None:
    """Find an INVITE cancelled before any 18x."""
    invites = list(subject.of_method("INVITE"))
    for one in subject.of_method("CANCEL"):
        if _ELSEWHERE.search((one.first.header("Reason") or "")[:1000]):
            return None
        same = [invite for invite in invites if invite.number == one.number]
        if any(invite.provisional or _is_answered(invite) for invite in same):
            return None
        for invite in same:
            if invite.via.branch == one.via.branch and invite.responses:
                since = one.first.time - invite.first.time
                return Proof(
                    f"INVITE was cancelled after {seconds(since)}, before it rang",
                    [invite.first, one.first],
                )
    return None


@rule(
    "short-call",
    Severity.NOTE,
    about="a call was ended right after it was answered",
    source="RFC 3261 15",
    kinds=("BYE",),
)
def short_call(subject: Subject) -> Proof | None:
    """Find calls shorter than 1 s."""
    begun = _answered_at(subject)
    bye = next((one.first for one in subject.of_method("BYE")), None)
    if begun is None or bye is None or not 0 <= bye.time - begun.time < _SHORT:
        return None
    answers = [
        message for one in subject.of_method("INVITE") if _is_answered(one) for message in one.responses
        if 200 <= (message.status or 0) < 300
    ]  # fmt: skip
    # Of several that answer all but one are hung up (RFC 3261 13.2.2.4); REFER and Replaces move calls.
    if len({tag(message, "To") for message in answers}) > 1:
        return None
    if any(message.method == "REFER" or _replaces(message) for message in subject.messages):
        return None
    return Proof(
        f"the call was ended by {bye.source_uri} {seconds(bye.time - begun.time)} after it was answered",
        [begun, bye],
    )


def _answered_at(subject: Subject) -> Message | None:
    """Return the first answer to an INVITE that begins a call."""
    for one in subject.of_method("INVITE"):
        if _is_answered(one) and not tag(one.first, "To"):
            return one.final
    return None


def _is_answered(one: Transaction) -> bool:
    return one.final is not None and (one.final.status or 0) < 300


def _interval(final: Message) -> int | None:
    """Return the interval of the session that a 2xx agrees on, in seconds; None where it has none."""
    match = _SECONDS.match(final.header("Session-Expires") or "")
    return max(int(match[1]), _LEAST) if match else None


def _replaces(message: Message) -> bool:
    return message.method == "INVITE" and message.header("Replaces") is not None
