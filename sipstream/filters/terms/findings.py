"""What is wrong with a conversation, as `diagnose` finds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

from sipstream.errors import FilterError
from sipstream.filters.term import Due, Numbers, Predicate, Registry, Shape, Term, Unfinished
from sipstream.filters.values import shown

if TYPE_CHECKING:
    from sipstream.index import Index

registry = Registry("findings")


class _Choices(Mapping[str, str]):
    """Findings and severities with a few words on each; the rules are imported when it is asked."""

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, str]:
        from sipstream.findings import FINDINGS, Severity

        severities = {
            one.word: f"any finding that is a {one.word}" for one in sorted(Severity, reverse=True)
        }
        return severities | {name: rule.about for name, rule in sorted(FINDINGS.items())}


@registry
class FindingTerm(Term):
    """What was found of it."""

    name = "finding"
    syntax = "[<finding> ...]"
    help = "diagnose finds <finding>, any one where none is named: unreachable, problem, warning"
    needs = "a finding"
    example = "finding unreachable"
    shape = Shape.OPTIONAL
    slow = True
    value_kind = "value-finding"
    choices: ClassVar[Mapping[str, str]] = _Choices()

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return the finding's name, or the severity, in small letters."""
        if value.lower() not in cls.choices:
            near = get_close_matches(value.lower(), cls.choices, 1)
            meant = f"did you mean {near[0]}?" if near else "show findings all lists them"
            raise FilterError(f"'{shown(value)}' is no finding: {meant}")
        return value.lower()

    def predicate(self) -> Predicate:
        """Look at each conversation, once until it has more messages."""
        from sipstream.findings import FINDINGS
        from sipstream.findings.known import bits, known

        wanted = bits(
            frozenset(
                name
                for name, rule in FINDINGS.items()
                if not self.values or name in self.values or rule.severity.word in self.values
            )
        )

        def judge(index: Index, numbers: Numbers, due: Due) -> bytearray:
            of = known(index).of
            flags = bytearray(len(numbers))
            for place, number in enumerate(numbers):
                flags[place] = of(number) & wanted != 0
                if due():
                    raise Unfinished
            return flags

        return judge
