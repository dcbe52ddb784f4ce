"""What a source yields: batches of packets, each packet a place in the bytes it came in.

Knows nothing of what is inside a packet. A batch is the only thing that crosses from a source to
`decode`: one chunk of bytes and a plain tuple per packet, because an object per packet would cost
more than decoding it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, TypeAlias

from sipstream.limits import MAX_SUSPECTS
from sipstream.reasons import FAULT

Record: TypeAlias = tuple[int, int, int, int]
"""A packet of a batch: time (ns since the epoch), start and end within `Batch.data`, size in bytes
that it had on the wire (larger than end - start where the capture cut it)."""


Usual: TypeAlias = tuple[bytes, int, int, bytes | None]
"""What the cut of text into packets found in one that is printed as nearly all are: the text of its
endpoints, where in `Batch.data` its message begins, the length that was printed (-1 for none), and the
message where it doesn't stand there as it was sent (-v)."""


Octets: TypeAlias = bytes
"""`bytes`, where a field has that name."""


class Store(Protocol):
    """Where bytes lie that a message was located in."""

    @property
    def begin(self) -> int:
        """Nothing before this place is there any more."""

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer (or none) when they are gone."""

    def headline(self, offset: int) -> bytes | None:
        """Return the line that introduces what lies at `offset`, where the store holds text."""


@dataclass(slots=True)
class Batch:
    """Packets of one link type and one capture point.

    `base` is the offset in `store` of `data[0]`, so the byte `data[i]` lies at `base + i`.
    """

    store: Store
    base: int
    data: bytes
    linktype: int
    records: list[Record]
    tap: str = ""
    usual: list[Usual | None] = field(default_factory=list)
    """Of text, for each record: what is known of it already, if anything is."""
    secrets: Octets = b""
    """Lines of a TLS key log that stood before the packets."""
    comments: dict[int, str] = field(default_factory=dict)
    """What the file says of single packets, by their place in `records`; several in several lines."""
    about: list[str] = field(default_factory=list)
    """What the file said of itself before these packets."""

    @property
    def packets(self) -> int:
        """How many packets it is about."""
        return len(self.records)

    def parts(self, first: int) -> tuple[Batch, Batch | None]:
        """Return the first packets, and the others where there are more."""
        if len(self.records) <= first:
            return self, None
        records, comments = self.records, self.comments
        return (
            replace(
                self, records=records[:first], usual=self.usual[:first],
                comments={one: text for one, text in comments.items() if one < first},
            ),
            replace(
                self, records=records[first:], usual=self.usual[first:], secrets=b"", about=[],
                comments={one - first: text for one, text in comments.items() if one >= first},
            ),
        )  # fmt: skip


class Suspect(NamedTuple):
    """A packet that a stage of ours failed on: link type (PAYLOAD: no more than that), time, bytes."""

    linktype: int
    time: int
    data: bytes


@dataclass(slots=True)
class Tally:
    """One source's accounting: packets = with_messages + the sum of reasons."""

    name: str
    packets: int = 0
    bytes: int = 0
    messages: int = 0
    with_messages: int = 0
    drops: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    about: list[str] = field(default_factory=list)
    """What the source says of itself: comments, hardware, interfaces."""
    suspects: list[Suspect] = field(default_factory=list)
    """Packets that a stage failed on; who keeps them clears the list."""

    @property
    def unaccounted(self) -> int:
        """How many packets aren't counted yet as with messages, or by reason."""
        return self.packets - self.with_messages - self.reasons.total()

    @property
    def account(self) -> str:
        """What came: received, dropped by the kernel, without message by reason."""
        text = (
            f"{self.packets} packets, {self.messages} messages, {self.drops} dropped by the kernel"
        )
        counts = [f"{count} {reason}" for reason, count in self.reasons.most_common() if count]
        return f"{text}; {', '.join(counts)}" if counts else text

    def clear(self) -> None:
        """Begin to count anew."""
        self.packets = self.bytes = self.messages = self.with_messages = self.drops = 0
        for kept in (self.reasons, self.about, self.suspects):
            kept.clear()

    def suspect_all(self, error: Exception, packets: int, batch: Batch) -> None:
        """Count a batch that a stage failed on, and keep what there is room for."""
        self.reasons[f"{FAULT} ({type(error).__name__})"] += packets
        room = MAX_SUSPECTS - len(self.suspects)
        for time, start, end, _ in batch.records[:room]:
            self.suspects.append(Suspect(batch.linktype, time, batch.data[start:end]))

    def suspect(
        self, error: Exception, packets: int, linktype: int, time: int, data: Octets
    ) -> None:
        """Count what a stage failed on, and keep it as long as there is room."""
        self.reasons[f"{FAULT} ({type(error).__name__})"] += packets
        if len(self.suspects) < MAX_SUSPECTS:
            self.suspects.append(Suspect(linktype, time, data))


class Linktype:
    """Link types as pcap files number them (the tcpdump group's list), and one of our own."""

    NULL = 0
    ETHERNET = 1
    PPP = 9
    RAW_BSD = 12
    RAW_OPENBSD = 14
    PPP_SERIAL = 50
    PPP_ETHERNET = 51
    RAW = 101
    LOOP = 108
    LINUX_SLL = 113
    MPLS = 219
    IPV4 = 228
    IPV6 = 229
    NFLOG = 239
    PAYLOAD = 147
    """USER0: of our own use, what UDP or TCP carried alone."""
    LINUX_SLL2 = 276
    TCPDUMP_TEXT = 0x10000
    """A packet as tcpdump prints it: its line, and what follows up to the next packet's line."""
