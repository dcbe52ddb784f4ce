"""Made conversations of all kinds, for filters and their reference: as packets, and as they were said.

Every spelling that a filter has to see through is here: compact and folded headers, tel URIs, numbers
with separators, + and 00, IPv4 and IPv6, UDP and TCP, copies, retransmissions, what comes late.
"""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address

from filter_reference import Call, Said
from support import Chain, batch, ethernet, tcp, udp

BEGIN = 1_523_893_200 * 10**9
"""2018-04-16 15:40 UTC."""
MS = 10**6
PBX, PROXY, PHONE = ("10.20.0.22", 5060), ("10.11.12.13", 5060), ("10.30.1.30", 35831)
SIX, OTHER_SIX = ("2001:db8::1", 5060), ("2001:db8::22", 5061)
WAYS = [
    (PBX, PROXY, "UDP", ""),
    (PHONE, ("10.11.12.14", 5060), "UDP", "eth0"),
    (SIX, OTHER_SIX, "UDP", "eth1"),
    (("10.20.0.31", 40_000), PROXY, "TCP", ""),
    (("2001:db8::9", 40_001), SIX, "TCP", "ens 5"),
]
PARTIES = [
    "<sip:4151500@example.com>;tag=a1",
    '"Alice, \\"A\\" <sip:999@x>" <sip:+3544151509@PBX.example.com;user=phone>;tag=a2',
    "<tel:+354-566-0066>",
    "<sip:003545660066@10.20.0.22:5061>;tag=a4",
    "sip:05660066@a.example.com;tag=a5",
    "<sips:Alice@[2001:db8::1]:5061>;tag=a6",
    "<sip:5660066;phone-context=+354@host.example.com>;tag=a7",
    "<sip:%61lice@Example.COM>",
    "<sip:anonymous.invalid>;tag=a9",
    "<tel:1819@10.0.0.1>",
    "<sip:bob:secret@pbx?subject=x>;tag=a11",
    "<sip:*72#@pbx.example.com>",
    "<sip:566.00.66@pbx>;tag=a13",
    "<sip:000@pbx>",
    "Bob <sip:8969669@178.19.49.10>;tag=a15",
    "<SIP:4151501@[2001:DB8::22]>;tag=a16",
]
IDENTITIES = [
    "Diversion: <sip:1502@178.19.49.10>;reason=unconditional",
    'Diversion: "777" <sip:+3541819@a>;privacy=full, <tel:1502>',
    "diversion: <sip:4151509@a>;reason=user-busy\r\nDiversion: <sip:5660067@b>",
    "P-Asserted-Identity: <tel:+3544151509>, <sip:4151509@pbx.example.com>",
    "P-Asserted-Identity: <sip:4151500@a;privacy=id>",
    "P-Preferred-Identity: <sip:5660000@a>;privacy=off",
    "Remote-Party-ID: <sip:5669999@10.30.1.65>;party=calling;privacy=full",
    'Remote-Party-ID: "x;privacy=full" <sip:5670000@10.30.1.65>;party=calling;privacy=off',
    "History-Info: <sip:5660001@a>;index=1, <sip:carol@b.example.com>;index=1.1",
    "Privacy: id",
    "Privacy: none",
    "Privacy: header; session",
]
EXTRAS = [
    "User-Agent: Asterisk PBX 13.1.0",
    "User-Agent: kamailio (4.4.4 (x86_64/linux))",
    "Server: FreeSWITCH-mod_sofia/1.2.12",
    "user-agent : Yealink SIP-T42G\r\n  29.80.0.95",
    'Reason: Q.850;cause=16;text="Normal call clearing"',
    "Reason: SIP ;cause=200",
    "s: Diversion: allt \u00e1 SigurÐ",
    "Subject: lunch\r\n\tat noon",
    "Max-Forwards: 70",
    "Max-Forwards: 9",
    "Expires: 3600",
    "Expires: soon",
    "k: timer, replaces",
    "x: 1800;refresher=uac",
    "X-Tenant: blue *1",
    "X-Tenant: ",
    "Contact: *",
    "m: <sip:4151500@10.30.1.30:35831;transport=udp>, <sip:dora@[2001:db8::9]>",
]
STATUS = {
    "INVITE": [100, 180, 183, 200, 302, 401, 404, 407, 480, 486, 487, 503, 603],
    "REGISTER": [100, 200, 401, 403],
    "OTHER": [100, 200, 202, 405, 481, 500],
}
PHRASES = {100: "Trying", 180: "Ringing", 200: "OK", 486: "Busy Here", 404: "Not Found", 603: ""}


