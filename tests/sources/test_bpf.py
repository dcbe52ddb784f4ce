"""The default kernel filter run by an interpreter of classic BPF, and libpcap's compiler behind ours.

That the kernel itself agrees is shown with real sockets in test_live.py.
"""

from __future__ import annotations

import ctypes.util
import socket
import sys

import pytest
from filter_packets import ODD, RTP, STARTS, UNWANTED, WANTED, v4, v6
from hypothesis import given
from hypothesis import strategies as st
from support import ethernet, ipv4, sip, udp

from sipstream.errors import SourceError
from sipstream.limits import MAX_PACKET
from sipstream.packets import Linktype
from sipstream.sources import bpf
from sipstream.sources.bpf import Program

ETHERNET, LOOPBACK, NONE = 1, 772, 65534
HOST, OUTGOING = 0, 4

needs_libpcap = pytest.mark.skipif(ctypes.util.find_library("pcap") is None, reason="needs libpcap")


def verdict(
    program: Program,
    frame: bytes,
    network: int = 14,
    protocol: int | None = None,
    packet_type: int = HOST,
    hardware: int = ETHERNET,
) -> int:
    """Run a program as the kernel does (Documentation/networking/filter.rst).

    `network` is the place of the network header, `protocol` the ethertype the kernel found before it.
    """
    if protocol is None:
        protocol = int.from_bytes(frame[12:14], "big")
    beside = {-0x1000: protocol, -0x1000 + 4: packet_type, -0x1000 + 28: hardware}
    a = x = place = 0
    memory = [0] * 16
    while True:
        code, jump_true, jump_false, k = program[place]
        place += 1
        signed = k - (1 << 32) if k >> 31 else k
        match code:
            case 0x20 if signed in beside:
                a = beside[signed]
            case 0x20 | 0x28 | 0x30 | 0x40 | 0x48 | 0x50:
                size = {0x00: 4, 0x08: 2, 0x10: 1}[code & 0x18]
                at = signed + (x if code & 0x40 else 0)
                at = at + 0x100000 + network if at < 0 else at
                if at + size > len(frame):
                    return 0
                a = int.from_bytes(frame[at : at + size], "big")
            case 0xB1:
                if k >= len(frame):
                    return 0
                x = 4 * (frame[k] & 15)
            case 0x60:
                a = memory[k]
            case 0x02:
                memory[k] = a
            case 0x01:
                x = k
            case 0x04:
                a = a + k & 0xFFFFFFFF
            case 0x0C:
                a = a + x & 0xFFFFFFFF
            case 0x54:
                a &= k
            case 0x64:
                a = a << k & 0xFFFFFFFF
            case 0x74:
                a >>= k
            case 0x07:
                x = a
            case 0x87:
                a = x
            case 0x05:
                place += k
            case 0x15:
                place += jump_true if a == k else jump_false
            case 0x25:
                place += jump_true if a > k else jump_false
            case 0x35:
                place += jump_true if a >= k else jump_false
            case 0x45:
                place += jump_true if a & k else jump_false
            case 0x06:
                return k
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


@pytest.mark.parametrize("name", [*WANTED, *UNWANTED])
def test_what_passes_the_default_filter(name: str) -> None:
    ethertype, packet = (WANTED | UNWANTED)[name]
    expected = MAX_PACKET if name in WANTED else 0
    frame = ethernet(packet, ethertype)
    assert verdict(bpf.DEFAULT, frame) == expected
    # Raw IP, and a socket that gives packets without link header: the kernel tells the ethertype.
    assert verdict(bpf.DEFAULT, packet, 0, ethertype, hardware=NONE) == expected
    # A tag that the network card took off leaves no trace in the frame.
    assert verdict(bpf.DEFAULT, frame, hardware=LOOPBACK) == expected


@pytest.mark.parametrize(
    "tags", [(0x8100,), (0x88A8,), (0x88A8, 0x8100), (0x9100, 0x8100), (0x8100,) * 2]
)
@pytest.mark.parametrize("name", [*WANTED, *UNWANTED])
def test_what_passes_with_vlan_tags_in_the_frame(name: str, tags: tuple[int, ...]) -> None:
    ethertype, packet = (WANTED | UNWANTED)[name]
    expected = MAX_PACKET if name in WANTED else 0
    frame = ethernet(packet, ethertype, tags)
    # Coming in, the network header is where the tag is; going out, behind the tags.
    assert verdict(bpf.DEFAULT, frame, 14, tags[0]) == expected
    assert verdict(bpf.DEFAULT, frame, 14 + 4 * len(tags), tags[0], OUTGOING) == expected


