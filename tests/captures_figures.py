"""The conversations that the thesis prints, message by message, for make_captures.

What a figure prints is a literal here: start lines, header lines, order, times. What it leaves out
(session descriptions, answers) is completed so that the printed sizes hold: with CRLF line ends
every printed `length:` and `Content-Length:` is the real one, but for one. fig23 prints `".rn"` and
length 1040, where the printed text makes 1039. `Örn` in UTF-8 has the missing byte, so the pcap has
`Örn`; the text has what fig23 prints, where today's tcpdump would put two dots for the `Ö`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from captures_network import CARRIERS, SBC
from captures_sip import Dialog, Message, Party
from captures_wire import Endpoint, moment

if TYPE_CHECKING:
    import random

_OFFICE = Endpoint("10.20.0.22")
_PROVIDER = Endpoint("10.11.12.13")
_BORDER = Endpoint("10.10.10.2")
_CUSTOMER = Endpoint("178.19.48.48")

_OFFERED_AUDIO = """\
v=0
o=root {session} {session} IN IP4 {host}
s=Asterisk PBX 13.1.0~dfsg-1.1ubuntu4.1
c=IN IP4 {host}
b=CT:384
t=0 0
m=audio {audio} RTP/AVP 9 8 0 101
a=rtpmap:9 G722/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=maxptime:150
a=sendrecv
"""
_OFFERED_VIDEO = """\
m=video {video} RTP/AVP 31 34 98 99
a=rtpmap:31 H261/90000
a=rtpmap:34 H263/90000
a=rtpmap:98 h263-1998/90000
a=rtpmap:99 H264/90000
a=sendrecv
"""
_OFFERED_VIDEO_FIG19 = """\
m=video {video} RTP/AVP 31 34 99 98
a=rtpmap:31 H261/90000
a=rtpmap:34 H263/90000
a=rtpmap:99 H264/90000
a=rtpmap:98 h263-1998/90000
a=sendrecv
"""

_FIG14_INVITE = """\
INVITE sip:8969669@10.11.12.13:5060 SIP/2.0
Via: SIP/2.0/UDP 10.20.0.22:5060;branch=z9hG4bK375a8cbf
Max-Forwards: 70
From: <sip:4151509@10.20.0.22>;tag=as25c47886
To: <sip:8969669@10.11.12.13:5060>
Contact: <sip:4151509@10.20.0.22:5060>
Call-ID: 4a40a41a3636462357f6f6f25b700844@10.20.0.22:5060
CSeq: 102 INVITE
User-Agent: Asterisk PBX 13.1.0~dfsg-1.1ubuntu4.1
Date: Tue, 06 Jun 2017 15:49:30 GMT
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE
Supported: replaces, timer
Content-Type: application/sdp
Content-Length: 459
"""
_FIG13_TRYING = """\
SIP/2.0 100 Trying
Via: SIP/2.0/UDP 10.20.0.22:5060;branch=z9hG4bK375a8cbf
From: <sip:4151509@10.20.0.22>;tag=as25c47886
To: <sip:8969669@10.11.12.13:5060>
Call-ID: 4a40a41a3636462357f6f6f25b700844@10.20.0.22:5060
CSeq: 102 INVITE
User-Agent: FreeSWITCH-mod_sofia/1.2.12
Content-Length: 0
"""
_FIG13_ANSWER = """\
SIP/2.0 {status}
Via: SIP/2.0/UDP 10.20.0.22:5060;branch=z9hG4bK375a8cbf
From: <sip:4151509@10.20.0.22>;tag=as25c47886
To: <sip:8969669@10.11.12.13:5060>;tag=aKa50Svj8SSmr
Call-ID: 4a40a41a3636462357f6f6f25b700844@10.20.0.22:5060
CSeq: 102 INVITE
Contact: <sip:8969669@10.11.12.13:5060;transport=udp>
User-Agent: FreeSWITCH-mod_sofia/1.2.12
Content-Type: application/sdp
Content-Length: 223
"""
_FIG13_ANSWERED_AUDIO = """\
v=0
o=FreeSWITCH 1496735617 1496735618 IN IP4 10.11.12.13
s=FreeSWITCH
c=IN IP4 10.11.12.13
t=0 0
m=audio 28754 RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=ptime:20
m=video 0 RTP/AVP 31
"""
_FIG13_ACK = """\
ACK sip:8969669@10.11.12.13:5060;transport=udp SIP/2.0
Via: SIP/2.0/UDP 10.20.0.22:5060;branch=z9hG4bK0d1f52c7
Max-Forwards: 70
From: <sip:4151509@10.20.0.22>;tag=as25c47886
To: <sip:8969669@10.11.12.13:5060>;tag=aKa50Svj8SSmr
Contact: <sip:4151509@10.20.0.22:5060>
Call-ID: 4a40a41a3636462357f6f6f25b700844@10.20.0.22:5060
CSeq: 102 ACK
User-Agent: Asterisk PBX 13.1.0~dfsg-1.1ubuntu4.1
Content-Length: 0
"""
_FIG15_BYE = """\
BYE sip:4151509@10.20.0.22:5060 SIP/2.0
Via: SIP/2.0/UDP 10.11.12.13;rport;branch=z9hG4bKg3QQ3gBBS61NF
Max-Forwards: 70
From: <sip:8969669@10.11.12.13:5060>;tag=aKa50Svj8SSmr
To: <sip:4151509@10.20.0.22>;tag=as25c47886
Call-ID: 4a40a41a3636462357f6f6f25b700844@10.20.0.22:5060
CSeq: 108046037 BYE
Contact: <sip:8969669@10.11.12.13:5060;transport=udp>
User-Agent: FreeSWITCH-mod_sofia/1.2.12
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY, PUBLISH, SUBSCRIBE
Supported: timer, precondition, path, replaces
Reason: Q.850;cause=16;text="Normal call clearing"
Content-Length: 0
"""  # noqa: E501
_FIG13_BYE_OK = """\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 10.11.12.13;branch=z9hG4bKg3QQ3gBBS61NF;received=10.11.12.13;rport=5060
From: <sip:8969669@10.11.12.13:5060>;tag=aKa50Svj8SSmr
To: <sip:4151509@10.20.0.22>;tag=as25c47886
Call-ID: 4a40a41a3636462357f6f6f25b700844@10.20.0.22:5060
CSeq: 108046037 BYE
Server: Asterisk PBX 13.1.0~dfsg-1.1ubuntu4.1
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE
Supported: replaces, timer
Content-Length: 0
"""
_FIG19_INVITE = """\
INVITE sip:5660066@178.19.48.48 SIP/2.0
Via: SIP/2.0/UDP 10.10.10.2:5060;branch=z9hG4bK72aeec24
Max-Forwards: 70
From: "4151502" <sip:4151502@10.10.10.2>;tag=as71102a1e
To: <sip:5660066@178.19.48.48>
Contact: <sip:4151502@10.10.10.2:5060>
Call-ID: 35e857d642ef6280292e2d0e4cac4f13@10.10.10.2:5060
CSeq: 102 INVITE
User-Agent: Asterisk PBX 13.1.0~dfsg-1.1ubuntu4.1
Date: Mon, 16 Apr 2018 16:41:37 GMT
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE
Supported: replaces, timer
P-Asserted-Identity: "4151502" <sip:4151502@10.10.10.2>
Content-Type: application/sdp
Content-Length: 457
"""
_FIG23_INVITE = """\
INVITE sip:5660066@10.11.12.13:5060 SIP/2.0
Via: SIP/2.0/UDP 10.20.0.22:5060;branch=z9hG4bK193c86a2
Max-Forwards: 70
From: "{display}" <sip:1502@10.20.0.22>;tag=as0a5e0c70
To: <sip:5660066@10.11.12.13:5060>
Contact: <sip:1502@10.20.0.22:5060>
Call-ID: 4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060
CSeq: 102 INVITE
User-Agent: Asterisk PBX 13.1.0~dfsg-1.1ubuntu4.1
Date: Mon, 16 Apr 2018 15:54:44 GMT
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE
Supported: replaces, timer
Content-Type: application/sdp
Content-Length: 457
"""
_FIG27_INVITE = """\
INVITE sip:5660066@10.11.12.13:5060 SIP/2.0
Via: SIP/2.0/UDP 10.20.0.22:5060;branch=z9hG4bK63f115b9
Max-Forwards: 70
From: "7712552" <sip:7712552@10.20.0.22>;tag=as44e3a506
To: <sip:5660066@10.11.12.13:5060>
Contact: <sip:7712552@10.20.0.22:5060>
Call-ID: 256c2b012c04d48e5bbbad970bca3268@10.20.0.22:5060
CSeq: 102 INVITE
User-Agent: Asterisk PBX 13.1.0~dfsg-1.1ubuntu4.1
Date: Mon, 16 Apr 2018 16:11:51 GMT
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE
Supported: replaces, timer
Diversion: <sip:1502@178.19.49.10>
Content-Type: application/sdp
Content-Length: 457
"""
_REFUSED = """\
SIP/2.0 {status}
Via: SIP/2.0/UDP 10.20.0.22:5060;branch={branch}
From: {from_}
To: <sip:5660066@10.11.12.13:5060>{tag}
Call-ID: {call_id}
CSeq: 102 INVITE
User-Agent: FreeSWITCH-mod_sofia/1.2.12
Content-Length: 0
"""
_REFUSED_ACK = """\
ACK sip:5660066@10.11.12.13:5060 SIP/2.0
Via: SIP/2.0/UDP 10.20.0.22:5060;branch={branch}
Max-Forwards: 70
From: {from_}
To: <sip:5660066@10.11.12.13:5060>{tag}
Contact: <sip:{user}@10.20.0.22:5060>
Call-ID: {call_id}
CSeq: 102 ACK
User-Agent: Asterisk PBX 13.1.0~dfsg-1.1ubuntu4.1
Content-Length: 0
"""

_FIG18_TIMES = (
    ("2018-04-16 16:41:37.979995", 3),
    ("2018-04-16 16:41:38.480357", 3),
    ("2018-04-16 16:41:39.479261", 3),
    ("2018-04-16 16:41:41.479343", 5),
    ("2018-04-16 16:41:45.480851", 3),
    ("2018-04-16 16:41:53.480515", 3),
    ("2018-04-16 16:42:09.479770", 4),
)
"""When each INVITE was seen, and how many microseconds later the other interface saw it again."""


def timeout() -> list[Message]:
    """Return fig18's INVITEs that nobody answers; each is seen again on the other interface."""
    payload = _lines(
        _FIG19_INVITE, _offer("10.10.10.2", 453687495, 54028, 53738, _OFFERED_VIDEO_FIG19)
    )
    return [
        Message(moment(at), _BORDER, _CUSTOMER, payload, fixed=True, again=again)
        for at, again in _FIG18_TIMES
    ]


