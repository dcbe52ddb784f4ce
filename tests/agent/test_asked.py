"""What comes from the bus as a request: whatever it is, it is one of four or refused in a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("nats")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as some  # noqa: E402

from sipstream.agent import asked  # noqa: E402
from sipstream.agent.asked import RefusedError  # noqa: E402

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=3), inner),
    max_leaves=8,
)
REQUESTS = some.dictionaries(
    some.sampled_from(["filter", "limit", "call_ids", "id", "end", "other"]), VALUES
)
FILTERS = some.lists(
    some.sampled_from(
        [
            "dstnum",
            "1",
            "(",
            ")",
            "not",
            "and",
            "or",
            "~",
            "header",
            "each(",
            "'",
            "last",
            "5m",
            "*",
        ]
    ),
    max_size=12,
).map(" ".join)


def refused_or_made(data: bytes) -> None:
    for ask in (asked.find, asked.conversation, asked.stats, asked.follow):
        try:
            made: Any = ask(data)
            if isinstance(made, asked.Follow):
                asked.filter_of(made.text)
        except RefusedError as error:
            assert str(error)


@settings(max_examples=80, deadline=None)
@given(REQUESTS | VALUES)
def test_any_json(value: object) -> None:
    refused_or_made(json.dumps(value).encode())


@settings(max_examples=80, deadline=None)
@given(some.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    refused_or_made(data)


@settings(max_examples=80, deadline=None)
@given(FILTERS | some.text(max_size=30))
def test_any_filter(text: str) -> None:
    refused_or_made(json.dumps({"id": "f", "filter": text}).encode())


def test_a_filter_costs_no_more_than_agents_can_bear() -> None:
    assert asked.filter_of("") is None
    for text, terms in (
        ("dstnum 1 and status 486", 0),
        ("header subject a and dstnum 1", 2),
        ("header subject ~ a b c", 3),
        ("any(header subject ~ 'a|b' and method INVITE)", 2),
    ):
        node = asked.filter_of(text)
        assert node is not None and asked.looking(node) == terms, text
    with pytest.raises(RefusedError, match="at most 16 terms"):
        asked.filter_of("header subject ~ " + " ".join(f"a{place}" for place in range(17)))
