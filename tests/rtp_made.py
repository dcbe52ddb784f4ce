"""Calls with RTP and RTCP made by hand."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import ip_address

from support import MemoryStore, ethernet, ipv4, ipv6, sip, udp

from sipstream.conversations import Conversations
from sipstream.packets import Batch, Linktype, Record, Tally
from sipstream.pipeline import Intake
from sipstream.rtp.streams import Streams
from sipstream.rtp.values import Media, Stream
from sipstream.views import Conversation

MS = 10**6
SECOND = 10**9
BEGIN = 1_500_000_000 * SECOND
CALLER, CALLEE = ("10.0.0.1", 4000), ("10.0.0.2", 5000)
SSRC = 0x11111111
EVENTS = "a=rtpmap:101 telephone-event/8000"


def described(address: str, *lines: str) -> str:
    """A session description whose connection is at an address."""
    family = "6" if ":" in address else "4"
    head = ["v=0", f"o=- 1 1 IN IP{family} {address}", "s=-", f"c=IN IP{family} {address}", "t=0 0"]
    return "\r\n".join([*head, *lines, ""])


OFFER = described("10.0.0.1", "m=audio 4000 RTP/AVP 8 0 96 101", "a=rtpmap:96 opus/48000/2", EVENTS)
ANSWER = described(
    "10.0.0.2", "m=audio 5000 RTP/AVP 8 0 96 101", "a=rtpmap:96 opus/48000/2", EVENTS
)


def messages(*bodies: str, call_id: str = "call-1") -> list[bytes]:
    """An INVITE with the first body, and answers with the others."""
    starts = ["INVITE sip:2@b SIP/2.0", *["SIP/2.0 200 OK"] * (len(bodies) - 1)]
    kind = "Content-Type: application/sdp\r\n"
    return [
        sip(start, call_id, extra=kind, body=body)
        for start, body in zip(starts, bodies, strict=True)
    ]


def rtp(
    sequence: int,
    timestamp: int,
    *,
    payload_type: int = 8,
    payload: bytes = bytes(range(160)),
    ssrc: int = SSRC,
    marker: bool = False,
    first: int = 0x80,
) -> bytes:
    """An RTP packet."""
    second = payload_type | marker << 7
    head = struct.pack("!BBHII", first, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    return head + payload


def event(code: int, duration: int, ended: bool = False) -> bytes:
    """The payload of a telephone event (RFC 4733 section 2.3)."""
    return struct.pack("!BBH", code, ended << 7 | 10, duration)


def _compound(kind: int, count: int, content: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(content) // 4) + content


def block(
    ssrc: int, *, fraction: int = 0, lost: int = 0, jitter: int = 0, lsr: int = 0, dlsr: int = 0
) -> bytes:
    """A report block (RFC 3550 section 6.4.1)."""
    lost_bytes = lost.to_bytes(3, "big", signed=True)
    return struct.pack("!IB3sIIII", ssrc, fraction, lost_bytes, 0, jitter, lsr, dlsr)


def sender_report(ssrc: int, ntp: int, packets: int, *blocks: bytes) -> bytes:
    """An SR."""
    head = struct.pack("!IQIII", ssrc, ntp, 0, packets, packets * 160)
    return _compound(200, len(blocks), head + b"".join(blocks))


def receiver_report(ssrc: int, *blocks: bytes) -> bytes:
    """An RR."""
    return _compound(201, len(blocks), struct.pack("!I", ssrc) + b"".join(blocks))


def voip_metrics(ssrc: int, about: int, *, r_factor: int = 93, mos: int = 44) -> bytes:
    """An XR with VoIP metrics (RFC 3611 section 4.7): 5/256 lost, 3/256 discarded, 40 ms."""
    metrics = struct.pack(
        "!IBBBBHHHHBBBBBBBBBBHHH", about, 5, 3, 0, 0, 0, 0, 40, 20, 127, 127, 127, 16,
        r_factor, 127, mos, 127, 0, 0, 60, 120, 200,
    )  # fmt: skip
    return _compound(207, 0, struct.pack("!IBBH", ssrc, 7, 0, 8) + metrics)


@dataclass
class Call:
    """What a capture holds, and what comes of it."""

    packets: list[tuple[int, bytes]] = field(default_factory=list)
    """Times (ns) and Ethernet frames."""

    def __post_init__(self) -> None:
        self.conversations = Conversations()
        self.streams = Streams(self.conversations.index.endpoints.outers)
        self.tally = Tally("made")

    def put(
        self, at: int, payload: bytes, source: tuple[str, int], destination: tuple[str, int]
    ) -> None:
        """Add a datagram, so many ns after the beginning."""
        datagram = udp(payload, source[1], destination[1])
        ends = ip_address(source[0]).packed, ip_address(destination[0]).packed
        if len(ends[0]) == 4:
            frame = ethernet(ipv4(datagram, 17, *ends))
        else:
            frame = ethernet(ipv6(datagram, 17, ends[0][-1], ends[1][-1]), 0x86DD)
        self.packets.append((BEGIN + at, frame))

    def signal(self, *bodies: str, call_id: str = "call-1", at: int = 0) -> None:
        """Add an INVITE and responses with these bodies, a millisecond apart."""
        for number, raw in enumerate(messages(*bodies, call_id=call_id)):
            self.put(at + number * MS, raw, ("10.0.0.1", 5060), ("10.0.0.2", 5060))

    def talk(
        self,
        count: int,
        *,
        source: tuple[str, int] = CALLER,
        destination: tuple[str, int] = CALLEE,
        at: int = SECOND,
        sequence: int = 100,
        timestamp: int = 16_000,
        ssrc: int = SSRC,
        payload_type: int = 8,
        without: tuple[int, ...] = (),
    ) -> None:
        """Add packets of 20 ms each from `at` on; those in `without` are lost."""
        for number in range(count):
            if number not in without:
                made = rtp(
                    sequence + number, timestamp + 160 * number, ssrc=ssrc,
                    payload_type=payload_type,
                )  # fmt: skip
                self.put(at + number * 20 * MS, made, source, destination)

    def batch(self, tap: str = "") -> Batch:
        """The packets as one batch."""
        records: list[Record] = []
        data = bytearray()
        for time, frame in self.packets:
            records.append((time, len(data), len(data) + len(frame), len(frame)))
            data += frame
        whole = bytes(data)
        return Batch(MemoryStore(whole), 0, whole, Linktype.ETHERNET, records, tap)

    def feed(self, *taps: str) -> None:
        """Take the packets through all stages, once for each capture point."""
        intake = Intake(_Source(self.tally), self.conversations, streams=self.streams)  # type: ignore[arg-type]
        for tap in taps or ("",):
            intake.feed(self.batch(tap))
        self.packets.clear()

    def conversation(self, call_id: str = "call-1") -> Conversation:
        """The conversation of a Call-ID."""
        found = self.conversations.by_call_id(call_id)
        assert found is not None
        return found

    def media(self, call_id: str = "call-1") -> Media:
        """What came of its media; packets that were added are taken first."""
        if self.packets:
            self.feed()
        return self.streams.media_of(self.conversation(call_id))

    def of(self, call_id: str = "call-1") -> list[Stream]:
        """Its streams."""
        return list(self.media(call_id).streams)


class _Source:
    """As much of a source as an intake needs."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.name = tally.name


def conversation(*bodies: str) -> Conversation:
    """A conversation whose messages have these bodies."""
    call = Call()
    call.signal(*bodies)
    call.feed()
    return call.conversation()


def one_stream(*packets: tuple[int, bytes]) -> Stream:
    """The stream of packets from caller to callee, given with their times (ns after the beginning)."""
    call = Call()
    call.signal(OFFER, ANSWER)
    for at, made in packets:
        call.put(at, made, CALLER, CALLEE)
    (found,) = call.of()
    return found
