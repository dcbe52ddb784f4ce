"""What stands behind `show stats`: a topic, the length of intervals, and a filter, in this order."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sipstream.errors import CommandError
from sipstream.escape import brief
from sipstream.filters import Filter, unfinished
from sipstream.shell.arguments import Expression
from sipstream.shell.offered import Offer, Offers

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.views import Conversation

TOPICS = {
    "methods": "messages by method and status, and those that were sent again",
    "calls": "how calls went: RFC 6076, ASR, NER, ACD, how many at once",
    "registrations": "how registrations went: RRD and IRA of RFC 6076",
    "talkers": "addresses with most messages, numbers with most conversations",
    "failing": "numbers with most failed conversations",
    "agents": "user agents that began conversations",
    "plot": "messages, failures and calls at once over time",
}
_EVERY = "every"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([1-9][0-9]{0,6})([smhd])")


@dataclass(frozen=True, slots=True)
class Asked:
    """What figures are asked for."""

    topic: str = ""
    seconds: int | None = None
    """The length of the intervals, None for one that fits."""
    expression: str = ""


EVERYTHING = Asked()
"""The overview of all that is shown."""


class Statistics(Expression):
    """A topic, `every 5m` and a filter, in this order; each may be left out."""

    syntax = "[<topic>] [every <duration>] [<filter>]"

    @classmethod
    def parse(cls, session: Session, text: str) -> Asked:
        """Return what is asked for.

        Raises:
            CommandError: `every` has no duration behind it.
            FilterError: the filter can't be understood.
        """
        topic, rest = _head(text, TOPICS)
        every, behind = _head(rest, (_EVERY,))
        seconds = None
        if every:
            word, _, rest = behind.partition(" ")
            seconds = _seconds(word)
            if topic not in ("", "plot"):
                raise CommandError(f"every goes with plot, not with {topic}")
            topic = "plot"
        if rest.strip():
            Filter.parse(rest.strip())
        return Asked(topic, seconds, rest.strip())

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Offers:
        """Return topics, `every`, and what the grammar of filters allows next."""
        before = typed[: len(typed) - len(unfinished(typed))]
        topic, rest = _head(before, TOPICS)
        every, behind = _head(rest, (_EVERY,))
        if every and not behind.strip():
            yield Offer("5m", "the length of an interval: s, m, h or d")
            return
        if every:
            rest = behind.strip().partition(" ")[2]
        if not rest.strip():
            if not topic and not every:
                yield from (Offer(name, about) for name, about in TOPICS.items())
            if topic in ("", "plot") and not every:
                yield Offer(_EVERY, "5m: bars of intervals of this length")
        word = typed[len(before) :]
        yield from super().offers(session, rest.lstrip() + word, near)


def _head(text: str, words: Collection[str]) -> tuple[str, str]:
    """Return the first word of a text where it is one of some, else "", and what stands behind it."""
    word, _, rest = text.lstrip().partition(" ")
    return (word, rest.lstrip()) if word in words else ("", text)


def _seconds(word: str) -> int:
    """Return the length of an interval.

    Raises:
        CommandError: it is none.
    """
    found = _SPAN.fullmatch(word)
    if found is None:
        told = f", not {brief(word)}" if word else ""
        raise CommandError(f"every takes a duration from 1s on, as in every 5m{told}")
    return int(found[1]) * _UNITS[found[2]]
