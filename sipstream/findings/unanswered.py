"""Requests that nothing comes back to."""

from __future__ import annotations

from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject

_FEWEST = 3
"""Sendings that show that nothing came back: one may be lost, and the next be answered."""
_SECOND = 1_000_000_000


@rule(
    "unreachable",
    Severity.PROBLEM,
    about="a request was sent again and again, and no response came",
    source="RFC 3261 17.1.1.2",
)
def unreachable(subject: Subject) -> Proof | None:
    """Find requests sent again on timer A or E without any response."""
    for one in subject.of_method("INVITE"):
        if not one.responses and len(one.sendings) >= _FEWEST:
            return Proof(
                f"{one.method} was sent {len(one.sendings)} times in {one.span / _SECOND:.1f} s to"
                f" {one.first.destination_uri} without any response",
                one.requests,
            )
    return None
