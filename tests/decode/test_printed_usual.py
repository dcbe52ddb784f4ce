"""Text that is printed as nearly all is: the short way through it finds what the long way finds."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import ipv4, ipv6, sip, udp

from sipstream.conversations import Conversations
from sipstream.decode import hexdump
from sipstream.decode.decoder import Decoder
from sipstream.packets import Tally
from sipstream.sip.scan import Scanner
from sipstream.sources.text import TextReader
from sipstream.sources.textclock import Clock, Form
from sipstream.sources.textstore import TextStore

DAY = date(2023, 11, 14)
BODY = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=a call\r\n"
MESSAGES = [
    sip(call_id="first@10.0.0.1"),
    sip("SIP/2.0 200 OK", call_id="first@10.0.0.1", body=BODY),
    sip(call_id="without-a-line-end-at-its-end@10.0.0.1", body=BODY + "a=sendrecv"),
    sip("SIP/2.0 486 Busy Here", call_id="last@10.0.0.1"),
]
ENDS = "10.0.0.1.5060 > 10.0.0.2.5060"


def stamp(number: int) -> str:
    return f"15:54:{44 + number // 3:02}.{871687 + number:06}"


def lines_of_v(number: int, message: bytes) -> bytes:
    head = (
        f"{stamp(number)} IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length"
    )
    text = message.removesuffix(b"\r\n").replace(b"\r\n", b"\n\t")
    return (
        f"{head} {len(message) + 28})\n    {ENDS}: SIP, length: {len(message)}\n\t".encode()
        + text
        + b"\n"
    )


def lines_of_a(number: int, message: bytes) -> bytes:
    start = message.partition(b"\r\n")[0].decode()
    headers = b"E.......@.@............!...."
    text = message.replace(b"\r\n", b"\n")
    return f"{stamp(number)} IP {ENDS}: SIP: {start}\n".encode() + headers + text + b"\n"


def lines_of_other_port(number: int, message: bytes) -> bytes:
    text = message.replace(b"\r\n", b"\n")
    head = f"{stamp(number)} IP6 2001:db8::1.5070 > 2001:db8::2.5080: [udp sum ok] UDP, length "
    return f"{head}{len(message)}\n".encode() + b"`" + b"." * 47 + text + b"\n"


def dump(number: int, packet: bytes, text: bool) -> bytes:
    rows = [f"{stamp(number)} IP {ENDS}: SIP"]
    for place in range(0, len(packet), 16):
        row = packet[place : place + 16]
        groups = " ".join(row[at : at + 2].hex() for at in range(0, len(row), 2))
        shown = "".join(chr(byte) if 0x21 <= byte <= 0x7E else "." for byte in row)
        rows.append(f"\t0x{place:04x}:  " + (f"{groups:39}  {shown}" if text else groups))
    return "\n".join([*rows, ""]).encode()


def lines_of_x(number: int, message: bytes) -> bytes:
    return dump(number, ipv4(udp(message)), text=False)


def lines_with_text(number: int, message: bytes) -> bytes:
    return dump(number, ipv6(udp(message)), text=True)


FORMS = [lines_of_v, lines_of_a, lines_of_other_port, lines_of_x, lines_with_text]
TEXTS = [b"".join(form(n, one) for n, one in enumerate([*MESSAGES, MESSAGES[0]])) for form in FORMS]
PIECES = [
    b"\n", b"\t", b"\r", b"\n\t", b" ", b" \t", b":", b">", b"9", b"A", b"\n\n", b"SIP/2.0",
    b"Call-ID: x\n", b"E", b"15:54:44.871687 IP ", b"\n    ", b"\ntcpdump: x\n", b"length 5",
    b"\n\t0x0010:  4500",
]  # fmt: skip


class Kept:
    """A store in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


class Outcome(NamedTuple):
    """What came of a text: times, kinds, whether cut, Call-IDs and bytes of messages; its accounting."""

    messages: list[tuple[int, int | str, bool, str, bytes]]
    reasons: dict[str, int]
    located: int


def outcome(text: bytes, *, is_short: bool = True) -> Outcome:
    """Read a text, the short way where it can be gone, or else the long way throughout."""
    store, tally, conversations = TextStore(Kept(text)), Tally("text"), Conversations()  # type: ignore[arg-type]
    reader = TextReader(store, modified_ns=lambda: 1_700_000_000 * 10**9)
    index, numbers = conversations.index, []
    decoder, scanner = Decoder(tally, index.endpoints), Scanner(tally)
    with pytest.MonkeyPatch.context() as patch:
        if not is_short:
            patch.setattr(hexdump, "below", lambda data, start, end: None)
        for batch in reader.feed(text) + reader.finish():
            if not is_short:
                batch.usual.clear()
            numbers += conversations.feed(scanner.feed(decoder.feed(batch)), store)
    assert not tally.unaccounted
    messages = [conversations.message(number) for number in numbers]
    found = [
        (one.time, one.kind, one.cut, conversations[one.conversation].call_id, one.raw)
        for one in messages
    ]
    located = sum(index.stores[index.m_store[number]] is store for number in numbers)
    return Outcome(found, dict(+tally.reasons), located)


@pytest.mark.parametrize("text", TEXTS, ids=[form.__name__ for form in FORMS])
def test_all_messages_are_read(text: bytes) -> None:
    short = outcome(text)
    assert [call_id for *_, call_id, _ in short.messages] == [
        "first@10.0.0.1",
        "first@10.0.0.1",
        "without-a-line-end-at-its-end@10.0.0.1",
        "last@10.0.0.1",
        "first@10.0.0.1",
    ]
    assert short[:2] == outcome(text, is_short=False)[:2]


