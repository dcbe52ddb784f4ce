"""RTP that is written by attackers: sources without end, numbers that jump; memory is bounded."""

from __future__ import annotations

import asyncio
import random
import struct
import tracemalloc
from pathlib import Path

import pytest
from rtp_made import ANSWER, BEGIN, CALLEE, CALLER, OFFER, SSRC, Call, rtp
from support import CAPTURES, SHARED

from sipstream.conversations import Conversations
from sipstream.decode.endpoints import Flow, key_of
from sipstream.limits import RTCP_REPORTERS, RTP_SINGLES, RTP_STREAMS
from sipstream.packets import Tally
from sipstream.pipeline import Intake, run
from sipstream.rtp import streams as streams_module
from sipstream.rtp.streams import Streams
from sipstream.sources.file import FileSource

_SOURCE, _TARGET = key_of(bytes((10, 0, 0, 1)), 4000), key_of(bytes((10, 0, 0, 2)), 5000)
_MIB = 1 << 20


def _files() -> list[Path]:
    found = [*CAPTURES.glob("media*"), *(SHARED / "captures-real").glob("*.pcap*")]
    return sorted(found)


def flood(streams: Streams, payloads: list[bytes], flow: Flow, tally: Tally) -> None:
    """Feed payloads as datagrams of a flow, in batches."""
    for begin in range(0, len(payloads), 1000):
        part = payloads[begin : begin + 1000]
        made = [
            (BEGIN + begin + place, flow, data, 0, len(data), -1, 1)
            for place, data in enumerate(part)
        ]
        streams.feed(made, tally)


def test_sources_of_one_packet_cost_no_memory() -> None:
    streams, tally, flow = Streams(), Tally("flood"), Flow(_SOURCE, _TARGET, "UDP", 0)
    flood(streams, [rtp(number, 0, payload=b"") for number in range(2)], flow, tally)
    tracemalloc.start()
    try:
        for first in range(1000, 31_000, 1000):
            head = struct.Struct("!BBHII").pack
            flood(streams, [head(0x80, 8, 1, 1, first + one) for one in range(1000)], flow, tally)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 12 * _MIB
    assert len(streams) == RTP_SINGLES + 1
    assert tally.reasons["RTP"] == 30_002
    assert not tally.suspects


def test_hundreds_of_thousands_of_sources() -> None:
    streams, tally, flow = Streams(), Tally("flood"), Flow(_SOURCE, _TARGET, "UDP", 0)
    flood(streams, [rtp(number, 0, payload=b"") for number in range(2)], flow, tally)
    template = bytearray(struct.pack("!BBHII", 0x80, 8, 1, 1, 0))
    for first in range(0, 200_000, 1000):
        made = []
        for ssrc in range(first, first + 1000):
            template[8:] = (ssrc + 1000).to_bytes(4, "big")
            made.append((BEGIN, flow, bytes(template), 0, 12, -1, 1))
        streams.feed(made, tally)
    assert len(streams) == RTP_SINGLES + 1
    assert streams.given_up == 0
    assert tally.reasons["RTP"] == 200_002


def test_sources_that_go_on_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 4000
    monkeypatch.setattr(streams_module, "RTP_STREAMS", most)
    streams, tally, flow = Streams(), Tally("flood"), Flow(_SOURCE, _TARGET, "UDP", 0)
    head = struct.Struct("!BBHII").pack
    count = most + 1000
    tracemalloc.start()
    try:
        for number in range(count):
            pair = [head(0x80, 8, sequence, 1, number) + b"x" * 4 for sequence in (1, 2)]
            made = [(BEGIN, flow, data, 0, len(data), -1, 1) for data in pair]
            streams.feed(made, tally)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(streams) == most
    assert streams.given_up == 1000
    # What limits.py says of all of them.
    assert used * RTP_STREAMS / most < 45 * _MIB


def test_reports_of_many_sources_are_bounded() -> None:
    streams, tally, flow = Streams(), Tally("flood"), Flow(_SOURCE, _TARGET, "UDP", 0)
    block = struct.pack("!IIIIII", 1, 0, 0, 0, 0, 0)
    tracemalloc.start()
    try:
        for number in range(RTCP_REPORTERS * 2):
            data = struct.pack("!BBHI", 0x81, 201, 7, number) + block
            streams.feed([(BEGIN, flow, data, 0, len(data), -1, 1)], tally)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 20 * _MIB
    assert tally.reasons["RTCP"] == RTCP_REPORTERS * 2


def test_from_any_number_of_ports() -> None:
    streams, tally = Streams(), Tally("flood")
    data = rtp(1, 1, payload=b"")
    chosen = random.Random(3)
    for number in range(20_000):
        source = key_of(chosen.randbytes(4), 1024 + number % 60_000)
        streams.feed([(BEGIN, Flow(source, _TARGET, "UDP", 0), data, 0, len(data), -1, 1)], tally)
    assert len(streams) == RTP_SINGLES
    assert sum(map(len, streams._at.values())) == 2 * RTP_SINGLES
    assert len(streams._directions) == RTP_SINGLES


@pytest.mark.parametrize("seed", range(3))
def test_numbers_and_clocks_that_jump(seed: int) -> None:
    chosen = random.Random(seed)
    call = Call()
    call.signal(OFFER, ANSWER)
    for _ in range(3000):
        packet = rtp(
            chosen.choice((chosen.randrange(65536), 65535, 0, 1)), chosen.randrange(1 << 32),
            payload_type=chosen.choice((0, 8, 13, 96, 101, 127)), payload=chosen.randbytes(4),
            marker=bool(chosen.randrange(2)),
        )  # fmt: skip
        call.put(chosen.randrange(-(10**12), 10**12), packet, CALLER, CALLEE)
    (stream,) = call.of()
    assert stream.ssrc == SSRC and stream.packets == 3000
    assert 0 <= stream.lost <= stream.expected
    assert len(stream.events) + stream.events_left_out <= 3000
    assert not call.tally.suspects


def test_a_conversation_of_thousands_of_media() -> None:
    """Media lines by the thousand, in a message as large as a datagram can be."""
    call = Call()
    lines = [f"m=audio {port} RTP/AVP 8" for port in range(2000, 4500)]
    call.signal(OFFER + "\r\n".join(lines), ANSWER)
    call.talk(50)
    call.feed()
    (stream,) = call.of()
    assert stream.packets == 50


def test_thousands_of_streams_of_one_conversation_are_told_in_steps() -> None:
    call = Call()
    call.signal(OFFER, ANSWER)
    for number in range(2000):
        for sequence in (1, 2):
            call.put(number, rtp(sequence, 160 * sequence, ssrc=number), CALLER, CALLEE)
    call.feed()
    steps = call.streams.media_in_steps(call.conversation())
    taken = sum(1 for _ in steps)
    assert len(call.of()) == 2000
    assert taken > 2 * 2000


@pytest.mark.parametrize("path", _files(), ids=lambda path: path.name)
def test_every_capture_gives_the_same_messages_and_adds_up(path: Path) -> None:
    counted = []
    for streams in (Streams(), None):
        conversations = Conversations()
        source = FileSource(path)
        asyncio.run(run(Intake(source, conversations, streams=streams), lambda added: None))
        assert source.tally.unaccounted == 0
        assert not source.tally.suspects
        counted.append((source.tally.packets, conversations.message_count, len(conversations)))
    assert counted[0] == counted[1]
