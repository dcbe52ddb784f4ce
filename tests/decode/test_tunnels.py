"""Messages inside tags, labels, sessions and tunnels, in frames that scapy builds."""

from __future__ import annotations

import struct

import pytest
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III, ERSPAN_PlatformSpecific
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import GRE, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE_PPTP, LLC, SNAP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw
from support import Chain, batch, sip

from sipstream.limits import MAX_LAYERS
from sipstream.packets import Linktype

CARD = "02:00:00:00:00:01"
ETHER = Ether(src=CARD, dst=CARD)
MESSAGE = sip()
INNER = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5060, dport=5060) / Raw(MESSAGE)
INNER6 = IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=5060, dport=5060) / Raw(MESSAGE)
OUTER = IP(src="192.0.2.1", dst="192.0.2.2")
ENDS = "192.0.2.1 > 192.0.2.2"
FRAME = ETHER / INNER


def load(*packets: Packet | bytes, linktype: int = Linktype.ETHERNET) -> Chain:
    chain = Chain()
    chain.feed(batch([bytes(packet) for packet in packets], linktype))
    chain.finish()
    assert chain.adds_up()
    return chain


def tunnelled(name: str, packet: Packet, what: str = "") -> object:
    return pytest.param(packet, f"{what or name} {ENDS}", id=name)


@pytest.mark.parametrize(
    "packet",
    [
        ETHER / Dot1Q(vlan=7) / INNER,
        ETHER / Dot1AD(vlan=7) / Dot1Q(vlan=8) / INNER,
        Ether(src=CARD, dst=CARD, type=0x9100) / Dot1Q(vlan=8) / INNER,
        ETHER / MPLS(label=16, s=1) / INNER,
        ETHER / MPLS(label=16, s=0) / MPLS(label=17, s=1) / INNER6,
        ETHER / MPLS(label=16, s=1) / Raw(bytes(4)) / FRAME,
        ETHER / PPPoE(sessionid=9) / PPP() / INNER,
        ETHER / Dot1Q(vlan=7) / PPPoE(sessionid=9) / PPP() / INNER6,
        Dot3(src=CARD, dst=CARD) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP() / INNER,
    ],
    ids=lambda packet: "-".join(layer.__name__ for layer in packet.layers()[1:-3]),
)
def test_tags_labels_and_sessions(packet: Packet) -> None:
    [message] = load(packet).conversations[0].messages
    assert message.raw == MESSAGE
    assert message.source in ("10.0.0.1.5060", "2001:db8::1.5060")
    assert message.outer == ""


@pytest.mark.parametrize(
    ("linktype", "packet"),
    [
        (Linktype.PPP, b"\x00\x21" + bytes(INNER)),
        (Linktype.PPP, b"\x21" + bytes(INNER)),
        (Linktype.PPP, b"\xff\x03\x00\x57" + bytes(INNER6)),
        (Linktype.PPP_SERIAL, b"\xff\x03\x00\x21" + bytes(INNER)),
        (Linktype.PPP_ETHERNET, bytes(PPPoE(sessionid=9) / PPP() / INNER)),
        (Linktype.MPLS, bytes(MPLS(label=16, s=1) / INNER)),
        (Linktype.NFLOG, b"\x02\0\0\0" + struct.pack("<HHI", 8, 10, 5)
         + struct.pack("<HH", 4 + len(INNER), 9) + bytes(INNER)),
        (Linktype.NFLOG, b"\x0a\0\0\0" + struct.pack(">HHB3x", 5, 10, 5)
         + struct.pack(">HH", 4 + len(INNER6), 9) + bytes(INNER6)),
    ],
)  # fmt: skip
def test_other_link_types(linktype: int, packet: bytes) -> None:
    [message] = load(packet, linktype=linktype).conversations[0].messages
    assert message.raw == MESSAGE