def passport(attest: str) -> str:
    """An Identity header's value that claims an attestation."""
    parts = [{"alg": "ES256"}, {"attest": attest, "iat": 1}]
    token = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join(one.rstrip("=") for one in [*token, "c2ln"]) + ";info=<https://a/b>;alg=ES256"


IDENTITY = [
    f"Identity: {passport('A')}",
    f"y: {passport('B')}",
    f"Identity: {passport('C')}\r\nIdentity: {passport('A')}",
    "Identity: nothing;info=<https://a/b>",
]


def sdp(address: str, port: int, formats: str, maps: str = "", own: str = "") -> str:
    """A session description; `own` is the address of its one stream."""
    kind = "IP6" if ":" in address else "IP4"
    lines = ["v=0", f"o=- 1 1 IN {kind} {address}", "s=-", f"c=IN {kind} {address}", "t=0 0"]
    lines.append(f"m=audio {port} RTP/AVP {formats}")
    lines += [f"c=IN IP4 {own}/127"] * bool(own) + maps.split("|") * bool(maps) + ["a=sendrecv"]
    return "\r\n".join(lines) + "\r\n"


_OFFER = sdp("10.20.0.22", 18_000, "8 0 18 101", "a=rtpmap:101 telephone-event/8000")
_MIXED = (
    f"--b1\r\nContent-Type: application/sdp\r\n\r\n{sdp('10.9.9.9', 20_002, '3 34')}\r\n"
    "--b1\r\nContent-Type: text/plain\r\n\r\nm=audio 1 RTP/AVP 9\r\n--b1--\r\n"
)
BODIES = [
    ("Content-Type: application/sdp", _OFFER),
    ("c: Application/SDP", sdp("2001:db8::22", 30_000, "111 9", "a=rtpmap:111 OPUS/48000/2")),
    ("Content-Type: application/sdp", sdp("10.20.0.22", 0, "8", own="10.5.5.5")),
    ("Content-Type: application/sdp", _OFFER + "m=image 18002 udptl t38\r\n"),
    ('Content-Type: multipart/mixed;boundary="b1"', _MIXED),
    ("Content-Type: text/plain", "m=audio 7 RTP/AVP 9\r\nc=IN IP4 10.7.7.7\r\n"),
    ("Content-Type: application/sdp\r\ne: gzip", "m=audio 18004 RTP/AVP 9\r\n"),
    ("Content-Type: application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"),
]
SHORT = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Content-Length": "l"}


