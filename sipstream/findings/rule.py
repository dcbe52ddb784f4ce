"""What a finding is, and how a rule that finds it is written.

A rule is a function that looks at one conversation and returns a `Proof` or None:

    @rule(
        "busy-here",
        Severity.NOTE,
        about="the number called was busy",
        source="RFC 3261 21.4.24",
        kinds=(486,),
    )
    def busy_here(subject: Subject) -> Proof | None:
        for one in subject.of_method("INVITE"):
            if one.final is not None and one.final.status == 486:
                return Proof("the number called was busy", (one.final,))
        return None

It says nothing without messages that prove it. A module of rules is named in `__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sipstream.findings.subject import Subject
    from sipstream.views import Message


class Severity(IntEnum):
    """How much a finding matters to who makes the call; the higher the worse."""

    NOTE = 1
    """Worth knowing, and usual."""
    WARNING = 2
    """It works, or may not always."""
    PROBLEM = 3
    """It doesn't work."""

    @property
    def word(self) -> str:
        """The word for it."""
        return self.name.lower()


class Proof(NamedTuple):
    """What a rule has found."""

    sentence: str
    """One sentence with the particulars, without a full stop; it may quote traffic as it is."""
    messages: Iterable[Message]
    """The messages that prove it, at least one."""


class Finding(NamedTuple):
    """Something that is wrong with a conversation, or worth knowing of it."""

    name: str
    severity: Severity
    sentence: str
    """What was found, with the particulars; it may quote traffic as it is."""
    evidence: tuple[int, ...]
    """The places in the conversation of the messages that prove it, by time."""
    source: str
    """Where the rule stands, `RFC 3261 17.1.1.2`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What can be found, and how."""

    name: str
    severity: Severity
    about: str
    """A few words for help and for lists: what is so, in any conversation."""
    source: str
    kinds: frozenset[int | str]
    """Methods and status codes: a conversation that has none of them is never looked at."""
    find: Callable[[Subject], Proof | None]

    def may_hold(self, kinds: frozenset[int | str]) -> bool:
        """Tell by a conversation's kinds whether it is worth looking."""
        return not self.kinds or not self.kinds.isdisjoint(kinds)

    def apply(self, subject: Subject) -> Finding | None:
        """Return what it finds of a conversation."""
        proof = self.find(subject)
        if proof is None:
            return None
        evidence = tuple(sorted({message.index for message in proof.messages}))
        if not evidence:
            raise ValueError(f"the rule {self.name} has found something and proves nothing")
        return Finding(self.name, self.severity, proof.sentence, evidence, self.source)


RULES: dict[str, Rule] = {}
"""All rules by name, once their modules are imported: `sipstream.findings.FINDINGS`."""


def rule(
    name: str,
    severity: Severity,
    *,
    about: str,
    source: str,
    kinds: Iterable[int | str] = (),
) -> Callable[[Callable[[Subject], Proof | None]], Callable[[Subject], Proof | None]]:
    """Take a function in as a rule; the arguments are the fields of `Rule`."""

    def entered(find: Callable[[Subject], Proof | None]) -> Callable[[Subject], Proof | None]:
        RULES[name] = Rule(name, severity, about, source, frozenset(kinds), find)
        return find

    return entered
