"""Conversations whose ladders are compared with golden files.

`python tests/ladders.py` writes these anew: look at what has changed before you keep it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from support import CAPTURES, SHARED, Chain, batch, ethernet, ipv4, ipv6, sip, tcp, udp

import sipstream
from sipstream.ladder import Ladder, build
from sipstream.render.arrows import ASCII, BOX
from sipstream.render.ladder import lines
from sipstream.views import Message

FOLDER = Path(__file__).parent / "render" / "ladders"
STYLES = {60: ASCII, 80: BOX, 132: ASCII}
"""How wide they are drawn, and with what."""
NAMES = {
    "10.0.0.1": "phone",
    "10.0.0.2": "session border controller",
    "10.0.0.3:5070": "電話交換機",
    "10.0.0.3:5060": "pbx",
}
HOSTILE = "\x1b[2J\u202e\x9b\r" + "電話" * 30 + "e\u0301" * 9 + "\\"
SDP = (
    "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
OFFER = {"extra": "Content-Type: application/sdp\r\n", "body": SDP}
START = 1_700_000_000 * 10**9
MS = 10**6


def from_file(name: str, place: int = 0) -> Callable[[], Ladder]:
    """The ladder of a conversation in one of our captures, by its place there."""

    def made() -> Ladder:
        found = sipstream.load(CAPTURES / name)
        return build(sorted(found, key=lambda one: one.time)[place].messages)

    return made


def from_shared(name: str, place: int) -> Callable[[], Ladder]:
    """The same of a capture that isn't ours to pass on."""
    return from_file(str(SHARED / "captures-real" / name), place)


class Wire:
    """Packets put together by hand."""

    def __init__(self) -> None:
        self.chain = Chain()

    def put(
        self,
        at: float,
        message: bytes,
        source: int,
        destination: int,
        ports: tuple[int, int] = (5060, 5060),
        *,
        over: str = "UDP",
        tap: str = "",
    ) -> None:
        """Have a message go from host to host (10.0.0.N), `at` milliseconds from the beginning on."""
        ends = bytes((10, 0, 0, source)), bytes((10, 0, 0, destination))
        if over == "TCP":
            payload = tcp(message, 1, source_port=ports[0], destination_port=ports[1])
            packet = ethernet(ipv4(payload, 6, *ends))
        else:
            packet = ethernet(ipv4(udp(message, *ports), 17, *ends))
        self.feed(at, packet, tap)

    def feed(self, at: float, packet: bytes, tap: str = "") -> None:
        self.chain.feed(batch([packet], times=[START + round(at * MS)], tap=tap))

    def messages(self) -> Iterator[Message]:
        for one in self.chain.conversations:
            yield from one.messages

    def ladder(self) -> Ladder:
        return build(self.messages(), lambda text: NAMES.get(text, ""))


def response(status: str, call_id: str = "call-1", cseq: str = "1 INVITE", **more: str) -> bytes:
    return sip(f"SIP/2.0 {status}", call_id, cseq=cseq, **more)


def b2bua() -> Ladder:
    """Two legs, the second one sent again while its copies come from a second capture point."""
    wire = Wire()
    wire.put(0, sip(call_id="leg-a", **OFFER), 1, 2)
    wire.put(0.4, response("100 Trying", "leg-a"), 2, 1)
    for at in (2, 502, 1502):
        wire.put(at, sip(call_id="leg-b", **OFFER), 2, 3, tap="a")
        wire.put(at + 0.1, sip(call_id="leg-b", **OFFER), 2, 3, tap="b")
    wire.put(1600, response("180 Ringing", "leg-b"), 3, 2)
    wire.put(1601, response("180 Ringing", "leg-a"), 2, 1)
    wire.put(4000, response("200 OK", "leg-b", **OFFER), 3, 2)
    wire.put(4001, sip("ACK sip:2@b SIP/2.0", "leg-b", cseq="1 ACK"), 2, 3)
    wire.put(4002, response("200 OK", "leg-a", **OFFER), 2, 1)
    wire.put(4090, sip("ACK sip:2@b SIP/2.0", "leg-a", cseq="1 ACK"), 1, 2)
    wire.put(64_000, sip("BYE sip:2@b SIP/2.0", "leg-a", cseq="2 BYE"), 1, 2)
    wire.put(64_002, response("200 OK", "leg-a", "2 BYE"), 2, 1)
    wire.put(64_003, sip("BYE sip:2@b SIP/2.0", "leg-b", cseq="2 BYE"), 2, 3)
    wire.put(64_050, response("200 OK", "leg-b", "2 BYE"), 3, 2)
    return wire.ladder()


def many_forks() -> Ladder:
    """A request to fourteen phones, of which one answers."""
    wire = Wire()
    wire.put(0, sip(**OFFER), 1, 2)
    for host in range(20, 34):
        wire.put(host, sip(**OFFER), 2, host)
    for host in range(20, 34):
        wire.put(100 + host, response("180 Ringing"), host, 2)
    wire.put(900, response("200 OK", **OFFER), 27, 2)
    wire.put(901, response("200 OK", **OFFER), 2, 1)
    wire.put(950, sip("ACK sip:2@b SIP/2.0"), 1, 2)
    wire.put(960, sip("MESSAGE sip:2@b SIP/2.0", cseq="1 MESSAGE"), 31, 32)
    return wire.ladder()