def test_text_of_v_is_the_message_to_the_byte_and_stays_where_it_is() -> None:
    short = outcome(TEXTS[0])
    assert [raw for *_, raw in short.messages] == [*MESSAGES, MESSAGES[0]]
    # What follows the last one isn't known.
    assert short.located == len(MESSAGES)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_whatever_is_strange_is_read_as_ever(data: st.DataObject) -> None:
    text = bytearray(data.draw(st.sampled_from(TEXTS)))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text)))
        if data.draw(st.booleans()):
            text[place:place] = data.draw(st.sampled_from(PIECES))
        else:
            del text[place : place + data.draw(st.sampled_from([1, 1, 2, 9, 70]))]
    assert outcome(bytes(text))[:2] == outcome(bytes(text), is_short=False)[:2]


def then(*packets: bytes) -> bytes:
    """Return packets with a usual one behind them."""
    return b"".join(packets) + lines_of_v(9, MESSAGES[3])


def with_dump() -> bytes:
    """Return a part of a message with its dump below, as long together as the message was."""
    text = lines_of_v(0, MESSAGES[0]).partition(b"\n\tTo")[0]
    _, _, rows = dump(0, ipv4(udp(MESSAGES[1])), text=True).partition(b"\n")
    size = len(text.partition(b"\n\t")[2] + b"\n" + rows.removesuffix(b"\n") + b"\r\n")
    return (
        text.replace(b"SIP, length: %d" % len(MESSAGES[0]), b"SIP, length: %d" % size)
        + b"\n"
        + rows
    )


STRANGE = {
    "a dump that makes up for what is missing": with_dump(),
    "a reason phrase that names a length": lines_of_a(0, sip("SIP/2.0 200 length 9000")),
    "a broken Call-ID": lines_of_a(0, MESSAGES[0]).replace(b"first@", b"first\n@"),
    "headers that end as if -v had printed them": lines_of_a(0, MESSAGES[0]).replace(
        b"!....", b"!..\n\t"
    ),
    "a cut message": lines_of_other_port(0, MESSAGES[1]).replace(
        BODY.encode().replace(b"\r", b""), b""
    ),
    "two dumps": dump(0, ipv4(udp(MESSAGES[0]))[:65], text=True) + b"\t0x0000:  46\n",
}


@pytest.mark.parametrize("name", STRANGE)
def test_the_long_way_is_gone_where_it_has_to_be(name: str) -> None:
    text = then(STRANGE[name])
    assert outcome(text)[:2] == outcome(text, is_short=False)[:2]


def test_a_length_that_reaches_over_the_next_packet_hides_it_not() -> None:
    first, second = lines_of_v(0, MESSAGES[0]), lines_of_v(1, MESSAGES[1])
    size = len(MESSAGES[0])
    text = then(first.replace(b"length: %d" % size, b"length: %d" % (size + len(second))), second)
    assert [raw for *_, raw in outcome(text).messages][1:] == [MESSAGES[1], MESSAGES[3]]


def test_a_line_that_looks_like_a_dump_hides_no_message() -> None:
    message = sip(call_id="hidden@10.0.0.1", body="0x0000:  4500 0000 0000 0000\r\n.\r\n")
    text = lines_of_v(0, message) + lines_of_v(1, MESSAGES[0])
    assert [raw for *_, raw in outcome(text).messages] == [message, MESSAGES[0]]


def test_lines_without_a_call_id_are_a_part_of_a_message() -> None:
    message = MESSAGES[0].replace(b"Call-ID: ", b"X-Call-ID: ")
    text = lines_of_v(0, message) + lines_of_v(1, MESSAGES[0])
    assert outcome(text).reasons == outcome(text, is_short=False).reasons != {}


@settings(max_examples=200, deadline=None)
@example([(86_399, 1), (0, 1), (86_399, 2), (86_399, 3), (None, 0), (1, 0)])
@given(
    st.lists(
        st.tuples(st.sampled_from([None, 0, 1, 60, 43_000, 86_399]), st.integers(0, 999_999)),
        max_size=12,
    )
)
def test_each_time_is_what_the_clock_says(moments: list[tuple[int | None, int]]) -> None:
    text, clock, expected = lines_of_x(0, b""), Clock(Form.CLOCK, DAY), []
    expected.append(clock.time((b"15:54", b"44", b"871687")))
    for second, micros in moments:
        if second is None:
            text += b"[Error converting time] IP 10.0.0.1 > 10.0.0.2: ICMP\n"
            expected.append(clock.time(None))
            continue
        minute, seconds = divmod(second, 60)
        before = b"%02d:%02d" % divmod(minute, 60)
        text += b"%b:%02d.%06d IP 10.0.0.1 > 10.0.0.2: ICMP\n" % (before, seconds, micros)
        expected.append(clock.time((before, b"%02d" % seconds, b"%06d" % micros)))
    night = Clock(Form.CLOCK, DAY).time((b"23:59", b"59", b"999999"))
    reader = TextReader(TextStore(Kept(text)), modified_ns=lambda: night)  # type: ignore[arg-type]
    batches = reader.feed(text) + reader.finish()
    assert [time for batch in batches for time, *_ in batch.records] == expected


def test_times_before_the_packet_before() -> None:
    text = b""
    for stamp in (" 00:00:09.000000", "-00:00:00.000000", "-00:00:00.500000"):
        text += stamp.encode() + b" IP 10.0.0.1 > 10.0.0.2: ICMP\n"
    reader = TextReader(TextStore(Kept(text)))  # type: ignore[arg-type]
    first, *others = [
        time for batch in reader.feed(text) + reader.finish() for time, *_ in batch.records
    ]
    assert [time - first for time in others] == [0, -500_000_000]
