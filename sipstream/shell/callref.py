"""How a call is asked for: by its index, or by the Call-ID of a leg."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from sipstream.render import lists
from sipstream.shell.arguments import Argument
from sipstream.shell.fuzzy import BEGINS
from sipstream.shell.offered import Offer, Offers, call_ids, indexes
from sipstream.shell.words import as_word, unquoted

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.views import Conversation

_OFFERED = 50
"""Indexes of calls offered at most."""


class CallRef(Argument):
    """A call by its place in the list of `show calls`, or by the Call-ID of a leg."""

    syntax = "<index|call-id>"

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Offers:
        """Return the indexes of the calls listed last, and Call-IDs that fit."""
        heads, there = session.joining.heads, session.conversations
        for place in islice(indexes(typed, len(heads)), _OFFERED):
            if there.has(heads[place]):
                yield Offer(str(place), lists.summary(there[heads[place]]), BEGINS)
        yield from call_ids(
            session,
            unquoted(typed),
            lambda place, one: (as_word(one.call_id), lists.summary(one)),
        )
