"""Calls with RTP and RTCP made by hand."""

from __future__ import annotations

from support import batch, ethernet, ipv4, sip, udp

from sipstream.conversations import Conversations
from sipstream.decode.decoder import Decoder
from sipstream.packets import Tally
from sipstream.sip.scan import Scanner
from sipstream.views import Conversation

MS = 10**6
CALLER, CALLEE = ("10.0.0.1", 4000), ("10.0.0.2", 5000)


def described(address: str, *lines: str) -> str:
    """A session description whose connection is at an address."""
    family = "6" if ":" in address else "4"
    head = ["v=0", f"o=- 1 1 IN IP{family} {address}", "s=-", f"c=IN IP{family} {address}", "t=0 0"]
    return "\r\n".join([*head, *lines, ""])


def messages(*bodies: str, call_id: str = "call-1") -> list[bytes]:
    """An INVITE with the first body, and answers with the others."""
    starts = ["INVITE sip:2@b SIP/2.0", *["SIP/2.0 200 OK"] * (len(bodies) - 1)]
    kind = "Content-Type: application/sdp\r\n"
    return [
        sip(start, call_id, extra=kind, body=body)
        for start, body in zip(starts, bodies, strict=True)
    ]


def conversation(*bodies: str) -> Conversation:
    """A conversation whose messages have these bodies."""
    frames = [ethernet(ipv4(udp(one))) for one in messages(*bodies)]
    conversations, tally = Conversations(), Tally("test")
    made = batch(frames)
    found = Scanner(tally).feed(Decoder(tally, conversations.index.endpoints).feed(made))
    conversations.feed(found, made.store)
    return conversations[0]