def caller_id() -> list[Message]:
    """Return fig22's call that is refused for its caller ID."""
    offer = _offer("10.20.0.22", 902614377, 41126, 47350)
    dialog = {
        "branch": "z9hG4bK193c86a2",
        "from_": '"Örn" <sip:1502@10.20.0.22>;tag=as0a5e0c70',
        "call_id": "4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060",
        "user": "1502",
        "to_tag": "Q8ZDUjX4NrK5c",
    }
    clock = ("15:54:44.871687", "15:54:44.871969", "15:54:44.900286", "15:54:44.900831")
    invite = _lines(_FIG23_INVITE.format(display="Örn"), offer)
    messages = _refused([f"2018-04-16 {at}" for at in clock], invite, dialog)
    return [replace(message, shown=_as_fig23(message.payload)) for message in messages]


def diversion() -> list[Message]:
    """Return fig26's diverted call that is refused for its Diversion header."""
    offer = _offer("10.20.0.22", 317740926, 52408, 36814)
    dialog = {
        "branch": "z9hG4bK63f115b9",
        "from_": '"7712552" <sip:7712552@10.20.0.22>;tag=as44e3a506',
        "call_id": "256c2b012c04d48e5bbbad970bca3268@10.20.0.22:5060",
        "user": "7712552",
        "to_tag": "5XHy2p0vSB7Fa",
    }
    clock = ("16:11:51.307696", "16:11:51.307948", "16:11:51.337896", "16:11:51.338437")
    return _refused([f"2018-04-16 {at}" for at in clock], _lines(_FIG27_INVITE, offer), dialog)


