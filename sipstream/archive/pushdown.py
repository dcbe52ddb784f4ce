"""What a filter asks for, as a query of the archive's rows. Sans-IO.

It finds each conversation that may match, some that don't too: the session judges what is brought. A part
of a filter that the rows can't answer leaves out nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from sipstream.archive.conditions import Asked, Sql, joined, of_term
from sipstream.filters.grammar import AllOf, AnyOf, Node, Quantified
from sipstream.filters.term import Term


def query(node: Node, asked: Asked, rows: str) -> Sql | None:
    """Return the query of the Call-IDs that may match, each with a time; None: all may.

    `rows` is the name of what has the rows.
    """
    if isinstance(node, AllOf):
        parts = [one for one in (query(part, asked, rows) for part in node.parts) if one]
        return _both(parts) if parts else None
    if isinstance(node, AnyOf):
        conditions = [condition(part, asked) for part in node.parts]
        if not any(one is None for one in conditions):
            return _query(joined(" OR ", conditions), rows)
        alternatives = [query(part, asked, rows) for part in node.parts]
        return None if any(one is None for one in alternatives) else _either(alternatives)
    found = condition(node, asked)
    return None if found is None else _query(found, rows)


def condition(node: Node, asked: Asked) -> Sql | None:
    """Return what holds for each message that a node may hold for, None where nothing is sure.

    Of parts joined by `and` outside of quantifiers each may hold for another message: they aren't
    asked here.
    """
    if isinstance(node, Term):
        return of_term(node, asked)
    if isinstance(node, AnyOf):
        parts = [condition(part, asked) for part in node.parts]
        return None if any(one is None for one in parts) else joined(" OR ", parts)
    if isinstance(node, Quantified):
        return _of_one(node.part, asked)
    return None


def _of_one(node: Node, asked: Asked) -> Sql | None:
    """Return the same of what is asked of single messages."""
    if isinstance(node, AllOf):
        parts = [_of_one(part, asked) for part in node.parts]
        known = [one for one in parts if one is not None]
        return joined(" AND ", known) if known else None
    if isinstance(node, AnyOf):
        parts = [_of_one(part, asked) for part in node.parts]
        return None if any(one is None for one in parts) else joined(" OR ", parts)
    return condition(node, asked)


def _query(found: Sql, rows: str) -> Sql:
    return Sql(
        f"SELECT call_id, max(time_ns) AS latest FROM {rows} WHERE {found.text} GROUP BY call_id",
        found.values,
    )


def _both(parts: list[Sql]) -> Sql:
    """Return the Call-IDs that all queries give."""
    first, *others = parts
    for one in others:
        first = Sql(
            f"SELECT call_id, greatest(a.latest, b.latest) AS latest FROM ({first.text}) AS a"
            f" JOIN ({one.text}) AS b USING (call_id)",
            first.values + one.values,
        )
    return first


def _either(parts: Iterable[Sql | None]) -> Sql:
    """Return the Call-IDs that any query gives."""
    known = [one for one in parts if one is not None]
    texts = " UNION ALL ".join(f"({one.text})" for one in known)
    values = tuple(value for one in known for value in one.values)
    return Sql(f"SELECT call_id, max(latest) AS latest FROM ({texts}) GROUP BY call_id", values)
