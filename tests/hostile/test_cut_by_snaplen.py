"""Packets of which the capture kept the beginning only: shown as cut, or counted as cut."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

import pytest
from hostile_inputs import fragments, hep3, outer, pcap, printed, sctp, vxlan
from hostile_targets import loaded, read
from support import ethernet, ipv4, ipv6, sip, tcp, udp

from sipstream.packets import Linktype
from sipstream.reasons import CUT, INCOMPLETE, NO_CALL_ID, NOT_IP, NOT_SIP
from sipstream.render import lists, objects, overview
from sipstream.render import message as rendered
from sipstream.views import Conversation

CALL_ID = "call-of-a-customer"
BODY = "v=0\r\n" + "a=sendrecv\r\n" * 40 + "a=xy\r\n"
LONG = sip(call_id=CALL_ID, body=BODY).replace(b"Content-Length: %d\r\n" % len(BODY), b"")
"""Nothing in the message itself tells how long it is: RFC 3261 section 18.3 allows that over UDP."""
KEPT = 60
"""Bytes of the end that the capture lacks."""

WAYS: dict[str, tuple[int, bytes]] = {
    "Ethernet": (Linktype.ETHERNET, ethernet(ipv4(udp(LONG)))),
    "VLAN": (Linktype.ETHERNET, ethernet(ipv4(udp(LONG)), tags=(0x88A8, 0x8100))),
    "IPv6": (Linktype.ETHERNET, ethernet(ipv6(udp(LONG)), 0x86DD)),
    "raw IP": (Linktype.RAW, ipv4(udp(LONG))),
    "cooked": (Linktype.LINUX_SLL, bytes(14) + b"\x08\x00" + ipv4(udp(LONG))),
    "cooked v2": (Linktype.LINUX_SLL2, b"\x08\x00" + bytes(18) + ipv4(udp(LONG))),
    "loopback": (Linktype.NULL, struct.pack("<I", 2) + ipv4(udp(LONG))),
    "PPPoE": (
        Linktype.ETHERNET,
        ethernet(
            struct.pack("!BBHHH", 0x11, 0, 9, 2 + 28 + len(LONG), 0x21) + ipv4(udp(LONG)), 0x8864
        ),
    ),
    "IP in IP": (Linktype.ETHERNET, outer(ipv4(udp(LONG)), 4)),
    "VXLAN": (Linktype.ETHERNET, vxlan(ethernet(ipv4(udp(LONG))))),
    "HEP": (Linktype.ETHERNET, outer(udp(hep3(LONG), 51000, 9060))),
    "SCTP": (Linktype.ETHERNET, ethernet(ipv4(sctp((3, 1, LONG)), 132))),
}
every_way = pytest.mark.parametrize("way", WAYS)


def conversation(data: bytes) -> Conversation:
    [found] = loaded(data)
    return found


def shown(one: Conversation) -> list[str]:
    """Every text that shows its first message, or a line for it."""
    first = one.messages[0]
    return [
        *overview.lines(one),
        rendered.whole(first),
        rendered.numbered(first),
        lists.followed(first, one.call_id),
    ]


def is_shown_as_cut(one: Conversation) -> bool:
    """Tell whether its first message is shown as cut; it must be so everywhere or nowhere."""
    marks = [rendered.CUT in text or "cut short" in text for text in shown(one)]
    flagged = json.loads(objects.dumps(objects.message(one.messages[0], one.call_id)))
    assert {*marks, flagged.get("cut", False)} in ({True}, {False})
    return marks[0]


@every_way
def test_a_message_that_was_cut_is_never_shown_as_whole(way: str) -> None:
    """Row P4: though its headers name no length, what carried it does."""
    linktype, frame = WAYS[way]
    for missing in (1, KEPT, len(BODY)):
        one = conversation(pcap([frame[:-missing]], linktype, wires=[len(frame)]))
        assert one.call_id == CALL_ID
        assert one.messages[0].raw == LONG[:-missing]
        assert one.messages[0].transport == ("SCTP" if way == "SCTP" else "UDP")
        assert is_shown_as_cut(one)


@every_way
def test_a_message_that_is_whole_is_not_shown_as_cut(way: str) -> None:
    """Row P4: neither where padding or a trailer behind it was cut off."""
    linktype, frame = WAYS[way]
    assert not is_shown_as_cut(conversation(pcap([frame], linktype)))
    assert not is_shown_as_cut(conversation(pcap([frame], linktype, wires=[len(frame) + 4])))
    assert not is_shown_as_cut(conversation(pcap([frame + bytes(4)], linktype)))


@every_way
def test_what_gave_no_message_is_counted_as_cut(way: str) -> None:
    """Row P4: cut within the link's header, IP's, the transport's, the message's: one reason."""
    linktype, frame = WAYS[way]
    begin = frame.index(LONG)
    line_end = frame.index(b"\r\n", frame.index(b"\nCall-ID"))
    for snaplen in range(line_end + 2):
        outcome = read(pcap([frame[:snaplen]], linktype, wires=[len(frame)]))
        if outcome.messages:
            assert snaplen > line_end
        elif snaplen >= begin or way not in ("HEP", "VXLAN"):
            assert outcome.reasons == {CUT: 1}, snaplen
        else:
            # Too little of what a tunnel's or an agent's header is known by.
            assert set(outcome.reasons) <= {CUT, NOT_SIP}, snaplen


def test_tcp() -> None:
    """Row P4: headers of TCP, and segments of which nothing but the headers is there."""
    frame = ethernet(ipv4(tcp(LONG, 1), 6))
    for snaplen in range(frame.index(LONG) + 1):
        outcome = read(pcap([frame[:snaplen]], wires=[len(frame)]))
        assert not outcome.messages
        if snaplen <= frame.index(LONG):
            assert outcome.reasons == {CUT: 1}, snaplen


def test_a_segment_that_was_cut() -> None:
    """Row P4: over TCP a message says how long it is (RFC 3261 section 18.3): it is shown as cut."""
    message = sip(call_id=CALL_ID, body=BODY)
    frame = ethernet(ipv4(tcp(message, 1), 6))
    assert is_shown_as_cut(conversation(pcap([frame[:-KEPT]], wires=[len(frame)])))


def test_fragments() -> None:
    """Row P4: of a first fragment that was cut comes what it holds; the others stay incomplete."""
    first, *rest = fragments(udp(LONG), 320)
    data = pcap([first[:280], *rest], Linktype.RAW, wires=[len(first), *map(len, rest)])
    one = conversation(data)
    assert one.messages[0].raw == LONG[: 280 - 28]
    assert is_shown_as_cut(one)
    assert read(data).reasons == {INCOMPLETE: len(rest)}


def test_the_last_fragment() -> None:
    """Row P4: a datagram that is joined but lacks its end."""
    packets = fragments(udp(LONG), 320)
    assert not is_shown_as_cut(conversation(pcap(packets, Linktype.RAW)))
    cut = [*packets[:-1], packets[-1][:-5]]
    one = conversation(pcap(cut, Linktype.RAW, wires=[len(packet) for packet in packets]))
    assert one.messages[0].raw == LONG[:-5]
    assert is_shown_as_cut(one)


@pytest.mark.parametrize("form", ["-v", "-A", "-X"])
def test_printed(form: str) -> None:
    """Row P4: tcpdump with -s prints less than the length that it names."""
    packet = ipv4(udp(LONG))
    whole, cut = printed(packet, form), printed(packet[:-KEPT], form)
    cut = cut.replace(b"length %d\n" % (len(LONG) - KEPT), b"length %d\n" % len(LONG))
    assert not is_shown_as_cut(conversation(whole))
    assert is_shown_as_cut(conversation(cut))


@pytest.mark.parametrize("form", ["-A", "-X"])
def test_printed_behind_blank_lines(form: str) -> None:
    """Row P4: line ends before the start line (RFC 3261 section 7.5) are no missing bytes."""
    for blank in (b"\r\n", b"\r\n\r\n"):
        packet = ipv4(udp(blank + LONG))
        assert not is_shown_as_cut(conversation(printed(packet, form)))


def reasons_of(frames: Sequence[bytes], wire: int = 1400) -> dict[str, int]:
    return read(pcap(frames, wires=[wire] * len(frames))).reasons


def test_what_is_no_sip_anyway() -> None:
    """Row P4: what would have given no message uncut has its own reason still."""
    rtp = b"\x80\x08" + bytes(range(170))
    other = b"hello, this is no message\r\nof SIP\r\n"
    whole = [ethernet(ipv4(udp(one + bytes(1000)))) for one in (rtp, other)]
    assert reasons_of([one[:70] for one in whole]) == {NOT_SIP: 2}
    assert reasons_of([ethernet(bytes(46), 0x0806)]) == {NOT_IP: 1}
    nameless = LONG.replace(b"Call-ID: " + CALL_ID.encode() + b"\r\n", b"")
    assert reasons_of([ethernet(ipv4(udp(nameless)))[:-KEPT]]) == {NO_CALL_ID: 1}
    assert reasons_of([ethernet(b"\x43" + ipv4(udp(LONG))[1:])]) == {"damaged header": 1}


def test_half_a_number_is_none() -> None:
    """Row P4: a header line that the capture cut off gives no value, to no list and no filter."""
    start, rest = LONG.split(b"\r\n", 1)
    call_id = b"Call-ID: " + CALL_ID.encode()
    frame = ethernet(ipv4(udp(start + b"\r\n" + call_id + b"\r\n" + rest)))
    for snaplen in range(frame.index(b"To: "), frame.index(b"\r\n", frame.index(b"To: ")) + 2):
        one = conversation(pcap([frame[:snaplen]], wires=[len(frame)]))
        assert (one.src_num, one.dst_num, one.messages[0].header("To")) == ("4151500", "", None)
        assert is_shown_as_cut(one)
