"""Expressions over a whole capture, with counts that were worked out without sipstream.

The capture is captures/testdata-pt, 1083 conversations. Counts come from what tshark 4.0 prints of the
pcap (`tshark -r testdata-pt.pcap -Y sip -T fields -e frame.time_epoch ...`, one line a message), put
together per sip.Call-ID by a few lines of Python for each expression; each group says from which
fields. The text that is loaded here holds the same packets.
"""

from __future__ import annotations

import pytest
from support import CAPTURES

import sipstream
from sipstream.conversations import Conversations
from sipstream.filters import Filter

ALL = 1083

# sip.from.user, sip.to.user, ip.src, ip.dst of each Call-ID's first line, sip.Diversion of INVITEs.
# The numbers themselves stand in tests/make_captures.py too: 4151509 and 8969669 are pinned there.
OF_FIRST = {
    "dstnum 8969669 and (srcnum 4151509 or has diversion)": 2,
    "srcnum 4151509": 8,
    "srcnum 4151509 8969669": 10,
    "telnum +4151509": 8,
    "srcnum 415*": 281,
    "dstnum 415150?": 4,
    "dstnum 5660000-5669999": 122,
    'srcnum ~ "^[a-z]+[0-9]+$"': 6,
    "dstnum 1819": 1,
    "srcip 10.20.0.0/16": 135,
    "dstip 178.19.48.50-178.19.48.66": 193,
    "ip 10.11.12.14": 285,
}
# ip.src, udp.srcport, ip.dst, udp.dstport of all lines; all is UDP, and a text names no interface.
OF_WAYS = {
    "endpoint 10.30.1.30:35831": 9,
    "port 30000-60000": 62,
    "port 5060 and not port 1024-5059 5061-65535": 982,
    "transport tcp": 0,
    "transport UDP": ALL,
    "tap *": ALL,
    "interface eth0": 0,
}
# sip.Method, sip.Status-Code, sip.Status-Line, sip.Reason, sip.Call-ID.
OF_START_LINES = {
    "method CANCEL": 82,
    "method REGISTER SUBSCRIBE": 163,
    "status 486": 82,
    "status 4xx": 430,
    "status 300-403": 117,
    "status>=480": 208,
    "status = 302": 2,
    'reason "busy here"': 82,
    'reason = "Trying -- *"': 128,
    "reason cause=16": 1,
    "callid *@10.20.0.22:5060": 63,
    'callid ~ "^[0-9A-F-]{35}@"': 173,
}
# sip.msg_hdr cut into lines, and the field of each header where tshark has one. `number`, `user`,
# `domain`, `uri`: what stands between sip: or tel:, @ and the end in lines of the headers, and sip.r-uri.
OF_HEADERS = {
    "has diversion": 55,
    "has pai or has ppi or has rpid": 200,
    "has privacy": 18,
    "has Subject": 2,
    "has Subscription-State": 48,
    "has Authorization has Expires": 115,
    'header Diversion "reason=user-busy"': 25,
    'header Diversion "reason=user-busy" no-answer': 47,
    "header Content-Type": 813,
    "header Allow = *INFO": 201,
    "header Expires > 90": 99,
    "header Max-Forwards < 70": 0,
    'header Server ~ "asterisk.*ubuntu[0-9.]+$"': 160,
    "diversion 461*": 8,
    "pai 4151509": 1,
    "ppi 566*": 5,
    "ua yealink": 205,
    "ua = kamailio*": 285,
    'ua ~ "^(cisco-cp|grandstream)"': 179,
    "number 8969669": 4,
    "number 4610116 5664283": 4,
    "user anna77": 6,
    "domain 178.19.48.66": 65,
    "uri tel:1819*": 1,
}
# sdp.media, sdp.connection_info, sdp.media.port, sdp.mime.type; sip.Content-Type for the tones.
OF_BODIES = {
    "codec G729": 29,
    "codec G722 and not codec PCMU": 14,
    "codec G7*": 314,
    "codec telephone-event": 738,
    "media 10.20.0.31": 33,
    "media 10.30.0.0/16": 210,
    "media 10.20.0.22:13972": 1,
    "body Signal=": 131,
    "stir": 0,
}
# sip.Status-Code with sip.CSeq.method in order, frame.time_epoch, how many lines there are, and how many
# of them were there before with the same ends, start line and headers.
OF_WHOLE = {
    "state cancelled": 82,
    "state registered": 115,
    "state ended": 500,
    "state answered": 9,
    "state failed": 155,
    "state unanswered": 8,
    "final 486": 82,
    "final >= 400 and method INVITE": 235,
    "messages > 12": 10,
    "messages 2": 174,
    "retransmissions > 0": 30,
    "retransmissions>=3": 8,
    "duration > 5m": 123,
    "duration <= 500ms": 317,
    "setup < 1s": 446,
    "setup > 4s": 0,
    "since 16:10": 175,
    "until 15:50:30": 75,
    "last 60s": 42,
}
# The same fields, asked of one line, of all lines, of the first one.
QUANTIFIED = {
    "each(method OPTIONS or status 200)": 147,
    "each(endpoint 10.11.12.14:5060)": 285,
    "status 200 and ua asterisk": 226,
    "any(status 200 and ua asterisk)": 144,
    "any(srcip 178.19.48.50 and method BYE)": 35,
    "first(status 2xx)": 7,
    "first(method BYE) and not any(method INVITE)": 8,
}
# Sets of Call-IDs joined by hand.
JOINED = {
    "not status 2xx": 163,
    "not (method INVITE or method REGISTER) and not status 4xx": 237,
    "method OPTIONS or method MESSAGE status 2xx": 174,
    "method INVITE or status 180 and not final 200": 731,
    "(method INVITE or status 180) and not final 200": 237,
}
COUNTS = (
    OF_FIRST | OF_WAYS | OF_START_LINES | OF_HEADERS | OF_BODIES | OF_WHOLE | QUANTIFIED | JOINED
)


@pytest.fixture(scope="module")
def conversations() -> Conversations:
    """The capture, loaded once."""
    loaded = sipstream.load(CAPTURES / "testdata-pt.txt")
    assert len(loaded) == ALL
    return loaded


@pytest.mark.parametrize("text", COUNTS)
def test_count(conversations: Conversations, text: str) -> None:
    wanted = Filter.parse(text)
    flags = wanted.judge(conversations.index, range(conversations.places))
    assert sum(flags) == COUNTS[text]
    assert sum(map(wanted.matches, conversations)) == COUNTS[text]
