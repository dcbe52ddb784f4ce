"""Findings as lines: each with its sentence, and below it the messages that prove it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from sipstream.escape import beginning, cells, cut, escape
from sipstream.render import lists, times
from sipstream.render.colours import PLAIN, Paint
from sipstream.render.fold import broken, folded
from sipstream.wording import aligned

if TYPE_CHECKING:
    from sipstream.findings import Finding, Rule
    from sipstream.views import Conversation, Message

_SHOWN = 8
"""Messages shown as a proof; the places of the others stand behind them."""
_SENTENCE = 400
"""Cells of a finding's sentence: it quotes traffic."""
_EXAMPLES = 3
"""Conversations named as examples."""
_PLACES = 16
"""Places named of messages that aren't shown."""
_SEVERITY_CELLS = 8
_SEVERITIES = frozenset(["problem", "warning", "note"])


class Counted(NamedTuple):
    """A finding and the conversations that have it."""

    rule: Rule
    places: Sequence[int]
    """Their indexes, as `show conversation` takes them."""


def of_conversation(
    place: int | None,
    one: Conversation,
    findings: Sequence[Finding],
    width: int | None,
    paint: Paint = PLAIN,
) -> Iterator[str]:
    """Yield a conversation's line, and what was found of it; `width` is None where nothing is cut."""
    # The rules come with it: a start doesn't need them.
    from sipstream.findings.subject import looked_at

    yield lists.heading(place, one, paint)
    messages = {message.index: message for message in looked_at(one)}
    if len(messages) < one.count:
        yield f"  (the newest {len(messages)} of {one.count} messages were looked at)"
    if not findings:
        yield "  nothing is found wrong"
    for finding in findings:
        yield from _finding(finding, messages, width, paint)


def _finding(
    finding: Finding, messages: dict[int, Message], width: int | None, paint: Paint
) -> Iterator[str]:
    severity = finding.severity.word
    head = f"  {severity:<{_SEVERITY_CELLS}} {finding.name}  {finding.source}"
    yield painted(head if width is None else cut(head, width), severity, paint)
    sentence = "    " + beginning(finding.sentence, _SENTENCE)
    yield from [sentence] if width is None else broken(sentence, width)
    there = [place for place in finding.evidence if place in messages]
    marks = len(f"[{there[-1]}]") if there else 0
    for place in there[:_SHOWN]:
        message = messages[place]
        way = f"{escape(message.source_uri)} -> {escape(message.destination_uri)}"
        before = f"    {f'[{place}]':<{marks}} {times.clock(message.time)}  "
        room = None if width is None else max(width - cells(before), 0)
        line = f"{lists.shown_kind(message)}  {way}"
        yield before + (line if room is None else cut(line, room))
    if len(there) > _SHOWN:
        places = " ".join(map(str, there[_SHOWN : _SHOWN + _PLACES]))
        more = " ..." if len(there) > _SHOWN + _PLACES else ""
        yield f"    and {len(there) - _SHOWN} more: {places}{more}"


def painted(text: str, severity: str, paint: Paint) -> str:
    """Return a line with its severity in colour."""
    return text.replace(severity, paint.severity(severity, severity), 1)


def table(
    counted: Iterable[Counted], looked_at: int, width: int | None, paint: Paint = PLAIN
) -> Iterator[str]:
    """Yield a line for each finding that there is, the worst first."""
    there = list(counted)
    if not there:
        yield f"nothing is found wrong in {looked_at} conversations"
        return
    rows = [
        (
            one.rule.severity.word,
            one.rule.name,
            str(len(one.places)),
            _examples(one.places),
            one.rule.about,
        )
        for one in there
    ]
    lines = aligned(chain([("", "finding", "found", "in", "")], rows))
    yield paint.dim(lines[0])
    yield from _fitted(lines[1:], width, paint)


def _examples(places: Sequence[int]) -> str:
    named = " ".join(f"[{place}]" for place in places[:_EXAMPLES])
    return named + (" ..." if len(places) > _EXAMPLES else "")


def rules(every: Iterable[Rule], width: int | None, paint: Paint = PLAIN) -> Iterator[str]:
    """Yield a line for each thing that can be found."""
    rows = [(one.severity.word, one.name, f"{one.about} ({one.source})") for one in every]
    yield from _fitted(aligned(rows), width, paint)


def _fitted(lines: list[str], width: int | None, paint: Paint) -> Iterator[str]:
    """Yield rows that begin with a severity; what is too long goes on below its last column."""
    for line in lines if width is None else folded(lines, width):
        first = line.partition(" ")[0]
        yield painted(line, first, paint) if first in _SEVERITIES else line


def finding_object(finding: Finding) -> dict[str, object]:
    """Return a finding as an object for `--json`."""
    return {
        "finding": finding.name,
        "severity": finding.severity.word,
        "sentence": finding.sentence,
        "messages": list(finding.evidence),
        "source": finding.source,
    }


def counted_object(one: Counted) -> dict[str, object]:
    """Return a finding and the indexes of the conversations that have it."""
    return rule_object(one.rule) | {"conversations": list(one.places)}


def rule_object(rule: Rule) -> dict[str, object]:
    """Return what can be found as an object."""
    return {
        "finding": rule.name,
        "severity": rule.severity.word,
        "about": rule.about,
        "source": rule.source,
    }
