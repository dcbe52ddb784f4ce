"""What a filter fixes about addresses and ports, as an expression for the kernel (pcap-filter(7)).

Sans-IO. The expression lets through each message that a conversation can match by: what is between
other hosts, or on other ports, is left out, and that is what narrowing is asked for. A part of a filter
that fixes nothing never narrows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network, summarize_address_range

from sipstream.filters.grammar import AllOf, AnyOf, Node
from sipstream.filters.term import Term

_ADDRESSES = frozenset({"ip", "srcip", "dstip"})
"""Terms on the first message: two of them are about the same packet."""
_ENDPOINT = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<four>[0-9.]+)):(?P<port>\d{1,5})")
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_HIGHEST_PORT = 65_535
_NETWORKS = 16
"""Networks that a range of addresses may come to; one with more doesn't narrow."""


def narrowing(node: Node) -> str | None:
    """Return the expression that lets through all that a filter can match by, None for all there is.

    Of direction nothing is said: answers go the other way.
    """
    if isinstance(node, Term):
        return _of_term(node)
    if isinstance(node, AnyOf):
        parts = [narrowing(part) for part in node.parts]
        return None if None in parts else _joined(" or ", (part for part in parts if part))
    if isinstance(node, AllOf):
        narrow = [(part, text) for part in node.parts if (text := narrowing(part)) is not None]
        same = [text for part, text in narrow if _is_of_first(part)]
        # Terms on any message may each be met by another one: of these one alone narrows.
        return _joined(" and ", same or [text for _, text in narrow[:1]])
    return None


def _is_of_first(node: Node) -> bool:
    """Tell whether a part says something of the conversation's first message alone."""
    if isinstance(node, Term):
        return node.name in _ADDRESSES
    if isinstance(node, AnyOf):
        return all(map(_is_of_first, node.parts))
    # Of an AllOf only terms on the first message were taken, where there are any.
    return isinstance(node, AllOf) and any(
        _is_of_first(part) for part in node.parts if narrowing(part) is not None
    )


def _of_term(term: Term) -> str | None:
    """Return what a term's values fix, each of them an alternative."""
    make = {"port": _port, "endpoint": _endpoint}.get(term.name)
    if term.name in _ADDRESSES:
        make = _address
    if make is None or term.operator:
        return None
    parts = [make(value) for value in term.values]
    return None if None in parts else _joined(" or ", (part for part in parts if part))


def _address(value: str) -> str | None:
    """Return the expression of an address, a network or a range; None for a name."""
    first, dash, last = value.partition("-")
    try:
        if not dash:
            networks = [ip_network(value, strict=False)]
        else:
            networks = list(summarize_address_range(ip_address(first), ip_address(last)))
    except (ValueError, TypeError):
        return None
    if len(networks) > _NETWORKS:
        return None
    texts = (
        f"host {one.network_address}" if one.prefixlen == one.max_prefixlen else f"net {one}"
        for one in networks
    )
    return _joined(" or ", texts)


def _port(value: str) -> str | None:
    """Return the expression of a port or a range of ports."""
    found = _PORTS.fullmatch(value)
    if not found or max(int(one or 0) for one in found.groups()) > _HIGHEST_PORT:
        return None
    return f"port {int(found[1])}" if found[2] is None else f"portrange {found[1]}-{found[2]}"


def _endpoint(value: str) -> str | None:
    """Return the expression of an address with a port."""
    found = _ENDPOINT.fullmatch(value)
    host = _address(found["six"] or found["four"]) if found else None
    port = _port(found["port"]) if found else None
    return f"{host} and {port}" if host and port else None


def _joined(word: str, texts: Iterable[str]) -> str | None:
    """Return texts joined, each once, those that are joined themselves in parentheses."""
    different = list(dict.fromkeys(texts))
    if len(different) < 2:
        return different[0] if different else None
    # `and` and `or` have the same precedence there.
    return word.join(
        f"({text})" if " and " in text or " or " in text else text for text in different
    )