def answered_call() -> list[Message]:
    """Return fig13's call, with fig14's INVITE and fig15's BYE."""
    answer = _FIG13_ANSWERED_AUDIO
    offer = _offer("10.20.0.22", 1718872612, 57692, 54246)
    return [
        _from_office("2017-06-06 15:49:30.333525", _lines(_FIG14_INVITE, offer)),
        _from_provider("2017-06-06 15:49:30.334001", _lines(_FIG13_TRYING)),
        _from_provider(
            "2017-06-06 15:49:30.852919",
            _lines(_FIG13_ANSWER.format(status="183 Session Progress"), answer),
        ),
        _from_provider(
            "2017-06-06 15:49:44.236059", _lines(_FIG13_ANSWER.format(status="200 OK"), answer)
        ),
        _from_office("2017-06-06 15:49:44.236692", _lines(_FIG13_ACK)),
        _from_provider("2017-06-06 15:50:03.479602", _lines(_FIG15_BYE)),
        _from_office("2017-06-06 15:50:03.480833", _lines(_FIG13_BYE_OK)),
    ]


def second_leg(rng: random.Random) -> list[Message]:
    """Return the other leg of fig13's call, listed in fig11 and fig12: from provider to carrier."""
    parties = (Party("4151509"), Party("8969669"))
    dialog = Dialog(rng, SBC, CARRIERS[0], parties, "91c06e8e-c572-1235-c0ba-00215e2c8c90")
    day = "2017-06-06 "
    invite = dialog.request(moment(day + "15:49:30.377296"), "INVITE", body=dialog.description())
    dialog.trying(moment(day + "15:49:30.391840"), invite)
    early, answer = moment(day + "15:49:30.851377"), moment(day + "15:49:44.234731")
    media = dialog.description(by_far=True)
    dialog.respond(early, invite, "183 Session Progress", body=media, contact=True)
    dialog.respond(answer, invite, "200 OK", body=media, contact=True)
    dialog.acknowledge(moment(day + "15:49:44.235246"), invite)
    bye = dialog.request(moment(day + "15:50:03.478115"), "BYE", by_far=True, within=True)
    dialog.respond(moment(day + "15:50:03.478602"), bye, "200 OK")
    return [replace(message, fixed=True) for message in dialog.messages]


