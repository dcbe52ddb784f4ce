"""What is told of answers, in few lines: who doesn't answer, who gave a part only. Sans-IO."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sipstream.escape import escape

if TYPE_CHECKING:
    from sipstream.taps.exchange import Question
    from sipstream.taps.known import Tap

_NAMES = 4
"""Taps that are named in a line; of more the others are counted."""


_SENTENCES = 5
"""Errors of taps that are told at a time: a thousand taps may each say another one."""


def names(taps: Iterable[Tap]) -> str:
    """Return which taps they are: `sbc1, sbc2 and 3 more`."""
    there = [escape(tap.name) for tap in taps]
    if len(there) <= _NAMES:
        *most, last = there
        return f"{', '.join(most)} and {last}" if most else last
    return f"{', '.join(there[: _NAMES - 1])} and {len(there) - _NAMES + 1} more"


def lines(questions: Iterable[Question]) -> Iterator[str]:
    """Yield what is to be said of answers that nobody waits for any longer."""
    asked = list(questions)
    left = [one for one in asked if not one.is_settled()]
    silent = [one for one in left if not one.answer.messages]
    if silent:
        yield f"{_of(silent)} {_verb(silent, 'answer')}: left out, what comes later is taken in"
    slow = [one for one in left if one.answer.messages]
    if slow:
        yield f"{_of(slow)}: more is coming, this is what came so far"
    gone = [one for one in asked if one.answer.is_nobody]
    if gone:
        yield f"{_of(gone)} {'is' if len(gone) == 1 else 'are'} not there: left out"
    refused: dict[str, list[Question]] = {}
    for one in asked:
        if one.answer.error:
            refused.setdefault(one.answer.error, []).append(one)
    for number, (sentence, several) in enumerate(refused.items()):
        if number == _SENTENCES:
            yield f"{len(refused) - number} other errors of taps"
            break
        yield f"{_of(several)}: {escape(sentence)}"
    yield from _limits([one for one in asked if one.is_settled()])


def _limits(asked: list[Question]) -> Iterator[str]:
    """Yield which answers hold less than there is."""
    number = [(one, one.answer.number("matching"), one.answer.number("given")) for one in asked]
    part = [(one, matching, given) for one, matching, given in number if given < matching]
    if part:
        given = sum(given for _, _, given in part)
        matching = sum(matching for _, matching, _ in part)
        yield (
            f"{_of(one for one, _, _ in part)}: the newest {given} of {matching} conversations;"
            " a narrower filter brings the others"
        )
    long = sum(one.answer.number("left_out") for one, _, _ in number)
    if long:
        yield f"{long} messages of conversations that are too long for an answer are left out"
    found = [one for one in asked if "given" in one.answer.fields]
    lost = [one for one in found if one.answer.messages < one.answer.number("messages")]
    if lost:
        came = sum(one.answer.messages for one in lost)
        sent = sum(one.answer.number("messages") for one in lost)
        yield f"{_of(lost)}: {came} of {sent} messages came; ask again for the others"


def late(question: Question) -> str:
    """Return what is said of an answer that came when nobody waited for it any longer."""
    seconds = question.heard - question.asked
    came = question.answer.messages
    return f"{escape(question.tap.name)} answered after {seconds:.1f} s: {came} messages"


def there(taps: list[Tap]) -> Iterator[str]:
    """Yield what is said of taps that are there now and weren't."""
    if len(taps) > _NAMES:
        yield f"taps {names(taps)} are there now"
        return
    for tap in taps:
        yield f"tap {escape(tap.name)} is there now ({escape(tap.host)}, version {escape(tap.version)})"


def gone(taps: list[Tap], seconds: float) -> Iterator[str]:
    """Yield what is said of taps of which nothing was heard for so long."""
    if len(taps) > _NAMES:
        yield f"taps {names(taps)} are gone: nothing heard for {seconds:.0f} s"
        return
    for tap in taps:
        yield f"tap {escape(tap.name)} is gone: nothing heard for {seconds:.0f} s"


def left_out(taps: Iterable[Tap]) -> Iterator[str]:
    """Yield what of taps' answers is left out, or changed: each reason once for each tap."""
    by_reason: dict[str, list[Tap]] = {}
    for tap in taps:
        for reason in tap.left_out.keys() - tap.told:
            tap.told.add(reason)
            by_reason.setdefault(reason, []).append(tap)
    for reason, several in by_reason.items():
        yield f"{names(several)}: {reason}; 'show taps --json' counts such"


def _of(questions: Iterable[Question]) -> str:
    return names(question.tap for question in questions)


def _verb(several: list[Question], verb: str) -> str:
    return f"doesn't {verb}" if len(several) == 1 else f"don't {verb}"
