"""Ladders as values: which columns there are, what is folded into an arrow and what isn't."""

from __future__ import annotations

from support import A, Chain, batch, ethernet, ipv4, ipv6, sip, tcp, udp

from sipstream.ladder import Folds, Ladder, build
from sipstream.limits import RESENT_WITHIN

B = bytes((10, 0, 0, 2))
C = bytes((10, 0, 0, 3))
MS = 10**6
SDP = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
TYPE = "Content-Type: application/sdp\r\n"


class Wire:
    """Packets with their times (ms), as one capture point or several saw them."""

    def __init__(self) -> None:
        self.chain = Chain()

    def udp(
        self,
        at: float,
        message: bytes,
        ends: tuple[bytes, bytes] = (A, B),
        ports: tuple[int, int] = (5060, 5060),
        tap: str = "",
    ) -> None:
        self._feed(at, ipv4(udp(message, *ports), source=ends[0], destination=ends[1]), tap)

    def tcp(
        self, at: float, message: bytes, ends: tuple[bytes, bytes], ports: tuple[int, int]
    ) -> None:
        payload = tcp(message, 1, source_port=ports[0], destination_port=ports[1])
        self._feed(at, ipv4(payload, 6, *ends), "")

    def ladder(self, **names: str) -> Ladder:
        messages = [one for each in self.chain.conversations for one in each.messages]
        return build(messages, lambda text: names.get(text.replace(".", "_"), ""))

    def _feed(self, at: float, packet: bytes, tap: str) -> None:
        time = 10**18 + round(at * MS)
        self.chain.feed(batch([ethernet(packet)], times=[time], tap=tap))


def by(message: bytes, via: str, transport: str = "UDP") -> bytes:
    """A message whose sender calls itself so."""
    return message.replace(b"SIP/2.0/UDP a;", f"SIP/2.0/{transport} {via};".encode())


def heads(ladder: Ladder) -> list[str]:
    return [one.shown for one in ladder.columns]


def test_a_request_sent_again_is_one_arrow() -> None:
    wire = Wire()
    for at in (0, 500, 1500, 3500):
        wire.udp(at, sip())
    wire.udp(3600, sip("SIP/2.0 100 Trying"), (B, A))
    invite, trying = wire.ladder().arrows
    assert (invite.label, invite.sendings, invite.span) == ("INVITE", 4, 3500 * MS)
    assert invite.messages == (0, 1, 2, 3)
    assert (trying.label, trying.delta, trying.messages) == ("100 Trying", 3600 * MS, (4,))
    assert (trying.source, trying.target, trying.answers) == (1, 0, "INVITE")


def test_copies_of_another_capture_point_are_told_apart_from_sendings() -> None:
    wire = Wire()
    for at in (0, 500):
        wire.udp(at, sip(), tap="eth0")
        wire.udp(at + 0.2, sip(), tap="eth1")
    (invite,) = wire.ladder().arrows
    assert (invite.sendings, invite.copies, invite.span) == (2, 2, 500 * MS)


def test_a_ping_of_the_same_bytes_a_minute_later_is_another_arrow() -> None:
    wire = Wire()
    ping = sip("OPTIONS sip:2@b SIP/2.0", cseq="1 OPTIONS")
    wire.udp(0, ping)
    wire.udp(RESENT_WITHIN / MS + 1, ping)
    assert [one.sendings for one in wire.ladder().arrows] == [1, 1]


def test_the_same_request_to_two_is_two_arrows() -> None:
    wire = Wire()
    wire.udp(0, sip(), (A, B))
    wire.udp(1, sip(), (A, C))
    ladder = wire.ladder()
    assert [(one.source, one.target) for one in ladder.arrows] == [(0, 1), (0, 2)]


def test_over_tcp_a_party_is_one_column_where_it_says_so() -> None:
    wire = Wire()
    bye = sip("BYE sip:1@a SIP/2.0", cseq="2 BYE")
    wire.tcp(0, by(sip(), "10.0.0.1:5060", "TCP"), (A, B), (40_000, 5060))
    wire.tcp(10, sip("SIP/2.0 200 OK"), (B, A), (5060, 40_000))
    wire.tcp(20, by(bye, "10.0.0.2", "TCP"), (B, A), (41_000, 5060))
    ladder = wire.ladder()
    assert heads(ladder) == ["10.0.0.1:5060", "10.0.0.2:5060"]
    assert [(one.source, one.target) for one in ladder.arrows] == [(0, 1), (1, 0), (1, 0)]
    assert ladder.columns[1].endpoints == ("10.0.0.2:5060", "10.0.0.2:41000")


