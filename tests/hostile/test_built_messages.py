"""Messages that are valid in every odd way the grammar allows come back with what they say."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from hostile_inputs import segments
from hostile_targets import INPUTS, look_at, through
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from support import batch, ipv4, udp

from sipstream.packets import Linktype
from sipstream.views import Message

TOKEN = string.ascii_letters + string.digits + "-.!%*_+`'~"
WORD = TOKEN + '()<>:\\"/[]?{}'
ODD_NUMBERS = (
    "0",
    "-1",
    "+5",
    "1_0",
    "9" * 5000,
    "²",
    "１２",
    "18446744073709551616",
    "1e3",
    "",
    "5, 7",
)
Built: TypeAlias = tuple[bytes, str, str | int, str]
"""A message, and its Call-ID, method or status, and CSeq."""
OWN_NAMES = {"call-id", "i", "cseq", "content-length", "l"}
FOLDS = ("\r\n ", "\r\n\t", " \r\n  ")

METHODS = [
    "".join(random.Random(n).choices(TOKEN, k=1 + n % 30)) for n in range(200)
] + ["INVITE", "ACK", "MESSAGE"]  # fmt: skip
"""Few enough for the table of methods."""

values = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=40),
    st.sampled_from(ODD_NUMBERS),
    st.sampled_from(["Call-ID: fake", "<sip:1@a>;tag=\0", '"unclosed <sip:1@a>', "CSeq: 9 FAKE"]),
)
names = st.text(TOKEN, min_size=1, max_size=20).filter(lambda name: name.lower() not in OWN_NAMES)
others = st.one_of(
    st.tuples(names, values),
    st.tuples(st.sampled_from(["From", "f", "To", "t", "Via", "v", "Contact", "WARNING"]), values),
)
bodies = st.one_of(
    st.just(b""),
    st.binary(max_size=200),
    st.sampled_from([b"Call-ID: fake\r\n\r\n", b"INVITE sip:2@b SIP/2.0\r\nCall-ID: fake\r\n\r\n"]),
)


@st.composite
def header_lines(draw: st.DrawFn, name: str, compact: str, value: str) -> str:
    """A header as the grammar allows: any case, compact, blanks about the colon, folded."""
    written = draw(st.sampled_from([name, name.upper(), name.lower(), compact, compact.upper()]))
    before = draw(st.sampled_from(["", " ", "\t"]))
    after = draw(st.sampled_from(["", " ", "  \t", *FOLDS]))
    return f"{written}{before}:{after}{value}"


@st.composite
def messages(draw: st.DrawFn) -> Built:
    """A message that is valid in every odd way."""
    call_id = draw(st.text(WORD, min_size=1, max_size=60))
    number, method = draw(st.integers(0, 2**31 - 1)), draw(st.sampled_from(METHODS))
    status = draw(st.one_of(st.none(), st.integers(100, 699)))
    start = f"{method} sip:2@b SIP/2.0" if status is None else f"SIP/2.0 {status} {draw(values)}"
    fold = draw(st.sampled_from([" ", *FOLDS]))
    body = draw(bodies)
    lines = [f"{name}: {value}" for name, value in draw(st.lists(others, max_size=8))]
    lines += draw(st.lists(st.sampled_from(lines), max_size=3)) if lines else []
    lines += [
        draw(header_lines("Call-ID", "i", call_id)),
        draw(header_lines("CSeq", "CSeq", f"{number}{fold}{method}")),
        draw(header_lines("Content-Length", "l", str(len(body)))),
    ]
    lines = [line.encode() for line in draw(st.permutations(lines))]
    raw = b"\r\n".join([start.encode(), *lines, b"", body])
    return raw, call_id, method if status is None else status, f"{number} {method}"


def check(message: Message, built: Built) -> None:
    raw, call_id, kind, cseq = built
    assert message.raw == raw
    assert (message.header("Call-ID"), message.kind) == (call_id, kind)
    assert message.cseq.split() == cseq.split()
    assert not message.cut


def over_udp(built: Built) -> None:
    stages = through([batch([ipv4(udp(built[0]))], Linktype.RAW)])
    stages.finish()
    [conversation] = stages.conversations
    assert conversation.call_id == built[1]
    [message] = conversation.messages
    check(message, built)
    look_at(stages.conversations)


def over_tcp(streamed: tuple[list[Built], list[int]]) -> None:
    built, sizes = streamed
    packets = segments(b"".join(raw for raw, *_ in built), sizes)
    stages = through([batch(packets, Linktype.RAW)])
    stages.finish()
    index = stages.conversations
    found = [index.message(number) for number in range(index.message_count)]
    assert [message.raw for message in found] == [raw for raw, *_ in built]
    for message, one in zip(found, built, strict=True):
        check(message, one)


class Way(NamedTuple):
    """A way in for messages that were built."""

    check: Callable[[Any], None]
    given: st.SearchStrategy[Any]


WAYS = {
    "over UDP": Way(over_udp, messages()),
    "over TCP": Way(
        over_tcp,
        st.tuples(
            st.lists(messages(), min_size=1, max_size=3, unique_by=lambda one: one[0]),
            st.lists(st.integers(1, 300), max_size=8),
        ),
    ),
}


def build(way: Way, number: int, count: int, taken: list[float]) -> None:
    """Build and check `count` messages, the same for a number; `taken` gets the seconds of each."""

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None)
    @given(way.given)
    def checked(built: Any) -> None:
        begun = time.process_time()
        way.check(built)
        taken.append(time.process_time() - begun)

    checked()


@given(WAYS["over UDP"].given)
@settings(max_examples=INPUTS // 5, deadline=None)
def test_over_udp(built: Built) -> None:
    """Row F2: random headers, compact forms, folds, copies, odd numbers, letters, bodies; over UDP."""
    over_udp(built)


@given(WAYS["over TCP"].given)
@settings(max_examples=INPUTS // 10, deadline=None)
def test_over_tcp(streamed: tuple[list[Built], list[int]]) -> None:
    """Row F2: the same over TCP, several in a stream that is cut anywhere."""
    over_tcp(streamed)
