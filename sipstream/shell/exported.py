"""What stands behind `export FORMAT FILE`: which conversations, and how.

`conversation 3`, `call 0`, a filter, or nothing for all that are shown; before or behind that words
which say how. Where a value of the filter is called like one of these words it stands in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from sipstream.errors import CommandError
from sipstream.escape import brief
from sipstream.export.formats import FORMATS, Format
from sipstream.filters import Filter, unfinished
from sipstream.shell.arguments import Argument, ConversationRef, Expression
from sipstream.shell.callref import CallRef
from sipstream.shell.offered import Offer, Offers
from sipstream.shell.words import unquoted
from sipstream.wording import listed, meant

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.views import Conversation

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"?|[^\s"]+', re.DOTALL)
_CONVERSATION, _CALL = "conversation", "call"
_SHORT = 4
"""Letters by which that word is known: `con` begins others."""
REDACT, PLAIN, RTP, OVERWRITE = "redact", "no-redact", "rtp", "overwrite"
HOW = {
    REDACT: "numbers, names, credentials and texts are masked",
    PLAIN: "nothing is masked, in formats where it would be, too",
    RTP: "of pcap and pcapng: with the media of the conversations",
    OVERWRITE: "a file that is there already is replaced",
}
"""The words that say how, and what they do."""


class FormatName(Argument):
    """A format that conversations are exported in."""

    syntax = "<format>"

    @classmethod
    def parse(cls, session: Session, text: str) -> Format:
        """Return the format.

        Raises:
            CommandError: there is none of that name.
        """
        if text not in FORMATS:
            raise CommandError(f"unknown format {brief(text)}: {meant(text, FORMATS)}")
        return FORMATS[text]

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return all formats."""
        return (Offer(one.name, one.about) for one in FORMATS.values())


class Asked(NamedTuple):
    """Which conversations are to be exported, and how."""

    expression: str = ""
    """The filter's text, "" for all that are shown."""
    conversation: Conversation | None = None
    call: str = ""
    """A call's index or the Call-ID of a leg, "" where none is asked for."""
    how: frozenset[str] = frozenset()
    """Words of `HOW`."""

    def is_masked(self, usual: bool) -> bool:
        """Tell whether numbers, names and secrets are masked; `usual` counts where nothing is said."""
        return REDACT in self.how or (usual and PLAIN not in self.how)


class Exported(Expression):
    """Which conversations (those shown, a filter, a conversation, a call's legs), and how."""

    syntax = (
        "[<filter>|conversation <call-id|index>|call <call-id|index>]"
        " [redact|no-redact] [rtp] [overwrite]"
    )

    @classmethod
    def parse(cls, session: Session, text: str) -> Asked:
        """Return what is asked for.

        Raises:
            CommandError: a word makes no sense, or there is no such conversation.
            FilterError: the filter can't be understood.
        """
        how, words = _how(text)
        one = _one(words)
        if one:
            if len(words) != 2:
                raise CommandError(f"{one} takes one Call-ID or index, behind it only how")
            wanted = unquoted(words[1][1])
            if one == _CALL:
                return Asked(call=wanted, how=how)
            ref = ConversationRef.parse(session, wanted)
            return Asked(conversation=ref.conversation, how=how)
        expression = text[words[0][0] : words[-1][0] + len(words[-1][1])] if words else ""
        _check_slips([word for _, word in words])
        if expression:
            Filter.parse(expression)
        return Asked(expression, how=how)

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Offers:
        """Return what the grammar of filters allows next, conversations, and the words that say how."""
        before = typed[: len(typed) - len(unfinished(typed))]
        how, words = _how(before)
        one = _one(words)
        if one:
            if len(words) == 1:
                kind = CallRef if one == _CALL else ConversationRef
                yield from kind.offers(session, unfinished(typed), near)
                return
        else:
            # The grammar knows nothing of the words that stand before the filter.
            begin = words[0][0] if words else len(before)
            yield from super().offers(session, typed[begin:], near)
            if not words:
                yield Offer(_CONVERSATION, "one conversation")
                yield Offer(_CALL, "all legs of one call")
        yield from _offered(how)


class ExportHow(Argument):
    """How a conversation is exported."""

    syntax = "[redact|no-redact] [rtp] [overwrite]"
    rest = True

    @classmethod
    def parse(cls, session: Session, text: str) -> Asked:
        """Return what is asked for.

        Raises:
            CommandError: a word makes no sense.
        """
        how, words = _how(text)
        if words:
            raise CommandError(
                f"unknown word {brief(words[0][1])}: {meant(words[0][1], HOW)};"
                " others than this conversation are exported from the general context"
            )
        return Asked(how=how)

    @classmethod
    def unfinished(cls, typed: str) -> str:
        """Return the word that is being typed."""
        return typed.rpartition(" ")[2]

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the words that say how."""
        return _offered(_how(typed.rpartition(" ")[0])[0])


def _offered(how: frozenset[str]) -> Iterable[Offer]:
    """Return the words that may be added."""
    taken = how | ({REDACT, PLAIN} if how & {REDACT, PLAIN} else set())
    return [Offer(word, about) for word, about in HOW.items() if word not in taken]


def _how(text: str) -> tuple[frozenset[str], Sequence[tuple[int, str]]]:
    """Take the words that say how from both ends of a text; return the others with their places.

    Raises:
        CommandError: they contradict each other.
    """
    words = [(match.start(), match[0]) for match in _WORD.finditer(text)]
    how: set[str] = set()
    # As options are written they are understood, too.
    while words and words[-1][1].removeprefix("--") in HOW:
        how.add(words.pop()[1].removeprefix("--"))
    while words and words[0][1].removeprefix("--") in HOW:
        how.add(words.pop(0)[1].removeprefix("--"))
    if {REDACT, PLAIN} <= how:
        raise CommandError(f"{REDACT} and {PLAIN} contradict each other: choose one")
    return frozenset(how), words


def _one(words: Sequence[tuple[int, str]]) -> str:
    """Return the word that says what one thing is asked for, "" where none does."""
    first = words[0][1] if words else ""
    if len(first) >= _SHORT and _CONVERSATION.startswith(first):
        return _CONVERSATION
    return _CALL if first == _CALL else ""


def _check_slips(words: list[str]) -> None:
    """Say so where a word that says how is misspelt, or stands within the filter.

    A value would be taken for one as well: in quotes it isn't.
    """
    for word in words:
        near = get_close_matches(word, HOW, 1, 0.8)
        if near and word != near[0]:
            raise CommandError(f"unknown word {brief(word)}: did you mean {near[0]}?")
        if near:
            raise CommandError(f"the filter stands in one piece, before or behind {listed(HOW)}")
