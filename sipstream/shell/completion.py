"""What may be typed next: from a line up to the cursor to offers, for Tab and for `?`.

`offers` is a function of text, context and data, tested with strings; the completer for the prompt
only hands its answers on.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from sipstream.escape import cut
from sipstream.shell.arguments import Offer
from sipstream.shell.registry import COMMANDS, Parameter, expected

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.shell.console import Console

_MENU = 500
"""Offers put in a menu at most."""
_ABOUT_CELLS = 60


def offers(session: Session, line: str, context: str) -> tuple[str, list[Offer]]:
    """Return the word being typed at the end of `line`, and what may stand in its place."""
    typed, parts = expected(line, context)
    found: dict[str, Offer] = {}
    rest = typed
    for part in parts:
        if isinstance(part, Parameter):
            rest = part.kind.unfinished(typed)
            given: Iterable[Offer] = part.kind.offers(session, typed)
        else:
            given = [Offer(part, _about(part, line, typed, context))]
        for offer in islice(given, 10 * _MENU):
            if offer.text.startswith(rest) and len(found) < _MENU:
                found.setdefault(offer.text, offer)
    return rest, list(found.values())


def listing(session: Session, line: str, context: str, width: int) -> list[str]:
    """Return the lines that `?` shows: what may come next, a line each."""
    typed, parts = expected(line, context)
    del typed
    rows = [
        Offer(part.kind.syntax, (part.kind.__doc__ or "").partition("\n")[0])
        for part in parts
        if isinstance(part, Parameter)
    ]
    rows += [one for one in offers(session, line, context)[1] if one.text]
    if not rows:
        return ["<Enter>"]
    column = min(max(len(row.text) for row in rows) + 2, 40)
    return [cut(f"  {row.text:<{column}}{row.about}".rstrip(), width) for row in rows[:_MENU]]


def _about(word: str, line: str, typed: str, context: str) -> str:
    """Return the summary of the command that a word ends, where it is one alone."""
    before = line[: len(line) - len(typed)].split()
    found = [
        one
        for one in COMMANDS
        if one.context == context
        and len(one.words) > len(before)
        and one.words[len(before)] == word
    ]
    return found[0].summary if len(found) == 1 else ""


class ShellCompleter(Completer):
    """Completion for the prompt."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        """Yield what may stand in place of the word before the cursor."""
        console = self._console
        line = document.text_before_cursor
        typed, found = offers(console.session, line, console.context)
        for offer in found:
            about = cut(offer.about, _ABOUT_CELLS)
            yield Completion(offer.text, start_position=-len(typed), display_meta=about)
