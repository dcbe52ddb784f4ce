"""Conversations for tests of calls: legs with what joins them, or nearly does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from support import Chain, batch, ethernet, ipv4, udp

from sipstream.calls import Call, Calls

BEGIN = 1_523_893_200 * 10**9
MS = 10**6
PHONE, PBX, TRUNK = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def sdp(address: str, port: int = 4000, session: str = "71524") -> str:
    """A session description of one stream."""
    lines = ["v=0", f"o=- {session} 1 IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0"]
    return "".join(f"{line}\r\n" for line in [*lines, f"m=audio {port} RTP/AVP 8"])


@dataclass
class Leg:
    """A call from one machine to another: INVITE, 180, 200, ACK, and BYE `lasts` ms later.

    Nothing in one is as in another but for the numbers and the ends.
    """

    name: str
    at: int = 0
    """When it begins, ms."""
    ends: tuple[str, str] = (PHONE, PBX)
    numbers: tuple[str, str] = ("4151500", "5660066")
    call_id: str = ""
    tags: tuple[str, str] = ("", "")
    via: str = ""
    """A whole Via beside that of the sender."""
    extra: str = ""
    """Header lines of the INVITE."""
    answered: str = ""
    """Header lines of what is answered."""
    offer: str = ""
    answer: str = ""
    lasts: int = 5000
    final: str = "200 OK"
    after: tuple[tuple[int, str, str], ...] = ()
    """Further requests: when, their method, their header lines."""
    ports: tuple[int, int] = (5060, 5060)

    def packets(self) -> Iterable[tuple[int, bytes]]:
        """Its packets with their times (ns)."""
        there, back = self.ends, self.ends[::-1]
        yield self._sent(0, there, "INVITE", extra=self.extra, body=self.offer)
        yield self._sent(20, back, "180 Ringing", extra=self.answered)
        yield self._sent(100, back, self.final, extra=self.answered, body=self.answer)
        yield self._sent(110, there, "ACK")
        for at, method, extra in self.after:
            yield self._sent(at, there, method, extra=extra)
        if self.final.startswith("2"):
            yield self._sent(self.lasts, there, "BYE")
            yield self._sent(self.lasts + 10, back, "200 OK", cseq="9 BYE")

    def _sent(
        self, at: int, ends: tuple[str, str], what: str, *, extra: str = "", body: str = "",
        cseq: str = "",
    ) -> tuple[int, bytes]:  # fmt: skip
        tags = [
            own or f"{side}-{self.name}-92ab" for own, side in zip(self.tags, "ab", strict=True)
        ]
        is_response = what[:1].isdigit()
        start = f"SIP/2.0 {what}" if is_response else f"{what} sip:{self.numbers[1]}@x SIP/2.0"
        to_tag = "" if what == "INVITE" else f";tag={tags[1]}"
        via = f"Via: {self.via}\r\n" if self.via else ""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        raw = (
            f"{start}\r\nVia: SIP/2.0/UDP {self.ends[0]};branch=z9hG4bK-{self.name}-{what[:3]}55\r\n"
            f"{via}From: <sip:{self.numbers[0]}@x>;tag={tags[0]}\r\n"
            f"To: <sip:{self.numbers[1]}@x>{to_tag}\r\n"
            f"Call-ID: {self.call_id or self.name}\r\n"
            f"CSeq: {cseq or ('1 INVITE' if is_response else f'{at + 1} {what}')}\r\n"
            f"{extra}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        source, destination = (ip_address(one).packed for one in ends)
        ports = self.ports if ends == self.ends else self.ports[::-1]
        packet = ethernet(ipv4(udp(raw, *ports), source=source, destination=destination))
        return BEGIN + (self.at + at) * MS, packet


def chain_of(*legs: Leg) -> Chain:
    """All packets of some legs in order of time, as a capture has them."""
    made = Chain()
    feed(made, *legs)
    return made


def feed(chain: Chain, *legs: Leg) -> None:
    """Let the packets of some legs come in."""
    packets = sorted((one for leg in legs for one in leg.packets()), key=lambda one: one[0])
    chain.feed(batch([packet for _, packet in packets], times=[time for time, _ in packets]))


def calls_of(*legs: Leg, headers: tuple[str, ...] = ()) -> list[Call]:
    """The calls that some legs come to."""
    return list(Calls(chain_of(*legs).conversations, headers))


def calls_as_they_come(*legs: Leg, headers: tuple[str, ...] = ()) -> list[Call]:
    """The same where one leg comes in after the other, and is joined with what is there."""
    chain = Chain()
    calls = Calls(chain.conversations, headers)
    for leg in legs:
        feed(chain, leg)
        list(calls)
    return list(calls)


def names_of(call: Call) -> list[str]:
    """The Call-IDs of a call's legs."""
    return [one.call_id for one in call.conversations]
