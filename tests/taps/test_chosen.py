"""Which taps a filter asks, and for what: the term tap is judged here, the others there."""

from __future__ import annotations

import pytest

from sipstream.filters import Filter
from sipstream.taps.chosen import question


@pytest.mark.parametrize(
    ("text", "sbc1", "other"),
    [
        ("dstnum 5660066", "dstnum 5660066", "dstnum 5660066"),
        ("tap sbc1", "", None),
        ("tap sbc*", "", None),
        ("interface sbc1 eth0", "", None),
        ("tap sbc1 and dstnum 5", "dstnum 5", None),
        ("tap sbc1 or dstnum 5", "", "dstnum 5"),
        (
            "(tap sbc1 or tap x) and method INVITE and status 5xx",
            "method INVITE and status 5xx",
            None,
        ),
        ("any(tap sbc1 and method BYE)", "any(method BYE)", None),
        ("any(tap sbc1 or method BYE)", "", "any(method BYE)"),
        # What no tap can tell by itself is asked of all, and judged here.
        ("not tap sbc1", "", ""),
        ("not tap sbc1 and dstnum 5", "dstnum 5", "dstnum 5"),
        ("each(tap sbc1)", "", ""),
        ("first(tap sbc1 and method INVITE) and dstnum 5", "dstnum 5", "dstnum 5"),
        ("not status 4xx", "not status 4xx", "not status 4xx"),
    ],
)
def test_what_a_tap_is_asked(text: str, sbc1: str | None, other: str | None) -> None:
    node = Filter.parse(text).node
    assert question(node, "sbc1") == sbc1
    assert question(node, "pbx") == other


def test_without_a_filter_all_is_asked_for() -> None:
    assert question(None, "sbc1") == ""