class Writer:
    """Writes the messages of conversations, drawing what they carry."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def conversation(self, number: int) -> Call:
        """A conversation of some requests and responses, in order."""
        draw = self.random
        way = WAYS[number % len(WAYS)]
        call_id = f"{draw.choice('abcX')}{number:02d}-call@{way[0][0]}"
        method = draw.choice(
            ["INVITE"] * 6 + ["REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "Foo"]
        )
        plan = [("", method)] + [(f"{draw.choice(self.codes(method))}", method)] * draw.choice(
            [0, 1]
        )
        for _ in range(draw.randrange(5)):
            plan.append((str(draw.choice(self.codes(method))), method))
        if method == "INVITE":
            plan += draw.choice(
                [[], [("", "ACK")], [("", "ACK"), ("", "BYE"), ("200", "BYE")], [("", "CANCEL")]]
            )
        if draw.random() < 0.15:
            plan = plan[1:] or plan
        style, parties = draw.randrange(3), draw.sample(PARTIES, 2)
        time = BEGIN + number * 7_000 * MS
        said = []
        for place, (status, answered) in enumerate(plan):
            time += draw.choice([3, 20, 400, 900, 31_000]) * MS
            raw = self.written(call_id, style, parties, place, (status, answered))
            ends = (way[1], way[0]) if status else (way[0], way[1])
            said.append(Said(time, *ends, raw, way[2], way[3]))
        return Call(call_id, self.disturbed(said))

    @staticmethod
    def codes(method: str) -> list[int]:
        return STATUS.get(method, STATUS["OTHER"])

    def written(
        self, call_id: str, style: int, parties: list[str], place: int, what: tuple[str, str]
    ) -> bytes:
        """The bytes of one message."""
        draw, (status, method) = self.random, what
        start = f"{method} {draw.choice(PARTIES[:6]).split('<')[-1].split('>')[0]} SIP/2.0"
        if status:
            phrase = PHRASES.get(int(status), "Some Reason")
            start = f"SIP/2.0 {status} {phrase}"
        fields = [("Via", "SIP/2.0/UDP a;branch=z9"), ("From", parties[0]), ("To", parties[1])]
        fields += [("Call-ID", call_id), ("CSeq", f"{place + 1} {method}")]
        lines = [self.named(style, name) + value for name, value in fields]
        some = [one for one in (*IDENTITIES, *EXTRAS) if draw.random() < 0.06]
        some += [draw.choice(IDENTITY)] * (draw.random() < 0.1)
        lines += [one for one in some if not one.startswith("Max") or "Max" not in "".join(lines)]
        kind, body = draw.choice(BODIES) if draw.random() < 0.4 else ("", "")
        lines += [kind] * bool(kind)
        lines.append(self.named(style, "Content-Length") + str(len(body)))
        return ("\r\n".join([start, *lines]) + "\r\n\r\n" + body).encode()

    def named(self, style: int, name: str) -> str:
        """A header's name and colon, in one of several spellings."""
        spellings = f"{name}: ", f"{SHORT.get(name, name)}:", f"{name.upper()} :\r\n  "
        return spellings[style]

    def disturbed(self, said: list[Said]) -> list[Said]:
        """Messages as they come in: some twice, some again, some late."""
        draw = self.random
        out: list[Said] = []
        for one in said:
            out.append(one)
            if draw.random() < 0.12:
                out.append(replace(one, time=one.time + MS // 2, tap="eth7", known={}))
            for again in range(draw.choice([0] * 8 + [1, 3])):
                out.append(replace(one, time=one.time + 500 * MS * 2**again + again, known={}))
        out.sort(key=lambda one: one.time)
        if len(out) > 2 and out[0].transport == "UDP" and draw.random() < 0.3:
            late = out.pop(draw.randrange(2))
            out.insert(draw.randrange(1, len(out) + 1), late)
        return out


class Feeder:
    """Puts messages into conversations, one packet at a time."""

    def __init__(self) -> None:
        self.chain = Chain()
        self._sequence: dict[tuple, int] = {}

    def feed(self, said: Said) -> None:
        """Have one message come in."""
        given = batch([ethernet(*self._packet(said))], times=[said.time], tap=said.tap)
        assert len(self.chain.feed(given)) == 1, said.raw

    def _packet(self, said: Said) -> tuple[bytes, int]:
        ports, payload = (said.source[1], said.destination[1]), said.raw
        if said.transport == "TCP":
            way = said.source, said.destination
            sequence = self._sequence.get(way, 1)
            self._sequence[way] = sequence + len(payload)
            inner = tcp(payload, sequence, source_port=ports[0], destination_port=ports[1])
        else:
            inner = udp(payload, *ports)
        ends = [ip_address(one[0]).packed for one in (said.source, said.destination)]
        protocol = 6 if said.transport == "TCP" else 17
        if len(ends[0]) == 16:
            head = struct.pack("!IHBB", 0x60000000, len(inner), protocol, 64)
            return head + b"".join(ends) + inner, 0x86DD
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inner), 1, 0, 64, protocol, 0)
        return head + b"".join(ends) + inner, 0x0800


def calls(seed: int, count: int) -> list[Call]:
    """Some conversations, each time the same ones."""
    writer = Writer(seed)
    return [writer.conversation(number) for number in range(count)]


def arrivals(conversations: Sequence[Call]) -> Iterator[tuple[Call, Said]]:
    """The messages of several conversations in turns, each with its own."""
    longest = max(len(call.messages) for call in conversations)
    for place in range(longest):
        for call in conversations:
            yield from ((call, one) for one in call.messages[place : place + 1])


def newest(said: Iterable[Said]) -> int:
    """The latest time."""
    return max(one.time for one in said)
