"""The menu of what may stand in place of a word: which of the offers fit it, and what Tab puts in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from os.path import commonprefix

from sipstream.shell.fuzzy import BEGINS, HOLDS, SCATTERED, Typed
from sipstream.shell.offered import More, Offer
from sipstream.shell.steps import Steps
from sipstream.shell.words import unquoted

_MENU = 500
"""Offers put in a menu at most."""
_NEAR, _NEARLY = 32, 5
"""Letters of a mistyped word that are looked at, and how many words it may be that are offered."""


@dataclass
class Menu:
    """What may stand in place of the word at the end of a line, the best first."""

    typed: str
    """That word, as far as it is typed."""
    offers: list[Offer] = field(default_factory=list)
    begun: int = 0
    """How many of them begin as typed; where it is one no others are offered."""
    more: int = 0
    """How many fit as well and aren't offered."""

    @property
    def insertion(self) -> str | None:
        """What Tab puts in place of the word: all that the words which begin so have in common.

        None where that is no more than stands there already. A whole word is followed by a blank,
        unless more is to be written to it.
        """
        texts = [one.text for one in self.offers[: self.begun]]
        if len(texts) == 1:
            return texts[0] if _goes_on(texts[0]) else texts[0] + " "
        common = commonprefix(texts)  # noqa: RUF071 - no paths: letter by letter is meant
        begins = unquoted(common).lower().startswith(unquoted(self.typed).lower())
        return common if begins and len(common) > len(self.typed) else None


def _goes_on(word: str) -> bool:
    """Tell whether a word is only the beginning of one: a folder, a parenthesis, a quote left open."""
    return word.endswith(("/", "(")) or (word.startswith('"') and not word.endswith('"'))


def fitting(word: str, sources: Iterable[Iterable[Offer | More | None]]) -> Steps[Menu]:
    """Return the offers that fit a word, those that begin so first."""
    typed = Typed(unquoted(word))
    by_rank: dict[int, dict[str, Offer]] = {rank: {} for rank in (BEGINS, HOLDS, SCATTERED)}
    others: dict[str, Offer] = {}
    menu = Menu(word)
    for source in sources:
        for offer in source:
            yield
            if isinstance(offer, More):
                menu.more += offer.left
            elif offer is not None:
                rank = typed.rank(unquoted(offer.text)) if offer.rank is None else offer.rank
                found = others if rank is None else by_rank[rank]
                if len(found) < _MENU and not any(offer.text in one for one in by_rank.values()):
                    found[offer.text] = offer
    menu.begun = len(by_rank[BEGINS])
    if menu.begun == 1:
        menu.offers, menu.more = list(by_rank[BEGINS].values()), 0
    elif any(by_rank.values()):
        menu.offers = [one for found in by_rank.values() for one in found.values()]
    else:
        menu.offers = [others[text] for text in get_close_matches(word[:_NEAR], others, _NEARLY)]
    menu.more += max(len(menu.offers) - _MENU, 0)
    menu.offers = menu.offers[:_MENU]
    return menu
