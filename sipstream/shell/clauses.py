"""What stands behind `list`: a filter, and behind it how the table is to be.

The words that begin a clause are never values of the filter, unless they stand in quotes; `last 20` is
a clause, `last 5m` a term of the filter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sipstream.errors import CommandError, FilterError
from sipstream.escape import brief
from sipstream.filters import Filter, unfinished
from sipstream.render.table import COLUMNS, Column
from sipstream.shell.arguments import Expression
from sipstream.shell.offered import Offer, Offers
from sipstream.wording import listed, meant

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.views import Conversation

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"?|[^\s"]+', re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,9}")
_SORTED, _COLUMNS, _LAST, _NEW = "sorted", "columns", "last", "new"
_CLAUSES = {
    _SORTED: "by which column, and asc or desc",
    _COLUMNS: "which ones, apart by commas",
    _LAST: "20: so many of those that began last; 5m: a message came within",
    _NEW: "what began or got messages since the last list",
}
_ORDERS = {"asc": "the lowest first", "desc": "the highest first"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a table is to show."""

    expression: str = ""
    """The filter's text, "" for none."""
    by: Column = COLUMNS["time"]
    """The column that it is sorted by."""
    descending: bool = False
    columns: tuple[Column, ...] = ()
    """The columns chosen, () for all."""
    last: int | None = None
    """How many of those that began last; None: all."""
    new: bool = False
    """Only those that began or got messages since the last look."""


EVERYTHING = Wanted()
"""All conversations, all columns, in order of time."""


class Clauses(Expression):
    """A filter, then sorted by COLUMN [asc|desc], columns NAME,..., last N, new."""

    syntax = "[<filter>] [<clause>...]"

    @classmethod
    def parse(cls, session: Session, text: str) -> Wanted:
        """Return what is wanted.

        Raises:
            CommandError: a clause makes no sense.
            FilterError: the filter can't be understood.
        """
        words = _words(text)
        begin = next((place for place in range(len(words)) if _begins(words, place)), len(words))
        found = _read([word for _, word in words[begin:]])
        expression = text[: words[begin][0]].strip() if begin < len(words) else text.strip()
        if expression:
            try:
                Filter.parse(expression)
            except FilterError:
                _check_slips([word for _, word in words])
                raise
        return replace(found, expression=expression)

    @classmethod
    def unfinished(cls, typed: str) -> str:
        """Return the word being typed: of the filter, or a column's behind a comma."""
        before, word = _cut(typed)
        if _clause_open(before) == _COLUMNS:
            return word.rpartition(",")[2]
        return word if _clause_open(before) else unfinished(typed)

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Offers:
        """Return what the grammar of filters allows next, and the clauses."""
        before, _ = _cut(typed)
        if not _clause_open(before):
            # Within a word of the filter another may begin: `each(`.
            before = typed[: len(typed) - len(unfinished(typed))]
        may_end = not before.strip() or bool(_clause_open(before)) or _is_filter(before)
        if not _clause_open(before):
            for offer in super().offers(session, typed, near):
                if not (isinstance(offer, Offer) and offer.text == _LAST and may_end):
                    yield offer
        if may_end:
            yield from _next_words([word for _, word in _words(before)])


def _words(text: str) -> list[tuple[int, str]]:
    """Return the words of a text, each with its place; what is in quotes is one."""
    return [(match.start(), match[0]) for match in _WORD.finditer(text)]


def _cut(typed: str) -> tuple[str, str]:
    """Cut off the word at the end that is being typed."""
    words = _words(typed)
    if not words or typed[-1].isspace():
        return typed, ""
    place, word = words[-1]
    return typed[:place], word


def _begins(words: list[tuple[int, str]], place: int) -> bool:
    """Tell whether the first clause begins at a word."""
    word = words[place][1]
    if word != _LAST:
        return word in _CLAUSES
    behind = words[place + 1][1] if place + 1 < len(words) else ""
    return not behind or _NUMBER.fullmatch(behind) is not None


