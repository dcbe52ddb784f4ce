"""What each term of a filter asks of the archive's rows, as SQL. Sans-IO.

A condition holds for each message that a term holds for, and for some others. Text of a filter, or of
traffic, is never part of the SQL: it goes beside it, as values for the question marks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from sipstream.archive.schema import HEADERS, PARTIES, column_text
from sipstream.filters.addresses import AddressSet, EndpointSet, ports_of
from sipstream.filters.numbers import NumberSet
from sipstream.filters.sieve import needle
from sipstream.filters.term import EQUALS, ORDER, REGEX, Term
from sipstream.filters.terms.whole import times_of
from sipstream.filters.texts import TextSet, has_wildcard, longest_piece
from sipstream.filters.values import status_codes
from sipstream.limits import MAX_USER
from sipstream.plan import plan_in_use

_SEPARATORS = "-.() "
"""What may stand between a number's digits (RFC 3966 section 5.1.1)."""
_SHORT = {
    "diversion": "diversion",
    "pai": "p_asserted_identity",
    "ppi": "p_preferred_identity",
    "rpid": "remote_party_id",
}
"""The columns of headers that filters have short names for; they mean INVITEs."""
_FEW = 64
"""Texts looked through one by one, which a dictionary of the file's values makes quick."""
_DIALLED = re.compile(r"\+?[0-9*#?]+")

Distinct: TypeAlias = Callable[[tuple[str, ...]], "list[tuple[Any, ...]] | None"]
"""Returns the different values that some columns have, None where they are too many."""


class Sql(NamedTuple):
    """A condition on rows, or a query, with the values of its question marks."""

    text: str
    values: tuple[Any, ...] = ()


class Asked(NamedTuple):
    """What terms are compared with."""

    newest: int
    """The time of the newest message there is, ns."""
    distinct: Distinct


def of_term(term: Term, asked: Asked) -> Sql | None:
    """Return what holds for each message that a term may hold for, None where nothing is sure."""
    make = ANSWERED.get(term.name)
    return None if make is None else make(term, asked)


def joined(word: str, parts: Iterable[Sql | None]) -> Sql:
    """Return conditions joined by a word; what is None is passed over."""
    known = [one for one in parts if one is not None]
    return Sql(
        f"({word.join(one.text for one in known)})",
        tuple(value for one in known for value in one.values),
    )


def _among(what: str, texts: Iterable[str]) -> Sql:
    """Return what holds where something is one of some texts."""
    wanted = sorted(set(texts))
    if len(wanted) > _FEW:
        return Sql(f"{what} IN (SELECT unnest(?))", (wanted,))
    return Sql(f"list_contains(?, {what})", (wanted,)) if wanted else Sql("FALSE")


# Numbers


def _users(*columns: str) -> Callable[[Term, Asked], Sql | None]:
    def make(term: Term, asked: Asked) -> Sql | None:
        found = _regex(term) if term.operator == REGEX else _numbers(term)
        if found is None:
            return None
        return joined(
            " OR ", (Sql(found.text.replace("{}", column), found.values) for column in columns)
        )

    return make


def _regex(term: Term) -> Sql | None:
    """Return what finds regular expressions: both sides have those of RE2."""
    if not all(value.isascii() for value in term.values):
        return None
    return joined(" OR ", (Sql("regexp_matches({}, ?, 'i')", (one,)) for one in term.values))


def _numbers(term: Term) -> Sql | None:
    """Return the condition on a column `{}` of user parts; user parts of full length may be cut."""
    wanted, plan = NumberSet(term.values), plan_in_use()
    if any(len(value) >= MAX_USER for value in term.values):
        return None
    spellings = {one for number in wanted.exact for one in plan.spellings(number)}
    parts = [_among("{}", map(column_text, spellings))]
    prefix = f"[+0]*(?:{re.escape(plan.country_code)})?(?:{re.escape(plan.trunk_prefix)})?"
    for pattern in wanted.patterns:
        texts = [_pattern(pattern)]
        if _DIALLED.fullmatch(pattern) and plan.country_code:
            texts += _without(plan.country_code, pattern)
        parts.append(Sql("regexp_full_match({}, ?)", (f"(?s){prefix}(?:{'|'.join(texts)})",)))
        parts.append(Sql(f"length({{}}) >= {MAX_USER}"))
    for low, high in wanted.ranges:
        ends = _national(plan.country_code, low, high)
        if ends is None:
            return None
        size = len(ends[0])
        parts.append(Sql(f"right({{}}, {size}) BETWEEN ? AND ?", ends))
    return joined(" OR ", parts)


