"""What a filter fixes for the kernel: never more than every match has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from sipstream.filters import Filter
from sipstream.filters.grammar import AllOf, AnyOf, Node, Not
from sipstream.filters.narrow import narrowing
from sipstream.filters.term import Predicate, Term


@dataclass(frozen=True, slots=True)
class Named(Term):
    """A term of a name that filters may have."""

    name: ClassVar[str] = "port"

    def predicate(self) -> Predicate:
        raise NotImplementedError


class Endpoint(Named):
    name: ClassVar[str] = "endpoint"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ip 10.0.0.1", "host 10.0.0.1"),
        ("srcip 10.0.0.1", "host 10.0.0.1"),
        ("dstip 10.0.0.0/8", "net 10.0.0.0/8"),
        ("ip 2001:DB8:0::1", "host 2001:db8::1"),
        ("ip 10.0.0.1 10.0.0.2", "host 10.0.0.1 or host 10.0.0.2"),
        ("ip 10.0.0.1 or ip 10.0.0.2", "host 10.0.0.1 or host 10.0.0.2"),
        ("ip 10.0.0.1 or srcip 10.0.0.1", "host 10.0.0.1"),
        ("srcip 10.0.0.1 and dstip 10.0.0.2", "host 10.0.0.1 and host 10.0.0.2"),
        ("srcip 10.0.0.1 dstnum 5660066", "host 10.0.0.1"),
        (
            "ip 10.0.0.1 10.0.0.2 and ip 10.0.0.3",
            "(host 10.0.0.1 or host 10.0.0.2) and host 10.0.0.3",
        ),
        ("ip 10.0.0.1 and (ip 10.0.0.2 or method BYE)", "host 10.0.0.1"),
        # Nothing that each match has.
        ("dstnum 5660066", None),
        ("ip 10.0.0.1 or dstnum 5660066", None),
        ("not ip 10.0.0.1", None),
        ("ip sip.example.net", None),
        ("ip 10.0.0.1 sip.example.net", None),
        ("not (srcip 10.0.0.1 and dstip 10.0.0.2)", None),
    ],
)
def test_what_filters_fix(text: str, expected: str | None) -> None:
    assert narrowing(Filter.parse(text).node) == expected


def port(*values: str) -> Node:
    return Named(values)


def endpoint(*values: str) -> Node:
    return Endpoint(values)


def ip(*values: str) -> Node:
    return Filter.parse(f"ip {' '.join(values)}").node


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (port("5070"), "port 5070"),
        (port("5070", "5080-5090"), "port 5070 or portrange 5080-5090"),
        (port("sip"), None),
        (port("70000"), None),
        (endpoint("10.0.0.1:5060"), "host 10.0.0.1 and port 5060"),
        (endpoint("[2001:db8::1]:5060"), "host 2001:db8::1 and port 5060"),
        (endpoint("a.example:5060"), None),
        (endpoint("10.0.0.1"), None),
        # Each may be met by another message of a call: one alone narrows.
        (AllOf((port("5070"), port("5080"))), "port 5070"),
        (AllOf((port("5070"), ip("10.0.0.1"))), "host 10.0.0.1"),
        (AllOf((AnyOf((ip("10.0.0.2"), port("5070"))), ip("10.0.0.1"))), "host 10.0.0.1"),
        (
            AnyOf((endpoint("10.0.0.1:5060"), ip("10.0.0.2"))),
            "(host 10.0.0.1 and port 5060) or host 10.0.0.2",
        ),
        (Not(port("5070")), None),
    ],
)
def test_ports_and_endpoints(node: Node, expected: str | None) -> None:
    assert narrowing(node) == expected


@dataclass(frozen=True, slots=True)
class Address(Named):
    name: ClassVar[str] = "ip"


def test_ranges_of_addresses() -> None:
    few = narrowing(Address(("10.0.0.2-10.0.0.5",)))
    assert few == "net 10.0.0.2/31 or net 10.0.0.4/31"
    assert narrowing(Address(("10.0.0.1-10.255.255.254",))) is None
    assert narrowing(Address(("10.0.0.1-2001:db8::1",))) is None


def test_what_is_no_part_of_it_yet_fixes_nothing() -> None:
    assert narrowing(object()) is None  # type: ignore[arg-type]
