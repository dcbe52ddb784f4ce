"""Generated captures for benchmarks: calls of seven messages, about 700 bytes each.

python tests/benchmarks/generate.py 100000 /tmp/100k.pcap
"""

from __future__ import annotations

import argparse
import random
import struct
from collections.abc import Iterator
from pathlib import Path

BEGIN_NS = 1_700_000_000 * 10**9
_SDP = (
    "v=0\r\no=root 1718872612 1718872612 IN IP4 10.20.0.22\r\ns=Asterisk PBX 13.1.0\r\n"
    "c=IN IP4 10.20.0.22\r\nt=0 0\r\nm=audio 57692 RTP/AVP 9 8 0 101\r\na=rtpmap:9 G722/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:150\r\na=sendrecv\r\n"
)
_STEPS = (
    ("INVITE sip:{callee}@10.11.12.13:5060 SIP/2.0", "INVITE", True, _SDP),
    ("SIP/2.0 100 Trying", "INVITE", False, ""),
    ("SIP/2.0 180 Ringing", "INVITE", False, ""),
    ("SIP/2.0 200 OK", "INVITE", False, _SDP),
    ("ACK sip:{callee}@10.11.12.13:5060 SIP/2.0", "ACK", True, ""),
    ("BYE sip:{callee}@10.11.12.13:5060 SIP/2.0", "BYE", True, ""),
    ("SIP/2.0 200 OK", "BYE", False, ""),
)


def _message(start: str, method: str, body: str, call: int, caller: str, callee: str) -> bytes:
    head = (
        f"{start.format(callee=callee)}\r\n"
        f"Via: SIP/2.0/UDP 10.20.0.22:5060;branch=z9hG4bK{call:08x};rport\r\n"
        f"Max-Forwards: 70\r\n"
        f'From: "{caller}" <sip:{caller}@10.20.0.22>;tag=as{call:08x}\r\n'
        f"To: <sip:{callee}@10.11.12.13:5060>;tag=bt{call:08x}\r\n"
        f"Contact: <sip:{caller}@10.20.0.22:5060>\r\n"
        f"Call-ID: {call:08x}636462357f6f6f25b700844@10.20.0.22:5060\r\n"
        f"CSeq: 102 {method}\r\n"
        f"User-Agent: Asterisk PBX 13.1.0~dfsg-1.1ubuntu4.1\r\n"
        f"Date: Tue, 06 Jun 2017 15:49:30 GMT\r\n"
        f"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH\r\n"
        f"Supported: replaces, timer\r\n"
        f"Content-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def frame(payload: bytes, source: bytes, destination: bytes) -> bytes:
    """Return an Ethernet frame with IPv4 and UDP, port 5060 to 5060, around a payload."""
    udp = struct.pack("!HHHH", 5060, 5060, 8 + len(payload), 0)
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0x4000, 64, 17, 0, source, destination
    )
    return bytes(12) + b"\x08\x00" + head + udp + payload


def messages(count: int, seed: int = 1, parallel: int = 200) -> Iterator[tuple[int, bytes, bool]]:
    """Yield (time in ns, message, caller sends it) for `count` messages of interleaved calls."""
    rng = random.Random(seed)
    calls: list[tuple[int, str, str, int]] = []
    number, time = 0, BEGIN_NS
    for _ in range(count):
        if len(calls) < parallel:
            caller, callee = (f"{rng.randrange(4_000_000, 8_999_999)}" for _ in range(2))
            calls.append((number, caller, callee, 0))
            number += 1
        place = rng.randrange(len(calls))
        call, caller, callee, step = calls[place]
        start, method, forward, body = _STEPS[step]
        time += 50_000
        yield time, _message(start, method, body, call, caller, callee), forward
        if step + 1 < len(_STEPS):
            calls[place] = (call, caller, callee, step + 1)
        else:
            calls[place] = calls[-1]
            calls.pop()


def write_pcap(path: Path, count: int) -> None:
    """Write a little-endian pcap with microseconds."""
    here, there = bytes((10, 20, 0, 22)), bytes((10, 11, 12, 13))
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for time, message, forward in messages(count):
            data = frame(message, *((here, there) if forward else (there, here)))
            seconds, rest = divmod(time, 10**9)
            file.write(struct.pack("<IIII", seconds, rest // 1000, len(data), len(data)) + data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("path", type=Path)
    options = parser.parse_args()
    write_pcap(options.path, options.count)
