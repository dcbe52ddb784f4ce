"""Whatever taps send: nothing is raised, and what is taken is theirs."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sipstream.bus import coding
from sipstream.bus.names import request_subject
from sipstream.conversations import Conversations
from sipstream.decode import hep
from sipstream.render import taps as render
from sipstream.taps.answers import Answer
from sipstream.taps.known import Known, Tap
from sipstream.taps.standing import row

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
CHUNK = st.builds(
    lambda vendor, kind, value, lie: (
        vendor.to_bytes(2, "big")
        + kind.to_bytes(2, "big")
        + max(6 + len(value) + lie, 0).to_bytes(2, "big")
        + value
    ),
    st.sampled_from([0, 0, 0, hep.VENDOR]),
    st.integers(0, 20),
    st.binary(max_size=24),
    st.sampled_from([0, 0, 0, -7, 3]),
)
ENVELOPE = st.lists(CHUNK, max_size=12).map(
    lambda chunks: b"HEP3" + (6 + len(b"".join(chunks))).to_bytes(2, "big") + b"".join(chunks)
)


@given(st.lists(ENVELOPE, max_size=4))
def test_envelopes(envelopes: list[bytes]) -> None:
    answer = Answer("sbc1", Counter())
    for came in answer.checked(answer.unpacked(zlib.compress(b"".join(envelopes)))):
        captured = hep.parse(came.envelope, 0, len(came.envelope))
        assert captured is not None
        assert (captured.tap, captured.time) == ("sbc1", came.time)


@given(st.sampled_from(["part", "end", "begun", "error", ""]), st.binary(max_size=200) | ANYTHING)
def test_messages(kind: str, sent: Any) -> None:
    data = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    answer = Answer("sbc1", Counter())
    answer.checked(answer.unpacked(answer.take({coding.KIND: kind}, data)))
    for name in ("matching", "given", "messages", "time", "left_out"):
        assert 0 <= answer.number(name) < 1 << 63
    answer.error.encode("utf-8", "surrogatepass")


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_who_says_that_he_is_there(name: Any, metadata: Any, run: Any, endpoints: Any) -> None:
    told: list[str] = []
    there = Known(told.append)
    fields = {"name": "sipstream", "id": run, "metadata": metadata, "endpoints": endpoints}
    there.take(json.dumps(fields).encode(), 0.0)
    subjects = [{"subject": request_subject(name, "find")}] if _is_text(name) else endpoints
    fields |= {"metadata": {"tap": name, "host": metadata}, "endpoints": subjects, "version": run}
    there.take(json.dumps(fields).encode(), 0.0)
    assert all(0 < len(tap.name.encode()) <= 64 for tap in there.all)


@given(st.dictionaries(st.sampled_from(["rate", "memory", "cpu", "drops", "published"]), ANYTHING))
def test_how_they_say_that_they_are(said: dict[str, Any]) -> None:
    tap = Tap("sbc1", host="\x1b]0;x\x07", version="1", stats=said)
    shown = row(tap, 1.0, Conversations())
    json.dumps(shown, allow_nan=False)
    assert all(line.isprintable() for line in render.lines([shown], 80))


def _is_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(value.encode())
    except UnicodeEncodeError:
        return False
