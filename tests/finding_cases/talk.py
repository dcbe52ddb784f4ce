"""Conversations for cases: what two ends say to each other, where every header may be another one.

call = Dialog(wire)
invite = call.request("INVITE", body=sdp("198.51.100.10"))
call.reply(invite, 100)
call.reply(invite, 488, edit={"Warning": '304 pbx "no codec"'})
call.ack(invite)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from finding_cases.wire import End, Wire

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 183: "Session Progress", 200: "OK",
    202: "Accepted", 301: "Moved Permanently", 302: "Moved Temporarily", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 407: "Proxy Authentication Required",
    408: "Request Timeout", 415: "Unsupported Media Type", 420: "Bad Extension",
    422: "Session Interval Too Small", 423: "Interval Too Brief", 428: "Use Identity Header",
    433: "Anonymity Disallowed",
    436: "Bad Identity Info", 437: "Unsupported Credential", 438: "Invalid Identity Header",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
    483: "Too Many Hops", 484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error",
    503: "Service Unavailable", 504: "Server Time-out", 513: "Message Too Large", 600: "Busy Everywhere",
    603: "Decline", 606: "Not Acceptable",
}  # fmt: skip
_TYPES = {
    "PCMU": "0 PCMU/8000", "PCMA": "8 PCMA/8000", "G722": "9 G722/8000", "G729": "18 G729/8000",
    "GSM": "3 GSM/8000", "opus": "111 opus/48000/2", "telephone-event": "101 telephone-event/8000",
    "AMR": "96 AMR/8000", "CN": "13 CN/8000",
}  # fmt: skip
_IN_DIALOG = ("BYE", "UPDATE", "PRACK", "INFO", "NOTIFY", "REFER", "ACK")

Edit = Mapping[str, str | list[str] | None]
"""Headers that are others than usual, several fields of a name as a list, or are left out (None)."""


def sdp(
    address: str,
    port: int = 40000,
    codecs: tuple[str, ...] = ("PCMA", "PCMU", "telephone-event"),
    *,
    direction: str = "",
    version: int = 1,
    more: str = "",
) -> bytes:
    """Return a session description of one audio stream; `more` holds whole lines that come last."""
    family = "IP6" if ":" in address else "IP4"
    types = [_TYPES[one].partition(" ") for one in codecs]
    lines = [
        "v=0",
        f"o=- 4711 {version} IN {family} {address}",
        "s=-",
        f"c=IN {family} {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {' '.join(number for number, _, _ in types)}",
        *(f"a=rtpmap:{number} {name}" for number, _, name in types),
    ]
    if direction:
        lines.append(f"a={direction}")
    return ("\r\n".join(lines) + "\r\n" + more).encode()


@dataclass(slots=True)
class Side:
    """One end: from where it sends, and what it writes of itself."""

    at: End
    user: str
    inside: End
    """What it thinks its address is: in Via and Contact. Behind a NAT another one than `at`."""
    tag: str
    number: int = 0
    """The CSeq of its last request."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a response or an ACK repeats of a request."""

    method: str
    number: int
    uri: str
    by_far: bool
    headers: Mapping[str, str | list[str]]
    payload: bytes


