"""Calls as several taps see them: envelopes made by hand, put into conversations in any order.

`python tests/sighted.py` writes captures/taps.pcap anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from random import Random
from typing import NamedTuple

from support import CAPTURES, ethernet, ipv4, sip, udp

from sipstream.conversations import Conversations
from sipstream.decode.decoder import Decoder
from sipstream.decode.endpoints import key_of
from sipstream.envelopes import envelope
from sipstream.packets import Linktype, Tally
from sipstream.sip.scan import Scanner
from sipstream.sources.enveloped import EnvelopeSpool
from sipstream.spool import PcapSpool

MS = 10**6
BEGIN = 1_800_000_000 * 10**9
PHONE, PROXY = key_of(bytes([10, 0, 0, 1]), 5060), key_of(bytes([10, 0, 0, 9]), 5060)


class Seen(NamedTuple):
    """A message at one tap."""

    tap: str
    time: int
    """By the tap's clock, ns."""
    envelope: bytes


class Line:
    """Taps one behind the other between a phone and a proxy, each with its clock; ns.

    `correlation` is what they say belongs together.
    """

    def __init__(
        self,
        taps: Sequence[str],
        *,
        ahead: dict[str, int] | None = None,
        hop: int = MS // 2,
        ends: tuple[bytes, bytes] = (PHONE, PROXY),
        correlation: bytes = b"",
    ) -> None:
        self.taps = list(taps)
        self.ahead = ahead or {}
        self.hop = hop
        self.ends = ends
        self.correlation = correlation

    def send(
        self,
        time: int,
        payload: bytes,
        *,
        back: bool = False,
        lost_at: Iterable[str] = (),
        jitter: Random | None = None,
    ) -> list[Seen]:
        """A message that the first tap of its way sees at `time` after BEGIN by a true clock."""
        ends = self.ends[::-1] if back else self.ends
        seen = []
        now = BEGIN + time
        for tap in reversed(self.taps) if back else self.taps:
            told = now + self.ahead.get(tap, 0)
            if tap not in lost_at:
                made = envelope(told, *ends, "UDP", payload, node=tap, correlation=self.correlation)
                assert made is not None
                seen.append(Seen(tap, told, made))
            now += self.hop + (jitter.randrange(self.hop) if jitter else 0)
        return seen

    def call(
        self, call_id: str = "call-1", *, at: int = 0, hop: Random | None = None
    ) -> list[Seen]:
        """A call from INVITE to BYE."""
        steps = [
            (0, "INVITE sip:2@b SIP/2.0", "1 INVITE", False),
            (20, "SIP/2.0 100 Trying", "1 INVITE", True),
            (900, "SIP/2.0 180 Ringing", "1 INVITE", True),
            (3000, "SIP/2.0 200 OK", "1 INVITE", True),
            (3050, "ACK sip:2@b SIP/2.0", "1 ACK", False),
            (9000, "BYE sip:2@b SIP/2.0", "2 BYE", False),
            (9040, "SIP/2.0 200 OK", "2 BYE", True),
        ]
        seen: list[Seen] = []
        for time, start, cseq, back in steps:
            payload = sip(start, call_id, cseq=cseq)
            seen += self.send(at + time * MS, payload, back=back, jitter=hop)
        return seen


class Intake:
    """Takes envelopes through all stages into conversations."""

    def __init__(self) -> None:
        self.conversations = Conversations()
        self._tally = Tally("test")
        self._decoder = Decoder(self._tally, self.conversations.index.endpoints)
        self._scanner = Scanner(self._tally)
        self._spool = EnvelopeSpool()
        self._spool.store.close()
        # Without a thread, which would have to be ended.
        self._spool.store = PcapSpool(Linktype.RAW)

    def take(self, seen: Iterable[Seen | bytes]) -> list[int]:
        """Take some together, return the numbers of new messages."""
        batch = self._spool.batch(one.envelope if isinstance(one, Seen) else one for one in seen)
        found = self._scanner.feed(self._decoder.feed(batch))
        added = self.conversations.feed(found, batch.store)
        self.conversations.correlate(added, self._decoder.correlations)
        self._decoder.correlations.clear()
        return added


def pcap(seen: Iterable[Seen]) -> bytes:
    """A capture of what the taps sent, a packet a millisecond."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for place, one in enumerate(seen):
        packet = ethernet(ipv4(udp(one.envelope, 40000, 9060)))
        at = divmod(BEGIN // 1000 + place * 1000, 10**6)
        parts += (struct.pack("<IIII", *at, len(packet), len(packet)), packet)
    return b"".join(parts)


def capture() -> bytes:
    """captures/taps.pcap: a call that three taps saw, its second leg that two saw.

    The clock of sbc2 is 1.2 s ahead; the INVITE was sent twice, and sbc3 lacks the second sending.
    """
    random = Random(7)
    ahead = {"sbc2": 1200 * MS}
    first = Line(["sbc1", "sbc2", "sbc3"], ahead=ahead, correlation=b"3c26700857a1@10.0.0.1")
    ends = PROXY, key_of(bytes([10, 0, 0, 20]), 5060)
    second = Line(["sbc3", "sbc4"], ends=ends, correlation=b"3c26700857a1@10.0.0.1")
    seen = first.call("3c26700857a1@10.0.0.1", hop=random)
    again = sip("INVITE sip:2@b SIP/2.0", "3c26700857a1@10.0.0.1", cseq="1 INVITE")
    seen += first.send(500 * MS, again, lost_at=["sbc3"], jitter=random)
    seen += second.call("77f0e1b2@10.0.0.9", at=30 * MS, hop=random)
    return pcap(sorted(seen, key=lambda one: one.time))


def taken(seen: Iterable[Seen], sizes: Random | None = None) -> Conversations:
    """What comes of envelopes in this order, in batches of any size or one by one."""
    intake, waiting = Intake(), list(seen)
    while waiting:
        size = sizes.randint(1, 9) if sizes else 1
        intake.take(waiting[:size])
        del waiting[:size]
    return intake.conversations


def told(conversations: Conversations) -> list[list[tuple[object, ...]]]:
    """All that conversations say of their messages, whatever the order in which these came."""
    return [
        [
            one.time, one.count, one.duration, one.source, one.src_user,
            *(
                (each.time, each.source, each.destination, each.tap, each.raw,
                 tuple((sighting.tap, sighting.time) for sighting in each.sightings))
                for each in sorted(one.messages, key=lambda each: (each.time, each.raw))
            ),
        ]
        for one in sorted(conversations, key=lambda one: (one.time, one.call_id))
    ]  # fmt: skip


if __name__ == "__main__":
    (CAPTURES / "taps.pcap").write_bytes(capture())
