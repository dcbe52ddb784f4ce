"""Messages with session descriptions, for tests of offers, answers and differences."""

from __future__ import annotations

from support import Chain, batch, ethernet, ipv4, udp

from sipstream.views import Message


def sdp(*media: str, address: str = "192.0.2.1", session: str = "1 1", port: int = 4000) -> str:
    """A session description; a line such as `audio 8 0` has ports two apart, `a=...` lines follow it."""
    lines = ["v=0", f"o=- {session} IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0"]
    for one in media:
        if one.startswith("a="):
            lines.append(one)
            continue
        kind, *formats = one.split()
        if formats[0].startswith("port="):
            lines.append(f"m={kind} {formats[0][5:]} RTP/AVP {' '.join(formats[1:])}")
        else:
            lines.append(f"m={kind} {port} RTP/AVP {' '.join(formats)}")
        port += 2
    return "".join(f"{line}\r\n" for line in lines)


def message(
    start: str,
    cseq: str,
    body: str = "",
    *,
    branch: str = "1",
    tags: tuple[str, str] = ("a", "b"),
    extra: str = "",
) -> bytes:
    """A request (`INVITE`) or a response (`200 OK`) of one call, from tag first."""
    first = f"SIP/2.0 {start}" if start[:1].isdigit() else f"{start} sip:2@192.0.2.9 SIP/2.0"
    kind = "Content-Type: application/sdp\r\n" if body else ""
    to_tag = f";tag={tags[1]}" if tags[1] else ""
    return (
        f"{first}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}\r\n"
        f"From: <sip:4151500@192.0.2.1>;tag={tags[0]}\r\nTo: <sip:5660066@192.0.2.9>{to_tag}\r\n"
        f"Call-ID: call-1\r\nCSeq: {cseq}\r\n{extra}{kind}"
        f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
    ).encode()


def viewed(*raw: bytes) -> list[Message]:
    """The messages of the one conversation that these are, a second apart."""
    chain = Chain()
    times = [10**9 * place for place in range(1, len(raw) + 1)]
    chain.feed(batch([ethernet(ipv4(udp(one))) for one in raw], times=times))
    (found,) = chain.conversations
    return found.messages