@pytest.mark.parametrize(
    ("packet", "outer"),
    [
        tunnelled("IPIP", OUTER / INNER),
        tunnelled("6in4", OUTER / INNER6),
        tunnelled("GRE", OUTER / GRE() / INNER),
        tunnelled("GRE-IPv6", OUTER / GRE() / INNER6, "GRE"),
        tunnelled("GRE-key", OUTER / GRE(key_present=1, seqnum_present=1, key=7) / INNER, "GRE"),
        tunnelled("GRE-checksum", OUTER / GRE(chksum_present=1) / INNER, "GRE"),
        tunnelled("GRE-Ethernet", OUTER / GRE(proto=0x6558) / FRAME, "GRE"),
        tunnelled("GRE-MPLS", OUTER / GRE(proto=0x8847) / MPLS(s=1) / INNER, "GRE"),
        tunnelled("PPTP", OUTER / GRE_PPTP(seqnum_present=1) / PPP() / INNER, "GRE"),
        tunnelled("ERSPAN-1", OUTER / GRE(proto=0x88BE) / FRAME, "GRE"),
        tunnelled(
            "ERSPAN-2", OUTER / GRE(seqnum_present=1, proto=0x88BE) / ERSPAN_II() / FRAME, "ERSPAN"
        ),
        tunnelled(
            "ERSPAN-3",
            OUTER / GRE(seqnum_present=1, proto=0x22EB) / ERSPAN_III(o=0) / FRAME,
            "ERSPAN",
        ),
        tunnelled(
            "ERSPAN-3-platform",
            OUTER / GRE(seqnum_present=1, proto=0x22EB) / ERSPAN_III(o=1)
            / ERSPAN_PlatformSpecific() / FRAME,
            "ERSPAN",
        ),
        tunnelled("VXLAN", OUTER / UDP(sport=44000, dport=4789) / VXLAN(vni=5) / FRAME),
        tunnelled("VXLAN-8472", OUTER / UDP(dport=8472) / VXLAN(vni=5) / FRAME, "VXLAN"),
        tunnelled("Geneve", OUTER / UDP(dport=6081) / GENEVE(vni=5, proto=0x6558) / FRAME),
        tunnelled(
            "Geneve-options",
            OUTER / UDP(dport=6081) / GENEVE(vni=5, proto=0x0800, optionlen=1) / Raw(bytes(4)) / INNER,
            "Geneve",
        ),
        tunnelled("GTP", OUTER / UDP(dport=2152) / GTP_U_Header(teid=1) / INNER),
        tunnelled(
            "GTP-extension",
            OUTER / UDP(dport=2152) / GTP_U_Header(teid=1, E=1, next_ex=0x85)
            / GTPPDUSessionContainer(type=1, QFI=3) / INNER,
            "GTP",
        ),
        tunnelled("MPLS-in-IP", IP(src="192.0.2.1", dst="192.0.2.2", proto=137) / MPLS(s=1) / INNER,
                  "MPLS"),
    ],
)  # fmt: skip
def test_tunnels(packet: Packet, outer: str) -> None:
    [message] = load(ETHER / packet).conversations[0].messages
    assert message.raw == MESSAGE
    assert message.source in ("10.0.0.1.5060", "2001:db8::1.5060")
    assert message.outer == outer


def test_tunnels_in_tunnels_are_all_named() -> None:
    packet = ETHER / OUTER / GRE() / IP(src="198.51.100.1", dst="198.51.100.2") / INNER
    [message] = load(packet).conversations[0].messages
    assert message.outer == f"GRE {ENDS}, IPIP 198.51.100.1 > 198.51.100.2"


def test_sip_on_a_tunnels_port_is_sip() -> None:
    for port in (2152, 4789, 6081, 8472, 9060):
        packet = ETHER / OUTER / UDP(sport=5060, dport=port) / Raw(MESSAGE)
        [message] = load(packet).conversations[0].messages
        assert (message.outer, message.raw) == ("", MESSAGE)


def test_a_tcp_stream_in_a_tunnel_is_joined() -> None:
    half = len(MESSAGE) // 2
    segments = [
        ETHER / OUTER / GRE() / IP(src="10.0.0.1", dst="10.0.0.2")
        / TCP(sport=5060, dport=5060, seq=100 + start) / Raw(MESSAGE[start:stop])
        for start, stop in ((0, half), (half, len(MESSAGE)))
    ]  # fmt: skip
    [message] = load(*segments).conversations[0].messages
    assert (message.raw, message.transport) == (MESSAGE, "TCP")
    assert message.outer == f"GRE {ENDS}"


def test_fragments_of_a_tunnel_are_joined() -> None:
    whole = bytes(GRE() / INNER)
    pieces = [whole[:80], whole[80:]]
    fragments = [
        ETHER / IP(src="192.0.2.1", dst="192.0.2.2", proto=47, id=5, flags=flags, frag=offset)
        / Raw(piece)
        for piece, flags, offset in zip(pieces, (1, 0), (0, 10), strict=True)
    ]  # fmt: skip
    [message] = load(*fragments).conversations[0].messages
    assert message.outer == f"GRE {ENDS}"


