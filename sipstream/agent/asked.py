"""What may be asked of an agent: JSON from the bus made to one of four requests, or one error. Sans-IO.

Whoever may write to the bus may write anything: each text has a length, each list a number of entries,
each filter a cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sipstream.bus import coding
from sipstream.bus.coding import CodingError
from sipstream.errors import FilterError, SipstreamError
from sipstream.filters import Filter, Node
from sipstream.filters.grammar import nodes_of, parse
from sipstream.filters.term import REGEX, Term

FILTER_TEXT = 4096
"""Characters of a filter from the bus: to understand more would hold the event loop for too long."""
FILTER_TERMS = 64
"""Values of all terms in a filter from the bus: each may be asked of each message."""
LOOKING_TERMS = 16
"""Terms in a filter from the bus that looks into messages: each remembers eight bytes a conversation."""
CALL_IDS = 1000
"""Call-IDs asked for at once, and characters of each."""
CALL_ID_LENGTH = 1024
ID_LENGTH = 64
"""Characters of the name that a shell gives a follow."""
MOST_CONVERSATIONS = 10_000
"""Conversations of one answer: more than anybody reads."""


class RefusedError(SipstreamError):
    """A request can't be understood, or asks for too much; its sentence is the answer."""


@dataclass(frozen=True, slots=True)
class Find:
    """`find`: conversations that a filter holds for, `limit` of them at most."""

    node: Node | None
    """The tree of the filter, None where it holds for all."""
    limit: int
    since: str
    """The mark of an answer to the same question, "" for none: what came since then is asked for."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """`conversation`: all messages of some Call-IDs."""

    call_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Follow:
    """`follow`: messages as they come, to be asked for again and again under the same `id`."""

    id: str
    text: str
    """The filter, to be looked at by `filter_of` when the follow begins."""
    ends: bool


def find(data: bytes) -> Find:
    """Return what a `find` asks for.

    Raises:
        RefusedError: it isn't one.
    """
    fields = _fields(data)
    node = filter_of(_text(fields))
    limit = fields.get("limit", MOST_CONVERSATIONS)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise RefusedError('"limit" is a number of conversations')
    since = fields.get("since", "")
    if not isinstance(since, str):
        raise RefusedError('"since" is the mark of an answer')
    return Find(node, min(limit, MOST_CONVERSATIONS), since)


def conversation(data: bytes) -> Conversation:
    """Return what a `conversation` asks for.

    Raises:
        RefusedError: it isn't one.
    """
    call_ids = _fields(data).get("call_ids")
    if not isinstance(call_ids, list) or not all(isinstance(one, str) for one in call_ids):
        raise RefusedError('"call_ids" is a list of texts')
    if len(call_ids) > CALL_IDS or any(len(one) > CALL_ID_LENGTH for one in call_ids):
        raise RefusedError(f"at most {CALL_IDS} Call-IDs of {CALL_ID_LENGTH} characters at once")
    return Conversation(tuple(dict.fromkeys(call_ids)))


def stats(data: bytes) -> None:
    """Check what a `stats` asks for, which is nothing in particular.

    Raises:
        RefusedError: it isn't one.
    """
    _fields(data)


def follow(data: bytes) -> Follow:
    """Return what a `follow` asks for.

    Raises:
        RefusedError: it isn't one.
    """
    fields = _fields(data)
    name, ends = fields.get("id"), fields.get("end", False)
    if not isinstance(name, str) or not 0 < len(name) <= ID_LENGTH:
        raise RefusedError(f'"id" is a text of 1 to {ID_LENGTH} characters')
    if not isinstance(ends, bool):
        raise RefusedError('"end" is true or false')
    return Follow(name, "" if ends else _text(fields), ends)


def looking(node: Node) -> int:
    """Return how many terms of a filter may look into messages: all of them where it does at all.

    A regular expression counts as a term.
    """
    if not Filter(node).scans:
        return 0
    return sum(len(term.values) if term.operator == REGEX else 1 for term in _terms(node))


def filter_of(text: str) -> Node | None:
    """Return the tree of a filter, None where all is asked for.

    Raises:
        RefusedError: it can't be understood, or costs too much.
    """
    if not text:
        return None
    if len(text) > FILTER_TEXT:
        raise RefusedError(f"a filter for agents has at most {FILTER_TEXT} characters")
    try:
        node = parse(text)
    except FilterError as error:
        raise RefusedError(str(error)) from None
    terms = _terms(node)
    if sum(max(len(term.values), 1) for term in terms) > FILTER_TERMS:
        raise RefusedError(f"a filter for agents has at most {FILTER_TERMS} values")
    if looking(node) > LOOKING_TERMS:
        raise RefusedError(
            f"a filter for agents that looks into messages has at most {LOOKING_TERMS} terms"
        )
    return node


def _text(fields: dict[str, Any]) -> str:
    """Return the text of a filter."""
    text = fields.get("filter", "")
    if not isinstance(text, str):
        raise RefusedError('"filter" is a text')
    return text.strip()


def _terms(node: Node) -> list[Term]:
    return [one for one in nodes_of(node) if isinstance(one, Term)]


def _fields(data: bytes) -> dict[str, Any]:
    """Return the fields of a request; nothing at all stands for none."""
    try:
        return coding.read(data)
    except CodingError as error:
        raise RefusedError(f"a request is a JSON object: {error}") from None
