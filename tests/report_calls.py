"""Conversations for tests of reports and pictures: those of captures, and hostile ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support import Chain, batch, ethernet, ipv4, udp

import sipstream
from sipstream.conversations import Conversations
from sipstream.export.formats import FORMATS
from sipstream.export.selected import Selected
from sipstream.redact import Redactor

MARKUP = (
    "</pre></details></svg></text></title></style><script>pwned=1</script>"
    "<img src=http://192.0.2.66/x onerror=pwned=1>\"'><a href=javascript:pwned=1>x</a>"
    "]]>&lt;&amp;{{7*7}}`${pwned=1}`|@somebody ```\\u202e;#59;%%{init:{}}%%"
)
"""What would be seen or run where it isn't escaped."""


def hostile() -> Conversations:
    """A conversation that has MARKUP wherever traffic has a say."""
    body = f"v=0\r\no={MARKUP}\r\nc=IN IP4 192.0.2.1{MARKUP}\r\nm=audio 4000 RTP/AVP 96 8\r\n"
    body += f"a=rtpmap:96 {MARKUP.replace(' ', '')}/8000\r\n"

    def made(start: str, cseq: str) -> bytes:
        return (
            f"{start}\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{MARKUP}\r\n"
            f'From: "{MARKUP}" <sip:{MARKUP}@a>;tag=1\r\nTo: <sip:{MARKUP}@b>\r\n'
            f"Call-ID: {MARKUP}\r\nCSeq: {cseq}\r\nUser-Agent: {MARKUP}\r\n{MARKUP}: {MARKUP}\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    chain = Chain()
    invite = made(f"INVITE sip:{MARKUP}@b SIP/2.0", "1 INVITE")
    answers = (f"SIP/2.0 {status} {MARKUP}" for status in (183, 200, 302, 488))
    packets = [*[invite] * 3, *(made(one, "1 INVITE") for one in answers)]
    packets.append(made(f"PWN{MARKUP.replace(' ', '')} sip:x SIP/2.0", "2 PWN"))
    times = [10**18 + place * 10**9 for place in range(len(packets))]
    chain.feed(batch([ethernet(ipv4(udp(one))) for one in packets], times=times))
    return chain.conversations


def load(path: Path) -> Conversations:
    """The conversations of a capture."""
    return sipstream.load(path)


def exported(
    conversations: Conversations,
    name: str,
    wanted: str = "",
    *,
    is_call: bool = False,
    name_of: Callable[[str], str] | None = None,
    redactor: Redactor | None = None,
) -> tuple[bytes, Selected]:
    """What a format makes of those that match a filter, and what it says of it."""
    chosen = sipstream.Filter.parse(wanted) if wanted else None
    numbers = [one.id for one in conversations if chosen is None or chosen.matches(one)]
    selected = Selected(
        conversations,
        numbers,
        range(len(numbers)),
        is_call=is_call,
        name_of=name_of,
        redactor=redactor,
    )
    return b"".join(FORMATS[name].pieces(selected, lambda: True)), selected
