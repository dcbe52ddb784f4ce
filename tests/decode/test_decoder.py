"""Packets of every kind end as messages, or counted by reason."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import A, B, Chain, batch, ethernet, ipv4, ipv6, sip, tcp, udp

from sipstream.decode.sctp import UserMessages
from sipstream.packets import Linktype

MESSAGE = sip()


def load(*packets: bytes, linktype: int = Linktype.ETHERNET) -> Chain:
    chain = Chain()
    chain.feed(batch(list(packets), linktype))
    chain.finish()
    assert chain.adds_up()
    return chain


@pytest.mark.parametrize(
    ("linktype", "head"),
    [
        (Linktype.ETHERNET, bytes(12) + b"\x08\x00"),
        (Linktype.ETHERNET, bytes(12) + b"\x81\x00\x00\x07\x08\x00"),
        (Linktype.ETHERNET, bytes(12) + b"\x88\xa8\x00\x07\x81\x00\x00\x08\x08\x00"),
        (Linktype.LINUX_SLL, bytes(14) + b"\x08\x00"),
        (Linktype.LINUX_SLL2, b"\x08\x00" + bytes(18)),
        (Linktype.RAW, b""),
        (Linktype.RAW_BSD, b""),
        (Linktype.IPV4, b""),
        (Linktype.NULL, b"\x02\x00\x00\x00"),
        (Linktype.NULL, b"\x00\x00\x00\x02"),
        (Linktype.LOOP, b"\x00\x00\x00\x02"),
    ],
)
def test_link_types(linktype: int, head: bytes) -> None:
    chain = load(head + ipv4(udp(MESSAGE)), linktype=linktype)
    [message] = chain.conversations[0].messages
    assert message.raw == MESSAGE
    assert (message.source, message.destination) == ("10.0.0.1.5060", "10.0.0.2.5060")


@pytest.mark.parametrize(
    ("linktype", "head"),
    [
        (Linktype.ETHERNET, bytes(12) + b"\x86\xdd"),
        (Linktype.LINUX_SLL, bytes(14) + b"\x86\xdd"),
        (Linktype.LINUX_SLL2, b"\x86\xdd" + bytes(18)),
        (Linktype.RAW, b""),
        (Linktype.IPV6, b""),
        (Linktype.NULL, b"\x1e\x00\x00\x00"),
    ],
)
def test_ipv6_on_every_link(linktype: int, head: bytes) -> None:
    chain = load(head + ipv6(udp(MESSAGE)), linktype=linktype)
    [message] = chain.conversations[0].messages
    assert message.source == "2001:db8::1.5060"
    assert message.destination_uri == "[2001:db8::2]:5060"


def test_ipv6_extension_headers() -> None:
    hop_by_hop = struct.pack("!BB6x", 60, 0)
    destination_options = struct.pack("!BB14x", 17, 1)
    packet = ipv6(hop_by_hop + destination_options + udp(MESSAGE), protocol=0)
    assert load(ethernet(packet, 0x86DD)).counts() == {"call-1": 1}


def test_sip_on_any_port_is_told_by_its_bytes() -> None:
    assert load(ethernet(ipv4(udp(MESSAGE, 40000, 12345)))).counts() == {"call-1": 1}


def test_ethernet_padding_is_no_part_of_the_message() -> None:
    chain = load(ethernet(ipv4(udp(MESSAGE))) + bytes(20))
    assert chain.conversations[0].first.raw == MESSAGE


def test_segmentation_offload_leaves_total_length_zero() -> None:
    packet = bytearray(ipv4(udp(MESSAGE)))
    packet[2:4] = b"\0\0"
    assert load(ethernet(bytes(packet))).counts() == {"call-1": 1}


def test_ip_options_leave_the_short_way() -> None:
    packet = bytearray(ipv4(udp(MESSAGE)))
    packet[0] = 0x46
    packet[2:4] = struct.pack("!H", len(packet) + 4)
    packet[20:20] = b"\x01\x01\x01\x00"
    assert load(ethernet(bytes(packet))).counts() == {"call-1": 1}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 0, 1, 2)])
def test_fragments_in_any_order(order: tuple[int, ...]) -> None:
    whole = udp(MESSAGE)
    pieces = [whole[0:80], whole[80:160], whole[160:]]
    fragments = [
        ethernet(
            ipv4(piece, identification=9, fragment=(place * 10) | (0x2000 if place < 2 else 0))
        )
        for place, piece in enumerate(pieces)
    ]
    chain = load(*(fragments[number] for number in order))
    assert chain.conversations[0].first.raw == MESSAGE
    assert chain.tally.reasons["fragment of a datagram"] == len(order) - 1


def test_fragments_of_ipv6() -> None:
    whole = udp(MESSAGE)

    def fragment(offset: int, more: int) -> bytes:
        piece = whole[offset : offset + 96] if more else whole[offset:]
        head = struct.pack("!BBHI", 17, 0, offset | more, 77)
        return ethernet(ipv6(head + piece, protocol=44), 0x86DD)

    chain = load(fragment(96, 0), fragment(0, 1))
    assert chain.conversations[0].first.raw == MESSAGE


def test_two_datagrams_with_one_identification_are_not_mixed() -> None:
    one, other = udp(sip(call_id="one")), udp(sip(call_id="two"))
    c = bytes((10, 0, 0, 3))
    chain = load(
        ethernet(ipv4(one[:80], identification=5, fragment=0x2000)),
        ethernet(ipv4(other[:80], identification=5, fragment=0x2000, source=c)),
        ethernet(ipv4(other[80:], identification=5, fragment=10, source=c)),
        ethernet(ipv4(one[80:], identification=5, fragment=10)),
    )
    assert chain.counts() == {"one": 1, "two": 1}


def test_of_overlapping_fragments_the_first_copy_wins() -> None:
    whole = udp(MESSAGE)
    chain = load(
        ethernet(ipv4(whole[:80], fragment=0x2000)),
        ethernet(ipv4(b"X" * 80, fragment=0x2000)),
        ethernet(ipv4(whole[80:], fragment=10)),
    )
    assert chain.conversations[0].first.raw == MESSAGE


def test_ip_in_ip_shows_the_inner_endpoints() -> None:
    inner = ipv4(udp(MESSAGE), source=B, destination=A)
    chain = load(ethernet(ipv4(inner, protocol=4)))
    assert chain.conversations[0].first.source == "10.0.0.2.5060"


def test_endless_tunnels_are_counted() -> None:
    packet = ipv4(udp(MESSAGE))
    for _ in range(40):
        packet = ipv4(packet, protocol=4)
    assert load(ethernet(packet)).tally.reasons == {"tunnel too deep": 1}


def test_sctp_data_chunks() -> None:
    def chunk(flags: int, number: int, data: bytes) -> bytes:
        head = struct.pack("!BBHIHHI", 0, flags, 16 + len(data), number, 0, 0, 0)
        return head + data + bytes(-len(data) % 4)

    common = struct.pack("!HHII", 5060, 5060, 1, 0)
    two = common + chunk(2, 1, MESSAGE[:100]) + chunk(1, 2, MESSAGE[100:])
    other = common + chunk(3, 3, sip(call_id="call-2"))
    chain = load(ethernet(ipv4(two, 132)), ethernet(ipv4(other, 132)))
    assert chain.counts() == {"call-1": 1, "call-2": 1}
    assert chain.conversations[0].first.transport == "SCTP"


def test_what_is_no_sip_is_counted_by_reason() -> None:
    chain = load(
        ethernet(b"\x00\x01", 0x0806),
        ethernet(ipv4(b"\x08\x00" + bytes(20), 1)),
        ethernet(ipv4(udp(b"\x80\x08" + bytes(160)))),
        ethernet(ipv4(udp(b"\r\n\r\n"))),
        ethernet(ipv4(udp(b""))),
        ethernet(ipv4(udp(b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n"))),
        ethernet(ipv4(tcp(b"", 1, flags=0x10), 6)),
        ethernet(b"\x45\x00"),
    )
    assert chain.tally.reasons == {
        "not IP": 1,
        "neither UDP, TCP nor SCTP": 1,
        "not SIP": 1,
        "keep-alive": 1,
        "empty datagram": 1,
        "SIP without Call-ID": 1,
        "TCP without data": 1,
        "damaged header": 1,
    }


def test_an_unknown_link_type_is_named() -> None:
    assert load(b"abc", linktype=147).tally.reasons == {"unknown link type 147": 1}


def test_tls_is_named() -> None:
    record = b"\x16\x03\x01\x00\x05hello"
    assert load(ethernet(ipv4(tcp(record, 1), 6))).tally.reasons == {"TLS without keys": 1}


@given(
    st.sampled_from([0, 1, 12, 14, 101, 108, 113, 228, 229, 276]),
    st.lists(st.binary(max_size=80), max_size=8),
)
def test_any_bytes_are_counted_and_nothing_is_raised(linktype: int, packets: list[bytes]) -> None:
    load(*packets, linktype=linktype)


@given(st.data())
def test_changed_bytes_are_counted_and_nothing_is_raised(data: st.DataObject) -> None:
    frames = [
        ethernet(ipv4(udp(MESSAGE))),
        ethernet(ipv4(tcp(MESSAGE, 1), 6)),
        ethernet(ipv6(udp(MESSAGE)), 0x86DD),
        ethernet(ipv4(udp(MESSAGE)[:80], fragment=0x2000)),
    ]
    changed = []
    for one in frames:
        mutable = bytearray(one)
        for _ in range(data.draw(st.integers(0, 5))):
            mutable[data.draw(st.integers(0, len(mutable) - 1))] = data.draw(st.integers(0, 255))
        changed.append(bytes(mutable[: data.draw(st.integers(0, len(mutable)))]))
    load(*changed)


def sll2(packet: bytes, interface: int) -> bytes:
    return struct.pack("!HHIHBB8x", 0x0800, 0, interface, 1, 0, 6) + packet


def test_copies_of_equal_time_on_two_interfaces_stay() -> None:
    packet = ipv4(udp(MESSAGE))
    chain = Chain()
    frames = [sll2(packet, 2), sll2(packet, 3), sll2(packet, 2)]
    chain.feed(batch(frames, Linktype.LINUX_SLL2, times=[10**9] * 3))
    [first, second] = chain.conversations[0].messages
    assert (first.copy_of, second.copy_of) == (None, 0)
    assert (first.outer, second.outer) == ("", "")
    assert chain.conversations.duplicates == 1


def test_blank_lines_before_a_start_line_are_ignored() -> None:
    chain = load(ethernet(ipv4(udp(b"\r\n\r\n" + MESSAGE))))
    assert chain.conversations[0].first.raw == MESSAGE


def test_fragments_that_stay_incomplete_have_a_reason_of_their_own() -> None:
    whole = udp(MESSAGE)
    chain = load(
        ethernet(ipv4(whole[:80], identification=1, fragment=0x2000)),
        ethernet(ipv4(whole[:80], identification=2, fragment=0x2000)),
        ethernet(ipv4(whole[80:], identification=1, fragment=10)),
    )
    assert chain.counts() == {"call-1": 1}
    assert +chain.tally.reasons == {
        "fragment of a datagram": 1,
        "fragment of a datagram that stayed incomplete": 1,
    }


def test_of_fragments_that_overlap_the_first_copy_wins() -> None:
    whole = udp(MESSAGE)
    other = udp(MESSAGE.replace(b"call-1", b"call-2"))
    chain = load(
        ethernet(ipv4(whole[80:], identification=9, fragment=10)),
        ethernet(ipv4(other, identification=9, fragment=0x2000)),
    )
    [message] = chain.conversations[0].messages
    assert message.raw == other[8:80] + whole[80:]


def test_an_identification_used_again_much_later_is_another_datagram() -> None:
    whole = udp(MESSAGE)
    frames = [
        ethernet(ipv4(whole[:80], identification=9, fragment=0x2000)),
        ethernet(ipv4(whole[80:], identification=9, fragment=10)),
    ]
    chain = Chain()
    chain.feed(batch(frames, times=[10**9, 3600 * 10**9]))
    chain.finish()
    assert chain.counts() == {}
    assert +chain.tally.reasons == {"fragment of a datagram that stayed incomplete": 2}


def test_tiny_fragments_count_for_what_they_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipstream.decode.ip.FRAGMENT_BYTES", 10_000)
    chain = Chain()
    for number in range(1000):
        chain.feed(batch([ethernet(ipv4(b"x", identification=number, fragment=0x2001))]))
    assert chain.decoder._fragments.waiting() < 100
    assert chain.adds_up()


def test_only_endpoints_of_messages_are_kept() -> None:
    chain = load(*(ethernet(ipv4(udp(b"\x80" * 40, port, 40_000))) for port in range(1, 500)))
    assert len(chain.conversations.index.endpoints) == 0
    chain = load(ethernet(ipv4(udp(MESSAGE))))
    assert len(chain.conversations.index.endpoints) == 2


def test_a_fault_of_ours_costs_one_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    tunnelled = ethernet(ipv4(ipv4(udp(MESSAGE)), 4))
    monkeypatch.setattr("sipstream.decode.tunnels.inside", fail)
    chain = load(tunnelled, ethernet(ipv4(udp(MESSAGE))), tunnelled)
    assert chain.counts() == {"call-1": 1}
    assert chain.tally.reasons == {"fault in sipstream (ZeroDivisionError)": 2}
    assert [one.data for one in chain.tally.suspects] == [tunnelled] * 2
    monkeypatch.setattr("sipstream.sip.scan.kind_of", fail)
    unusual = MESSAGE.replace(b"Call-ID", b"call-id")
    chain = load(ethernet(ipv4(udp(unusual))), ethernet(ipv4(udp(b"\x80"))))
    assert chain.tally.reasons == {"fault in sipstream (ZeroDivisionError)": 1, "not SIP": 1}
    assert chain.tally.suspects[0].data == unusual


def sctp(number: int, flags: int, data: bytes) -> bytes:
    chunk = struct.pack("!BBHIHHI", 0, flags, 16 + len(data), number, 0, 0, 0) + data
    head = struct.pack("!HHII", 5060, 5060, 1, 0)
    return ethernet(ipv4(head + chunk + bytes(-len(chunk) % 4), 132))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("begin", [1, 0xFFFFFFFE])
def test_sctp_chunks_in_any_order(order: tuple[int, ...], begin: int) -> None:
    pieces = [MESSAGE[:50], MESSAGE[50:100], MESSAGE[100:150], MESSAGE[150:]]
    chunks = [
        sctp((begin + n) & 0xFFFFFFFF, {0: 2, 3: 1}.get(n, 0), piece)
        for n, piece in enumerate(pieces)
    ]
    chain = load(*(chunks[n] for n in order))
    assert chain.conversations[0].first.raw == MESSAGE
    assert chain.decoder._user_messages._bytes == 0


def test_neighbouring_sctp_messages_are_not_joined() -> None:
    other = MESSAGE.replace(b"call-1", b"call-2")
    chain = load(
        sctp(3, 2, other[:9]),
        sctp(2, 1, MESSAGE[9:]),
        sctp(4, 1, other[9:]),
        sctp(1, 2, MESSAGE[:9]),
    )
    assert chain.counts() == {"call-1": 1, "call-2": 1}


def test_an_sctp_retransmission_is_no_second_message() -> None:
    chain = load(sctp(1, 3, MESSAGE), sctp(1, 3, MESSAGE), sctp(2, 2, b"x"), sctp(2, 2, b"x"))
    assert chain.counts() == {"call-1": 1}
    assert chain.tally.reasons == {"SCTP retransmission": 2, "part of a message": 1}


def test_sctp_messages_that_never_end_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipstream.decode.sctp.SCTP_BYTES", 10_000)
    messages = UserMessages()
    for number in range(100):
        assert messages.feed(number, 2, 1, b"x" * 1000) is None
    assert messages._bytes <= 10_000
    assert messages.feed(99, 1, 2, b"y") == b"x" * 1000 + b"y"
    assert messages.feed(1, 1, 2, b"y") is None


def upgrade(extra: bytes = b"Upgrade: websocket\r\n") -> bytes:
    return b"GET / HTTP/1.1\r\nHost: a\r\n" + extra + b"Sec-WebSocket-Protocol: sip\r\n\r\n"


def frame_of(payload: bytes) -> bytes:
    return b"\x82\x7e" + struct.pack("!H", len(payload)) + payload


@pytest.mark.parametrize("cut", [4, 30, 60])
@pytest.mark.parametrize("header", [b"Upgrade: websocket\r\n", b"UPGRADE:websocket\r\n"])
def test_a_websocket_handshake_in_two_segments(cut: int, header: bytes) -> None:
    stream = upgrade(header) + frame_of(MESSAGE)
    pieces = [(0, stream[:cut]), (cut, stream[cut:])]
    chain = load(*(ethernet(ipv4(tcp(piece, 1 + at), 6)) for at, piece in pieces))
    [message] = chain.conversations[0].messages
    assert (message.raw, message.transport) == (MESSAGE, "WS")


def test_other_http_is_no_sip() -> None:
    chain = load(ethernet(ipv4(tcp(upgrade(b""), 1), 6)))
    assert chain.tally.reasons == {"not SIP": 1}
