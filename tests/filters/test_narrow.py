"""What a filter fixes for the kernel: never more than every match has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sipstream.filters import Filter
from sipstream.filters.narrow import narrowing
from sipstream.filters.term import Term


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port 5070", "port 5070"),
        ("port 5070 5080-5090", "port 5070 or portrange 5080-5090"),
        ("endpoint 10.0.0.1:5060", "host 10.0.0.1 and port 5060"),
        ("endpoint [2001:db8::1]:5060", "host 2001:db8::1 and port 5060"),
        ("endpoint sip.example.net:5060", None),
        # Each may be met by another message of a call: one alone narrows.
        ("port 5070 and port 5080", "port 5070"),
        ("port 5070 and ip 10.0.0.1", "host 10.0.0.1"),
        ("(ip 10.0.0.2 or port 5070) and ip 10.0.0.1", "host 10.0.0.1"),
        (
            "endpoint 10.0.0.1:5060 or ip 10.0.0.2",
            "(host 10.0.0.1 and port 5060) or host 10.0.0.2",
        ),
        ("not port 5070", None),
        # What is said of each message or the first isn't looked into.
        ("each(port 5070)", None),
        ("first(ip 10.0.0.1)", None),
    ],
)
def test_ports_and_endpoints(text: str, expected: str | None) -> None:
    assert narrowing(Filter.parse(text).node) == expected


def test_ranges_of_addresses() -> None:
    few = narrowing(Filter.parse("ip 10.0.0.2-10.0.0.5").node)
    assert few == "net 10.0.0.2/31 or net 10.0.0.4/31"
    assert narrowing(Filter.parse("ip 10.0.0.1-10.255.255.254").node) is None


def test_an_operator_changes_what_a_value_means() -> None:
    term = Filter.parse("ip 10.0.0.1").node
    assert isinstance(term, Term)
    assert narrowing(replace(term, operator="~")) is None