@pytest.mark.parametrize("name", [*WANTED, *UNWANTED])
def test_with_rtp_media_pass_too(name: str) -> None:
    ethertype, packet = (WANTED | UNWANTED)[name]
    media = name.startswith(("RTP", "RTCP"))
    expected = MAX_PACKET if name in WANTED or media else 0
    assert verdict(bpf.WITH_MEDIA, ethernet(packet, ethertype)) == expected
    assert verdict(bpf.WITH_MEDIA, packet, 0, ethertype, hardware=NONE) == expected


def test_loopback_shows_a_packet_once() -> None:
    _, packet = v4(udp(sip()))
    frame = ethernet(packet)
    assert verdict(bpf.DEFAULT, frame, packet_type=OUTGOING, hardware=LOOPBACK) == 0
    assert verdict(bpf.DEFAULT, frame, packet_type=HOST, hardware=LOOPBACK) == MAX_PACKET
    assert verdict(bpf.DEFAULT, frame, packet_type=OUTGOING, hardware=ETHERNET) == MAX_PACKET


@pytest.mark.parametrize("name", WANTED)
def test_a_packet_cut_short_is_judged_by_what_is_left(name: str) -> None:
    ethertype, packet = WANTED[name]
    frame = ethernet(packet, ethertype)
    verdicts = [
        verdict(bpf.DEFAULT, frame[:length], 14, ethertype) for length in range(15, len(frame))
    ]
    assert set(verdicts) <= {0, MAX_PACKET}
    # Once there is enough of it, more changes nothing.
    assert verdicts == sorted(verdicts)


@pytest.mark.parametrize("start", STARTS)
def test_every_start_passes_over_tcp_and_udp_and_ipv6(start: str) -> None:
    payload = start.encode() + b" sip:a SIP/2.0\r\n"
    for ethertype, packet in (v4(udp(payload, *ODD)), v6(udp(payload, *ODD))):
        assert verdict(bpf.DEFAULT, ethernet(packet, ethertype))


@given(st.integers(0x80, 0xBF), st.integers(0, 0xFF), st.binary(min_size=10, max_size=60))
def test_rtp_stays_out_whatever_it_carries(first: int, second: int, rest: bytes) -> None:
    _, packet = v4(udp(bytes([first, second]) + rest, *ODD))
    assert verdict(bpf.DEFAULT, ethernet(packet)) == 0


@given(
    st.binary(max_size=120),
    st.sampled_from([0x0800, 0x86DD, 0x8100, 0x88A8, 0x9100, 0x0806]),
    st.sampled_from([0, 14]),
)
def test_any_bytes_get_a_verdict(frame: bytes, protocol: int, network: int) -> None:
    assert verdict(bpf.DEFAULT, frame, network, protocol) in (0, MAX_PACKET)


def test_the_program_fits_the_kernel() -> None:
    # The kernel checks every jump and load of a program; any socket takes one, without privilege.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        bpf.attach(sock, bpf.DEFAULT)
        bpf.attach(sock, bpf.NOTHING)
        with pytest.raises(OSError):
            bpf.attach(sock, bpf.DEFAULT * 40)


def test_nothing_lets_nothing_through() -> None:
    assert verdict(bpf.NOTHING, ethernet(v4(udp(sip()))[1])) == 0


# Own expressions


@needs_libpcap
def test_an_own_expression_on_ethernet_and_raw_ip() -> None:
    ethertype, packet = v4(udp(RTP, *ODD))
    other = v4(udp(RTP, 9, 9))[1]
    on_ethernet = bpf.compile_expression(f"udp port {ODD[0]}", Linktype.ETHERNET)
    assert verdict(on_ethernet, ethernet(packet, ethertype)) == MAX_PACKET
    assert verdict(on_ethernet, ethernet(other, ethertype)) == 0
    on_raw = bpf.compile_expression(f"udp port {ODD[0]}", Linktype.RAW)
    assert verdict(on_raw, packet, 0, ethertype) == MAX_PACKET
    assert verdict(on_raw, other, 0, ethertype) == 0


@needs_libpcap
def test_an_own_expression_shows_a_packet_on_loopback_once() -> None:
    program = bpf.compile_expression("", Linktype.ETHERNET)
    frame = ethernet(v4(udp(RTP, *ODD))[1])
    assert verdict(program, frame, packet_type=OUTGOING, hardware=LOOPBACK) == 0
    assert verdict(program, frame, packet_type=HOST, hardware=LOOPBACK) == MAX_PACKET