def test_behind_a_nat_connections_of_one_party_are_one_column_but_not_its_udp_ports() -> None:
    for transport, columns in (("TCP", 2), ("UDP", 3)):
        wire = Wire()
        ack = sip("ACK sip:2@b SIP/2.0", cseq="1 ACK")
        for at, message, port in ((0, sip(), 40_000), (10, ack, 40_002)):
            message = by(message, "192.168.1.5:5060", transport)
            if transport == "TCP":
                wire.tcp(at, message, (A, B), (port, 5060))
            else:
                wire.udp(at, message, (A, B), (port, 5060))
        assert len(wire.ladder().columns) == columns


def test_two_programs_of_one_host_stay_two_columns() -> None:
    wire = Wire()
    # The first says of itself that it were the second one.
    wire.udp(0, by(sip(), "10.0.0.1:5060"), (A, A), (5080, 5060))
    wire.udp(5, by(sip("ACK sip:2@b SIP/2.0"), "10.0.0.1:5060"), (A, B), (5080, 5060))
    assert heads(wire.ladder()) == ["10.0.0.1:5080", "10.0.0.1:5060", "10.0.0.2:5060"]


def test_names_stand_above_columns_with_a_port_where_an_address_has_two() -> None:
    wire = Wire()
    wire.udp(0, sip())
    wire.udp(1, sip("SIP/2.0 100 Trying"), (B, A), (5070, 5060))
    assert heads(wire.ladder(**{"10_0_0_1": "phone", "10_0_0_2": "pbx"})) == [
        "phone",
        "pbx:5060",
        "pbx:5070",
    ]
    assert heads(wire.ladder(**{"10_0_0_2:5070": "proxy"}))[2] == "proxy"


def test_a_message_to_its_own_sender_stays_in_its_column() -> None:
    wire = Wire()
    wire.udp(0, sip(), (A, A))
    ladder = wire.ladder()
    assert len(ladder.columns) == 1
    assert ladder.arrows[0].source == ladder.arrows[0].target == 0


def test_conversations_are_legs_of_one_ladder_by_time() -> None:
    wire = Wire()
    wire.udp(0, sip(call_id="a"), (A, B))
    wire.udp(2, sip("SIP/2.0 180 Ringing", "a"), (B, A))
    wire.udp(1, sip(call_id="b"), (B, C))
    ladder = wire.ladder()
    assert [leg.call_id for leg in ladder.legs] == ["a", "b"]
    assert [(one.label, one.leg, one.messages) for one in ladder.arrows] == [
        ("INVITE", 0, (0,)),
        ("INVITE", 1, (0,)),
        ("180 Ringing", 0, (1,)),
    ]


def test_a_session_description_is_a_line() -> None:
    bodies = {
        SDP + "m=audio 4000 RTP/AVP 8 0\r\n": "10.0.0.1:4000 PCMA PCMU",
        SDP + "m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n": "10.0.0.1:4000 sendonly PCMA",
        SDP + "m=audio 0 RTP/AVP 8\r\nm=video 4002 RTP/AVP 34\r\n": (
            "audio refused, video 10.0.0.1:4002 H263"
        ),
        SDP.replace("IP4 10.0.0.1\r\nt", "IP6 2001:db8::1\r\nt") + "m=audio 4000 RTP/AVP 8\r\n": (
            "[2001:db8::1]:4000 PCMA"
        ),
        SDP + "m=audio 4000 RTP/AVP 0 3 4 5 8 9 18 13\r\n": (
            "10.0.0.1:4000 PCMU GSM G723 DVI4 PCMA G722 +2"
        ),
        SDP + "m=audio 4000 RTP/AVP 8\r\n" * 7: ", ".join(
            ["10.0.0.1:4000 PCMA"] * 4 + ["and 3 more"]
        ),
        "hello m=": "",
    }
    for body, line in bodies.items():
        wire = Wire()
        wire.udp(0, sip(extra=TYPE, body=body))
        assert wire.ladder().arrows[0].media == line


def test_ipv6_endpoints_have_brackets() -> None:
    chain = Chain()
    chain.feed(batch([ethernet(ipv6(udp(sip())), 0x86DD)]))
    ladder = build(next(iter(chain.conversations)).messages)
    assert heads(ladder) == ["[2001:db8::1]:5060", "[2001:db8::2]:5060"]


def test_what_never_ends_remembers_no_more_than_it_was_told() -> None:
    wire = Wire()
    for at in range(0, 40_000, 500):
        wire.udp(at, sip())
    for number in range(2, 22):
        wire.udp(50_000 + number, sip(cseq=f"{number} INVITE"))
    [one] = wire.chain.conversations
    folds = Folds(8)
    sent = [folds.enter(message)[0] for message in one.messages]
    assert (sent[79].sendings, sent[79].messages) == (80, [0])
    assert len(folds._sent) == 8


def test_nothing_gives_an_empty_ladder() -> None:
    assert build([]) == Ladder((), (), ())
