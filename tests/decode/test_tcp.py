"""Streams: messages split and joined over segments, lost, late, repeated."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import Chain, batch, ethernet, ipv4, sip, tcp

ONE, TWO, THREE = (sip(call_id=f"call-{n}", body="v=0\r\n" * n) for n in (1, 2, 3))
STREAM = ONE + TWO + THREE


def segment(payload: bytes, sequence: int, **more: int) -> bytes:
    return ethernet(ipv4(tcp(payload, sequence, **more), 6))


def load(*packets: bytes) -> Chain:
    chain = Chain()
    chain.feed(batch(list(packets)))
    chain.finish()
    assert chain.adds_up()
    return chain


def whole(chain: Chain) -> list[bytes]:
    return [chain.conversations.message(n).raw for n in range(chain.conversations.message_count)]


def test_several_messages_in_one_segment() -> None:
    chain = load(segment(STREAM, 1))
    assert whole(chain) == [ONE, TWO, THREE]
    assert chain.tally.with_messages == 1


@pytest.mark.parametrize("size", [1, 7, 100, 333])
def test_messages_cut_over_segments(size: int) -> None:
    pieces = [(place, STREAM[place : place + size]) for place in range(0, len(STREAM), size)]
    chain = load(*(segment(piece, 1000 + place) for place, piece in pieces))
    assert whole(chain) == [ONE, TWO, THREE]


@given(st.integers(1, len(STREAM) - 1), st.integers(1, len(STREAM) - 1))
@settings(max_examples=300)
def test_every_cut_gives_the_same_messages(first: int, second: int) -> None:
    first, second = sorted((first, second))
    chain = load(
        segment(STREAM[:first], 1),
        segment(STREAM[first:second], 1 + first),
        segment(STREAM[second:], 1 + second),
    )
    assert whole(chain) == [ONE, TWO, THREE]


@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
def test_segments_in_any_order_after_the_first(order: list[int], begin: int) -> None:
    size = len(STREAM) // 6 + 1
    pieces = [(n * size, STREAM[n * size : (n + 1) * size]) for n in range(6)]
    syn = segment(b"", begin, flags=2)
    chain = load(syn, *(segment(pieces[n][1], begin + 1 + pieces[n][0]) for n in order))
    assert whole(chain) == [ONE, TWO, THREE]


def test_retransmissions_and_overlaps_are_left_out() -> None:
    chain = load(
        segment(STREAM[:200], 1),
        segment(STREAM[:200], 1),
        segment(STREAM[100:400], 101),
        segment(STREAM[400:], 401),
    )
    assert whole(chain) == [ONE, TWO, THREE]
    assert chain.tally.reasons["TCP retransmission"] == 1


def test_after_a_gap_the_next_start_line_is_found() -> None:
    lost = len(ONE) + 50
    chain = load(
        segment(ONE, 1),
        # The beginning of TWO is missing; the other side has acknowledged it all the same.
        segment(STREAM[lost:], 1 + lost),
        ethernet(
            ipv4(
                tcp(b"", 1, acknowledged=1 + len(STREAM), flags=0x10),
                6,
                source=bytes((10, 0, 0, 2)),
                destination=bytes((10, 0, 0, 1)),
            )
        ),
    )
    assert whole(chain) == [ONE, THREE]


def test_a_stream_is_taken_up_in_its_middle() -> None:
    assert whole(load(segment(ONE[120:] + TWO, 77))) == [TWO]


def test_the_same_ports_used_again() -> None:
    chain = load(
        segment(b"", 100, flags=2),
        segment(ONE[:100], 101),
        segment(b"", 9_000_000, flags=2),
        segment(TWO, 9_000_001),
    )
    assert TWO in whole(chain)


def test_a_message_that_never_ends_is_kept_and_marked() -> None:
    chain = load(segment(ONE, 1), segment(TWO[:-3], 1 + len(ONE)), segment(b"", 5, flags=2))
    first, second = chain.conversations
    assert not first.first.cut
    assert second.first.cut


def test_keep_alives_between_messages() -> None:
    pieces = [ONE, b"\r\n\r\n", TWO, b"\r\n", THREE]
    packets, sequence = [], 1
    for piece in pieces:
        packets.append(segment(piece, sequence))
        sequence += len(piece)
    chain = load(*packets)
    assert whole(chain) == [ONE, TWO, THREE]
    assert chain.tally.reasons == {"keep-alive": 2}


def test_a_message_without_content_length_ends_at_the_next_start_line() -> None:
    bare = ONE.replace(b"Content-Length: 5\r\n", b"")
    assert whole(load(segment(bare + TWO, 1))) == [bare, TWO]


def test_websocket_frames() -> None:
    def frame(payload: bytes, *, final: int = 0x80, opcode: int = 1) -> bytes:
        mask = b"\x11\x22\x33\x44"
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        return bytes([final | opcode]) + length + mask + masked

    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"
    stream = (
        upgrade
        + frame(ONE)
        + frame(b"ping", opcode=9)
        + frame(TWO[:150], final=0)
        + frame(TWO[150:], opcode=0)
    )
    for size in (len(stream), 90, 1):
        packets = [
            segment(stream[place : place + size], 1 + place)
            for place in range(0, len(stream), size)
        ]
        if size < len(upgrade):
            continue
        chain = load(*packets)
        assert whole(chain) == [ONE, TWO]
        assert chain.conversations[0].first.transport == "WS"


def test_a_message_that_the_captures_end_cuts_off_is_kept_and_marked() -> None:
    chain = load(segment(THREE[:-5], 1))
    [message] = chain.conversations[0].messages
    assert message.raw == THREE[:-5]
    assert message.cut
    assert message.time == 10**9


def test_what_waits_behind_a_hole_at_the_captures_end_has_its_own_time() -> None:
    chain = load(segment(ONE, 1), segment(TWO, 1 + len(ONE) + 50))
    times = [chain.conversations.message(n).time for n in range(2)]
    assert times == [10**9, 10**9 + 1000]


def test_bytes_behind_holes_are_bounded_in_all_streams_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sipstream.decode.streams.STREAMS_PENDING", 10_000)
    packets = []
    for port in range(100):
        packets += [segment(b"x", 1, source_port=6000 + port),
                    segment(TWO, 500, source_port=6000 + port)]  # fmt: skip
    chain = Chain()
    chain.feed(batch(packets))
    assert chain.decoder._streams._held.total <= 10_000
    # What was given up is shown; the rest waits.
    assert 0 < chain.conversations.message_count < 100
    chain.finish()
    assert chain.conversations.message_count == 100


def test_messages_not_yet_whole_are_bounded_in_all_streams_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sipstream.sip.scan.STREAMS_PENDING", 10_000)
    chain = Chain()
    chain.feed(batch([segment(THREE[:-1], 1, source_port=6000 + port) for port in range(100)]))
    assert chain.scanner._held.total <= 10_000
    assert chain.conversations.message_count > 40
    assert chain.adds_up()


def test_a_flood_of_streams_leaves_the_busy_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipstream.decode.streams.MAX_STREAMS", 10)
    chain = Chain()
    for place in range(len(ONE)):
        packets = [segment(ONE[place : place + 1], 1 + place)]
        packets += [segment(b"x", 1, source_port=6000 + place)]
        chain.feed(batch(packets))
    assert chain.counts() == {"call-1": 1}


def test_every_hole_is_given_up_at_the_end() -> None:
    chain = load(segment(ONE, 1000), segment(TWO, 5000), segment(THREE, 9000))
    assert whole(chain) == [ONE, TWO, THREE]


@pytest.mark.parametrize("again", [{"flags": 0x02, "sequence": 1}, {"sequence": 90_000_000}])
def test_what_waits_behind_a_hole_is_kept_when_the_ports_are_used_again(
    again: dict[str, int],
) -> None:
    sequence = again.pop("sequence")
    packets = [segment(ONE, 1000), segment(TWO, 5000), segment(b"", sequence, **again)]
    if not again:
        packets = packets[:2]
    chain = load(*packets, segment(THREE, sequence + 1))
    assert whole(chain) == [ONE, TWO, THREE]


def test_of_segments_that_overlap_the_first_copy_wins() -> None:
    other = ONE.replace(b"call-1", b"call-9")
    chain = load(segment(b"", 0, flags=0x02), segment(ONE[100:], 101), segment(other, 1))
    assert whole(chain) == [other[:100] + ONE[100:]]


def test_sip_over_tcp_without_a_call_id_is_counted_as_that() -> None:
    chain = load(segment(b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n", 1))
    assert chain.tally.reasons == {"SIP without Call-ID": 1}


def test_what_is_given_up_comes_behind_what_was_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain()
    chain.feed(batch([segment(ONE[:10], 1), segment(TWO, 5000)]))
    monkeypatch.setattr("sipstream.decode.streams.STREAMS_PENDING", 10)
    chain.feed(batch([segment(ONE[10:], 11)]))
    assert whole(chain) == [ONE, TWO]
    assert chain.adds_up()
