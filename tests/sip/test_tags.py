from __future__ import annotations

import pytest

from sipstream.sip.tags import sequence_in, tag_in


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("<sip:1@a>;tag=x", "x"),
        ("sip:1@a;tag=x-1;y", "x-1"),
        ('";tag=no" <sip:1@a;tag=no> ; TAG = a-1;x', "a-1"),
        ("<sip:1@a;tag=no>", ""),
        ("", ""),
    ],
)
def test_tags_stand_behind_the_uri(value: str, tag: str) -> None:
    assert tag_in(value) == tag


@pytest.mark.parametrize(
    ("value", "sequence"),
    [
        ("1 INVITE", (1, "INVITE")),
        (" 0042\t BYE ", (42, "BYE")),
        ("INVITE", None),
        ("99999999999 INVITE", None),
        ("", None),
    ],
)
def test_number_and_method_of_a_request(value: str, sequence: tuple[int, str] | None) -> None:
    assert sequence_in(value) == sequence