def hostile() -> Ladder:
    """Texts that would act on a terminal, or have no end."""
    wire = Wire()
    wire.put(0, sip(extra=OFFER["extra"], body=SDP.replace("telephone-event", HOSTILE[:6])), 1, 2)
    wire.put(5, response(f"183 {HOSTILE}", cseq=f"1 {HOSTILE[:9]}"), 2, 1)
    wire.put(6, sip(f"SPY{HOSTILE[1:4]}AGENT sip:2@b SIP/2.0", cseq="2 SPY"), 1, 3, (5060, 5070))
    wire.put(7, response("486 " + "very " * 60 + "busy"), 2, 1)
    wire.put(8, response("7"), 2, 1)
    wire.put(9, response("999"), 2, 1)
    return wire.ladder()


def to_itself() -> Ladder:
    """Messages that stay on their host or in their endpoint, and one that changes to TCP."""
    wire = Wire()
    wire.put(0, sip(), 1, 1, (5060, 5080))
    wire.put(1, sip(extra="Via: SIP/2.0/UDP b\r\n"), 1, 1, (5080, 5080))
    wire.put(2, response("482 Loop Detected"), 1, 1, (5080, 5060))
    wire.put(3, sip(cseq="2 INVITE", **OFFER), 1, 3, (40_000, 5060), over="TCP")
    wire.put(40, response("200 OK", cseq="2 INVITE"), 3, 1, (5060, 40_000), over="TCP")
    return wire.ladder()


def days() -> Ladder:
    """A registration that is refreshed over days, at some time in the far future."""
    wire = Wire()
    for day in range(3):
        at = day * 86_400_000 - 40_000
        number = f"{day} REGISTER"
        wire.put(at, sip("REGISTER sip:b SIP/2.0", cseq=number), 1, 3, (5060, 5070))
        wire.put(at + 7, response("200 OK", cseq=number), 3, 1, (5070, 5060))
    wire.put(START / MS, sip("REGISTER sip:b SIP/2.0", cseq="9 REGISTER"), 1, 3, (5060, 5070))
    return wire.ladder()


def long_ladder() -> Ladder:
    """So many arrows that the names stand there again; IPv6 at one end, a name at none."""
    wire = Wire()
    for number in range(45):
        message = sip("INFO sip:2@b SIP/2.0", cseq=f"{number} INFO")
        wire.feed(number * 1000, ethernet(ipv6(udp(message), source=1, destination=2), 0x86DD))
    return wire.ladder()


CASES: dict[str, Callable[[], Ladder]] = {
    "answered": from_file("timeout.txt", 7),
    "registered": from_file("timeout.txt", 0),
    "busy": from_file("timeout.txt", 1),
    "unreachable": from_file("timeout.txt", 10),
    "rejected": from_file("callerid-problem.txt", 36),
    "forwarded": from_file("diversion-problem.txt", 53),
    "two-hops": from_file("testdata-pt.txt", 37),
    "two-taps": from_file("findings/clean/call-at-two-taps.pcapng"),
    "tcp": from_file("findings/clean/call-tcp.pcap"),
    "ipv6": from_file("findings/clean/call-ipv6.pcap"),
    "websocket": from_file("findings/clean/call-websocket.pcap"),
    "proxy": from_file("findings/clean/through-a-proxy.pcap"),
    "hold": from_file("findings/clean/hold-and-resume.pcap"),
    "reliable": from_file("findings/clean/prack.pcap"),
    "transferred": from_file("findings/clean/transfer.pcap"),
    "answered-late": from_file("findings/unreachable/no-answered-late.pcap"),
    "b2bua": b2bua,
    "many-forks": many_forks,
    "hostile": hostile,
    "to-itself": to_itself,
    "days": days,
    "long": long_ladder,
}
OTHERS: dict[str, Callable[[], Ladder]] = {
    "fax-four-ends": from_shared(
        "ntop_nDPI__tests_cfgs_default_pcap_FAX-Call-t38-CA-TDM-SIP-FB-1.pcap", 0
    ),
    "webrtc-proxy": from_shared("sipcapture_heplify__example_pcap_sip_tcp_websocket.pcap", 1),
    "tcp-of-agents": from_shared("sipcapture_heplify__example_pcap_sip_ipv4_tcp.pcap", 0),
}
"""Those that need the shared captures."""


def drawn(ladder: Ladder, width: int) -> str:
    names = [str(leg.conversation) for leg in ladder.legs]
    return "".join(f"{line}\n" for line in lines(ladder, width, names=names, style=STYLES[width]))


def golden(name: str, width: int) -> Path:
    return FOLDER / str(width) / f"{name}.txt"


def main() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    for name, made in (CASES | OTHERS).items():
        ladder = made()
        for width in STYLES:
            path = golden(name, width)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(drawn(ladder, width), encoding="utf-8")


if __name__ == "__main__":
    main()
