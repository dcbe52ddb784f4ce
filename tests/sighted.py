"""Calls as several taps see them: envelopes made by hand, put into conversations in any order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import NamedTuple

from support import sip

from sipstream.conversations import Conversations
from sipstream.decode.decoder import Decoder
from sipstream.decode.endpoints import key_of
from sipstream.envelopes import envelope
from sipstream.packets import Tally
from sipstream.sip.scan import Scanner
from sipstream.sources.enveloped import EnvelopeSpool

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
    """Taps one behind the other between a phone and a proxy, each with its clock; ns."""

    def __init__(
        self, taps: Sequence[str], *, ahead: dict[str, int] | None = None, hop: int = MS // 2
    ) -> None:
        self.taps = list(taps)
        self.ahead = ahead or {}
        self.hop = hop

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
        ends = (PROXY, PHONE) if back else (PHONE, PROXY)
        seen = []
        now = BEGIN + time
        for tap in reversed(self.taps) if back else self.taps:
            told = now + self.ahead.get(tap, 0)
            if tap not in lost_at:
                made = envelope(told, *ends, "UDP", payload, node=tap)
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

    def take(self, seen: Iterable[Seen | bytes]) -> list[int]:
        """Take some together, return the numbers of new messages."""
        batch = self._spool.batch(one.envelope if isinstance(one, Seen) else one for one in seen)
        found = self._scanner.feed(self._decoder.feed(batch))
        return self.conversations.feed(found, batch.store)


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