@pytest.mark.parametrize("layer", [Dot1Q(), GRE() / OUTER, OUTER, MPLS(s=0)])
def test_too_many_layers_are_counted(layer: Packet) -> None:
    nested: Packet = ETHER / (OUTER if layer.layers()[0] in (GRE, IP) else layer.copy())
    for _ in range(64):
        nested = nested / layer.copy()
    chain = load(nested / INNER)
    assert len(chain.conversations) == 0
    assert chain.tally.reasons == {"tunnel too deep": 1}


def test_as_many_layers_as_are_followed() -> None:
    nested: Packet = ETHER
    for _ in range(MAX_LAYERS - 1):
        nested = nested / OUTER.copy()
    assert load(nested / INNER).counts() == {"call-1": 1}


def hep3(payload: bytes, **chunks: bytes) -> bytes:
    kinds = {
        "family": (1, b"\x02"), "protocol": (2, b"\x11"), "source": (3, bytes((10, 0, 0, 1))),
        "destination": (4, bytes((10, 0, 0, 2))), "source_port": (7, b"\x13\xc4"),
        "destination_port": (8, b"\x13\xc4"), "seconds": (9, (1_700_000_000).to_bytes(4, "big")),
        "micro": (10, (5).to_bytes(4, "big")), "kind": (11, b"\x01"),
        "agent": (12, (2001).to_bytes(4, "big")),
    }  # fmt: skip
    values = [(kind, chunks.get(name, value)) for name, (kind, value) in kinds.items()]
    body = b"".join(
        struct.pack("!HHH", 0, kind, 6 + len(value)) + value for kind, value in values if value
    )
    body += struct.pack("!HHH", 0, 15, 6 + len(payload)) + payload
    return b"HEP3" + struct.pack("!H", 6 + len(body)) + body


def hep2(payload: bytes) -> bytes:
    head = struct.pack("!BBBBHH4s4s", 2, 16, 2, 17, 5060, 5060, b"\x0a\0\0\1", b"\x0a\0\0\2")
    return head + struct.pack("<IIHxx", 1_700_000_000, 5, 2001) + payload


@pytest.mark.parametrize("packet", [hep3(MESSAGE), hep2(MESSAGE)], ids=["3", "2"])
@pytest.mark.parametrize("port", [9060, 40000])
def test_hep_in_a_capture(packet: bytes, port: int) -> None:
    frame = ETHER / OUTER / UDP(sport=51000, dport=port) / Raw(packet)
    [message] = load(frame).conversations[0].messages
    assert message.raw == MESSAGE
    assert (message.source, message.destination) == ("10.0.0.1.5060", "10.0.0.2.5060")
    assert message.time == 1_700_000_000 * 10**9 + 5000
    assert message.outer == "HEP from 192.0.2.1.51000, agent 2001"


def test_hep_of_tcp_holds_whole_messages() -> None:
    frame = ETHER / OUTER / UDP(dport=9060) / Raw(hep3(MESSAGE, protocol=b"\x06"))
    [message] = load(frame).conversations[0].messages
    assert message.transport == "TCP"


def test_hep_without_a_time_has_the_packets() -> None:
    frame = ETHER / OUTER / UDP(dport=9060) / Raw(hep3(MESSAGE, seconds=b"", micro=b""))
    assert load(frame).conversations[0].first.time == 10**9


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (hep3(MESSAGE)[:40], "damaged HEP"),
        (hep3(MESSAGE, source=b"\x01"), "damaged HEP"),
        (hep3(b"v=0"), "not SIP"),
        (b"HEP3\0\0" + bytes(20), "damaged HEP"),
        (hep2(MESSAGE)[:20], "damaged HEP"),
    ],
)
def test_damaged_hep_is_counted(packet: bytes, reason: str) -> None:
    frame = ETHER / OUTER / UDP(dport=9060) / Raw(packet)
    assert load(frame).tally.reasons == {reason: 1}


def test_hep_is_found_in_a_flow_that_began_with_something_else() -> None:
    outer = ETHER / OUTER / UDP(sport=40000, dport=9999)
    chain = load(outer / Raw(bytes(4)), outer / Raw(hep3(MESSAGE)))
    assert chain.counts() == {"call-1": 1}
