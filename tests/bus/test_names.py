"""Names on the bus hold no wildcard and no separator, whatever a tap is called."""

import re

from hypothesis import given
from hypothesis import strategies as st

from sipstream.bus import names


@given(st.text(max_size=80), st.text(max_size=80))
def test_tokens_are_one_word_each_and_another_for_each_tap(one: str, other: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}", names.token(one))
    assert (names.token(one) == names.token(other)) == (one == other)


def test_subjects() -> None:
    assert names.request_subject("sbc1", "find") == "sipstream.sbc1.find"
    assert names.stream_subject("sbc1", 7) == "sip.sbc1.7"
    assert re.fullmatch(r"sip\.a__-[0-9a-f]{8}\.0", names.stream_subject("a.>", 0))


def test_partitions_are_those_of_crc32() -> None:
    # Written down: what was published and archived must be found again.
    assert [names.partition_of(one) for one in (b"", b"a", b"b", b"abc@host")] == [0, 3, 9, 12]
