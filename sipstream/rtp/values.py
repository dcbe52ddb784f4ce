"""What is told of streams: plain values, made when somebody looks.

Times and durations are ns; what is unknown is None.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sipstream.rtp.endpoints import Endpoint
from sipstream.rtp.rtcp import Metrics


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload type that a stream has used."""

    number: int
    """-1 for those beyond RTP_PAYLOAD_TYPES."""
    name: str
    """The codec, as the session description has it, else RFC 3551; "" where neither names it."""
    rate: int | None
    """Ticks of its clock in a second."""
    packets: int


@dataclass(frozen=True, slots=True)
class Event:
    """A DTMF or other telephone event (RFC 4733)."""

    name: str
    """0 to 9, *, #, A to D; `flash`; else `event N`."""
    time: int
    duration: int
    ended: bool
    """A packet said that it is over."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The interarrival jitter of a stream (RFC 3550 section 6.4.1)."""

    last: float
    """The estimate at the end."""
    mean: float
    most: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a receiver said by RTCP of a stream it gets (RFC 3550 section 6.4.1)."""

    source: Endpoint
    destination: Endpoint
    reporter: int
    """The SSRC of who says it."""
    about: int
    """The SSRC of the stream."""
    count: int
    fraction_lost: float
    """Of the packets since the report before, 0 to 1: in the last report."""
    worst_fraction_lost: float
    lost: int
    """Packets in all; below 0 where duplicates came."""
    jitter: float | None
    """ns, None where the stream's clock rate isn't known."""
    worst_jitter: float | None
    round_trip: int | None
    """From the capture point to the receiver and back."""
    worst_round_trip: int | None
    metrics: Metrics | None
    """Of RTCP-XR (RFC 3611 section 4.7)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An RTP stream: packets of one SSRC from one endpoint to another."""

    source: Endpoint
    destination: Endpoint
    ssrc: int
    tap: str
    """The capture point's name, or the tunnels it came in; "" where nothing names them."""
    payloads: tuple[Payload, ...]
    """The most used one first."""
    begin: int
    end: int
    packets: int
    """All that came, duplicates too."""
    expected: int
    """How many were sent, by their sequence numbers."""
    lost: int
    duplicates: int
    out_of_order: int
    strays: int
    """Packets whose numbers fit nowhere."""
    restarts: int
    """How often the source began to count anew: what was lost then isn't known."""
    jitter: Spread | None
    """None where the clock rate isn't known, or one packet came."""
    gap: int
    """The longest time between two packets."""
    gap_at: int
    """When it began."""
    silence: int
    """Time in which nothing was to be heard: nothing was sent and no number is missing, comfort noise
    (RFC 3389), or G.711 whose bytes are all equal."""
    pauses: int
    """How often nothing was sent for a while."""
    comfort_noise: int
    """Packets of it."""
    markers: int
    """Packets with the marker bit: with audio the first one after silence (RFC 3551 section 4.1)."""
    events: tuple[Event, ...]
    events_left_out: int
    """Events that weren't kept, because there were too many."""
    reports: tuple[Report, ...]
    """What receivers say of it; none of SRTP, whose reports are encrypted."""
    sent: int | None
    """The packets that its sender says it sent (RTCP), None where it doesn't."""
    secure: bool
    """It is SRTP by its session description: its headers are readable, its payload isn't."""
    source_offered: bool
    """A session description names its source; where none does, a NAT may have changed it."""
    destination_offered: bool
    one_way: bool
    """Nothing, or far less, came back between the two endpoints."""
    copy: bool
    """Another capture point gave the same stream before."""
    ssrc_before: int | None = None
    """The SSRC whose place it took: the last one that had sent there."""
    source_before: Endpoint | None = None
    """Where the same SSRC came from before."""
    cut: bool = False
    """The capture holds less than the whole of its packets."""

    @property
    def codec(self) -> str:
        """The codec of most of its packets, by name or payload type."""
        return self.payloads[0].name or str(self.payloads[0].number)

    @property
    def loss(self) -> float:
        """The share of packets that were lost, 0 to 1."""
        return self.lost / self.expected if self.expected else 0.0

    @property
    def badness(self) -> tuple[bool, float, float]:
        """The higher, the worse it sounds: one way, lost, jitter."""
        return self.one_way, self.loss, self.jitter.most if self.jitter else 0.0


@dataclass(frozen=True, slots=True)
class Media:
    """What came of a conversation's media."""

    streams: tuple[Stream, ...] = ()
    """In the order in which they began."""
    reports: tuple[Report, ...] = field(default=())
    """All reports, those about streams that weren't captured too."""
    encrypted_reports: int = 0
    """RTCP packets that can't be read, because they are SRTCP."""