class Dialog:
    """One Call-ID between two ends, of which the near one begins.

    Equal Call-IDs give equal tags and branches: the same call at another tap or hop is another
    `Dialog` of the same Call-ID.
    """

    def __init__(
        self,
        wire: Wire,
        near: End = ("198.51.100.10", 5060),
        far: End = ("203.0.113.20", 5060),
        *,
        inside: End | None = None,
        far_inside: End | None = None,
        caller: str = "5551234",
        callee: str = "5556789",
        transport: str = "UDP",
        call_id: str = "1",
        tap: str = "",
        pause: float = 0.02,
    ) -> None:
        self.wire = wire
        self.transport = transport
        self.call_id = f"{call_id}@case.example"
        self.tap = tap
        self.pause = pause
        """Seconds before each message."""
        self.near = Side(near, caller, inside or near, _made(call_id, "near"))
        self.far = Side(far, callee, far_inside or far, _made(call_id, "far"))
        self.confirmed = False
        self.domain = _host(far[0])

    def request(
        self,
        method: str,
        *,
        by_far: bool = False,
        body: bytes = b"",
        edit: Edit | None = None,
        uri: str = "",
        number: int | None = None,
        to_tag: str | None = None,
    ) -> Request:
        """Send a request; the CSeq counts on unless `number` says which."""
        sender, other = self._sides(by_far)
        if number is None:
            sender.number += 1
        number = sender.number if number is None else number
        in_dialog = self.confirmed or method in _IN_DIALOG
        uri = uri or self._uri(other, in_dialog, method)
        tagged = other.tag if to_tag is None else to_tag
        to = self._party(other) + (f";tag={tagged}" if in_dialog and tagged else "")
        branch = _made(self.call_id, sender.tag, method, str(number))
        headers: dict[str, str | list[str]] = {
            "Via": f"SIP/2.0/{self.transport} {_end(sender.inside)};branch=z9hG4bK{branch};rport",
            "Max-Forwards": "70",
            "From": f"{self._party(sender)};tag={sender.tag}",
            "To": to,
            "Call-ID": self.call_id,
            "CSeq": f"{number} {method}",
        }
        if method not in ("BYE", "CANCEL", "ACK", "PRACK", "OPTIONS", "MESSAGE", "INFO"):
            headers["Contact"] = self._contact(sender)
        payload = _rendered(f"{method} {uri} SIP/2.0", headers, body, edit)
        self._send(payload, by_far)
        return Request(method, number, uri, by_far, headers, payload)

    def again(self, request: Request) -> None:
        """Send a request again, the same bytes."""
        self._send(request.payload, request.by_far)

    def reply(
        self,
        request: Request,
        status: int,
        *,
        body: bytes = b"",
        edit: Edit | None = None,
        reason: str = "",
        to_tag: str | None = None,
    ) -> bytes:
        """Answer a request; Via gets `received` and `rport` as the answerer sees them (RFC 3581)."""
        sender, answerer = self._sides(request.by_far)
        kept = request.headers
        top, *below = [kept["Via"]] if isinstance(kept["Via"], str) else kept["Via"]
        seen = f";received={_host(sender.at[0])}" if sender.at[0] != sender.inside[0] else ""
        to = str(kept["To"])
        if status > 100 and ";tag=" not in to:
            to += f";tag={answerer.tag if to_tag is None else to_tag}"
        headers: dict[str, str | list[str]] = {
            "Via": [top.replace(";rport", f";rport={sender.at[1]}{seen}"), *below],
            "From": kept["From"],
            "To": to,
            "Call-ID": self.call_id,
            "CSeq": kept["CSeq"],
        }
        if status > 100 and request.method in ("INVITE", "SUBSCRIBE", "UPDATE") and status < 300:
            headers["Contact"] = self._contact(answerer)
            self.confirmed |= status >= 200
        start = f"SIP/2.0 {status} {reason or REASONS[status]}"
        payload = _rendered(start, headers, body, edit)
        self._send(payload, not request.by_far)
        return payload

    def ack(
        self, invite: Request, *, body: bytes = b"", edit: Edit | None = None, failed: bool = False
    ) -> None:
        """Send the ACK of an INVITE; of one that failed it has the INVITE's branch (17.1.1.3)."""
        headers = dict(invite.headers)
        sender, other = self._sides(invite.by_far)
        via = str(headers["Via"])
        if not failed:
            via = via.replace("z9hG4bK", "z9hG4bKack")
        headers |= {"Via": via, "CSeq": f"{invite.number} ACK"}
        if ";tag=" not in str(headers["To"]):
            headers["To"] = f"{headers['To']};tag={other.tag}"
        headers.pop("Contact", None)
        uri = invite.uri if failed else self._uri(other, True, "ACK")
        self._send(_rendered(f"ACK {uri} SIP/2.0", headers, body, edit), invite.by_far)

    def answered(
        self,
        offer: bytes | None = None,
        answer: bytes | None = None,
        *,
        edit: Edit | None = None,
        reply_edit: Edit | None = None,
        ringing: bool = True,
    ) -> Request:
        """Make a call that is answered: INVITE, 100, 180, 200, ACK."""
        offer = sdp(self.near.at[0]) if offer is None else offer
        answer = sdp(self.far.at[0], 50000) if answer is None else answer
        invite = self.request("INVITE", body=offer, edit=edit)
        self.reply(invite, 100)
        if ringing:
            self.reply(invite, 180)
            self.wire.wait(3)
        self.reply(invite, 200, body=answer, edit=reply_edit)
        self.ack(invite)
        return invite

    def refused(
        self, status: int, *, offer: bytes | None = None, edit: Edit | None = None,
        reply_edit: Edit | None = None,
    ) -> Request:  # fmt: skip
        """Make a call that is refused: INVITE, 100, the status, ACK."""
        invite = self.request(
            "INVITE", body=sdp(self.near.at[0]) if offer is None else offer, edit=edit
        )
        self.reply(invite, 100)
        self.reply(invite, status, edit=reply_edit)
        self.ack(invite, failed=True)
        return invite

    def reinvite(
        self, offer: bytes, answer: bytes, *, by_far: bool = False, edit: Edit | None = None
    ) -> Request:
        """Change a call: INVITE, 200, ACK."""
        invite = self.request("INVITE", body=offer, by_far=by_far, edit=edit)
        self.reply(invite, 200, body=answer)
        self.ack(invite)
        return invite

    def hang_up(self, *, by_far: bool = False, after: float = 20) -> None:
        """End a call after some seconds: BYE, 200."""
        self.wire.wait(after)
        self.reply(self.request("BYE", by_far=by_far), 200)

    def asked(
        self, method: str, status: int = 200, *, by_far: bool = False, edit: Edit | None = None,
        reply_edit: Edit | None = None, body: bytes = b"", uri: str = "",
    ) -> Request:  # fmt: skip
        """Send a request and answer it."""
        request = self.request(method, by_far=by_far, edit=edit, body=body, uri=uri)
        self.reply(request, status, edit=reply_edit)
        return request

    def _sides(self, by_far: bool) -> tuple[Side, Side]:
        return (self.far, self.near) if by_far else (self.near, self.far)

    def _uri(self, other: Side, in_dialog: bool, method: str) -> str:
        if method == "REGISTER":
            return f"sip:{self.domain}"
        if in_dialog:
            return self._contact(other).strip("<>")
        return f"sip:{other.user}@{_end(other.at)}"

    def _contact(self, side: Side) -> str:
        more = "" if self.transport in ("UDP",) else f";transport={self.transport.lower()}"
        return f"<sip:{side.user}@{_end(side.inside)}{more}>"

    def _party(self, side: Side) -> str:
        return f"<sip:{side.user}@{self.domain}>"

    def _send(self, payload: bytes, by_far: bool) -> None:
        self.wire.wait(self.pause)
        sender, other = self._sides(by_far)
        if self.transport == "UDP":
            self.wire.datagram(sender.at, other.at, payload, self.tap)
        else:
            websocket = self.transport == "WS"
            self.wire.stream(sender.at, other.at, payload, self.tap, websocket=websocket)


def _rendered(
    start: str, headers: dict[str, str | list[str]], body: bytes, edit: Edit | None
) -> bytes:
    """Return a message; a Content-Length in `edit` is believed. `headers` is changed as told."""
    kind: dict[str, str | list[str]] = {"Content-Type": "application/sdp"} if body else {}
    lines = headers | kind | {"Content-Length": str(len(body))}
    for name, value in (edit or {}).items():
        if value is None:
            lines.pop(name, None)
        else:
            lines[name] = value
            if name in headers:
                headers[name] = value
    length = lines.pop("Content-Length", None)
    if length is not None:
        lines["Content-Length"] = length
    rows = [start]
    for name, value in lines.items():
        rows += (f"{name}: {one}" for one in ([value] if isinstance(value, str) else value))
    return "\r\n".join([*rows, "", ""]).encode() + body


def _made(*words: str) -> str:
    """Return ten digits that only these words give."""
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:10]


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _end(end: End) -> str:
    return f"{_host(end[0])}:{end[1]}"