def _pattern(text: str) -> str:
    """Return a regular expression for a text with wildcards."""
    known = {"*": ".*", "?": "."}
    return "".join(known.get(one) or re.escape(one) for one in column_text(text))


def _without(code: str, pattern: str) -> list[str]:
    """Return what is left of a pattern where a number is written without the country's code."""
    for place, digit in enumerate(code):
        if place >= len(pattern):
            return []
        if pattern[place] == "*":
            return [".*"]
        if pattern[place] not in (digit, "?"):
            return []
    return [_pattern(pattern[len(code) :])]


def _national(code: str, low: str, high: str) -> tuple[str, str] | None:
    """Return a range's ends as they end a number in any spelling; None where it has none in common."""
    if not code or not (low.startswith(code) or high.startswith(code)):
        return low, high
    if low.startswith(code) and high.startswith(code):
        return low[len(code) :], high[len(code) :]
    return None


def _named(columns: tuple[str, ...], texts: Iterable[str]) -> Sql | None:
    """Return what finds user parts in headers; those written in an odd way have a column of their own."""
    pieces = [column_text(one) for one in texts]
    if not all(pieces):
        return None
    return joined(
        " OR ",
        (
            Sql(f"contains({column}, ?)", (piece,))
            for piece in pieces
            for column in (*columns, "spelled_users")
        ),
    )


def _number(term: Term, asked: Asked) -> Sql | None:
    return _digits(term, ("from_user", "to_user", *PARTIES[2:]))


def _digits(term: Term, columns: tuple[str, ...]) -> Sql | None:
    """Return what finds the digits that any of a term's numbers has."""
    digits = None if term.operator == REGEX else NumberSet(term.values).digits
    if digits is None:
        return None
    bare = dict.fromkeys(map(ord, _SEPARATORS))
    return _named(columns, (one.translate(bare) for one in digits))


def _user(term: Term, asked: Asked) -> Sql | None:
    return None if term.operator else _named(PARTIES, map(longest_piece, term.values))


def _of_invite(column: str) -> Callable[[Term, Asked], Sql | None]:
    def make(term: Term, asked: Asked) -> Sql | None:
        found = _digits(term, (column,))
        return joined(" AND ", [Sql("method = 'INVITE'"), found or Sql(f"{column} IS NOT NULL")])

    return make


# Texts


def _holding(columns: tuple[str, ...], texts: Iterable[str]) -> Sql:
    """Return what finds texts, capital or small; beyond ASCII letters have more than two forms."""
    needles = [needle(text) for text in texts]
    known = [one.decode() for one in needles if one is not None]
    if not known or len(known) < len(needles):
        return joined(" OR ", (Sql(f"{one} IS NOT NULL") for one in columns))
    parts: list[Sql] = []
    for column in columns:
        parts += (Sql(f"contains(lower({column}), ?)", (one,)) for one in known)
        parts.append(Sql(f"strlen({column}) > length({column})"))
    return joined(" OR ", parts)


def _uri(term: Term, asked: Asked) -> Sql | None:
    if term.operator == REGEX:
        return None
    # Before @ a password or parameters may stand that don't count.
    return _holding(PARTIES, (longest_piece(value.replace("@", "*")) for value in term.values))


def _texts(*columns: str) -> Callable[[Term, Asked], Sql | None]:
    def make(term: Term, asked: Asked) -> Sql | None:
        texts = () if term.operator == REGEX else _pieces(term)
        return _holding(columns, texts)

    return make


def _pieces(term: Term) -> list[str]:
    """Return what must stand in a text for a term to hold."""
    if term.operator == EQUALS:
        return [longest_piece(value) for value in term.values]
    return list(term.values)


def _header(term: Term, asked: Asked) -> Sql | None:
    column = HEADERS.get(term.subject.encode("utf-8", "surrogateescape"))
    # Of CSeq only the parts are kept.
    if column is None or column == "cseq":
        return None
    if not term.values or term.operator in (REGEX, *ORDER):
        return Sql(f"{column} IS NOT NULL")
    return _holding((column,), _pieces(term))