def _clause_open(text: str) -> str:
    """Return the word of the last clause in a text, "" where no clause has begun."""
    words = _words(text)
    begun = [words[place][1] for place in range(len(words)) if _begins(words, place)]
    return begun[-1] if begun else ""


def _is_filter(text: str) -> bool:
    try:
        Filter.parse(text)
    except FilterError:
        return False
    return True


def _read(words: list[str]) -> Wanted:
    """Read the clauses, each at most once.

    Raises:
        CommandError: they make no sense.
    """
    found = EVERYTHING
    seen: set[str] = set()
    rest = iter(words)
    ahead = next(rest, None)
    while ahead is not None:
        clause = ahead
        if clause in seen:
            raise CommandError(f"{clause} stands there twice")
        seen.add(clause)
        ahead = next(rest, None)
        if clause == _NEW:
            found = replace(found, new=True)
        elif clause == _LAST:
            found = replace(found, last=_number(ahead))
            ahead = next(rest, None)
        elif clause == _COLUMNS:
            names, ahead = _list(ahead, rest)
            found = replace(found, columns=names)
        elif clause == _SORTED:
            if ahead != "by":
                raise CommandError("sorted by which column? As in: list sorted by duration desc")
            found = replace(found, by=_column(next(rest, None)))
            ahead = next(rest, None)
            if ahead in _ORDERS:
                found = replace(found, descending=ahead == "desc")
                ahead = next(rest, None)
        else:
            raise CommandError(
                f"unknown word {brief(clause)}: the filter stands first, behind it only"
                f" {listed(_CLAUSES)}"
            )
    return found


def _number(word: str | None) -> int:
    if word is None or not _NUMBER.fullmatch(word):
        raise CommandError(
            "last takes how many (last 20); last 5m is a term of the filter, which stands first"
        )
    return int(word)


def _list(ahead: str | None, rest: Iterator[str]) -> tuple[tuple[Column, ...], str | None]:
    """Read names apart by commas, blanks allowed beside these; return them and the word behind."""
    text = ahead or ""
    ahead = next(rest, None)
    while ahead is not None and (text.endswith(",") or ahead.startswith(",")):
        text += ahead
        ahead = next(rest, None)
    return tuple(dict.fromkeys(_column(name) for name in text.split(","))), ahead


def _column(name: str | None) -> Column:
    """Return the column of a name, which may be short."""
    found = [one for one in COLUMNS if name and one.startswith(name)]
    if name in COLUMNS or len(found) == 1:
        return COLUMNS[name if name in COLUMNS else found[0]]
    if not name:
        raise CommandError(f"missing argument: a column is expected: {listed(COLUMNS)}")
    if found:
        raise CommandError(f"{brief(name)} is short for {listed(found)}")
    raise CommandError(f"unknown column {brief(name)}: {meant(name, COLUMNS)}")


def _check_slips(words: list[str]) -> None:
    """Say so where the filter makes no sense because a clause's word is misspelt."""
    for word in words:
        near = get_close_matches(word, (_SORTED, _COLUMNS), 1, 0.8)
        if near and word not in near:
            raise CommandError(f"unknown word {brief(word)}: did you mean {near[0]}?")


def _next_words(words: list[str]) -> Iterator[Offer]:
    """Yield what may stand behind the words: what the clause lacks, or the next one."""
    last, before = (["", "", *words])[-1], (["", "", *words])[-2]
    columns = [Offer(name, column.about) for name, column in COLUMNS.items()]
    if last == _SORTED:
        yield Offer("by", "a column")
    elif last == _COLUMNS or last.endswith(",") or (before == _SORTED and last == "by"):
        yield from columns
    elif last == _LAST:
        yield Offer("20", "so many of those that began last")
    else:
        if words[-3:-1] == [_SORTED, "by"]:
            yield from (Offer(word, about) for word, about in _ORDERS.items())
        yield from (Offer(word, about) for word, about in _CLAUSES.items() if word not in words)
