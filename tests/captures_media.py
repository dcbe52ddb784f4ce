"""Rebuilds captures/media.pcap.gz: two calls with their RTP and RTCP, made by hand.

The first one is heard both ways: three packets of the caller's are lost, two come late, 42# is dialled,
the callee is silent for 0.6 s. In the second one the caller is behind a NAT and hears nothing.

    python tests/captures_media.py
"""

from __future__ import annotations

import gzip
from pathlib import Path

import rtp_made as made
from captures_wire import Endpoint, Link, Packet, moment, pcap_file

PATH = Path(__file__).parent.parent / "captures" / "media.pcap.gz"
CALLER, CALLEE = Endpoint("10.20.0.3", 4000), Endpoint("10.20.0.9", 5000)
PRIVATE, OUTSIDE, FAR = (
    Endpoint("192.168.1.20", 4010), Endpoint("192.0.2.7", 61_022), Endpoint("10.20.0.9", 5002)
)  # fmt: skip
_MS = 1000
_PACKET = 20 * _MS
_CALLER_SSRC, _CALLEE_SSRC, _FAR_SSRC = 0x51_71_19_01, 0x2D_00_45_13, 0x7A_10_33_90
_LOST = (40, 41, 90)
_DTMF = ((4, 60), (2, 68), (11, 76))
"""Events and the packets at which they begin; each has five, the last one three times."""


class _Capture:
    """Packets in the order in which they are put; times in microseconds after the beginning."""

    def __init__(self) -> None:
        self._begin = moment("2018-04-16 17:20:00.250000")
        self._link = Link()
        self._put: list[tuple[int, Endpoint, Endpoint, bytes]] = []

    def put(self, at: int, source: Endpoint, target: Endpoint, payload: bytes) -> None:
        self._put.append((at, source, target, payload))

    def signal(
        self, at: int, source: Endpoint, target: Endpoint, start: str, call_id: str, *lines: str
    ) -> None:
        """Add a message between the ports 5060; `lines` are those of a session description."""
        ends = f"4151502@{call_id}", "5660066@example.com"
        body = made.described(lines[0], *lines[1:]) if lines else ""
        method = start.split()[0] if "SIP/2.0 " not in start[:8] else "INVITE"
        raw = made.sip(
            start, call_id, source=f"<sip:{ends[0]}>;tag=1", destination=f"<sip:{ends[1]}>",
            cseq=f"{1 + (method == 'BYE')} {method}",
            extra="Content-Type: application/sdp\r\n" if lines else "", body=body,
        )  # fmt: skip
        self.put(at, Endpoint(source.host), Endpoint(target.host), raw)

    def packets(self) -> list[Packet]:
        return [
            self._link.datagram(self._begin + at, (source, target), payload, "UDP")
            for at, source, target, payload in sorted(self._put, key=lambda one: one[0])
        ]


def _late(number: int) -> int:
    """Return by how much a packet is late: the network isn't even."""
    return 55 * _MS if number in (120, 121) else number * 7919 % 13 * 300


def _first(capture: _Capture) -> None:
    """The call that is heard both ways."""
    call_id, events = "media-1@10.20.0.3", "a=rtpmap:101 telephone-event/8000"
    start = "INVITE sip:5660066@10.20.0.9 SIP/2.0"
    audio = f"m=audio {CALLER.port} RTP/AVP 8 101"
    capture.signal(0, CALLER, CALLEE, start, call_id, CALLER.host, audio, events)
    audio = f"m=audio {CALLEE.port} RTP/AVP 8 101"
    capture.signal(900 * _MS, CALLEE, CALLER, "SIP/2.0 200 OK", call_id, CALLEE.host, audio, events)
    capture.signal(910 * _MS, CALLER, CALLEE, "ACK sip:5660066@10.20.0.9 SIP/2.0", call_id)
    pressed = {first + place: (code, first, place) for code, first in _DTMF for place in range(7)}
    for number in range(150):
        at = 1000 * _MS + number * _PACKET
        timestamp = 48_000 + 160 * number
        if number in pressed:
            code, first, place = pressed[number]
            payload = made.event(code, 160 * (min(place, 4) + 1), place >= 4)
            packet = made.rtp(
                700 + number, 48_000 + 160 * first, payload_type=101, payload=payload,
                ssrc=_CALLER_SSRC, marker=not place,
            )  # fmt: skip
        else:
            packet = made.rtp(700 + number, timestamp, ssrc=_CALLER_SSRC, marker=not number)
        if number not in _LOST:
            capture.put(at + _late(number), CALLER, CALLEE, packet)
        # 30 packets of silence, of which nothing is sent.
        if not 50 <= number < 80:
            packet = made.rtp(
                65_500 + number - 30 * (number >= 80), 9_000 + 160 * number, ssrc=_CALLEE_SSRC,
                marker=number in (0, 80),
            )  # fmt: skip
            capture.put(at + 5 * _MS, CALLEE, CALLER, packet)
    _reports(capture)
    capture.signal(4100 * _MS, CALLER, CALLEE, "BYE sip:5660066@10.20.0.9 SIP/2.0", call_id)


def _reports(capture: _Capture) -> None:
    """The caller reports, and the callee 40 ms later, of which it took 15.625 itself."""
    there, back = Endpoint(CALLER.host, CALLER.port + 1), Endpoint(CALLEE.host, CALLEE.port + 1)
    for number, at in enumerate((2000 * _MS, 3500 * _MS)):
        ntp = 0xE27F_3C00_0000_0000 + (number << 32)
        about = made.block(_CALLEE_SSRC, jitter=8)
        capture.put(at, there, back, made.sender_report(_CALLER_SSRC, ntp, 50 + 75 * number, about))
        about = made.block(
            _CALLER_SSRC, fraction=10 - 8 * number, lost=2 + number, jitter=20 + number,
            lsr=ntp >> 16 & 0xFFFFFFFF, dlsr=1024,
        )  # fmt: skip
        report = made.receiver_report(_CALLEE_SSRC, about)
        capture.put(at + 40 * _MS, back, there, report)


def _second(capture: _Capture) -> None:
    """The call whose caller is behind a NAT and hears nothing."""
    call_id = "media-2@192.168.1.20"
    begin = 10_000 * _MS
    audio = f"m=audio {PRIVATE.port} RTP/AVP 18"
    start = "INVITE sip:5660066@10.20.0.9 SIP/2.0"
    capture.signal(begin, OUTSIDE, FAR, start, call_id, PRIVATE.host, audio)
    audio = f"m=audio {FAR.port} RTP/AVP 18"
    capture.signal(begin + 500 * _MS, FAR, OUTSIDE, "SIP/2.0 200 OK", call_id, FAR.host, audio)
    for number in range(100):
        packet = made.rtp(number, 160 * number, payload_type=18, payload=bytes(20), ssrc=_FAR_SSRC)
        capture.put(begin + 600 * _MS + number * _PACKET, OUTSIDE, FAR, packet)


def build() -> bytes:
    """Return the capture, not packed."""
    capture = _Capture()
    _first(capture)
    _second(capture)
    return pcap_file(capture.packets())


if __name__ == "__main__":
    PATH.write_bytes(gzip.compress(build(), 9, mtime=0))
