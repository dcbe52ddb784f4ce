"""What is wrong with a conversation, each finding with the messages that prove it.

    for finding in diagnose(conversation):
        print(finding.severity.word, finding.name, finding.sentence, finding.evidence)

To add one, write a rule (`rule.py` says how) into the module of its topic. Sans-IO.
"""

from __future__ import annotations

from sipstream.findings import (
    credentials,
    elsewhere,
    ending,
    media,
    nat,
    refused,
    rewritten,
    routing,
    scanners,
    stir,
    taps,
    unanswered,
)
from sipstream.findings.around import Around, here
from sipstream.findings.rule import RULES, Finding, Rule, Severity
from sipstream.findings.subject import Subject
from sipstream.views import Conversation

__all__ = ["FINDINGS", "TOPICS", "Around", "Finding", "Rule", "Severity", "diagnose"]

TOPICS = (
    unanswered,
    refused,
    credentials,
    routing,
    ending,
    scanners,
    media,
    nat,
    elsewhere,
    rewritten,
    taps,
    stir,
)
"""The modules that have the rules."""
FINDINGS = RULES
"""All rules by name."""


def diagnose(conversation: Conversation, around: Around | None = None) -> list[Finding]:
    """Return what is found of a conversation, the worst first, then by the messages that prove it.

    Without `around` what the session knows counts, in a script nothing.
    """
    kinds = conversation.kinds
    wanted = [rule for rule in FINDINGS.values() if rule.may_hold(kinds)]
    if not wanted:
        return []
    subject = Subject(conversation, around or here())
    found = [finding for rule in wanted if (finding := rule.apply(subject)) is not None]
    return sorted(found, key=lambda finding: (-finding.severity, finding.evidence, finding.name))