def _refused(times: list[str], invite: bytes, dialog: dict[str, str]) -> list[Message]:
    tag = f";tag={dialog['to_tag']}"
    trying = _lines(_REFUSED.format(status="100 Trying", tag="", **dialog))
    forbidden = _lines(_REFUSED.format(status="403 Forbidden", tag=tag, **dialog))
    return [
        _from_office(times[0], invite),
        _from_provider(times[1], trying),
        _from_provider(times[2], forbidden),
        _from_office(times[3], _lines(_REFUSED_ACK.format(tag=tag, **dialog))),
    ]


def _from_office(at: str, payload: bytes) -> Message:
    return Message(moment(at), _OFFICE, _PROVIDER, payload, fixed=True)


def _from_provider(at: str, payload: bytes) -> Message:
    return Message(moment(at), _PROVIDER, _OFFICE, payload, fixed=True)


def _as_fig23(payload: bytes) -> bytes:
    return payload.replace("Ö".encode(), b".")


def _offer(host: str, session: int, audio: int, video: int, pictures: str = _OFFERED_VIDEO) -> str:
    values = {"host": host, "session": session, "audio": audio, "video": video}
    return _OFFERED_AUDIO.format(**values) + pictures.format(**values)


def _lines(head: str, body: str = "") -> bytes:
    """Return printed lines as a message with CRLF ends; the printed Content-Length must hold."""
    content = body.replace("\n", "\r\n").encode()
    if not head.endswith(f"\nContent-Length: {len(content)}\n"):
        raise ValueError(f"a body of {len(content)} bytes under {head}")
    return head.replace("\n", "\r\n").encode() + b"\r\n" + content