@needs_libpcap
@pytest.mark.parametrize(
    ("text", "linktype", "words"),
    [
        ("port sip and (", Linktype.ETHERNET, "capture filter 'port sip and (': syntax error"),
        ("prot 5060", Linktype.ETHERNET, "capture filter 'prot 5060': syntax error"),
        ("ether host 1:2:3:4:5:6", Linktype.RAW, "ethernet addresses supported only on ethernet"),
        ("port 'a'", Linktype.ETHERNET, "syntax error"),
        ("\x1b[31m", Linktype.ETHERNET, r"capture filter '\x1b[31m': "),
    ],
)
def test_a_wrong_expression_is_refused_in_libpcaps_words(
    text: str, linktype: int, words: str
) -> None:
    with pytest.raises(SourceError) as raised:
        bpf.compile_expression(text, linktype)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "Failed to compile" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port 5060 or " * 8000 + "port 1", "longer than 1024 characters"),
        ("port 5060\0 or port 1", "NUL"),
    ],
)
def test_an_impossible_text_never_reaches_libpcap(
    text: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scapy.arch.common", None)
    with pytest.raises(SourceError, match=words):
        bpf.compile_expression(text, Linktype.ETHERNET)


def test_without_libpcap_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scapy.libs.winpcapy", None)
    with pytest.raises(SourceError) as raised:
        bpf.compile_expression("port 5060", Linktype.ETHERNET)
    assert "apt install libpcap0.8" in str(raised.value)
    assert "\n" not in str(raised.value)


def frame(packet: tuple[int, bytes], tags: tuple[int, ...] = ()) -> bytes:
    ethertype, data = packet
    return ethernet(data, ethertype, tags)


TO_HIM, TO_OTHERS = v4(udp(sip())), v4(udp(sip()), source=bytes((10, 0, 0, 9)))
"""From 10.0.0.1 and from 10.0.0.9, to 10.0.0.2."""
LATER = (0x0800, ipv4(b"x" * 64, fragment=100))


@needs_libpcap
@pytest.mark.parametrize(
    ("text", "given", "kept"),
    [
        ("host 10.0.0.1", frame(TO_HIM), True),
        ("host 10.0.0.1", frame(TO_OTHERS), False),
        ("host 10.0.0.9", frame(TO_HIM), False),
        # What the default filter keeps out stays out.
        ("host 10.0.0.1", frame(v4(udp(RTP, *ODD))), False),
        # Tags that are left in the frame hide addresses: such packets aren't narrowed.
        ("host 10.0.0.9", frame(TO_HIM, (0x8100,)), True),
        ("port 5060", frame(TO_HIM), True),
        ("port 5070", frame(TO_HIM), False),
        # A fragment has its addresses, and no ports.
        ("port 5070", frame(LATER), True),
        ("host 10.0.0.1", frame(LATER), True),
        ("host 10.0.0.9", frame(LATER), False),
        ("host 2001:db8::1", frame(v6(udp(sip()))), True),
        ("host 2001:db8::9", frame(v6(udp(sip()))), False),
        ("port 5070", frame(v6(udp(sip()))), False),
        ("port 5070", frame(v6(bytes([17, 0, 0, 1]) + bytes(4) + udp(sip()), 44)), True),
    ],
)
def test_the_default_filter_narrowed(text: str, given: bytes, kept: bool) -> None:
    program = bpf.narrowed(text, bpf.DEFAULT, Linktype.ETHERNET)
    assert verdict(program, given) == (MAX_PACKET if kept else 0)
    assert verdict(program, given, packet_type=OUTGOING, hardware=LOOPBACK) == 0


@needs_libpcap
@pytest.mark.parametrize(
    ("text", "port", "kept"), [("host 10.0.0.1", 5070, True), ("host 10.0.0.9", 5070, False)]
)
def test_an_own_filter_narrowed(text: str, port: int, kept: bool) -> None:
    own = bpf.compile_expression("port 5070", Linktype.ETHERNET)
    program = bpf.narrowed(text, own, Linktype.ETHERNET)
    assert verdict(program, frame(v4(udp(sip(), port)))) == (MAX_PACKET if kept else 0)
    assert verdict(program, frame(v4(udp(sip(), 5080)))) == 0


@needs_libpcap
@pytest.mark.parametrize("payload", [b"HEP3" + bytes(40), bytes(60)])
def test_packets_that_carry_others_are_for_an_own_filter_to_judge(payload: bytes) -> None:
    """Agents and tunnels have addresses of their own."""
    own = bpf.compile_expression("udp", Linktype.ETHERNET)
    program = bpf.narrowed("host 10.0.0.9", own, Linktype.ETHERNET)
    port = 9060 if payload.startswith(b"HEP") else 4789
    assert verdict(program, frame(v4(udp(payload, 40000, port)))) == MAX_PACKET
    assert verdict(program, frame(v4(udp(payload[4:], 40000, 5060)))) == 0


@needs_libpcap
def test_cooked_frames_are_narrowed_from_the_network_header_on() -> None:
    program = bpf.narrowed("host 10.0.0.1", bpf.DEFAULT, Linktype.RAW)
    assert verdict(program, TO_HIM[1], network=0, protocol=0x0800) == MAX_PACKET
    assert verdict(program, TO_OTHERS[1], network=0, protocol=0x0800) == 0