def _has(term: Term, asked: Asked) -> Sql | None:
    if term.subject == "privacy":
        identities = ("p_asserted_identity", "p_preferred_identity", "remote_party_id")
        asking = joined(" OR ", [Sql("privacy IS NOT NULL"), _holding(identities, ["privacy"])])
        return joined(" AND ", [Sql("method = 'INVITE'"), asking])
    if term.subject in _SHORT:
        return Sql(f"(method = 'INVITE' AND {_SHORT[term.subject]} IS NOT NULL)")
    return _header(term, asked)


def _call_id(term: Term, asked: Asked) -> Sql | None:
    if term.operator == REGEX or not all(value.isascii() for value in term.values):
        return None
    # What is shown of odd ones isn't what they are; a backslash is shown as two.
    parts = [Sql(r"NOT regexp_full_match(call_id, '[ -\[\]-~]*')")]
    for value in term.values:
        if has_wildcard(value):
            parts.append(Sql("regexp_full_match(call_id, ?)", (f"(?s){_pattern(value)}",)))
        else:
            parts.append(Sql("call_id = ?", (value,)))
    return joined(" OR ", parts)


# Kinds, ways, times


def _method(term: Term, asked: Asked) -> Sql | None:
    return _among("upper(method)", term.values)


def _status(term: Term, asked: Asked) -> Sql | None:
    if term.operator in ORDER:
        return Sql(f"status {term.operator} ?", (int(term.values[0]),))
    ranges = map(status_codes, term.values)
    return joined(" OR ", (Sql(f"status BETWEEN {one[0]} AND {one[-1]}") for one in ranges))


def _port(term: Term, asked: Asked) -> Sql | None:
    return joined(
        " OR ",
        (
            Sql(f"{column} BETWEEN {ports[0]} AND {ports[-1]}")
            for ports in ports_of(term.values)
            for column in ("source_port", "destination_port")
        ),
    )


def _judged(asked: Asked, columns: tuple[str, ...], holds: Callable[..., bool]) -> Sql | None:
    """Return what finds values of which there are few: those that there are get judged."""
    there = asked.distinct(columns)
    if there is None:
        return None
    wanted = [one for one in there if holds(*one)]
    if len(columns) == 1:
        return _among(columns[0], (one[0] for one in wanted))
    return _among(" || ':' || ".join(columns), (":".join(map(str, one)) for one in wanted))


def _addresses(*columns: str) -> Callable[[Term, Asked], Sql | None]:
    def make(term: Term, asked: Asked) -> Sql | None:
        holds = AddressSet(term.values).holds
        parts = [_judged(asked, (column,), holds) for column in columns]
        return None if any(one is None for one in parts) else joined(" OR ", parts)

    return make


def _endpoint(term: Term, asked: Asked) -> Sql | None:
    holds = EndpointSet(term.values).holds
    ends = (("source", "source_port"), ("destination", "destination_port"))
    parts = [_judged(asked, columns, holds) for columns in ends]
    return None if any(one is None for one in parts) else joined(" OR ", parts)


def _transport(term: Term, asked: Asked) -> Sql | None:
    return _among("lower(transport)", term.values)


def _tap(term: Term, asked: Asked) -> Sql | None:
    return _judged(asked, ("tap",), TextSet(term.values).holds)


def _time(term: Term, asked: Asked) -> Sql | None:
    times = times_of(term, asked.newest)
    if times is None:
        return None
    latest, first = times
    return Sql("time_ns >= ?", (latest,)) if latest is not None else Sql("time_ns <= ?", (first,))


ANSWERED: dict[str, Callable[[Term, Asked], Sql | None]] = {
    "srcnum": _users("from_user"),
    "dstnum": _users("to_user"),
    "telnum": _users("from_user", "to_user"),
    "number": _number,
    "user": _user,
    "domain": _uri,
    "uri": _uri,
    "diversion": _of_invite("diversion"),
    "pai": _of_invite("p_asserted_identity"),
    "ppi": _of_invite("p_preferred_identity"),
    "has": _has,
    "header": _header,
    "ua": _texts("user_agent", "server"),
    "reason": _texts("reason_phrase", "reason"),
    "stir": lambda term, asked: Sql("identity IS NOT NULL"),
    "callid": _call_id,
    "method": _method,
    "status": _status,
    "final": _status,
    "port": _port,
    "srcip": _addresses("source"),
    "dstip": _addresses("destination"),
    "ip": _addresses("source", "destination"),
    "endpoint": _endpoint,
    "transport": _transport,
    "tap": _tap,
    "interface": _tap,
    "since": _time,
    "until": _time,
    "last": _time,
}
"""What the rows can answer of each term; others leave out nothing."""
